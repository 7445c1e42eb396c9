"""Noisy linear imputation: each pixel becomes the mean of its neighbours, plus the noise of the surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.checks.fills import fill
from matxai.checks.fills.laplace import harmonic, ring_noise

if TYPE_CHECKING:
    import numpy as np

    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


@fill("noisy_linear", draws=True)
def noisy_linear(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:
    """Solve for pixels that are the mean of their neighbours (Rong et al. 2022, ROAD), then add the ring's own noise.

    The noise is what a 3-pixel median leaves of a ring of three pixels around the region: without it the patch would be
    smooth where nothing else in a micrograph is.
    """
    filled = harmonic(ground, spot)
    filled += rng.standard_normal(filled.shape) * ring_noise(ground, spot)
    return filled
