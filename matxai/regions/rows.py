"""Grey levels of a picture, and how they are shared out in each of its lines: where finders of frames and bands start.

A drawn panel is flat: a few levels own most of each of its rows. A specimen has noise: no level owns more than a few
per cent of a row. Columns are the rows of the picture turned over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError
from matxai.regions.shared import remembered

LEVELS = 256
"""Grey levels that lines are counted in."""

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lines:
    """The rows of a picture, or its columns, as grey levels.

    Parameters
    ----------
    codes
        ``(lines, length)``; levels from 0 to 255, as :func:`coded` gives them.
    tones
        ``(lines, length)``; grey values stretched to 0 to 255, for contrasts. For 8 bits the same as ``codes``.
    """

    codes: Codes
    tones: Codes

    @property
    def n(self) -> int:
        """Number of lines."""
        return int(self.codes.shape[0])

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many pixels of each line have each level: ``(lines, 256)``."""
        n = self.n
        flat = self.codes + (np.arange(n, dtype=np.int64) * LEVELS)[:, None]
        return np.bincount(flat.ravel(), minlength=n * LEVELS).reshape(n, LEVELS)

    @cached_property
    def _known(self) -> dict[int, Floats]:
        return {}

    @cached_property
    def _summed(self) -> npt.NDArray[np.int64]:
        return np.concatenate([np.zeros((self.n, 1), np.int64), np.cumsum(self.counts, axis=1)], axis=1)

    def shares(self, tolerance: int) -> Floats:
        """Return which share of each line lies within so many levels of each level: ``(lines, 256)``."""
        if tolerance in self._known:
            return self._known[tolerance]
        level = np.arange(LEVELS)
        low, high = np.maximum(level - tolerance, 0), np.minimum(level + tolerance, LEVELS - 1) + 1
        self._known[tolerance] = np.asarray((self._summed[:, high] - self._summed[:, low]) / self.codes.shape[1])
        return self._known[tolerance]


@dataclass(frozen=True, eq=False)
class Lined:
    """A picture as grey values and as levels, its rows and its columns.

    Parameters
    ----------
    grey
        ``(y, x)``, float64, finite; colours are averaged.
    """

    grey: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.grey.shape[0]), int(self.grey.shape[1])

    @cached_property
    def rows(self) -> Lines:
        """The rows, top to bottom."""
        codes = coded(self.grey)
        return Lines(codes, codes if _bytes(self.grey) else _stretched(self.grey))

    @cached_property
    def columns(self) -> Lines:
        """The columns, left to right."""
        rows = self.rows
        codes = np.ascontiguousarray(rows.codes.T)
        return Lines(codes, codes if rows.tones is rows.codes else np.ascontiguousarray(rows.tones.T))


def _bytes(grey: Floats) -> bool:
    return bool(grey.min() >= 0 and 1 < grey.max() <= LEVELS - 1 and (grey == np.round(grey)).all())


def _stretched(grey: Floats) -> Codes:
    low, high = float(grey.min()), float(grey.max())
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    return np.round((grey - low) * scale).astype(np.uint8)


def coded(grey: Floats) -> Codes:
    """Return grey values as levels from 0 to 255.

    Whole numbers of 8 bits stay what they are, but for 0 and 1 alone, which become black and white; up to 256 different
    values (8 bits over 255, a mask) keep their order. Others are ranked, so that a white panel of 65535 does not press
    a specimen of 12 bits into a few levels: every level holds as many pixels as any other, and a value that owns more
    keeps a level to itself.
    """
    if _bytes(grey):
        return grey.astype(np.uint8)
    low, high = float(grey.min()), float(grey.max())
    if high == low:
        return np.zeros(grey.shape, np.uint8)
    fine = np.round((grey - low) / (high - low) * 65535).astype(np.int64)
    counts = np.bincount(fine.ravel(), minlength=65536)
    if np.count_nonzero(counts) <= LEVELS:
        return _stretched(grey)
    middle = (np.cumsum(counts) - counts / 2) / grey.size
    return np.minimum(middle * LEVELS, LEVELS - 1).astype(np.uint8)[fine]


def picture(image: npt.NDArray[Any]) -> Lined:
    """Return what finders measure on.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``; of four channels the fourth is opacity and left out. What is not finite counts as
        the smallest value.

    Raises
    ------
    RegionError
        If the array is no picture: of another number of axes, empty, or not of real numbers.
    """
    return remembered(image, "picture", lambda: _picture(np.asarray(image)))


def _picture(image: npt.NDArray[Any]) -> Lined:
    if image.ndim not in (2, 3):
        msg = f"Artefacts are looked for in a picture (y, x) or (y, x, c), not in an array of shape {image.shape}."
        raise RegionError(msg)
    if 0 in image.shape:
        msg = f"A picture of shape {image.shape} has no pixels."
        raise RegionError(msg)
    if image.dtype.kind not in "buif":
        msg = f"A picture holds real numbers, not {image.dtype}."
        raise RegionError(msg)
    whole = image.dtype.kind in "bu" and image.dtype.itemsize == 1
    if image.ndim == 3:
        colours = image[..., :3] if image.shape[-1] == 4 else image
        grey = colours.mean(axis=-1, dtype=np.float64)
        grey = np.round(grey) if whole else grey
    else:
        grey = image.astype(np.float64)
    if not whole:
        finite = np.isfinite(grey)
        if not finite.all():
            grey = np.where(finite, grey, grey[finite].min() if finite.any() else 0.0)
    return Lined(grey)
