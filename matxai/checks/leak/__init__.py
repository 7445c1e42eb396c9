"""Does a model read what is not of the specimen? Exchange by design, what supports it, and one answer an artefact."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "case": ["Case"],
        "examining": ["case_test", "examine"],
        "statistics": ["Levels", "exchange_test"],
        "finding": ["artefacts_of", "looked_for"],
        "records": ["Artefact", "Factor", "Leakage", "LeakFinding", "Support", "Tested"],
    },
)
