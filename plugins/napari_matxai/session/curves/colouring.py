"""Relevance as a few levels of colour, so that a long curve is painted with a few pens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVELS = 33
"""Steps from the lower to the upper limit; odd, so that a signed map has one for zero."""


def levels(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.int64]:
    """Return the level of each value, from 0 to ``LEVELS - 1``; -1 where there is none (NaN)."""
    low, high = limits
    part = (np.asarray(values, np.float64) - low) / (high - low or 1.0)
    found = np.rint(np.clip(np.nan_to_num(part), 0.0, 1.0) * (LEVELS - 1)).astype(np.int64)
    return np.where(np.isfinite(values), found, -1)


def of_segments(values: Floats, limits: tuple[float, float]) -> npt.NDArray[np.int64]:
    """Return the level of each piece between two points, ``(L - 1,)``: that of their mean, as the library prints it."""
    return levels((values[1:] + values[:-1]) / 2.0, limits)


def palette(*, signed: bool, dark: bool) -> npt.NDArray[np.float64]:
    """Return red, green, blue and opacity of each level, from 0 to 1: the library's colours on such a ground."""
    from matxai.report.colours import map_colours

    colours = map_colours(signed=signed, alpha=1.0, ground="image" if dark else "white")
    return np.asarray(colours(np.linspace(0.0, 1.0, LEVELS)), np.float64)


def on_ground(colours: npt.NDArray[np.float64], ground: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Return colours as they look on a ground, opaque, ``(LEVELS, 3)`` from 0 to 255."""
    under = np.asarray(ground, np.float64)
    return np.rint(255 * colours[:, :3] * colours[:, 3:] + under * (1 - colours[:, 3:])).astype(np.uint8)
