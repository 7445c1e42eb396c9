"""An absent line put in: what the model says once a reflection is there, drawn with the instrument's own profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.asking import check_asked
from matxai.checks.judging import Judge, Progress, Write
from matxai.checks.zones.redrawing import are_counts
from matxai.errors import RegionError
from matxai.regions import divided

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.modelcard import Model
    from matxai.regions import CurveZones

    Floats = npt.NDArray[np.float64]

FEWEST_PEAKS = 3
"""Peaks from which the width is taken as a function of position; with fewer it is their mean."""
KEEPS_OFF = 2.0
"""A control lies this many widths from every peak and from the place that is asked about."""


@dataclass(frozen=True, eq=False)
class Insertion:
    """What came of putting one line into a curve.

    Parameters
    ----------
    position, width, height
        Of the line, on the axis and in the signal's units.
    classes
        Names of the classes.
    before, after
        Score of every class without and with it.
    control
        Change of every class's score when the same line stands elsewhere on the background, ``(n, K)``.
    target
        Index of the class that ``effect`` and ``rank`` are of.
    """

    position: float
    width: float
    height: float
    classes: tuple[str, ...]
    before: Floats
    after: Floats
    control: Floats
    target: int

    @property
    def change(self) -> Floats:
        """Score of every class with the line less that without, ``(K,)``."""
        return np.asarray(self.after - self.before)

    @property
    def effect(self) -> float:
        """Change of the target's score."""
        return float(self.change[self.target])

    @property
    def rank(self) -> int | None:
        """Place of the size of the effect among the controls', 1 the largest, ties to them; a rank, no p value."""
        if not len(self.control):
            return None
        return 1 + int((np.abs(self.control[:, self.target]) >= abs(self.effect)).sum())


def profile_width(zones: CurveZones, position: float) -> float:
    """Return the full width at half maximum that the instrument gives a line at a position.

    A straight line through the widths of the peaks by their positions, weighted by their signal-to-noise ratio, within
    the smallest and the largest of them.

    Raises
    ------
    RegionError
        If the curve has no peak to learn a width from.
    """
    peaks = [z.evidence for z in zones.zones if z.kind == "peak" and np.isfinite(z.evidence["fwhm"])]
    if not peaks:
        raise RegionError("The curve has no peak to take the instrument's width from; give width=, on its axis.")
    at = np.array([p["position"] for p in peaks])
    widths = np.array([p["fwhm"] for p in peaks])
    trust = np.sqrt(np.clip([float(p["snr"]) for p in peaks], 1.0, 100.0))
    if len(peaks) < FEWEST_PEAKS or np.ptp(at) == 0:
        return float(np.average(widths, weights=trust))
    line = np.polynomial.polynomial.polyfit(at - at.mean(), widths, 1, w=trust)
    return float(np.clip(np.polynomial.polynomial.polyval(position - at.mean(), line), widths.min(), widths.max()))


def profile(axis: Floats, position: float, width: float, mixing: float = 0.5) -> Floats:
    """Return a line of height 1: a pseudo-Voigt profile, ``mixing`` of it Lorentzian.

    Thompson, Cox and Hastings, J. Appl. Cryst. 20, 79 (1987).
    """
    off = (axis - position) / width
    return np.asarray((1 - mixing) * np.exp(-4 * np.log(2) * off**2) + mixing / (1 + 4 * off**2))


def insert_lines(
    model: Model,
    signal: xr.DataArray,
    positions: Sequence[float],
    *,
    heights: Sequence[float] | float | None = None,
    width: float | None = None,
    mixing: float = 0.5,
    target: str | int | None = None,
    zones: CurveZones | None = None,
    controls: int = 19,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> list[Insertion]:
    """Put lines that are absent into a curve, one at a time, and ask the model again.

    Space groups are told by reflections that are *not* there: where a curve is zero or flat, relevance by the input
    is 0, and only an insertion shows what an absence is worth. The same line elsewhere on the background is the
    control.

    Parameters
    ----------
    model
        As loaded from its card; its whole preprocessing runs on every version.
    signal
        Dims ``(axis,)`` or ``(axis, c)``; a line goes into every channel.
    positions
        On the axis.
    heights
        In the signal's units, one or one for each; by default half of the highest peak.
    width
        Full width at half maximum, on the axis; by default as the peaks of the curve have it there.
    mixing
        Part of the profile that is Lorentzian.
    target
        Class that effects are of: name, index, or None for the class on top.
    zones
        The division of the curve, where it is known.
    controls
        Places of the same line on the background, at most.
    seed
        Of the places and of the counting noise of what is put in.
    progress, cancel
        As everywhere.

    Raises
    ------
    RegionError
        If a position lies outside of the curve, heights do not fit, or no width is given and no peak shows one.
    """
    check_asked(model, seed)
    dim = str(signal.dims[0])
    values = np.asarray(signal.values)
    axis = np.asarray(signal.coords[dim].values, np.float64) if dim in signal.coords else np.arange(float(len(values)))
    cut = zones or divided(values, axis, dim=dim, how="peaks")
    tall = max((float(z.evidence["height"]) for z in cut.zones), default=float(np.ptp(values)))
    sizes = np.broadcast_to(np.asarray(tall / 2 if heights is None else heights, float), (len(positions),))
    if not np.isfinite(sizes).all() or not len(positions):
        raise RegionError("Lines are put in at one position or more, each with a finite height.")
    for place in positions:
        if not axis[0] <= place <= axis[-1]:
            raise RegionError(f"The line at {place:g} lies outside of the curve, {axis[0]:g} to {axis[-1]:g}.")
    judge = Judge(model, signal, target, None, progress, cancel)
    plans = []
    for number, place in enumerate(positions):
        wide = width if width is not None else profile_width(cut, place)
        rng = np.random.default_rng((seed, number))
        plans.append((float(place), wide, float(sizes[number]), _elsewhere(cut, place, wide, controls, rng)))
    counts = are_counts(np.asarray(values, np.float64)) and float(values.max()) > 1
    writes = [
        _write(height * profile(axis, at, wide, mixing), counts, (seed, number, k))
        for number, (place, wide, height, others) in enumerate(plans)
        for k, at in enumerate([place, *others])
    ]
    said = judge.versions(writes, len(writes), "lines put in").scores
    before = judge.before.scores[0]
    found, first = [], 0
    for place, wide, height, others in plans:
        own = said[first : first + 1 + len(others)]
        first += len(own)
        found.append(
            Insertion(place, wide, height, model.classes, before, own[0], own[1:] - before, judge.reading.target)
        )
    return found


def _elsewhere(cut: CurveZones, place: float, width: float, count: int, rng: np.random.Generator) -> list[float]:
    """Places of the background that keep off every zone and off the place that is asked about, drawn at random."""
    axis = cut.axis
    free = cut.background & (np.abs(axis - place) > KEEPS_OFF * width)
    for zone in cut.zones:
        inside = axis[zone.mask]
        free &= (axis < inside[0] - width) | (axis > inside[-1] + width)
    free &= (axis > axis[0] + KEEPS_OFF * width) & (axis < axis[-1] - KEEPS_OFF * width)
    possible = np.flatnonzero(free)
    chosen = possible if possible.size <= count else np.sort(rng.choice(possible, count, replace=False))
    return [float(axis[i]) for i in chosen]


def _write(line: Floats, counts: bool, seed: tuple[int, ...]) -> Write:
    """What adds a line to a copy of the signal; to counts it adds counts."""

    def change(copy: npt.NDArray[Any]) -> None:
        more = np.random.default_rng(seed).poisson(np.maximum(line, 0)) if counts and (line >= 0).all() else line
        full = copy.astype(np.float64) + (more if copy.ndim == 1 else more[:, None])
        if copy.dtype.kind in "iu":
            info = np.iinfo(copy.dtype)
            full = np.clip(np.rint(full), info.min, info.max)
        copy[...] = full.astype(copy.dtype)

    return change
