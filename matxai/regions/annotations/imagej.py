"""ImageJ's regions of interest: one ``.roi``, or a ``.zip`` of them as the ROI manager saves it."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, UnsafeFileError
from matxai.regions.annotations.drawing import joined
from matxai.regions.annotations.files import MOST_BYTES, Format, Wanted, formats, polygons_of
from matxai.regions.annotations.shape import Annotated, Shape

if TYPE_CHECKING:
    from pathlib import Path

_ROI = b"Iout"


def _recognises(file: Path) -> bool:
    with file.open("rb") as stream:
        start = stream.read(4)
    if start == _ROI:
        return True
    return start == b"PK\3\4" and any(name.endswith(".roi") for name in _members(file))


def _members(file: Path) -> dict[str, int]:
    try:
        with zipfile.ZipFile(file) as archive:
            return {m.filename: m.file_size for m in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise FileError(f"{file.name} is no archive that can be read: {error}.") from error


def _bytes_of(file: Path) -> dict[str, bytes]:
    """The ROIs by their names; an archive that would unfold too far is not unfolded."""
    if file.suffix.lower() == ".roi":
        return {file.stem: file.read_bytes()}
    members = {name: size for name, size in _members(file).items() if name.endswith(".roi")}
    if sum(members.values()) > MOST_BYTES:
        raise UnsafeFileError(f"{file.name} would unfold to more than {MOST_BYTES >> 20} MB; no set of ROIs does.")
    with zipfile.ZipFile(file) as archive:
        return {name.rsplit("/", 1)[-1].removesuffix(".roi"): archive.read(name) for name in members}


def _read(file: Path, wanted: Wanted) -> Annotated:
    from roifile import ImagejRoi

    shapes: list[Shape] = []
    for name, data in _bytes_of(file).items():
        try:
            shapes.append(_shape(ImagejRoi.frombytes(data), name, file.name))
        except (ValueError, struct.error) as error:
            raise FileError(f"{file.name} holds a ROI '{name}' that is damaged: {error}.") from error
    labels = tuple(dict.fromkeys(s.label for s in shapes))
    return Annotated(tuple(shapes), wanted.size, "", f"ImageJ {file.name}", labels)


def _shape(roi: Any, name: str, file: str) -> Shape:
    label, kind = roi.name or name, roi.roitype.name
    if roi.composite:  # rings of the outline and of the holes, by the even-odd rule
        rings = [np.asarray(ring, float) for ring in roi.multi_coordinates if len(ring) > 2]
        # a closed ring repeats its first point
        return Shape("polygon", label, joined([r[:-1] if (r[0] == r[-1]).all() else r for r in rings]))
    exact = bool(roi.subpixelrect)
    left, top = (roi.xd, roi.yd) if exact else (roi.left, roi.top)
    width, height = (roi.widthd, roi.heightd) if exact else (roi.right - roi.left, roi.bottom - roi.top)
    if kind == "RECT":
        return Shape("rectangle", label, np.array([[left, top], [left + width, top + height]], float))
    if kind == "OVAL":
        centre = [left + width / 2, top + height / 2]
        return Shape("ellipse", label, np.array([centre, [width / 2, height / 2]], float))
    if kind == "LINE":
        return Shape("line", label, np.array([[roi.x1, roi.y1], [roi.x2, roi.y2]], float))
    points = np.asarray(roi.coordinates(), float)
    if kind in {"POLYGON", "FREEHAND", "TRACED"}:
        return Shape("polygon", label, points)
    if kind in {"POLYLINE", "FREELINE", "ANGLE"}:
        return Shape("line", label, points)
    if kind == "POINT":
        return Shape("points", label, points)
    raise FileError(f"{file} holds a ROI '{label}' of the type {kind}, which outlines nothing.")


def _write(annotated: Annotated, file: Path) -> None:
    from roifile import ROI_TYPE, ImagejRoi

    made: dict[str, bytes] = {}
    for shape in annotated.shapes:
        kind = {"line": ROI_TYPE.POLYLINE, "points": ROI_TYPE.POINT}.get(shape.kind, ROI_TYPE.POLYGON)
        parts = [shape.points] if shape.kind in {"line", "points"} else polygons_of(shape, annotated.size)
        for points in parts:
            roi = ImagejRoi.frompoints(np.asarray(points, np.float32), name=shape.label or "roi")
            roi.roitype = kind
            made[f"{len(made) + 1:04d} {_legal(shape.label)}.roi"] = roi.tobytes()
    if file.suffix.lower() == ".roi":
        if len(made) != 1:
            raise FileError(f"{file.name} holds one ROI, and there are {len(made)}; write a .zip.")
        file.write_bytes(next(iter(made.values())))
        return
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in made.items():
            archive.writestr(zipfile.ZipInfo(name), data)


def _legal(label: str) -> str:
    return "".join(c if c.isalnum() or c in " -_" else "_" for c in label) or "roi"


formats.add("imagej", Format("ImageJ ROI", (".roi", ".zip"), _recognises, _read, _write))
