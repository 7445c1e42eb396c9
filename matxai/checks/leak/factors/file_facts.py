"""How a file was written: its type by its first bytes, its compression by its header. No pixel is decoded here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.reader import HEAD_BYTES, by_priority

if TYPE_CHECKING:
    from pathlib import Path

_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
"""Table K.1 of ITU-T T.81 (JPEG), from which the usual encoders scale theirs."""


@dataclass(frozen=True)
class FileFacts:
    """How one file was written.

    Parameters
    ----------
    kind
        Name of the reader that recognises it: ``png``, ``jpeg``, ``tiff``, ...
    compression
        In words: ``lossless``, ``none``, ``lzw``, ``quality 75, 4:2:0``; empty where its header does not tell.
    tables
        Of JPEG: its quantisation tables, luma first, 64 numbers each in the order of rows.
    subsampling
        Of JPEG: 0, 1, 2 for 4:4:4, 4:2:2, 4:2:0; -1 where it is another.
    """

    kind: str
    compression: str
    tables: tuple[tuple[int, ...], ...] = ()
    subsampling: int = 0

    @property
    def lossy(self) -> bool:
        """Whether its compression changed the values, in a way that can be done again to others."""
        return bool(self.tables)


def file_facts(path: Path) -> FileFacts:
    """Read how a file was written.

    Raises
    ------
    FileError
        If it is not there, no reader knows it, or its header is damaged.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}."
        raise FileError(msg) from error
    kind = next((r.name for r in by_priority() if r.recognises(path, head)), None)
    if kind is None:
        msg = f"{path.name} is of no type that a reader knows; 'matxai info' lists the types."
        raise FileError(msg)
    try:
        return _OF_KIND.get(kind, _unknown)(path, kind)
    except FileError:
        raise
    except Exception as error:  # Pillow and tifffile raise of many kinds for a damaged header
        msg = f"{path.name} begins like {kind} and its header cannot be read: {error}"
        raise FileError(msg) from error


def _unknown(path: Path, kind: str) -> FileFacts:  # noqa: ARG001 - one signature for all kinds
    return FileFacts(kind, "")


def _lossless(path: Path, kind: str) -> FileFacts:  # noqa: ARG001 - one signature for all kinds
    return FileFacts(kind, "lossless")


def _jpeg(path: Path, kind: str) -> FileFacts:
    from PIL import JpegImagePlugin

    with JpegImagePlugin.JpegImageFile(str(path)) as image:
        found: Any = image.quantization
        tables = tuple(tuple(int(v) for v in found[k]) for k in sorted(found))
        sampling = int(JpegImagePlugin.get_sampling(image)) if len(image.getbands()) == 3 else 0
    words = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(sampling, "another subsampling")
    colour = f", {words}" if len(tables) > 1 else ""
    return FileFacts(kind, f"quality {quality_of(tables[0])}{colour}", tables, sampling)


def _tiff(path: Path, kind: str) -> FileFacts:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        return FileFacts(kind, str(getattr(page.compression, "name", page.compression)).lower())


_OF_KIND = {"jpeg": _jpeg, "png": _lossless, "bmp": _lossless, "tiff": _tiff}


@lru_cache(maxsize=256)
def quality_of(table: tuple[int, ...]) -> int:
    """Return the quality, 1 to 100, whose luma table is nearest to this one, as the IJG's ``jpeg_set_quality`` scales.

    A table of another origin gets the quality that comes nearest; it is a name for a table, and no measurement.
    """
    return min(range(1, 101), key=lambda q: float(np.abs(ijg_table(q) - np.array(table)).sum()))


def ijg_table(quality: int) -> Any:
    """Return the luma table of a quality, 1 to 100, 64 numbers in the order of rows."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((_LUMA * scale + 50) // 100, 1, 255)


def reencoded(values: Any, facts: FileFacts) -> Any:
    """Return what values would be, had their file been written as another was.

    Parameters
    ----------
    values
        ``(y, x)`` or ``(y, x, 3)``, 8-bit.
    facts
        The other file's. A lossless one changes nothing: what is lost in ``values`` stays lost.

    Returns
    -------
    numpy.ndarray or None
        Of the same shape and type; None where JPEG cannot hold such values (more than 8 bits, other channels).
    """
    import io

    from PIL import Image

    given = np.asarray(values)
    if not facts.lossy:
        return given.copy()
    grey = given.ndim == 2
    if given.dtype != np.uint8 or not (grey or (given.ndim == 3 and given.shape[2] == 3)):
        return None
    held = io.BytesIO()
    tables = [list(t) for t in (facts.tables[:1] if grey else facts.tables)]
    options = {} if grey or facts.subsampling < 0 else {"subsampling": facts.subsampling}
    Image.fromarray(np.ascontiguousarray(given)).save(held, "JPEG", qtables=tables, **options)
    held.seek(0)
    with Image.open(held, formats=["JPEG"]) as image:
        return np.array(image)
