"""What a spectrum or waveform shows: peaks, shoulders and edges as regions. Arrays in, masks out; axes are coordinates.

Zones by equal length or by minima are :func:`matxai.regions.zones`; what is no signal at all (padding, spikes,
saturation) is found by :mod:`matxai.regions.finders_1d`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

from matxai.errors import RegionError
from matxai.regions.region import Region

Curve = npt.NDArray[np.float64]
_TO_SIGMA = 1.4826  # of a normal distribution, from the median absolute deviation


def curve_of(values: npt.NDArray[Any]) -> Curve:
    """Return ``(L,)``, or the mean over the channels of ``(L, c)``.

    Raises
    ------
    RegionError
        If it is no spectrum, shorter than 8 points, not of real numbers, or not finite.
    """
    if values.ndim not in {1, 2} or len(values) < 8:
        raise RegionError(f"A spectrum is (L,) or (L, c) with at least 8 points, not {values.shape}.")
    if values.dtype.kind not in "buif":
        raise RegionError(f"A spectrum holds real numbers, not {values.dtype}.")
    curve = np.asarray(values, np.float64)
    curve = curve if curve.ndim == 1 else curve.mean(axis=1)
    if not np.isfinite(curve).all():
        raise RegionError(
            f"The spectrum has {int((~np.isfinite(curve)).sum())} values that are NaN or Inf; leave them out."
        )
    return curve


def noise_of(curve: Curve, window: int = 101) -> Curve:
    """Return the standard deviation of the noise around each point, ``(L,)``.

    From the second differences, which any smooth curve leaves small: their median absolute value in a window, over the
    square root of 6 that white noise gains by them. Over one, two and four channels, the largest counts: what was
    interpolated to a finer axis has its noise at longer distances.
    """
    found = np.zeros(len(curve))
    for lag in (1, 2, 4):
        if len(curve) < 4 * lag + 3:
            break
        second = np.abs(curve[: -2 * lag] - 2 * curve[lag:-lag] + curve[2 * lag :])
        size = max(min(window, 2 * (len(second) // 2) - 1), 3)
        median = ndimage.median_filter(second, size, mode="reflect")
        found = np.maximum(found, np.pad(median, lag, mode="edge") * _TO_SIGMA / np.sqrt(6))
    return found


def _axis(axis: npt.NDArray[Any] | None, length: int) -> Curve:
    if axis is None:
        return np.arange(length, dtype=np.float64)
    steps = np.diff(axis)
    if axis.shape != (length,) or not ((steps > 0).all() or (steps < 0).all()):
        raise RegionError(f"The axis of {length} points is as many numbers, rising or falling throughout.")
    return np.asarray(axis, np.float64)


def _region(length: int, low: float, high: float, kind: str, **evidence: Any) -> Region:
    mask = np.zeros(length, bool)
    first = min(max(int(np.floor(low)), 0), length - 1)
    mask[first : max(min(int(np.ceil(high)), length - 1), first) + 1] = True
    return Region(mask, kind, "curve", evidence=evidence)


def peaks(
    values: npt.NDArray[Any],
    axis: npt.NDArray[Any] | None = None,
    *,
    least: float = 8.0,
    smooth: float = 1.0,
    height: float = 0.5,
    noise: Curve | None = None,
) -> list[Region]:
    """Return the peaks of a curve, the most prominent first.

    Parameters
    ----------
    values
        ``(L,)`` or ``(L, c)``.
    axis
        Coordinate of each point, rising or falling; by default the number of the point.
    least
        Prominence in standard deviations of the noise around the peak; a long stretch of noise alone reaches seven.
    smooth
        Standard deviation, in points, of the smoothing before the search.
    height
        The region goes from flank to flank at this share of the prominence below the top; 0.5 is the full width at
        half maximum.
    noise
        Standard deviation of the noise at each point, ``(L,)``; by default it is taken from the curve.

    Returns
    -------
    list of Region
        Kind ``peak``; evidence holds ``position`` and ``fwhm`` (on the axis), ``channel``, ``height``, ``prominence``,
        ``snr`` (prominence over noise).

    Raises
    ------
    RegionError
        If this is no spectrum, or the axis does not fit.
    """
    curve = curve_of(values)
    where = _axis(axis, len(curve))
    smoothed = ndimage.gaussian_filter1d(curve, smooth) if smooth > 0 else curve
    # smoothing by a Gaussian of s points leaves white noise of 1 / sqrt(2 sqrt(pi) s)
    gain = min(1.0, (2 * np.sqrt(np.pi) * smooth) ** -0.5) if smooth > 0 else 1.0
    noise = (noise_of(curve) if noise is None else noise) * gain
    tops, about = signal.find_peaks(smoothed, prominence=np.maximum(least * noise, 1e-12 * np.ptp(curve)))
    if not len(tops):
        return []
    known = (about["prominences"], about["left_bases"], about["right_bases"])
    _, _, left, right = signal.peak_widths(smoothed, tops, rel_height=height, prominence_data=known)
    _, _, half_left, half_right = signal.peak_widths(smoothed, tops, rel_height=0.5, prominence_data=known)
    points = np.arange(len(curve))
    found = []
    for number in np.argsort(-about["prominences"], kind="stable"):
        top = int(tops[number])
        sides = np.interp([half_left[number], half_right[number]], points, where)
        evidence = {
            "position": float(np.interp(_vertex(smoothed, top), points, where)),
            "fwhm": float(abs(sides[1] - sides[0])),
            "channel": top,
            "height": float(curve[top]),
            "prominence": float(about["prominences"][number]),
            "snr": float(about["prominences"][number] / max(noise[top], 1e-300)),
        }
        found.append(_region(len(curve), left[number], right[number], "peak", **evidence))
    return found


def _vertex(curve: Curve, top: int) -> float:
    """Where the parabola through a top and its neighbours is highest."""
    if not 0 < top < len(curve) - 1:
        return float(top)
    before, at, after = curve[top - 1 : top + 2]
    bend = before - 2 * at + after
    return float(top if bend == 0 else top + 0.5 * (before - after) / bend)


def shoulders(
    values: npt.NDArray[Any],
    axis: npt.NDArray[Any] | None = None,
    *,
    width: int = 9,
    least: float = 5.0,
    noise: Curve | None = None,
) -> list[Region]:
    """Return shoulders: places where a flank bends like a peak and has no top of its own; the most bent first.

    They are minima of the second derivative (Savitzky and Golay 1964, third order) that are no peaks.

    Parameters
    ----------
    values, axis
        As for :func:`peaks`.
    width
        Points of the smoothing window, odd, about a peak's width.
    least
        Curvature in standard deviations of what the noise makes of it.
    noise
        Standard deviation of the noise at each point, ``(L,)``; by default it is taken from the curve.

    Returns
    -------
    list of Region
        Kind ``shoulder``, between the inflections on both sides; evidence: ``position``, ``channel``, ``curvature``.

    Raises
    ------
    RegionError
        If this is no spectrum, or ``width`` is not an odd number from 5 to its length.
    """
    curve = curve_of(values)
    where = _axis(axis, len(curve))
    if width % 2 == 0 or not 5 <= width <= len(curve):
        raise RegionError(f"The window for shoulders is an odd number of points from 5 to {len(curve)}, not {width}.")
    bend = signal.savgol_filter(curve, width, 3, deriv=2)
    gain = float(np.linalg.norm(signal.savgol_coeffs(width, 3, deriv=2)))
    noise = np.maximum((noise_of(curve) if noise is None else noise) * gain, 1e-12 * np.ptp(curve))
    smoothed = signal.savgol_filter(curve, width, 3)
    tops = signal.argrelmax(smoothed, order=1, mode="clip")[0]
    found = []
    for at in signal.find_peaks(-bend, prominence=least * noise)[0]:
        if bend[at] >= 0 or (len(tops) and np.abs(tops - at).min() <= width // 2):
            continue
        inflections = np.flatnonzero(bend >= 0)
        before, after = inflections[inflections < at], inflections[inflections > at]
        low = int(before[-1]) + 1 if len(before) else 0
        high = int(after[0]) - 1 if len(after) else len(curve) - 1
        evidence = {"position": float(where[at]), "channel": int(at), "curvature": float(bend[at])}
        found.append(_region(len(curve), low, high, "shoulder", **evidence))
    return sorted(found, key=lambda r: float(r.evidence["curvature"]))


def edges(
    values: npt.NDArray[Any], axis: npt.NDArray[Any] | None = None, *, width: int = 9, least: float = 5.0
) -> list[Region]:
    """Return absorption edges: places where the curve rises and stays up; the highest step first.

    E0 is where the slope is largest. A step counts where the level far behind it exceeds the level in front of it, so
    that the rising flank of a peak is none.

    Parameters
    ----------
    values, axis
        As for :func:`peaks`; along a falling axis the edge rises with the axis all the same.
    width
        Points of the smoothing window, odd.
    least
        Height of the step in standard deviations of the noise.

    Returns
    -------
    list of Region
        Kind ``edge``, where the slope is above half its largest; evidence: ``position`` (E0), ``channel``, ``step``.

    Raises
    ------
    RegionError
        If this is no spectrum, or ``width`` is not an odd number from 5 to its length.
    """
    curve = curve_of(values)
    where = _axis(axis, len(curve))
    if width % 2 == 0 or not 5 <= width <= len(curve):
        raise RegionError(f"The window for edges is an odd number of points from 5 to {len(curve)}, not {width}.")
    rising = where[-1] > where[0]
    slope = signal.savgol_filter(curve, width, 2, deriv=1) * (1 if rising else -1)
    noise = noise_of(curve)
    reach = max(2 * width, len(curve) // 20)
    found = []
    for at in signal.find_peaks(slope, distance=reach)[0]:
        above = slope > slope[at] / 2
        if slope[at] <= 0:
            continue
        low = at - int(np.argmin(above[at::-1])) + 1 if not above[: at + 1].all() else 0
        high = at + int(np.argmin(above[at:])) - 1 if not above[at:].all() else len(curve) - 1
        if slope[low : high + 1].max() > slope[at]:
            continue  # on the flank of a steeper one
        sides = [curve[max(low - reach, 0) : max(low - width, 1)], curve[high + width : high + reach + 1]]
        front, behind = sides if rising else sides[::-1]
        if not len(front) or not len(behind):
            continue
        # a rise counts that is not taken back: the lowest level behind against the highest in front of it
        step = float(np.quantile(behind, 0.1) - np.quantile(front, 0.9))
        if step <= max(least * float(noise[at]), 0.1 * float(np.ptp(curve))):
            continue
        evidence = {
            "position": float(where[at]),
            "channel": int(at),
            "step": float(np.median(behind) - np.median(front)),
        }
        found.append(_region(len(curve), low, high, "edge", **evidence))
    return sorted(found, key=lambda r: -float(r.evidence["step"]))
