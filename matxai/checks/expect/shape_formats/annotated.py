"""Annotations that people already have: labelme, COCO, VIA, YOLO text, ImageJ ROIs."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.shape_formats import shape_formats
from matxai.errors import RegionError
from matxai.regions.annotations import formats, mask_of, read_annotations

if TYPE_CHECKING:
    from matxai.checks.expect.sample import Sample


def from_annotations(
    path: Path,
    sample: Sample,
    label: str | None,
    *,
    format: str | None = None,  # noqa: A002 - as in the file
) -> npt.NDArray[np.bool_]:
    """Return the mask of the shapes that were drawn on a sample, by the format given or told from the file."""
    if len(sample.shape) != 2:
        raise RegionError(f"Shapes are drawn on images; {sample.name} has {len(sample.shape)} axes.")
    size = (sample.shape[0], sample.shape[1])
    own = PurePath(sample.name.replace("\\", "/")).name
    found = read_annotations(path, format=format, image=own, size=size)
    mask = np.zeros(size, bool)
    for shape in found.shapes:
        if label is None or shape.label == label:
            mask |= mask_of(shape, size)
    return mask


class _Of:
    """One format of annotations as a format of shapes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, path: Path, sample: Sample, label: str | None) -> npt.NDArray[np.bool_]:
        return from_annotations(path, sample, label, format=self._name)


for _name in formats:
    shape_formats.add(_name, _Of(_name))
