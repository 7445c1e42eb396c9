"""Saturation: a plateau of exactly the highest (or lowest) value, as a detector at its limit leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from matxai.regions.finders_1d import finders_1d
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_LEAST = 3


@finders_1d.register("saturation")
def saturation(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return the points of plateaus at the largest value; for signals around zero at the smallest as well.

    A plateau is three equal points in a row or more that the curve reaches by a step: a smooth or noisy top touches
    its maximum once. A curve that lies at the value for more than half of its length is not saturated but flat.
    """
    curve = curve_of(values)
    spread = float(np.ptp(curve))
    if spread == 0:
        return []
    found = []
    sides = [("top", curve)] + (
        [("bottom", -curve)] if curve.min() < -0.2 * spread < 0.2 * spread < curve.max() else []
    )
    for side, turned in sides:
        at = turned == turned.max()
        runs, count = ndimage.label(at)
        lengths = ndimage.sum_labels(at, runs, np.arange(1, count + 1))
        keep = np.flatnonzero(lengths >= _LEAST) + 1
        mask = np.isin(runs, keep)
        if mask.any() and mask.mean() <= 0.5:
            evidence = {"side": side, "value": float(curve[mask][0]), "points": int(mask.sum()), "plateaus": len(keep)}
            confidence = float(1 - 1 / (1 + lengths.max() - _LEAST + 1))
            found.append(Region(mask, "saturation", "pixels", confidence=confidence, evidence=evidence))
    return found
