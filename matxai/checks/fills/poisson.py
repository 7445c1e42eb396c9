"""Counting noise: around the baseline of the surroundings, or around what the region holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.fills import fill
from matxai.checks.fills.flanks import runs
from matxai.checks.fills.local_baseline import baseline
from matxai.errors import RegionError

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


@fill("poisson", axes=(1,), draws=True, bounded=False)
def poisson(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:
    """Draw Poisson counts around the baseline of the surroundings: the region's content goes, its noise does not.

    Where values are no whole numbers, one count is worth what the noise beside the region says: its variance over its
    mean.

    Raises
    ------
    RegionError
        If the signal has negative values: they count nothing.
    """
    level = np.concatenate([baseline(ground, run) for run in runs(ground, spot)])
    return _drawn(level, _worth(ground, spot), rng)


@fill("poisson_redraw", axes=(1,), draws=True, bounded=False)
def poisson_redraw(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:
    """Draw the region's own counts anew: what changes then is counting noise and nothing else.

    Raises
    ------
    RegionError
        As ``poisson``.
    """
    return _drawn(ground.values[spot.box][spot.shape.inside], _worth(ground, spot), rng)


def _worth(ground: Ground, spot: Spot) -> Floats:
    """Return what one count is worth in each channel, ``(C,)``."""
    if ground.limits[0] < 0:
        msg = (
            f"The fills 'poisson' and 'poisson_redraw' need counts; this signal goes down to {ground.limits[0]:.4g}: "
            "take 'local_baseline' or 'noisy_linear'."
        )
        raise RegionError(msg)
    if ground.counts:
        return np.ones(ground.values.shape[-1])
    sides = np.unique(np.concatenate([run.sides for run in runs(ground, spot)]))
    sides = sides[(sides > 0) & (sides < ground.shape[0] - 1)]
    mask = spot.mask()
    sides = sides[~mask[sides - 1] & ~mask[sides + 1]]
    y = ground.values
    # second differences of white noise have six times its variance; lines and slow curves leave none
    noise = (
        ((y[sides - 1] - 2 * y[sides] + y[sides + 1]) ** 2).mean(axis=0) / 6 if sides.size else np.zeros(y.shape[-1])
    )
    mean = y[sides].mean(axis=0) if sides.size else np.ones(y.shape[-1])
    return np.asarray(noise / np.maximum(mean, 1e-300))


def _drawn(level: Floats, worth: Floats, rng: np.random.Generator) -> Floats:
    level = np.maximum(level, 0.0)
    safe = np.where(worth > 0, worth, 1.0)
    # above 1e15 counts noise lies below double precision, and numpy's generator refuses
    drawn = rng.poisson(np.minimum(level / safe, 1e15)) * safe
    return np.where(worth > 0, drawn, level)
