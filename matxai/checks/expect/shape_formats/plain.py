"""Shapes as plain JSON or CSV, in pixels or in the unit of the image: polygons, boxes and discs.

JSON: ``{"unit": "um", "shapes": [{"polygon": [[x, y], ...], "label": "tip"}, {"box": [x0, y0, x1, y1]}, {"disc":
[x, y, radius]}]}``. CSV: the columns ``x,y,radius`` or ``x0,y0,x1,y1``, with ``label`` and ``unit`` if wanted. Pixel
(0, 0) is the centre of the first pixel; in a unit, places are those of the axes' coordinates.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.quantity import known_unit, positions, spatial_dims
from matxai.checks.expect.shape_formats import shape_formats
from matxai.errors import FileError, RegionError
from matxai.signals.units import PIXEL

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.checks.expect.sample import Sample

_NUMBERS = {"box": 4, "disc": 3}
_MOST = 100_000
_MOST_BYTES = 64 * 2**20


def recognised(path: Path) -> bool:
    """Whether a file is one of these: a CSV, or JSON whose shapes are polygons, boxes or discs."""
    if path.suffix.lower() == ".csv":
        return True
    if path.suffix.lower() != ".json" or path.stat().st_size > _MOST_BYTES:
        return False
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False
    shapes = data.get("shapes") if isinstance(data, Mapping) else data
    if not isinstance(shapes, list):
        return False
    known = {"polygon", *_NUMBERS}
    return all(isinstance(s, Mapping) and not known.isdisjoint(s) for s in shapes)


def _floats(values: Any, count: int | None, path: Path, what: str) -> list[float]:
    try:
        found = [float(v) for v in values]
    except (TypeError, ValueError):
        found = []
    if not found or (count is not None and len(found) != count) or not np.isfinite(found).all():
        raise FileError(f"{path.name} has a {what} that is {str(values)[:60]}; it has {count or 'its'} numbers.")
    return found


def _polygon(points: Any, places: Sequence[npt.NDArray[np.float64]], path: Path) -> npt.NDArray[np.bool_]:
    from skimage.draw import polygon2mask

    corners = [_floats(p, 2, path, "corner") for p in points] if isinstance(points, Sequence) else []
    if len(corners) < 3:
        raise FileError(f"{path.name} has a polygon of {len(corners)} corners; it needs three.")
    y, x = places
    rows = np.interp([c[1] for c in corners], y, np.arange(len(y)))
    columns = np.interp([c[0] for c in corners], x, np.arange(len(x)))
    return np.asarray(polygon2mask((len(y), len(x)), np.stack([rows, columns], axis=1)), bool)


def drawn(shape: Mapping[str, Any], unit: str, path: Path, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the mask ``(y, x)`` of one shape: the pixels whose centres lie inside or on it."""
    dims = spatial_dims(sample.signal)
    if len(dims) != 2:
        raise RegionError(f"Shapes are drawn on images; {sample.name} has the axes {', '.join(dims)}.")
    y, x = (positions(sample.signal, d, unit) for d in dims)
    kind = next((k for k in ("polygon", *_NUMBERS) if k in shape), None)
    if kind is None:
        raise FileError(
            f"{path.name} has a shape with {', '.join(map(str, shape)) or 'nothing'}; write polygon, box or disc."
        )
    if kind == "polygon":
        mask = _polygon(shape[kind], (y, x), path)
    elif kind == "box":
        x0, y0, x1, y1 = _floats(shape[kind], 4, path, kind)
        mask = ((y >= min(y0, y1)) & (y <= max(y0, y1)))[:, None] & ((x >= min(x0, x1)) & (x <= max(x0, x1)))[None]
    else:
        cx, cy, radius = _floats(shape[kind], 3, path, kind)
        mask = (y - cy)[:, None] ** 2 + (x - cx)[None] ** 2 <= radius**2
    if not mask.any():
        raise RegionError(f"A {kind} in {path.name}, {str(shape[kind])[:60]} {unit}, lies outside of {sample.name}.")
    return mask


def _union(shapes: Sequence[Any], unit: str, path: Path, sample: Sample, label: str | None) -> npt.NDArray[np.bool_]:
    if len(shapes) > _MOST:
        raise FileError(f"{path.name} has {len(shapes)} shapes; {_MOST} are read at most.")
    mask = np.zeros(sample.shape, bool)
    for shape in shapes:
        if not isinstance(shape, Mapping):
            raise FileError(f"{path.name} has a shape that is no mapping: {str(shape)[:60]}.")
        if label is None or shape.get("label") == label:
            mask |= drawn(shape, _unit(shape.get("unit") or unit, path), path, sample)
    return mask


def _unit(word: Any, path: Path) -> str:
    try:
        return known_unit(str(word))
    except ValueError as error:
        raise FileError(f"In {path.name}, {error}.") from None


@shape_formats.register("json")
def from_json(path: Path, sample: Sample, label: str | None) -> npt.NDArray[np.bool_]:
    """Return the mask of the shapes in a JSON file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path.name} is no JSON: {error}.") from None
    shapes = data.get("shapes") if isinstance(data, dict) else data
    if not isinstance(shapes, list):
        raise FileError(f"{path.name} has no list 'shapes'; write polygons, boxes or discs into one.")
    unit = data.get("unit", PIXEL) if isinstance(data, dict) else PIXEL
    return _union(shapes, str(unit), path, sample, label)


@shape_formats.register("csv")
def from_csv(path: Path, sample: Sample, label: str | None) -> npt.NDArray[np.bool_]:
    """Return the mask of the boxes or discs in a CSV file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise FileError(f"{path.name} is no CSV: {error}.") from None
    columns = set(rows[0]) if rows else set()
    kinds = {"disc": ("x", "y", "radius"), "box": ("x0", "y0", "x1", "y1")}
    kind = next((k for k, needed in kinds.items() if set(needed) <= columns), None)
    if rows and kind is None:
        raise FileError(
            f"{path.name} has the columns {', '.join(sorted(columns))}; it needs x,y,radius or x0,y0,x1,y1."
        )
    shapes = [{kind: [r[c] for c in kinds[str(kind)]], "label": r.get("label"), "unit": r.get("unit")} for r in rows]
    return _union(shapes, PIXEL, path, sample, label)
