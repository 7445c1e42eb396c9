"""The pages of a TIFF file: which belong together, whether the file holds what they claim, and their values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.limits import check_held, check_unfolding

if TYPE_CHECKING:
    from pathlib import Path

_WHITE_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHA = (1, 2)


@dataclass(frozen=True)
class Kind:
    """What makes two pages slices of one stack: equal sizes, types and meaning of the values.

    ``dims`` and ``shape`` are those that `values` returns; ``keep`` is the number of channels that stay (alpha goes), 0
    for an image without channels, -1 for one channel of several; ``invert`` is for files in which 0 is white.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    axes: str
    keep: int
    invert: bool
    reduced: bool
    jpeg: bool
    notes: tuple[str, ...] = ()


def kind_of(page: Any, name: str) -> Kind:
    """Return the kind of a page.

    Raises
    ------
    FileError
        If the page has no size, or axes that no image has.
    """
    axes, shape, notes = str(page.axes), tuple(int(n) for n in page.shape), []
    if page.dtype is None or not shape or min(shape) < 1 or set(axes) - set("ZYXS") or "Y" not in axes:
        msg = f"{name} has a page of the shape {shape} with the axes '{axes}' and {page.bitspersample} bits, no image"
        raise FileError(msg)
    sizes = dict(zip(axes, shape, strict=True))
    photometric = int(page.photometric)
    keep = sizes.get("S", 0)
    extra = tuple(int(e) for e in page.extrasamples)
    colour = photometric in (_RGB, _YCBCR)
    if keep > 3 and colour:
        keep = 3
        notes.append("the alpha channel was left out")
    elif keep > 1 and not colour and extra and extra[-1] in _ALPHA:
        keep -= 1
        notes.append("the alpha channel was left out")
    if keep == 1:
        keep = -1  # one channel of several: its axis goes
    if photometric == _PALETTE:
        notes.append("palette image: the index is the grey value")
    dtype = np.dtype(page.dtype)
    dtype = np.dtype("uint8") if dtype.kind == "b" else dtype.newbyteorder("=")
    invert = photometric == _WHITE_IS_ZERO and dtype.kind == "u"
    if invert:
        notes.append("0 is white in this file: the values were inverted")
    if 274 in page.tags and int(page.tags[274].value) not in (0, 1):
        notes.append(f"the file asks to be shown turned (orientation {int(page.tags[274].value)}): rows are as stored")
    dims = tuple(d for d in ("z", "y", "x", "c") if d.upper() in axes or (d == "c" and keep > 0))
    final = tuple(keep if d == "c" else sizes[d.upper()] for d in dims)
    jpeg = int(page.compression) in (6, 7)
    return Kind(dims, final, dtype.name, axes, keep, invert, bool(page.is_reduced), jpeg, tuple(notes))


def check_page(page: Any, name: str, file_bytes: int, limit: int | None) -> None:
    """Refuse a page that claims more than the file holds, or that would unfold beyond the limit.

    Raises
    ------
    FileError
        Truncated files and wrong headers.
    UnsafeFileError
        Compressed pages beyond 512 MB or a hundred times their size.
    """
    offsets, counts = page.dataoffsets, page.databytecounts
    inside = sum(min(int(n), max(0, file_bytes - int(at))) for at, n in zip(offsets, counts, strict=False))
    bits = int(page.bitspersample) if isinstance(page.bitspersample, int) else max(page.bitspersample)
    unfolded = math.prod(int(n) for n in page.shape) * np.dtype(page.dtype).itemsize
    if int(page.compression) == 1:
        columns = int(page.imagewidth) * (int(page.samplesperpixel) if int(page.planarconfig) == 1 else 1)
        rows = math.prod(int(n) for n in page.shape) // max(1, columns)
        check_held(name, rows * math.ceil(columns * bits / 8), inside)
        return
    check_held(name, sum(int(n) for n in counts), inside, what="compressed image")
    check_unfolding(name, unfolded, inside, limit)
    if len(offsets) < math.prod(int(n) for n in page.chunked):
        msg = f"{name} is truncated or its header is wrong: it lists {len(offsets)} of {math.prod(page.chunked)} strips"
        raise FileError(msg)


def values(path: Path, index: int, kind: Kind) -> np.ndarray[Any, Any]:
    """Return one page's values with the dims of its kind."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            stored = tiff.pages[index].asarray(maxworkers=1)
    except Exception as error:
        said = str(error).split("\n", maxsplit=1)[0][:160]
        msg = f"page {index + 1} of {path.name} cannot be decoded; it is damaged ({said})"
        raise FileError(msg) from error
    return tidied(stored, kind)


def tidied(stored: np.ndarray[Any, Any], kind: Kind) -> np.ndarray[Any, Any]:
    """Return a page as it is stored with the axes in the order of its kind, alpha left out, white above black."""
    out = np.moveaxis(stored, kind.axes.index("S"), -1) if "S" in kind.axes else stored
    if kind.keep > 0:
        out = out[..., : kind.keep]
    elif kind.keep < 0:
        out = out[..., 0]
    out = np.ascontiguousarray(out, dtype=kind.dtype)
    if not kind.invert:
        return out
    white = 1 if stored.dtype.kind == "b" else np.iinfo(out.dtype).max
    return np.asarray(white - out, dtype=kind.dtype)
