"""What lies below the peaks of a curve, everything that is broader than they are; and the noise, below all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from matxai.regions.spectral import Curve


def baseline_of(curve: Curve, noise: Curve, width: int) -> Curve:
    """Return the baseline of a curve, ``(L,)``, by clipping peaks that are narrower than ``2 width + 1`` points.

    Each point becomes at most the mean of the two at a distance, for distances from ``width`` down to 1, on the curve
    smoothed by a Gaussian of one point. Clipping takes the lower side of the noise; what it lies too low is put back,
    in units of the noise.

    Parameters
    ----------
    curve
        ``(L,)``.
    noise
        Its standard deviation, ``(L,)``.
    width
        In points.

    References
    ----------
    Ryan et al., Nucl. Instrum. Methods B 34, 396 (1988); Morhac et al., Nucl. Instrum. Methods A 401, 113 (1997), who
    clip from the largest distance down.
    """
    level = ndimage.gaussian_filter1d(np.asarray(curve, np.float64), 1.0, mode="nearest")
    width = max(1, min(width, (len(curve) - 1) // 2))
    padded = np.pad(level, width, mode="reflect", reflect_type="odd") if len(curve) > width else level
    for reach in range(width, 0, -1):
        inner = padded[reach:-reach]
        padded[reach:-reach] = np.minimum(inner, (padded[: -2 * reach] + padded[2 * reach :]) / 2)
    found = ndimage.uniform_filter1d(padded[width:-width], max(3, width // 2) | 1, mode="nearest")
    off = (curve - found) / np.maximum(noise, 1e-300)
    # the lower quartile of noise lies 0.674 deviations below its middle; peaks, which rise, hardly move it
    low = float(np.quantile(off, 0.25)) + 0.674
    return np.asarray(found + noise * float(np.clip(low, 0.0, 3.0)))


def noise_below_peaks(curve: Curve, window: int = 101) -> Curve:
    """Return the standard deviation of the noise at each point, ``(L,)``, that peaks do not raise.

    Whole numbers of 0 or more are taken as counts: the square root of the curve smoothed by two points, at least 1.
    Elsewhere fourth differences over the square root of 70, the median in a window: they see noise where second
    differences see a well-resolved peak. Noise that was interpolated to a finer axis shows at longer distances; by
    how much is read off the quieter half of the curve.
    """
    if (curve >= 0).all() and (curve == np.rint(curve)).all() and curve.max() > 1:
        return np.asarray(np.sqrt(np.maximum(ndimage.gaussian_filter1d(curve, 2.0, mode="nearest"), 1.0)))
    found, usual = np.zeros(len(curve)), 0.0
    for lag in (1, 2, 4):
        if len(curve) < 6 * lag + 3:
            break
        fourth = np.abs(
            np.convolve(curve, np.insert([1.0, -4.0, 6.0, -4.0, 1.0], [1, 2, 3, 4] * (lag - 1), 0), "valid")
        )
        own = float(np.quantile(fourth, 0.25)) / 0.3186  # the lower quartile of a half-normal distribution
        if lag == 1:
            size = max(min(window, 2 * (len(fourth) // 2) - 1), 3)
            median = ndimage.median_filter(fourth, size, mode="reflect")
            found, usual = np.pad(median, 2 * lag, mode="edge") * 1.4826 / np.sqrt(70), own
        elif usual > 0:
            found = found * max(1.0, own / usual)
            usual = max(usual, own)
    return found
