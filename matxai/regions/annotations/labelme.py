"""labelme's JSON: one file for each image, polygons, rectangles, circles, lines, points and masks."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.regions.annotations.files import Format, Wanted, formats, json_of, write_json
from matxai.regions.annotations.mask_image import decoded
from matxai.regions.annotations.shape import Annotated, Shape
from matxai.regions.boxed import Boxed

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {"polygon": "polygon", "rectangle": "rectangle", "line": "line", "linestrip": "line"}
_KINDS |= {"point": "points", "points": "points"}


def _recognises(file: Path) -> bool:
    document = json_of(file)
    return isinstance(document, dict) and isinstance(document.get("shapes"), list) and "imagePath" in document


def _read(file: Path, wanted: Wanted) -> Annotated:
    document = json_of(file)
    height, width = document.get("imageHeight"), document.get("imageWidth")
    size = (int(height), int(width)) if height and width else wanted.size
    shapes = tuple(_shape(raw, size, file.name) for raw in document["shapes"])
    labels = tuple(dict.fromkeys(s.label for s in shapes))
    return Annotated(shapes, size, str(document["imagePath"] or ""), f"labelme {file.name}", labels)


def _shape(raw: dict[str, Any], size: tuple[int, int] | None, name: str) -> Shape:
    kind, label, points = raw.get("shape_type") or "polygon", str(raw["label"]), np.array(raw["points"], float)
    group = raw.get("group_id")
    if kind == "circle":  # the centre and a point on the circle
        radius = float(np.hypot(*(points[1] - points[0])))
        return Shape("ellipse", label, np.array([points[0], [radius, radius]]), group=group)
    if kind == "mask":
        return Shape("mask", label, mask=_mask(raw, points, size, name), group=group)
    if kind not in _KINDS:
        raise FileError(f"{name} has a shape of the type '{kind}', which labelme files do not have.")
    return Shape(_KINDS[kind], label, points, group=group)  # type: ignore[arg-type]


def _mask(raw: dict[str, Any], points: np.ndarray[Any, Any], size: tuple[int, int] | None, name: str) -> Boxed:
    """The bitmap of a box whose first and last pixel are given, both inclusive."""
    if size is None:
        raise FileError(f"{name} has a mask and does not state the image's size; give size=(rows, columns).")
    bitmap = decoded(io.BytesIO(base64.b64decode(raw["mask"], validate=True)), name) > 0
    left, top = (int(v) for v in points[0])
    rows, columns = bitmap.shape
    if left < 0 or top < 0 or top + rows > size[0] or left + columns > size[1]:
        raise FileError(f"{name} has a mask of {bitmap.shape} at row {top}, column {left}, outside its image {size}.")
    whole = np.zeros(size, bool)
    whole[top : top + rows, left : left + columns] = bitmap
    return Boxed.of(whole)


def _write(annotated: Annotated, file: Path) -> None:
    from matxai.regions.annotations.files import polygons_of

    shapes = []
    for shape in annotated.shapes:
        kind, parts = "polygon", []
        if shape.kind in {"rectangle", "line", "points"}:
            kind, parts = {"line": "linestrip"}.get(shape.kind, shape.kind), [shape.points]
        elif shape.kind == "ellipse" and shape.points[1, 0] == shape.points[1, 1]:
            centre, (radius, _) = shape.points[:2]
            kind, parts = "circle", [np.array([centre, centre + np.array([radius, 0])])]
        for points in parts or polygons_of(shape, annotated.size):
            entry = {"label": shape.label, "points": np.asarray(points).tolist(), "group_id": shape.group}
            shapes.append({**entry, "shape_type": kind, "flags": {}})
    height, width = annotated.size or (None, None)
    document: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": annotated.image,
        "imageData": None,
    }
    write_json({**document, "imageHeight": height, "imageWidth": width}, file)


formats.add("labelme", Format("labelme", (".json",), _recognises, _read, _write))
