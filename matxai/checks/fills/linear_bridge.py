"""A straight line is laid under a peak, from one side of it to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.fills import fill
from matxai.checks.fills.flanks import runs

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot

_POINTS = 3


@fill("linear_bridge", axes=(1,))
def linear_bridge(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Bridge each run from the mean of three points before it to the mean of three behind it, in the axis's units.

    At an end of the spectrum the bridge is level. It is never laid across an absorption edge: there ``edge_step`` is
    right.
    """
    parts = []
    for run in runs(ground, spot, points=_POINTS):
        sides = [s for s in (run.left, run.right) if s.size]
        level = np.stack([ground.values[s].mean(axis=0) for s in sides])
        if len(sides) == 1:
            parts.append(np.repeat(level, run.stop - run.start, axis=0))
            continue
        first, last = (float(run.x[s].mean()) for s in sides)
        share = ((run.inside - first) / (last - first))[:, None]
        parts.append(level[0] * (1 - share) + level[1] * share)
    return np.concatenate(parts)
