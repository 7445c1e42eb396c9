"""VIA's JSON (VGG Image Annotator 1 and 2, a project or an export): regions of several images by file name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.regions.annotations.coco import chosen_image
from matxai.regions.annotations.files import Format, Wanted, formats, json_of, polygons_of, write_json
from matxai.regions.annotations.shape import Annotated, Shape

if TYPE_CHECKING:
    from pathlib import Path

_LABELS = ("label", "class", "type", "name")


def _images(document: Any) -> dict[str, Any] | None:
    """Each image's entry by its file name; None where this is no VIA file."""
    entries = document.get("_via_img_metadata", document) if isinstance(document, dict) else None
    if not isinstance(entries, dict) or not entries:
        return None
    values = list(entries.values())
    if not all(isinstance(v, dict) and "filename" in v and "regions" in v for v in values):
        return None
    return {str(v["filename"]): v for v in values}


def _recognises(file: Path) -> bool:
    return _images(json_of(file)) is not None


def _read(file: Path, wanted: Wanted) -> Annotated:
    images = _images(json_of(file)) or {}
    entry = chosen_image(images, wanted.image, file.name)
    raw = entry["regions"]
    shapes = tuple(_shape(r, file.name) for r in (raw.values() if isinstance(raw, dict) else raw))
    labels = tuple(dict.fromkeys(s.label for s in shapes))
    return Annotated(shapes, wanted.size, str(entry["filename"]), f"VIA {file.name}", labels)


def _shape(raw: dict[str, Any], name: str) -> Shape:
    drawn, label = raw["shape_attributes"], _label(raw.get("region_attributes") or {})
    kind = drawn["name"]
    if kind in {"polygon", "polyline"}:
        points = np.column_stack([drawn["all_points_x"], drawn["all_points_y"]])
        return Shape("polygon" if kind == "polygon" else "line", label, points)
    if kind == "rect":
        x, y = float(drawn["x"]), float(drawn["y"])
        return Shape("rectangle", label, np.array([[x, y], [x + drawn["width"], y + drawn["height"]]]))
    if kind == "point":
        return Shape("points", label, np.array([[drawn["cx"], drawn["cy"]]], float))
    if kind in {"circle", "ellipse"}:
        axes = [drawn["r"], drawn["r"]] if kind == "circle" else [drawn["rx"], drawn["ry"]]
        angle = float(np.rad2deg(drawn.get("theta", 0.0)))
        return Shape("ellipse", label, np.array([[drawn["cx"], drawn["cy"]], axes], float), angle=angle)
    raise FileError(f"{name} has a region of the shape '{kind}', which VIA files do not have.")


def _label(attributes: dict[str, Any]) -> str:
    """The attribute that names the thing; where several could, the first of label, class, type, name."""
    named = next((attributes[key] for key in _LABELS if attributes.get(key)), None)
    found = named if named is not None else next((v for v in attributes.values() if v), "")
    return str(next(iter(found), "") if isinstance(found, dict) else found)


def _write(annotated: Annotated, file: Path) -> None:
    regions = [
        {"shape_attributes": drawn, "region_attributes": {"label": shape.label}}
        for shape in annotated.shapes
        for drawn in _drawn(shape, annotated.size)
    ]
    entry = {"filename": annotated.image, "size": -1, "regions": regions, "file_attributes": {}}
    write_json({f"{annotated.image}-1": entry}, file)


def _drawn(shape: Shape, size: tuple[int, int] | None) -> list[dict[str, Any]]:
    points = shape.points.tolist()
    if shape.kind == "rectangle":
        (x0, y0), (x1, y1) = points[:2]
        box = {"x": min(x0, x1), "y": min(y0, y1), "width": abs(x1 - x0), "height": abs(y1 - y0)}
        return [{"name": "rect", **box}]
    if shape.kind == "ellipse":
        (x, y), (a, b) = points[:2]
        return [{"name": "ellipse", "cx": x, "cy": y, "rx": a, "ry": b, "theta": float(np.deg2rad(shape.angle))}]
    if shape.kind == "points":
        return [{"name": "point", "cx": x, "cy": y} for x, y in points]
    if shape.kind == "line":
        return [_line("polyline", shape.points)]
    return [_line("polygon", p) for p in polygons_of(shape, size)]


def _line(name: str, points: Any) -> dict[str, Any]:
    x, y = np.asarray(points).T.tolist()
    return {"name": name, "all_points_x": x, "all_points_y": y}


formats.add("via", Format("VIA", (".json",), _recognises, _read, _write))
