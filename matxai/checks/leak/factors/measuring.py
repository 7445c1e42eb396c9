"""Four numbers of a picture that its specimen may cause and its instrument as well: brightness to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from matxai.checks.leak.factors.changing import Floats

_WIDEST, _STEPS = 8.0, 17


def brightness_of(grey: Floats) -> float:
    """Return the mean grey value."""
    return float(grey.mean())


def contrast_of(grey: Floats) -> float:
    """Return the standard deviation of the grey values."""
    return float(grey.std())


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
