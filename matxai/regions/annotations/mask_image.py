"""Mask images: a label image as PNG or TIFF, 0 the background, every other value one thing."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import FileError, UnsafeFileError
from matxai.regions.annotations.drawing import mask_of
from matxai.regions.annotations.files import MOST_BYTES, Format, Wanted, formats
from matxai.regions.annotations.shape import Annotated, Shape
from matxai.regions.boxed import Boxed

if TYPE_CHECKING:
    from pathlib import Path

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")


def decoded(stream: IO[bytes], name: str) -> npt.NDArray[Any]:
    """Return the values ``(y, x)`` of a grey or palette PNG or TIFF, once its size is known to be sane.

    Raises
    ------
    FileError
        If it is none, damaged, or in colour.
    UnsafeFileError
        If it would unfold beyond 512 MB.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(stream, formats=("PNG", "TIFF")) as image:
            if image.width * image.height * 4 > MOST_BYTES:
                raise UnsafeFileError(f"{name} would unfold to {image.height} x {image.width} pixels; no mask does.")
            values = np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, OSError, EOFError) as error:
        raise FileError(f"{name} holds no mask that can be read: {error}.") from error
    if values.ndim == 3 and (values[..., :3] == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise FileError(f"{name} is in colour; a mask image has one number for each pixel, 0 for the background.")
    return values.astype(np.int64)


def _recognises(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(8).startswith(_SIGNATURES)


def _read(file: Path, wanted: Wanted) -> Annotated:
    with file.open("rb") as stream:
        values = decoded(stream, file.name)
    numbers = [int(v) for v in np.unique(values) if v != 0]
    if wanted.labels is not None and numbers and max(numbers) > len(wanted.labels):
        msg = f"{file.name} has the value {max(numbers)}, and only {len(wanted.labels)} labels were given, from 1 on."
        raise FileError(msg)
    names = {n: wanted.labels[n - 1] if wanted.labels is not None else str(n) for n in numbers}
    shapes = tuple(Shape("mask", names[n], mask=Boxed.of(values == n)) for n in numbers)
    return Annotated(shapes, values.shape, file.name, f"mask {file.name}", tuple(names.values()))


def _write(annotated: Annotated, file: Path) -> None:
    """Every thing gets the number of its label, from 1 on in the order of the labels; later ones lie on top."""
    from PIL import Image

    if annotated.size is None:
        raise FileError(f"{file.name} cannot be written: nothing says how large the image is.")
    order = annotated.labels or tuple(dict.fromkeys(s.label for s in annotated.shapes))
    values = np.zeros(annotated.size, np.uint16 if len(order) > 255 else np.uint8)
    for shape in annotated.shapes:
        values[mask_of(shape, annotated.size)] = order.index(shape.label) + 1
    Image.fromarray(values).save(file, format="TIFF" if file.suffix.lower() != ".png" else "PNG")


formats.add("mask", Format("mask image", (".png", ".tif", ".tiff"), _recognises, _read, _write))
