"""First and last channels that do not go on as the curve does: dead, overflow or start-up channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.regions.finders_1d import finders_1d
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of, noise_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_MOST, _BASE, _LEAST, _JUMP = 3, 12, 8.0, 4.0


def _stray(curve: npt.NDArray[np.float64]) -> tuple[int, float]:
    """How many points at the start stray from the line through the points behind them, and by how many deviations."""
    body = curve[_MOST : _MOST + _BASE]
    place = np.arange(_MOST, _MOST + len(body))
    line = np.polynomial.Polynomial.fit(place, body, 1)
    spread = max(float(np.std(body - line(place), ddof=2)), float(np.median(noise_of(curve))), 1e-9 * np.ptp(curve))
    away = np.abs(curve[:_MOST] - line(np.arange(_MOST))) / spread
    beyond = np.flatnonzero(away > _LEAST)
    # only what strays from the very end on: a peak that begins in the second channel is a peak
    count = int(beyond[-1]) + 1 if len(beyond) and beyond[0] == 0 else 0
    if count:
        # nor is a curve that falls ever more slowly: the jump is several times the steps behind it
        steps = np.abs(np.diff(curve[count - 1 : count + 4]))
        count = count if steps[0] > _JUMP * steps[1:].max() else 0
    return count, float(away[0])


def _found(values: npt.NDArray[Any], kind: str, turn: slice) -> list[Region]:
    curve = curve_of(values)
    if len(curve) < 2 * (_MOST + _BASE):
        return []
    count, away = _stray(curve[turn])
    if not 0 < count < _MOST:
        return []  # three and more points in a row are a flank
    mask = np.zeros(len(curve), bool)
    mask[:count] = True
    evidence = {"points": count, "deviations": away, "value": float(curve[turn][0])}
    return [Region(mask[turn], kind, "pixels", confidence=float(1 - _LEAST / (2 * away)), evidence=evidence)]


@finders_1d.register("first_channel")
def first_channel(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return the first one or two channels where they lie far off the line through the following ones."""
    return _found(values, "first_channel", slice(None))


@finders_1d.register("last_channel")
def last_channel(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return the last one or two channels where they lie far off the line through those before them."""
    return _found(values, "last_channel", slice(None, None, -1))
