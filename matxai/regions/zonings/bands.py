"""By bands of frequency: octaves, or those that somebody names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import RegionError
from matxai.regions.zonings import CurveFacts, Pair, made, zonings

if TYPE_CHECKING:
    from matxai.regions.region import Region
    from matxai.regions.spectral import Curve


@dataclass(frozen=True)
class Bands:
    """Bands of an axis of frequency; what lies in none of them is background."""

    def suits(self, facts: CurveFacts) -> bool:
        """An axis of frequency."""
        return facts.dim == "frequency"

    def divide(self, facts: CurveFacts) -> tuple[list[Region], Curve]:
        """Return the bands as zones; nothing lies below them.

        Raises
        ------
        RegionError
            If a band is none, holds no point, or overlaps another.
        """
        baseline = np.zeros(len(facts.axis))
        taken = np.zeros(len(facts.axis), bool)
        zones = []
        for low, high in facts.bands or octaves(facts.axis):
            mask = (facts.axis >= low) & (facts.axis < high)
            if not low < high or not mask.any():
                raise RegionError(
                    f"The band {low:g} to {high:g} holds no point of the axis, which runs from {facts.axis[0]:g} to "
                    f"{facts.axis[-1]:g}."
                )
            if (mask & taken).any():
                raise RegionError(f"The band {low:g} to {high:g} overlaps another one; each point has one zone.")
            taken |= mask
            name = f"band {_said(low)} to {_said(high)}"
            zones.append(
                made(mask, "band", facts, baseline, name=name, position=(low + high) / 2, fwhm=high - low,
                     left=low, right=high)
            )  # fmt: skip
        return zones, baseline


def _said(frequency: float) -> str:
    """Four digits of a frequency, written out: 200000 and not 2e+05."""
    return np.format_float_positional(frequency, precision=4, unique=False, fractional=False, trim="-")


def octaves(axis: Curve) -> list[Pair]:
    """Return octaves up to the end of an axis of frequency, down to the one that holds fewer than two points."""
    high = float(axis[-1]) + float(axis[-1] - axis[-2]) / 2
    found: list[Pair] = []
    while len(found) < 10:
        low = high / 2
        if int(((axis >= low) & (axis < high)).sum()) < 2 or low <= axis[0]:
            break
        found.append((low, high))
        high = low
    return found[::-1]


zonings.add("bands", Bands())
