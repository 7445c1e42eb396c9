"""Is the model better than chance on these labels? Chance is the same predictions with the groups' labels permuted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from matxai.checks.leak.permuting import ALL_UP_TO, orders

Ints = npt.NDArray[np.int64]

_NEAR = 1e-12


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right, beside what no knowledge of the label gives.

    Parameters
    ----------
    value
        Share of right answers.
    interval
        Its exact two-sided 95 % interval (Clopper and Pearson).
    chance
        95 % point of the share with the labels of groups permuted.
    p
        Share of permutations in which as many answers are right, the data as found counted in.
    majority
        Share of the commonest class.
    n, groups
        Images and groups.
    """

    value: float
    interval: tuple[float, float]
    chance: float
    p: float
    majority: float
    n: int
    groups: int

    def beyond(self, alpha: float) -> bool:
        """Return whether the model is better than chance at a level."""
        return self.p <= alpha + _NEAR


def accuracy(top: Ints, labels: Ints, groups: Ints, *, draws: int = 2000, seed: int = 0) -> Accuracy:
    """Return the accuracy of predictions and its chance; all three are ``(n,)``.

    Blocks of one group and one class keep together when labels are permuted. A model that always names one class gets
    the same accuracy whatever the permutation, so that it is never better than chance.
    """
    right = int((top == labels).sum())
    n = labels.size
    low = 0.0 if right == 0 else float(beta.ppf(0.025, right, n - right + 1))
    high = 1.0 if right == n else float(beta.ppf(0.975, right + 1, n - right))
    classes, coded = np.unique(labels, return_inverse=True)
    blocks = np.unique(np.stack([groups, labels], axis=1), axis=0, return_inverse=True)[1].ravel()
    count = int(blocks.max()) + 1
    given = np.zeros(count, np.int64)
    given[blocks] = coded.ravel()
    # right[b, c]: right answers in block b if its class were c, so that a permutation is a sum of entries
    hits = np.stack([np.bincount(blocks, weights=top == c, minlength=count) for c in classes], axis=1)
    sizes = np.bincount(given)
    total = math.factorial(count) // math.prod(math.factorial(int(s)) for s in sizes) if count <= 20 else ALL_UP_TO + 1
    places = np.arange(count)
    if total <= ALL_UP_TO:
        null = np.array([hits[places, list(row)].sum() for row in orders(sizes.tolist())])
    else:
        rng = np.random.default_rng([seed, 4])
        null = np.array([right] + [hits[places, rng.permutation(given)].sum() for _ in range(draws)])
    return Accuracy(
        right / n,
        (low, high),
        float(np.quantile(null, 0.95, method="higher")) / n,
        float((null >= right - 0.5).mean()),
        float(np.bincount(coded.ravel()).max()) / n,
        n,
        int(np.unique(groups).size),
    )
