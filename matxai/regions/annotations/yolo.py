"""YOLO's text: a line for each thing, its class and its box or polygon as shares of the image's width and height."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, RegionError, nearest
from matxai.regions.annotations.files import Format, Wanted, formats, polygons_of
from matxai.regions.annotations.shape import Annotated, Shape

if TYPE_CHECKING:
    from pathlib import Path

_CLASSES = "classes.txt"


def _lines(file: Path) -> list[list[float]]:
    try:
        return [[float(v) for v in line.split()] for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    except (UnicodeDecodeError, ValueError) as error:
        raise FileError(f"{file.name} is no YOLO text: a class's number, then shares from 0 to 1. {error}.") from error


def _recognises(file: Path) -> bool:
    return file.name != _CLASSES and all(len(line) >= 5 for line in _lines(file))


def _names(file: Path) -> tuple[str, ...] | None:
    beside = file.with_name(_CLASSES)
    if not beside.is_file():
        return None
    return tuple(line.strip() for line in beside.read_text("utf-8-sig").splitlines() if line.strip())


def _read(file: Path, wanted: Wanted) -> Annotated:
    if wanted.size is None:
        raise RegionError(f"{file.name} has shares of an image's size; give size=(rows, columns).")
    height, width = wanted.size
    names = wanted.labels or _names(file)
    shapes = []
    for number, line in enumerate(_lines(file), start=1):
        index, rest = int(line[0]), np.array(line[1:])
        if index != line[0] or index < 0 or (names is not None and index >= len(names)):
            known = f"there are {len(names)}, from 0 on" if names is not None else "it is a whole number from 0 on"
            raise FileError(f"{file.name}, line {number}: {line[0]:g} is no class; {known}.")
        if len(rest) < 4 or (len(rest) > 5 and len(rest) % 2):
            raise FileError(f"{file.name}, line {number}: after the class come a box or pairs of points.")
        label = names[index] if names is not None else str(index)
        shapes.append(_shape(label, rest, np.array([width, height], float)))
    labels = names or tuple(dict.fromkeys(s.label for s in shapes))
    return Annotated(tuple(shapes), wanted.size, file.stem, f"YOLO {file.name}", labels)


def _shape(label: str, rest: np.ndarray[Any, Any], scale: np.ndarray[Any, Any]) -> Shape:
    if len(rest) > 5:
        return Shape("polygon", label, rest.reshape(-1, 2) * scale)
    centre, half = rest[:2] * scale, rest[2:4] * scale / 2
    score = float(rest[4]) if len(rest) == 5 else None
    return Shape("rectangle", label, np.stack([centre - half, centre + half]), score=score)


def _write(annotated: Annotated, file: Path) -> None:
    """Write the lines, and beside them ``classes.txt`` where there is none; one that is there keeps its order."""
    if annotated.size is None:
        raise RegionError(f"{file.name} cannot be written: YOLO has shares of the image's size, and nothing says it.")
    names = _names(file)
    order = names or annotated.labels or tuple(dict.fromkeys(s.label for s in annotated.shapes))
    scale = np.array([annotated.size[1], annotated.size[0]], float)
    lines = []
    for shape in annotated.shapes:
        if shape.label not in order:
            msg = f"The label '{shape.label}' is not in {file.with_name(_CLASSES)}. {nearest(shape.label, order)}"
            raise FileError(msg)
        index = order.index(shape.label)
        if shape.kind == "rectangle":
            low, high = shape.points.min(axis=0) / scale, shape.points.max(axis=0) / scale
            score = [] if shape.score is None else [shape.score]
            lines.append([index, *(low + high) / 2, *(high - low), *score])
        else:
            lines += [[index, *(np.asarray(p) / scale).ravel()] for p in polygons_of(shape, annotated.size)]
    text = "".join(" ".join(f"{v:.10g}" for v in line) + "\n" for line in lines)
    file.write_text(text, encoding="utf-8")
    if names is None:
        file.with_name(_CLASSES).write_text("".join(f"{name}\n" for name in order), encoding="utf-8")


formats.add("yolo", Format("YOLO", (".txt",), _recognises, _read, _write))
