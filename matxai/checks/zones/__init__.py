"""Which zones of a spectrum decided: shares of relevance with their errors, what their removal does, what they are."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "asking": ["zone_table"],
        "bands": ["band_drops", "band_table"],
        "inserting": ["Insertion", "insert_lines"],
        "records": ["ExpectedLine", "Removal", "Share", "Zone", "ZoneTable"],
    },
)
