"""Files of annotations: which format a file is of, and reading and writing them all in one way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, RegionError, UnsafeFileError, nearest
from matxai.regions.annotations.shape import Annotated, Shape
from matxai.registry import Registry

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from matxai.regions.region import Region

MOST_BYTES = 512 * 2**20
"""What one file of annotations may hold, or unfold to."""


@dataclass(frozen=True)
class Wanted:
    """What a reader is told beside the file.

    Parameters
    ----------
    image
        Which image's shapes, where a file holds those of several.
    size
        Rows and columns, where the caller knows them.
    labels
        Names of numbered classes, where the file has numbers alone.
    """

    image: str | None = None
    size: tuple[int, int] | None = None
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Format:
    """One format of annotations.

    Parameters
    ----------
    title
        As people call it.
    suffixes
        In lower case, with the dot.
    recognises
        Whether a file with one of the suffixes is of this format, from its path.
    read
        From a path and what is wanted to shapes.
    write
        From shapes of one image and a path to a file.
    """

    title: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Wanted], Annotated]
    write: Callable[[Annotated, Path], None]


formats: Registry[Format] = Registry("annotation format", package="matxai.regions.annotations", error=FileError)
"""All formats by name."""


def read_annotations(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - what the thing is called
    image: str | None = None,
    size: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Annotated:
    """Read the shapes that a person drew on one image.

    Parameters
    ----------
    path
        A labelme or VIA or COCO ``.json``, a YOLO ``.txt``, an ImageJ ``.roi`` or ``.zip``, a mask ``.png`` or
        ``.tif``.
    format
        Name of the format; by default told from the file.
    image
        File name of the image, where the file holds several (COCO, VIA).
    size
        Rows and columns of the image, where the file does not state them (YOLO needs them).
    labels
        Names of numbered classes (YOLO, mask images); by default ``classes.txt`` beside a YOLO file, else numbers.

    Raises
    ------
    FileError
        If the file is missing, of no known format, damaged, or does not hold that image.
    RegionError
        If a shape is none.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError(f"There is no file {file}; give one with annotations.")
    if file.stat().st_size > MOST_BYTES:
        raise UnsafeFileError(f"{file.name} is larger than {MOST_BYTES >> 20} MB; no file of annotations is.")
    kind = formats[format] if format is not None else _told(file)
    try:
        return kind.read(file, Wanted(image, size, tuple(labels) if labels is not None else None))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OSError) as error:
        msg = f"{file.name} is no {kind.title} file that can be read: {type(error).__name__} {error}."
        raise FileError(msg) from error


def write_annotations(
    things: Annotated | Sequence[Region],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    image: str = "",
) -> Path:
    """Write shapes or regions of one image as a file that the tools open.

    Parameters
    ----------
    things
        Shapes as they were read, or regions ``(y, x)``; these become outlines that give their masks back, and are
        called by ``evidence["label"]`` or their kind.
    path
        Where to; the suffix tells the format, ``.json`` is labelme unless ``format`` says otherwise.
    format
        Name of the format.
    image
        File name of the image, for formats that name it.

    Raises
    ------
    RegionError
        If there is no region, or regions are of several sizes.
    FileError
        If the format is unknown or the file cannot be written.
    """
    file = Path(path)
    if format is None:
        format = next((n for n, f in _by_rank() if file.suffix.lower() in f.suffixes), None)  # noqa: A001
        if format is None:
            raise FileError(f"{file.name} has the suffix of no annotation format; name one with format=.")
    shapes = things if isinstance(things, Annotated) else _annotated(things, image)
    try:
        formats[format].write(shapes, file)
    except OSError as error:
        raise FileError(f"{file} cannot be written: {error.strerror or error}.") from error
    return file


def _by_rank() -> list[tuple[str, Format]]:
    """Formats in order, labelme the first of those that end with ``.json``."""
    return sorted(formats.items(), key=lambda item: item[0] != "labelme")


def _told(file: Path) -> Format:
    suffix = file.suffix.lower()
    candidates = [f for f in formats.values() if suffix in f.suffixes]
    for one in candidates:
        if one.recognises(file):
            return one
    if candidates:
        titles = " or ".join(c.title for c in candidates)
        raise FileError(f"{file.name} is not {titles}, the formats that end with {suffix}.")
    known = sorted({s for f in formats.values() for s in f.suffixes})
    raise FileError(f"{file.name} is of no format of annotations. {nearest(suffix, known)}")


def _annotated(regions: Sequence[Region], image: str) -> Annotated:
    """Outlines of regions; what falls into several pieces is one group."""
    from matxai.regions.annotations.drawing import outlines

    sizes = {r.mask.shape for r in regions}
    if len(sizes) != 1 or len(next(iter(sizes))) != 2:
        msg = f"Regions of one image are written together; these are of {sorted(sizes) or 'no image'}."
        raise RegionError(msg)
    shapes = []
    for number, region in enumerate(regions, start=1):
        label = str(region.evidence.get("label") or region.kind)
        pieces = outlines(region.mask)
        group = number if len(pieces) > 1 else None
        shapes += [Shape("polygon", label, points, group=group) for points in pieces]
    labels = tuple(dict.fromkeys(s.label for s in shapes))
    return Annotated(tuple(shapes), next(iter(sizes)), image, "matxai", labels)


def json_of(file: Path) -> Any:
    """Read JSON text; a file of another kind is a ``FileError``."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FileError(f"{file.name} is no JSON text: {error}.") from error


def write_json(document: Any, file: Path) -> None:
    """Write JSON text as the tools read it."""
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def polygons_of(shape: Shape, size: tuple[int, int] | None) -> list[Any]:
    """Return a shape as polygons ``(N, 2)``: itself, or the outlines of its mask.

    Raises
    ------
    RegionError
        If the shape has to be drawn first, and nothing says how large the image is.
    """
    import numpy as np

    from matxai.regions.annotations.drawing import mask_of, outlines

    if shape.kind == "polygon":
        return [shape.points]
    if shape.kind == "rectangle":
        (x0, y0), (x1, y1) = shape.points[:2]
        return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])]
    if size is None:
        raise RegionError(f"The {shape.kind} '{shape.label}' becomes an outline only on an image of known size.")
    return list(outlines(mask_of(shape, size)))
