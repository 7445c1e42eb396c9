"""Zones of a spectrum as they are drawn: stretches of the axis, and the points that lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_matxai.session.curves.spectrum import Spectrum


@dataclass(frozen=True)
class Interval:
    """A stretch of the measured axis.

    Parameters
    ----------
    low, high
        Its ends, in the unit of the measured axis; both belong to it.
    name
        What it is called; empty for one that was drawn.
    kind
        ``interval`` for what was drawn, else the kind of zone that was suggested.
    chosen
        Whether it is masked when the model is asked again.
    """

    low: float
    high: float
    name: str = ""
    kind: str = "interval"
    chosen: bool = True


def places_of(spectrum: Spectrum) -> npt.NDArray[np.float64]:
    """Return the measured places of a spectrum's points, ``(L,)``; their numbers where it has none."""
    if spectrum.dim in spectrum.signal.coords:
        return np.asarray(spectrum.signal[spectrum.dim].values, np.float64)
    return np.arange(spectrum.signal.sizes[spectrum.dim], dtype=np.float64)


def mask_of(spectrum: Spectrum, intervals: Sequence[Interval]) -> npt.NDArray[np.bool_]:
    """Return which points lie in any of the intervals, ``(L,)``.

    Raises
    ------
    RegionError
        If none does, or all do.
    """
    places = places_of(spectrum)
    mask = np.zeros(places.size, bool)
    for one in intervals:
        mask |= (places >= one.low) & (places <= one.high)
    if not intervals:
        msg = "There is no zone to mask; draw one with 'Add zone', or let zones be suggested."
        raise RegionError(msg)
    if not mask.any():
        said = ", ".join(f"{i.low:.6g} to {i.high:.6g}" for i in intervals)
        msg = f"No point of {spectrum.name} lies in {said}; it runs from {places.min():.6g} to {places.max():.6g}."
        raise RegionError(msg)
    if mask.all():
        msg = f"The zones cover all {mask.size} points of {spectrum.name}; leave some of it."
        raise RegionError(msg)
    return mask


def suggested(spectrum: Spectrum, most: int = 40) -> tuple[Interval, ...]:
    """Return the zones that the library cuts a spectrum into: peaks, parts of an edge, bands; the tallest ``most``.

    Raises
    ------
    RegionError
        If the spectrum cannot be divided: too few points, values that are not finite.
    """
    from matxai.checks.zones.redrawing import sigma_of
    from matxai.regions import divided

    cut = divided(
        np.asarray(spectrum.signal.values), places_of(spectrum), dim=spectrum.dim, sigma=sigma_of(spectrum.signal)
    )
    if not cut.zones:
        msg = f"No peak and no edge stands out of the noise of {spectrum.name}; draw a zone with 'Add zone'."
        raise RegionError(msg)
    tallest = sorted(cut.zones, key=lambda z: -abs(float(z.evidence["height"])))[:most]
    kept = {id(z) for z in tallest}
    return tuple(
        Interval(float(z.evidence["left"]), float(z.evidence["right"]), str(z.evidence["name"]), z.kind, chosen=False)
        for z in cut.zones
        if id(z) in kept
    )
