"""Bounds of an exchange effect from resampled groups: units' groups and donors' groups, which are crossed.

Units and donors are resampled independently (the pigeonhole bootstrap for two crossed factors: Owen 2007, Annals of
Applied Statistics 1:386). Few groups make a plain bootstrap too narrow by sqrt((g - 1) / g); the rescaled one of Rao
and Wu (1988, JASA 83:231) draws g - 1 of g groups and has the right variance. Groups stay within the classes they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

if TYPE_CHECKING:
    from matxai.checks.leak.blocks import Design

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def group_weights(groups: Ints, labels: Ints, draws: int, rng: np.random.Generator) -> tuple[Floats, int]:
    """Return weights of resampled groups for each row, ``(draws, n)``, and the degrees of freedom behind them.

    Groups with the same set of classes are resampled among each other. A group alone in its set keeps its weight.
    """
    numbers, index = np.unique(groups, return_inverse=True)
    held = [tuple(np.unique(labels[groups == g]).tolist()) for g in numbers]
    weights = np.ones((draws, numbers.size))
    free = 0
    for key in sorted(set(held)):
        members = np.array([k for k, h in enumerate(held) if h == key])
        g = members.size
        if g < 2:
            continue
        free += g - 1
        counts = rng.multinomial(g - 1, np.full(g, 1.0 / g), size=draws)
        weights[:, members] = counts * (g / (g - 1))
    return weights[:, index.ravel()], free


def bootstrap(design: Design, draws: int, rng: np.random.Generator, confidence: float = 0.95) -> tuple[float, float]:
    """Return one-sided bounds of the effect, each at ``confidence``.

    The distribution of resampled effects is stretched by the ratio of the quantiles of Student's t and the normal, with
    as many degrees of freedom as the scarcer of the two kinds of groups has.
    """
    of_units, free_units = group_weights(design.groups, design.labels, draws, rng)
    of_blocks, free_blocks = group_weights(design.block_groups, design.block_labels, draws, rng)
    value, effects = _resampled(design, of_units, of_blocks)
    free = max(1, min(free_units, free_blocks))
    stretch = float(t.ppf(confidence, free) / norm.ppf(confidence))
    low, high = np.quantile(effects - value, [1 - confidence, confidence]) * stretch
    return value + min(0.0, float(low)), value + max(0.0, float(high))


def _resampled(design: Design, of_units: Floats, of_blocks: Floats) -> tuple[float, Floats]:
    """The effect as found, and under each set of weights."""
    # units of one group and class meet the same blocks: their shares are summed first
    usable = design.usable
    keys = np.stack([design.groups, design.labels], axis=1)
    patterns = np.concatenate([keys, usable.astype(np.int64)], axis=1)
    _, first, member = np.unique(patterns, axis=0, return_index=True, return_inverse=True)
    member = member.ravel()
    kinds = first.size
    size = np.bincount(member, minlength=kinds).astype(np.float64)
    shares = np.zeros((kinds, *design.shares.shape[1:]))
    np.add.at(shares, member, np.nan_to_num(design.shares))
    usable, labels = usable[first], design.labels[first]
    weights = np.concatenate([np.ones((1, of_blocks.shape[1])), of_blocks])  # the first row: as found
    means: dict[int, Floats] = {}
    sums: dict[int, Floats] = {}
    for c in design.classes:
        mask = usable & (design.block_labels == c)[None, :]
        sums[c] = mask @ weights.T  # (kinds, draws + 1)
        means[c] = _ratio((mask * shares[:, :, c]) @ weights.T, sums[c])
    total = np.zeros((kinds, weights.shape[0]))
    compared = np.zeros((kinds, weights.shape[0]))
    for c in design.classes:
        rows = labels != c
        own = np.zeros((kinds, weights.shape[0]))
        known = np.zeros((kinds, weights.shape[0]), bool)
        for y in design.classes:
            mine = rows & (labels == y)
            if mine.any():
                mask = usable[mine] & (design.block_labels == y)[None, :]
                own[mine] = _ratio((mask * shares[mine][:, :, c]) @ weights.T, sums[y][mine])
                known[mine] = (sums[y][mine] > 0) & (sums[c][mine] > 0)
        there = known & rows[:, None]
        total += np.where(there, means[c] - own, 0.0)
        compared += there
    mean = _ratio(total, compared)
    weight = np.concatenate([np.ones((1, of_units.shape[1])), of_units])[:, first].T  # units of a kind share a group
    counted = weight * (compared > 0)
    effects = _ratio((counted * mean).sum(axis=0), (counted * size[:, None]).sum(axis=0))
    return float(effects[0]), effects[1:]


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
