"""The region takes the smoothest surface that continues its surroundings, slopes included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import splu

from matxai.checks.fills import fill
from matxai.checks.fills.laplace import doubled, halved, laplacian, refined

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Bools, Shape, Spot

_DIRECT = 10_000


@fill("inpaint")
def inpaint(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Solve the biharmonic equation inside the region (Damelin and Hoang 2018; scikit-image has the same equation).

    The system is factorised once for a shape. Large regions are solved on a coarser grid, and what that grid misses at
    the region's edge is spread into it harmonically.
    """
    there, here = spot.window(2)
    window, mask = ground.values[there], spot.shape.padded(2)[here]
    known = window[~mask].mean(axis=0)
    # what lies two positions off counts as well, so a border there makes another system than one further away
    key = ("biharmonic", tuple((h.start, h.stop) for h in here))
    return np.asarray(_solved(np.where(mask[..., None], 0.0, window - known), mask, spot.shape, key) + known)


def _solved(window: Floats, mask: Bools, shape: Shape, key: tuple[Any, ...]) -> Floats:
    unknowns = int(mask.sum())
    if unknowns > _DIRECT:
        coarse, unknown = halved(window, mask)
        if unknown.any():
            coarse[unknown] = _solved(coarse, unknown, shape, (*key, unknown.shape))
        guess = doubled(coarse, mask.shape)
        missed = np.where(mask[..., None], 0.0, window - guess)
        return np.asarray(guess[mask] + refined(missed, mask))

    def factor() -> tuple[Any, Any]:
        twice = laplacian(mask.shape)
        inner, outer = np.flatnonzero(mask), np.flatnonzero(~mask)
        rows = (twice[inner] @ twice).tocsr()
        return splu(rows[:, inner].tocsc()), rows[:, outer]

    solver, surroundings = shape.once(key, factor)
    found: Floats = solver.solve(-(surroundings @ window[~mask]))
    return found
