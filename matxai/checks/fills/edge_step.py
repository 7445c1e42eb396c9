"""An absorption edge without its fine structure: a line and an arctangent step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, optimize

from matxai.checks.fills import fill
from matxai.checks.fills.flanks import Run, runs
from matxai.errors import RegionError

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


@fill("edge_step", axes=(1,))
def edge_step(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Replace each run by ``a + b E + s (1/2 + arctan((E - E0) / w) / pi)``, fitted to its sides and its rising flank.

    White line, pre-edge peaks behind the flank and oscillations go; position, height and width of the edge stay, which
    a straight bridge would wipe out. The flank is what lies inside before the spectrum first reaches the middle between
    both sides.

    Raises
    ------
    RegionError
        If the spectrum has fewer than three points on one side of the region: a step needs both.
    """
    return np.concatenate([
        np.stack([_step(run, ground.values[:, c]) for c in range(ground.values.shape[-1])], axis=-1)
        for run in runs(ground, spot)
    ])  # fmt: skip


def _step(run: Run, values: Floats) -> Floats:
    if min(run.left.size, run.right.size) < 3:
        msg = (
            f"The fill 'edge_step' needs three points on both sides of the region {run.start} to {run.stop - 1}; an "
            "edge at the end of a spectrum has no step."
        )
        raise RegionError(msg)
    x, scale = run.x, float(run.inside[-1] - run.inside[0]) or 1.0
    before, after = float(values[run.left].mean()), float(values[run.right].mean())
    rise = after - before
    smooth = ndimage.uniform_filter1d(values[run.start : run.stop], 3, mode="nearest")
    beyond = np.flatnonzero((smooth - (before + after) / 2) * np.sign(rise or 1.0) >= 0)
    half = run.start + (int(beyond[0]) if beyond.size else (run.stop - run.start) // 2)
    used = np.concatenate([run.left, np.arange(run.start, half + 1), run.right])
    middle = float(x[half])
    size = max(abs(rise), float(np.ptp(values[used])), 1e-300)
    u, v = (x[used] - middle) / scale, (values[used] - before) / size

    def model(p: Floats, at: Floats) -> Floats:
        return np.asarray(p[0] + p[1] * at + p[2] * (0.5 + np.arctan((at - p[3]) / p[4]) / np.pi))

    fitted = optimize.least_squares(
        lambda p: model(p, u) - v,
        [0.0, 0.0, rise / size, 0.0, 0.1],
        bounds=([-np.inf, -np.inf, -np.inf, u.min(), 1e-4], [np.inf, np.inf, np.inf, u.max(), 2.0]),
        xtol=1e-12, ftol=1e-12, gtol=1e-12,
    )  # fmt: skip
    return before + size * model(fitted.x, (run.inside - middle) / scale)
