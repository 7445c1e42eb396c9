"""The region takes the baseline of its surroundings, peaks among them left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.fills import fill
from matxai.checks.fills.flanks import Run, runs

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot

_ROUNDS = 10


@fill("local_baseline", axes=(1,))
def local_baseline(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fit a parabola to the points beside each run, without those that stand out above it, and go through with it.

    Points more than two standard deviations above are dropped until none is (the modified polynomial fit of Lieber and
    Mahadevan-Jansen 2003, on the surroundings alone). With points on one side only the baseline is level.
    """
    return np.concatenate([baseline(ground, run) for run in runs(ground, spot)])


def baseline(ground: Ground, run: Run) -> Floats:
    """Return the baseline of one run's surroundings inside it, ``(n, C)``."""
    sides = run.sides
    degree = min(2, sides.size - 1) if run.left.size and run.right.size else 0
    middle, half = run.inside.mean(), max(float(np.ptp(run.x[sides])) / 2, 1e-300)
    at, into = (run.x[sides] - middle) / half, (run.inside - middle) / half
    return np.stack([_clipped(at, ground.values[sides, c], into, degree) for c in range(ground.values.shape[-1])], -1)


def _clipped(at: Floats, values: Floats, into: Floats, degree: int) -> Floats:
    kept = np.ones(at.size, bool)
    for _ in range(_ROUNDS):
        fitted = np.polynomial.polynomial.polyfit(at[kept], values[kept], degree)
        left = values - np.polynomial.polynomial.polyval(at, fitted)
        # the scale comes from below as well as above, so that rounding alone drops nothing
        scale = left[kept].std() + 1e-9 * (np.abs(values).max() + 1e-300)
        fewer = kept & (left <= 2 * scale)
        # both sides stay in the fit: a parabola through one of them says nothing of the other
        if (fewer == kept).all() or min(fewer[at < 0].sum(), fewer[at > 0].sum()) < min(3, degree + 1):
            break
        kept = fewer
    return np.asarray(np.polynomial.polynomial.polyval(into, fitted))
