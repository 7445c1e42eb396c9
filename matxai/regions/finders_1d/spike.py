"""Spikes: one or two channels far above both neighbours, as cosmic rays and electric pulses leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from matxai.regions.finders_1d import finders_1d
from matxai.regions.finders_1d.padding import near_padding
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of, noise_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_LEAST, _FLANK = 12.0, 0.2


@finders_1d.register("spike")
def spike(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return each spike as a region of one or two channels.

    A spike stands twelve deviations of the noise above the line between the channels beside it, and these carry less
    than a fifth of its height above their own surroundings: the narrowest true peak has flanks. (The idea of judging
    by differences is Whitaker and Hayes, Chemometr. Intell. Lab. Syst. 179, 82 (2018).)
    """
    curve = curve_of(values)
    noise = np.maximum(noise_of(curve), 1e-9 * np.ptp(curve))
    taken = near_padding(values, 4)
    found = []
    for width in (1, 2):
        for at in _candidates(curve, noise, width):
            if taken[at : at + width].any():
                continue
            taken[at : at + width] = True
            mask = np.zeros(len(curve), bool)
            mask[at : at + width] = True
            height = float(curve[at : at + width].max() - max(curve[at - 1], curve[at + width]))
            evidence = {"channel": int(at), "height": height, "deviations": height / float(noise[at])}
            found.append(Region(mask, "spike", "pixels", confidence=0.9, evidence=evidence))
    return sorted(found, key=lambda r: -float(r.evidence["deviations"]))


def _candidates(curve: npt.NDArray[np.float64], noise: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.int64]:
    """First channels of runs of ``width`` that stand out from both neighbours, which themselves do not."""
    at = np.arange(3, len(curve) - width - 3)
    lowest = np.min([curve[at + k] for k in range(width)], axis=0)
    beside = np.maximum(curve[at - 1], curve[at + width])
    base = ndimage.median_filter(curve, 9)
    height = lowest - beside
    flanks = np.maximum(curve[at - 1] - base[at - 3], curve[at + width] - base[at + width + 2])
    stands = (height > _LEAST * noise[at]) & (flanks < _FLANK * (lowest - base[at]))
    found: npt.NDArray[np.int64] = at[stands]
    return found
