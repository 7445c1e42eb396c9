"""Colours and limits of maps: safe for colour-blind readers, transparent at zero, one scale over a set."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.colors import Colormap

Limits = tuple[float, float]

QUANTILE = 0.995
"""Share of the finite values that lies within the limits; a handful of extreme pixels would else blacken the rest."""

ALPHA = {True: 0.95, False: 0.75}
"""Opacity at the limit, by whether a map is signed: points need it strong, wide spots let the image show."""

_STEPS = 512
_OPACITY = 0.75
_AGAINST, _FOR = "#1f6bf2", "#ee2f18"


def limits_of(values: npt.ArrayLike, *, signed: bool, quantile: float = QUANTILE) -> Limits:
    """Return the colour limits of one map: symmetric about zero where it is signed, from zero where it is not.

    Parameters
    ----------
    values
        The map, of any shape; NaN and Inf are left out.
    signed
        Whether negative values mean evidence against.
    quantile
        Share of the finite values whose magnitude lies within the limits; 1 takes the largest.

    Returns
    -------
    tuple of float
        ``(-m, m)`` or ``(0, m)``; m is 1 where the map holds nothing but zeros, or no finite value at all.
    """
    array = np.abs(np.asarray(values, dtype=np.float64))
    finite = array[np.isfinite(array)]
    largest = float(np.quantile(finite, quantile)) if finite.size else 0.0
    if largest <= 0.0 and finite.size:
        largest = float(finite.max())  # a map of a few pixels: the quantile falls into the zeros around them
    if largest <= 0.0:
        largest = 1.0
    return (-largest, largest) if signed else (0.0, largest)


def joint(limits: Iterable[Limits]) -> Limits:
    """Return the limits that hold all the given ones (symmetric if any of them is).

    Raises
    ------
    ValueError
        If there are none.
    """
    pairs = list(limits)
    if not pairs:
        msg = "the colour limits of no map at all were asked for"
        raise ValueError(msg)
    high = max(h for _, h in pairs)
    low = min(low for low, _ in pairs)
    if low < 0:
        high = max(high, -low)
        return (-high, high)
    return (low, high)


@cache
def map_colours(*, signed: bool, alpha: float | None = None, ground: str = "image") -> Colormap:
    """Return the colours of a map, from transparent at zero to ``alpha`` at the limit.

    Unsigned maps go from dark violet to light yellow (evenly brighter: it reads in grey as well; reversed on white
    paper), signed ones from blue (evidence against) over nothing to red (evidence for), a pair that the common
    colour-vision deficiencies keep apart. Opacity rises with the magnitude to the power of three quarters, so that weak
    evidence stays visible and zero is not painted.

    Parameters
    ----------
    signed
        Whether zero lies in the middle.
    alpha
        Opacity at the limit, from 0 to 1; by default :data:`ALPHA`.
    ground
        ``"image"`` for an overlay, ``"white"`` for a curve on white paper, where light yellow could not be seen.
    """
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap, to_rgba

    position = np.linspace(-1.0, 1.0, _STEPS) if signed else np.linspace(0.0, 1.0, _STEPS)
    if signed:
        # Two clear colours of middle brightness, seen on dark and bright grey alike; only opacity tells the strength,
        # since a pale middle would veil the image wherever a map is faintly above zero.
        rgba = np.where(position[:, None] < 0, to_rgba(_AGAINST), to_rgba(_FOR))
    else:
        rgba = mpl.colormaps["inferno"](0.25 + 0.73 * position if ground == "image" else 0.85 - 0.7 * position)
    rgba[:, 3] = (ALPHA[signed] if alpha is None else alpha) * np.abs(position) ** _OPACITY
    colours = ListedColormap(rgba, name="matxai_signed" if signed else "matxai_unsigned")
    return colours.with_extremes(bad=(0.0, 0.0, 0.0, 0.0))


def bar_colours(*, signed: bool, alpha: float | None = None, ground: str = "image") -> npt.NDArray[np.float64]:
    """Return the colours of a map as its colour bar shows them, opaque: ``(steps, 3)``, laid on mid grey or white."""
    position = np.linspace(0.0, 1.0, _STEPS)
    rgba = np.asarray(map_colours(signed=signed, alpha=alpha, ground=ground)(position), dtype=np.float64)
    under = 0.5 if ground == "image" else 1.0
    return rgba[:, :3] * rgba[:, 3:] + under * (1.0 - rgba[:, 3:])
