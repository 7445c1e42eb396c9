"""Absence, tested by putting the thing there: a peak with the instrument's profile, or what the contrast class has.

Where a signal is at its background, relevance is 0 by construction (the input there says nothing), so maps cannot show
that a model uses an absence. What can: with the thing inserted, the class's score falls, and falls more than with the
same thing inserted where it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.measures import Measured
from matxai.checks.expect.quantity import only_axis, positions
from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.expect.asking import Asked
    from matxai.checks.expect.schema import Insertion
    from matxai.regions import Region

Floats = npt.NDArray[np.float64]


def profile(places: Floats, centre: float, width: float, kind: str) -> Floats:
    """Return a peak of height 1 and full width at half maximum ``width``."""
    x = (places - centre) / (width / 2)
    return np.exp(-np.log(2.0) * x**2) if kind == "gaussian" else 1.0 / (1.0 + x**2)


def with_peaks(places: Floats, values: Floats, centres: Sequence[float], how: Insertion) -> Floats:
    """Return a spectrum with peaks added, each ``height`` times the range of the spectrum high.

    Parameters
    ----------
    places
        Positions ``(L,)``, in the unit of the centres and of the width.
    values
        ``(L,)`` or ``(L, c)``.
    """
    height = how.height * float(values.max() - values.min())
    added = height * sum(profile(places, c, float(how.width or 0.0), how.profile) for c in centres)
    return values + (added if values.ndim == 1 else np.asarray(added)[:, None])


def elsewhere(
    places: Floats, mask: npt.NDArray[np.bool_], centres: Sequence[float], count: int, rng: np.random.Generator
) -> list[list[float]]:
    """Return as many lists of places as there is room for, for the same peaks at random outside of the region.

    Raises
    ------
    RegionError
        If the region leaves no place.
    """
    free = places[~mask]
    if len(free) < len(centres):
        msg = "The region leaves no place where the same peaks could be put as controls."
        raise RegionError(msg)
    return [[float(c) for c in rng.choice(free, len(centres), replace=False)] for _ in range(count)]


def peaks_inserted(asked: Asked, region: Region, spec: Any, how: Insertion, wanted: int) -> Measured:
    """Return how far the class's score falls with the peaks inserted, and with the same peaks elsewhere."""
    signal = asked.sample.signal
    places = positions(signal, only_axis(signal, "A peak"), spec.unit)
    values = np.asarray(signal.values, np.float64)
    rng = np.random.default_rng([asked.seed, asked.sample.number])
    where = [list(spec.peaks), *(elsewhere(places, region.mask, spec.peaks, wanted, rng) if wanted else [])]
    said = asked.said([with_peaks(places, values, centres, how) for centres in where])
    drops = asked.clean[0, asked.target] - said[:, asked.target]
    detail = {"inserted": "peak", "width": how.width, "height": how.height, "profile": how.profile}
    return Measured(float(drops[0]), (), tuple(float(d) for d in drops[1:]), detail)


def contrast_inserted(asked: Asked, region: Region, own: Floats, other: Floats) -> Measured:
    """Return how far the score falls with the contrast class's mean in the region, and with the own class's.

    Parameters
    ----------
    own, other
        Means of other samples of the own class and of the contrast classes, of the signal's shape.
    """
    values = np.asarray(asked.sample.signal.values, np.float64)
    mask = region.mask if values.ndim == region.mask.ndim else region.mask[..., None]
    said = asked.said([np.where(mask, mean, values) for mean in (other, own)])
    drops = asked.clean[0, asked.target] - said[:, asked.target]
    return Measured(float(drops[0]), (), (float(drops[1]),), {"inserted": "contrast"})
