"""Bounds of a mean over samples that come in groups, and how easily controls would give as much. Arrays only."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.bounds import exact_bounds
from matxai.checks.leak.statistics import GROUPS_NEEDED
from matxai.errors import MatxaiError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ENUMERATED = 12


def mean_bounds(
    values: Floats,
    groups: Ints,
    *,
    low: float | None = None,
    high: float | None = None,
    proportion: bool = False,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return one-sided bounds of the mean, each at level ``alpha``.

    The widest of: a bootstrap that draws groups with all their samples; the t interval of a mean over clusters, which
    is honest where groups are few; for values with ends, what as many further samples as could have escaped notice
    would do to it (``1 - alpha^(1/n)`` of all: 5 % where none of 59 differs), each at the end where nothing is used or
    all; for proportions the exact interval.

    Parameters
    ----------
    values
        One for each sample, ``(n,)``.
    groups
        The group of each, ``(n,)``.
    low, high
        Ends of what a value can be; None for none.
    proportion
        Whether the values are 0 or 1.
    alpha, draws, seed
        Level of each bound, bootstrap samples, seed.

    Returns
    -------
    tuple of float
        Infinite on either side where one group alone bounds nothing.

    Raises
    ------
    MatxaiError
        If there is no value, or as many groups as values are not given.

    References
    ----------
    Cameron and Miller, J. Hum. Resour. 50, 317 (2015), on means over clusters; Clopper and Pearson, Biometrika 26, 404
    (1934).
    """
    values = np.asarray(values, np.float64)
    if not len(values) or len(groups) != len(values):
        raise MatxaiError(f"Bounds need values with a group each; here are {len(values)} and {len(groups)}.")
    mean = float(values.mean())
    numbers = np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    bottom, top = (-np.inf, np.inf) if count < 2 else _clustered(values, numbers, count, alpha, draws, seed)
    if proportion:
        exact = exact_bounds(mean, len(values), 1 - alpha)
        bottom, top = min(bottom, exact[0]), max(top, exact[1])
    unseen = 1 - alpha ** (1 / len(values))
    if low is not None:
        end = low if low >= 0 else min(0.0, mean)  # a measure with a sign uses nothing at 0
        bottom = max(low, min(bottom, mean + (end - mean) * unseen))
    if high is not None:
        top = min(high, max(top, mean + (high - mean) * unseen))
    return min(bottom, mean), max(top, mean)


def _clustered(values: Floats, numbers: Ints, count: int, alpha: float, draws: int, seed: int) -> tuple[float, float]:
    """The wider of the bootstrap over groups and the t interval of a mean over clusters."""
    from scipy.stats import t

    mean = float(values.mean())
    sums, sizes = np.bincount(numbers, values, count), np.bincount(numbers, minlength=count)
    rng = np.random.default_rng([seed, count])
    drawn = rng.integers(0, count, size=(draws, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    residuals = sums - mean * sizes
    error = float(np.sqrt((residuals**2).sum() * count / (count - 1))) / len(values)
    reach = float(t.ppf(1 - alpha, count - 1)) * error
    bottom, top = np.quantile(means, [alpha, 1 - alpha])
    return min(float(bottom), mean - reach), max(float(top), mean + reach)


def sign_flip_p(values: Floats, groups: Ints, *, draws: int = 4096, seed: int = 0) -> tuple[float, float]:
    """Return the one-sided p of a mean above 0 under flips of the groups' signs, and the smallest that could be.

    Under the null that region and control could change places in each group, the signs of the groups' sums are as good
    as any other. All flips are looked at for up to 12 groups, else ``draws`` of them.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(numbers, np.asarray(values, np.float64))
    count = len(sums)
    if count <= _ENUMERATED:
        signs = np.array(list(itertools.product([1, -1], repeat=count)), np.float64)
    else:
        rng = np.random.default_rng([seed, count])
        signs = np.concatenate([np.ones((1, count)), rng.choice([-1.0, 1.0], size=(draws - 1, count))])
    reached = signs @ sums >= sums.sum() - 1e-12 * np.abs(sums).sum()
    return float(reached.mean()), 1 / len(signs)


__all__ = ["GROUPS_NEEDED", "mean_bounds", "sign_flip_p"]
