"""Contrast limits of maps: from raw values, the same over a stack, and the user's once they are touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Limits = tuple[float, float]

#: share of the pixels that lie within the limits of a map with outliers (a few pixels of an edge hold most of LRP)
WITHIN = 0.998
WHOLE = 4_000_000  # values of an array that are all looked at
PLANES = 8  # of each leading axis of a larger or lazy stack
PIXELS = 65536  # of a map that has outliers, to sort


def map_limits(values: Any, *, signed: bool, outliers: bool = False, largest: float | None = None) -> Limits:
    """Return contrast limits: symmetric for signed maps, from zero for the others; never empty.

    Parameters
    ----------
    values
        The map, or a stack of maps that share their limits. Of a large or lazy one a few planes are looked at.
    signed
        Whether zero is the middle.
    outliers
        Whether a few pixels may lie beyond: what is there is shown in the last colour, its value is kept.
    largest
        Largest magnitude, where it is known: values without outliers are then not looked at.
    """
    sizes = np.abs(_sample(values)) if outliers or largest is None else np.array([largest])
    sizes = sizes[np.isfinite(sizes)]
    top = float(sizes.max()) if sizes.size else 0.0
    if outliers and top > 0:
        some = sizes[:: max(1, sizes.size // PIXELS)]
        at = min(some.size - 1, int(np.ceil(WITHIN * (some.size - 1))))
        most = float(np.partition(some, at)[at])
        top = most if most > 0 else top
    top = top if top > 0 else 1.0
    return (-top, top) if signed else (0.0, top)


def _sample(values: Any) -> np.ndarray[Any, Any]:
    if isinstance(values, np.ndarray) and values.size <= WHOLE:
        return values
    for axis in range(len(values.shape) - 2):
        step = -(-values.shape[axis] // PLANES)
        values = values[(slice(None),) * axis + (slice(None, None, step),)]
    return np.asarray(values)


def next_limits(shown: Sequence[float], given: Sequence[float] | None, new: Limits) -> Limits | None:
    """Return the limits of a map that is shown again with new values; None where the user has set others.

    Limits grow and never shrink: moving through a stack, a slice with weaker evidence looks weaker.

    Parameters
    ----------
    shown
        The limits that the layer has.
    given
        Those that we gave it; None where we gave none.
    new
        Those that suit the new values by themselves.
    """
    if given is None or not np.allclose(shown, given, rtol=1e-6, atol=0):
        return None
    return (min(given[0], new[0]), max(given[1], new[1]))
