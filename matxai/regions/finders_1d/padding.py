"""Constant padding: one value, exactly, from an end of the spectrum on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.regions.finders_1d import finders_1d
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_LEAST_POINTS, _LEAST_SHARE = 4, 0.01


def near_padding(values: npt.NDArray[Any], reach: int) -> npt.NDArray[np.bool_]:
    """Return the channels ``(L,)`` that are padded, or lie within ``reach`` channels of it: no place for a jump."""
    near = np.zeros(len(values), bool)
    for region in padding(values, {}):
        places = np.flatnonzero(region.mask)
        near[max(places[0] - reach, 0) : places[-1] + reach + 1] = True
    return near


@finders_1d.register("padding")
def padding(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return the runs at both ends that hold one value and nothing else.

    A run counts from four points and one per cent of the spectrum on: counts repeat by chance where they are few, so
    the run is also longer than any run of equal values inside.
    """
    curve = curve_of(values)
    changes = np.flatnonzero(np.diff(curve) != 0) + 1
    if not len(changes):
        return []  # a constant spectrum has no end of it
    borders = np.concatenate([[0], changes, [len(curve)]])
    lengths = np.diff(borders)
    least = max(_LEAST_POINTS, _LEAST_SHARE * len(curve), int(lengths[1:-1].max()) + 1 if len(lengths) > 2 else 0)
    found = []
    for side, place in (("start", slice(0, int(lengths[0]))), ("end", slice(int(borders[-2]), len(curve)))):
        count = place.stop - place.start
        if count >= least:
            mask = np.zeros(len(curve), bool)
            mask[place] = True
            evidence = {"side": side, "points": count, "value": float(curve[place.start])}
            found.append(
                Region(mask, "padding", "pixels", confidence=float(1 - least / (2 * count)), evidence=evidence)
            )
    return found
