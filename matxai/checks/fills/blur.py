"""The region takes what a wide blur of its surroundings carries into it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.checks.fills import Floats, fills


@fills.register("blur")
def blur(values: Floats, mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fill with the normalised Gaussian blur of the outside (Knutsson and Westin 1993), as wide as the region is thick.

    Normalised convolution lets no value of the region itself leak back into it.
    """
    width = max(2.0, float(ndimage.distance_transform_edt(mask).max()))
    spatial = mask.ndim
    outside = (~mask).astype(values.dtype)
    weight = ndimage.gaussian_filter(outside, width)
    far = weight < 1e-6
    outside = outside.reshape(mask.shape + (1,) * (values.ndim - spatial))
    sigma = (width,) * spatial + (0.0,) * (values.ndim - spatial)
    weight = np.maximum(weight, 1e-6).reshape(outside.shape)
    carried = ndimage.gaussian_filter(values * outside, sigma) / weight
    carried[far] = values[~mask].mean(axis=0)
    filled = values.copy()
    filled[mask] = carried[mask]
    return filled
