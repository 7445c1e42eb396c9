"""Annotations that people already have, as regions and back: labelme, COCO, VIA, YOLO text, ImageJ ROIs, mask images.

Each format is one file of this package, registered in :data:`formats`; :mod:`.shape` says what a drawn thing is,
:mod:`.drawing` makes masks of shapes and outlines of masks. Nothing that is read runs code, and no image is decoded
but a mask.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "shape": ["Annotated", "Shape"],
        "files": ["Format", "formats", "read_annotations", "write_annotations"],
        "drawing": ["mask_of", "outlines"],
    },
)
