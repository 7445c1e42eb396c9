"""Masks that mean something: arrays in, masks out. Knows nothing of files, signals or models."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "region": ["ARTEFACTS", "KINDS", "Region"],
        "artefacts": ["found_artefacts", "found_in_curve"],
        "boxed": ["Boxed"],
        "from_map": ["random_top_region", "smoothing_width", "top_region"],
        "geometry": ["boundaries", "complement", "disc", "of_labels", "plastic_zone"],
        "matched": ["Twins", "matched_regions", "matched_shifts"],
        "objects": ["Localised", "image_objects", "localised", "map_objects"],
        "partitions": ["consecutive", "superpixels", "zones"],
        "spectral": ["edges", "peaks", "shoulders"],
        "zonings": ["CurveZones", "divided"],
    },
)
