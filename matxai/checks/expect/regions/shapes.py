"""Shapes that somebody drew: polygons, boxes and discs from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import field_validator

from matxai.checks.expect.regions import RegionFields, RegionKind, region_kinds
from matxai.checks.expect.sample import check_pattern
from matxai.checks.expect.shape_formats import shape_formats
from matxai.checks.expect.shape_formats.annotated import from_annotations
from matxai.checks.expect.shape_formats.plain import recognised
from matxai.errors import ExpectationError, nearest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from matxai.checks.expect.sample import Sample


class Shapes(RegionFields):
    """``shapes``: a file; ``label``: only shapes called so; ``format``: by default told from the suffix."""

    shapes: str
    label: str | None = None
    format: str | None = None

    @field_validator("shapes")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        try:
            return check_pattern(value)
        except ExpectationError as error:
            raise ValueError(str(error)) from None

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None and value not in shape_formats:
            msg = f"there is no format of shapes '{value}'. {nearest(value, shape_formats)}"
            raise ValueError(msg)
        return value


def in_shapes(spec: Shapes, sample: Sample) -> npt.NDArray[np.bool_] | None:
    """Return the pixels whose centres lie in one of the shapes; None where nothing (so called) is drawn."""
    path = sample.path(spec.shapes)
    if spec.format is not None or recognised(path):
        mask = shape_formats[spec.format or path.suffix.lower().lstrip(".")](path, sample, spec.label)
    else:
        mask = from_annotations(path, sample, spec.label)
    return mask if mask.any() else None


region_kinds.add(
    "shapes",
    RegionKind(
        Shapes,
        in_shapes,
        "polygons, boxes and discs in a JSON or CSV file, in pixels or a unit; or annotations of labelme, COCO, VIA, "
        "YOLO or ImageJ",
        '{shapes: "shapes/{stem}.json", label: tip}',
        of="image",
    ),
)
