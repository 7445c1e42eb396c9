"""The region takes what a wide blur of its surroundings carries into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from matxai.checks.fills import fill

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot

_REACH = 4.0
_WHOLE = 2**22
"""Signals of up to so many values are blurred once for all their regions; of larger ones only the surroundings are."""


@fill("blur")
def blur(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fill with the normalised Gaussian blur of the outside (Knutsson and Westin 1993), as wide as the region is thick.

    Normalised convolution lets no value of the region itself leak back into it, and none from beyond the border. By
    linearity it is the blur of the whole signal, which all regions of one thickness share, minus that of the region.
    """
    width = max(2.0, spot.shape.thickness)
    inside = spot.shape.inside
    carried, weight = _everything(ground, spot, width)
    middle = ground.once("mean", ground.values.mean)
    own = np.where(inside[..., None], ground.values[spot.box] - middle, 0.0)
    carried = (carried - _spread(own, width))[inside]
    own_weight = spot.shape.once(("blur", width), lambda: _spread(inside[..., None].astype(float), width)[inside])
    weight = weight[inside] - own_weight
    near = weight[:, 0] > 1e-6
    filled = np.empty_like(carried)
    filled[near] = carried[near] / weight[near] + middle
    if not near.all():
        filled[~near] = ground.values[~spot.mask()].mean(axis=0)
    return filled


def _everything(ground: Ground, spot: Spot, width: float) -> tuple[Floats, Floats]:
    """Blur of the whole signal (its mean taken off) and of ones, inside the region's box."""
    middle = ground.once("mean", ground.values.mean)
    if ground.values.size <= _WHOLE:
        blurred = ground.once(("blur", width), lambda: _spread(ground.values - middle, width))[spot.box]
    else:
        there, _ = spot.window(int(_REACH * width) + 1)
        inner = tuple(slice(b.start - t.start, b.stop - t.start) for b, t in zip(spot.box, there, strict=True))
        blurred = _spread(ground.values[there] - middle, width)[inner]
    ones: Floats = np.ones(1)
    for n, b in zip(ground.shape, spot.box, strict=True):
        one = ground.once(("ones", width, n), lambda n=n: _spread(np.ones((n, 1)), width)[:, 0])  # type: ignore[misc]
        ones = np.multiply.outer(ones, one[b])
    return blurred, np.moveaxis(ones, 0, -1)


def _spread(values: Floats, width: float) -> Floats:
    """Gaussian blur along every axis but the last, with nothing beyond the border."""
    reach = int(_REACH * width + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    for axis in range(values.ndim - 1):
        shape = [1] * values.ndim
        shape[axis] = kernel.size
        values = signal.oaconvolve(values, kernel.reshape(shape), mode="same", axes=axis)
    return values
