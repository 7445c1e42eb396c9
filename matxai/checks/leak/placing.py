"""Which part of what a network receives comes from a region of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.modelcard.axis_map import along

if TYPE_CHECKING:
    from matxai.modelcard.placement import Placement


def arriving(placement: Placement, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of each of the network's pixels that comes from a region, from 0 to 1, ``(*network_shape)``.

    ``mask`` is boolean, of the signal's spatial shape.
    """
    weight = np.asarray(mask, np.float64)
    for k, axis in enumerate(placement.axes):
        weight = along(axis.weights, weight, k)
    return np.clip(weight, 0.0, 1.0)


def shares_inside(relevance: npt.NDArray[Any], weight: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return which share of the positive, and which of the negative relevance lies inside a region.

    The two are never added: what speaks for a class and what speaks against it may lie in the same place.

    Parameters
    ----------
    relevance
        Signed, ``(*spatial)``.
    weight
        As :func:`arriving` returns it, of the same shape.

    Returns
    -------
    tuple of float
        Each NaN where there is no relevance of its sign.
    """
    found = []
    for part in (np.maximum(relevance, 0.0), np.maximum(-relevance, 0.0)):
        whole = float(part.sum())
        found.append(float((part * weight).sum()) / whole if whole > 0 else float("nan"))
    return found[0], found[1]
