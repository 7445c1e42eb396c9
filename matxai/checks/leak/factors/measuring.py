"""Four numbers of a picture or curve that its specimen may cause and its instrument as well: brightness to noise.

What a spectrum was multiplied with is the factor ``scale``. Contrast and noise of curves are therefore relative: else a
constant of normalisation would be given to a net as noise that buries every peak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from matxai.checks.leak.factors.changing import Floats

_WIDEST, _STEPS = 8.0, 17
SIGNED = 0.1
"""A curve whose lowest value is below this part of its highest, with another sign, is a waveform and no count."""


def is_counts(grey: Floats) -> bool:
    """Whether values are those of a spectrum: one axis, hardly anything below 0."""
    return grey.ndim == 1 and bool(grey.min() >= -SIGNED * grey.max()) and float(grey.mean()) > 0


def brightness_of(grey: Floats) -> float:
    """Return the mean grey value."""
    return float(grey.mean())


def contrast_of(grey: Floats) -> float:
    """Return the standard deviation of the grey values."""
    return float(grey.std())


def own_contrast_of(grey: Floats) -> float:
    """Return the contrast; of a spectrum that over its mean."""
    return contrast_of(grey) / (float(grey.mean()) if is_counts(grey) else 1.0)


def focus_of(grey: Floats) -> float:
    """Return the variance of the Laplacian over that of the values (Pertuz et al. 2013, LAPV, freed of contrast).

    0 for a constant picture.
    """
    spread = float(grey.var())
    return float(ndimage.laplace(grey, mode="nearest").var()) / spread if spread > 0 else 0.0


def noise_of(grey: Floats) -> float:
    """Return the standard deviation of white noise (Immerkær 1996, eq. 3, for any number of axes).

    Second differences along every axis leave neither ramps nor straight edges along an axis; of noise with deviation s
    they leave 6^(n/2) s. 0 where an axis has fewer than three pixels.
    """
    left = grey
    for axis in range(grey.ndim):
        left = np.diff(left, n=2, axis=axis)
    return float(np.sqrt(np.pi / 2) * np.abs(left).mean() / 6 ** (grey.ndim / 2)) if left.size else 0.0


def own_noise_of(grey: Floats) -> float:
    """Return the noise; of a curve that over the deviation of all its values."""
    spread = contrast_of(grey) if grey.ndim == 1 else 1.0
    return noise_of(grey) / spread if spread > 0 else 0.0


def blur_for(grey: Floats, focus: float) -> float:
    """Return the deviation in pixels of the Gaussian that brings a picture's focus down to a given one.

    0 where the picture is not sharper than that. Between the widths that are tried, the logarithm of the focus is
    interpolated linearly; a focus lower than the widest leaves gets the widest, 8 pixels.
    """
    if focus_of(grey) <= focus:
        return 0.0
    widths = np.concatenate([[0.0], np.geomspace(0.3, _WIDEST, _STEPS)])
    left = np.array([focus_of(grey)] + [focus_of(ndimage.gaussian_filter(grey, w)) for w in widths[1:]])
    falling = np.minimum.accumulate(left)
    logs = np.log(np.maximum(falling, 1e-300))
    return float(np.interp(-np.log(max(focus, 1e-300)), -logs, widths))
