"""A curve divided into zones that mean something: each point belongs to one zone or to the background.

Each way of dividing is one module, registered here: by peaks, by an absorption edge, by bands of frequency. Arrays in,
regions out; what an axis is called is all that is known of the signal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions.baseline_of_curve import noise_below_peaks
from matxai.regions.region import Region
from matxai.regions.spectral import Curve, curve_of
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class CurveFacts:
    """One curve as the ways of dividing it see it.

    Parameters
    ----------
    values
        ``(L,)``, finite; of several channels their mean.
    axis
        Coordinate of each point, ascending.
    noise
        Standard deviation of the noise at each point, ``(L,)``.
    dim
        What the axis is called: ``two_theta``, ``energy``, ``frequency``.
    e0
        Where the absorption edge lies, where somebody says so.
    doublets
        Pairs of peaks that are one thing: the distance between them and how far it may be off, on the axis.
    bands
        Borders of bands of frequency.
    least
        Prominence of a peak in standard deviations of the noise.
    """

    values: Curve
    axis: Curve
    noise: Curve
    dim: str = ""
    e0: float | None = None
    doublets: tuple[Pair, ...] = ()
    bands: tuple[Pair, ...] = ()
    least: float = 8.0


@dataclass(frozen=True, eq=False)
class CurveZones:
    """The zones of a curve.

    Parameters
    ----------
    labels
        ``(L,)``: 0 for the background, ``k`` for the k-th zone.
    zones
        In ascending order of position, no two sharing a point. Evidence: ``name``, ``position``, ``fwhm``, ``height``
        (above the background), ``snr`` (height over the noise there), ``left`` and ``right`` (on the axis).
    baseline, noise, axis
        What lies below the zones, the noise, and the coordinate, each ``(L,)``.
    how
        Name of the way in which the curve was divided.
    """

    labels: npt.NDArray[np.int64]
    zones: tuple[Region, ...]
    baseline: Curve
    noise: Curve
    axis: Curve
    how: str
    _names: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def background(self) -> npt.NDArray[np.bool_]:
        """Where no zone is, ``(L,)``."""
        return np.asarray(self.labels == 0)

    def names(self) -> list[str]:
        """Return what the zones are called, in their order."""
        return [str(z.evidence["name"]) for z in self.zones]


class Zoning(Protocol):
    """A way of dividing a curve."""

    def suits(self, facts: CurveFacts) -> bool:
        """Whether this curve would be divided so where nobody says how."""

    def divide(self, facts: CurveFacts) -> tuple[list[Region], Curve]:
        """Return the zones, in any order and without shared points, and the baseline below them."""


zonings: Registry[Zoning] = Registry("way of dividing a curve", package="matxai.regions.zonings", error=RegionError)
"""All ways by name."""
_ASKED = ("edge", "bands", "peaks")  # who is asked first whether a curve is its own


def divided(
    values: npt.NDArray[Any],
    axis: npt.NDArray[Any] | None = None,
    *,
    how: str | None = None,
    dim: str = "",
    sigma: npt.NDArray[Any] | None = None,
    e0: float | None = None,
    doublets: Sequence[Pair] = (),
    bands: Sequence[Pair] = (),
    least: float = 8.0,
) -> CurveZones:
    """Return the zones of a curve: every point belongs to one of them or to the background.

    Parameters
    ----------
    values
        ``(L,)`` or ``(L, c)``; zones are those of the mean over channels.
    axis
        Coordinate of each point, ascending; by default its number.
    how
        ``peaks``, ``edge`` or ``bands``; by default an edge where one rises along an axis ``energy`` (or ``e0`` is
        given), bands along ``frequency``, else peaks.
    dim
        What the axis is called.
    sigma
        Standard deviation of the noise at each point ``(L,)``; by default the square root of counts, else taken from
        the curve.
    e0
        Where the absorption edge lies, on the axis; by default where the curve rises most.
    doublets
        Pairs of peaks that are one zone: their distance, and how far it may be off.
    bands
        Bands of frequency, from and to; by default octaves.
    least
        Prominence from which a peak counts, in standard deviations of the noise.

    Raises
    ------
    RegionError
        If this is no curve, the axis or ``sigma`` does not fit, or the curve cannot be divided so.
    """
    curve = curve_of(np.asarray(values))
    places = np.arange(len(curve), dtype=np.float64) if axis is None else np.asarray(axis, np.float64)
    if places.shape != curve.shape or not (np.diff(places) > 0).all():
        raise RegionError(f"The axis of {len(curve)} points is as many numbers that ascend; zones are cut along it.")
    facts = CurveFacts(curve, places, _noise(curve, sigma), dim, e0, tuple(doublets), tuple(bands), least)
    name = how or next(n for n in _ASKED if zonings[n].suits(facts))
    zones, baseline = zonings[name].divide(facts)
    labels = np.zeros(len(curve), np.int64)
    ordered = sorted(zones, key=lambda z: float(z.evidence["position"]))
    for number, zone in enumerate(ordered, start=1):
        labels[zone.mask] = number
    return CurveZones(labels, tuple(ordered), baseline, facts.noise, places, name)


def _noise(curve: Curve, sigma: npt.NDArray[Any] | None) -> Curve:
    if sigma is None:
        return noise_below_peaks(curve)
    given = np.asarray(sigma, np.float64)
    if given.shape != curve.shape or not np.isfinite(given).all() or (given < 0).any():
        raise RegionError(
            f"The noise of {len(curve)} points is as many finite numbers of 0 or more; got {given.shape}."
        )
    return given


def made(
    mask: npt.NDArray[np.bool_], kind: str, facts: CurveFacts, baseline: Curve, *, name: str = "", **evidence: Any
) -> Region:
    """Return a zone with what every zone says of itself; ``evidence`` overrides what the curve says.

    Its place is where the curve is highest above the baseline, its width that at half of this height.
    """
    inside = np.flatnonzero(mask)
    net = facts.values - baseline
    top = int(inside[np.argmax(net[inside])])
    said: dict[str, Any] = {
        "position": float(facts.axis[top]),
        "fwhm": width_of(net, facts.axis, inside),
        "channel": top,
        "height": float(net[top]),
        "snr": float(net[top] / max(float(facts.noise[top]), 1e-300)) if facts.noise[top] > 0 else float("inf"),
        "left": float(facts.axis[inside[0]]),
        "right": float(facts.axis[inside[-1]]),
        **evidence,
    }
    return Region(
        mask, kind, "curve", evidence={"name": name or f"{kind} {place_said(said['position'], facts.axis)}", **said}
    )


def place_said(position: float, axis: Curve) -> str:
    """Return a position as names say it: to a tenth of the step of the axis or better, and no finer than it is known.

    Examples
    --------
    >>> place_said(712.14650, np.arange(100.0, 1800.0, 1.9)), place_said(40.56612, np.arange(10.0, 90.0, 0.01))
    ('712.1', '40.566')
    """
    step = float(np.median(np.diff(axis))) if len(axis) > 1 else 1.0
    return (
        f"{position:.{max(1 - int(np.floor(np.log10(step) + 1e-6)), 0)}f}" if 1e-6 < step < 1e6 else f"{position:.6g}"
    )


def width_of(net: Curve, axis: Curve, inside: npt.NDArray[np.int64]) -> float:
    """Return the full width at half maximum of what stands above the baseline in a zone, on the axis.

    Twice: once on the curve as it is, then smoothed by a sixth of that width, which is taken off again in squares, so
    that the noise on a flank does not end it.
    """
    rough = _at_half(net, axis, inside)
    step = float(axis[inside[-1]] - axis[inside[0]]) / max(inside.size - 1, 1)
    if not rough > 0 or not step > 0:
        return rough
    sigma = rough / 6
    smooth = ndimage.gaussian_filter1d(net, sigma / step, mode="nearest")
    wide = _at_half(smooth, axis, inside)
    blurred = 8 * np.log(2) * sigma**2
    return float(np.sqrt(wide**2 - blurred)) if wide**2 > 2 * blurred else rough


def _at_half(net: Curve, axis: Curve, inside: npt.NDArray[np.int64]) -> float:
    """Full width at half of the height of the top, by linear interpolation, as far as the zone reaches."""
    top = int(inside[np.argmax(net[inside])])
    half = net[top] / 2
    if half <= 0:
        return float("nan")

    def side(step: int) -> float:
        at = top
        while inside[0] <= at + step <= inside[-1] and net[at] > half:
            at += step
        if net[at] > half:
            return float(axis[at])
        before = at - step
        share = (net[before] - half) / max(net[before] - net[at], 1e-300)
        return float(axis[before] + share * (axis[at] - axis[before]))

    return abs(side(1) - side(-1))
