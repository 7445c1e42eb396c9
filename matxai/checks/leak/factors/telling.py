"""What one factor alone tells of the label: balanced accuracy over held-out groups, beside its own chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import SignalError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

BINS, FOLDS, PERMUTATIONS, FEWEST_GROUPS = 8, 10, 499, 6


@dataclass(frozen=True)
class Told:
    """How well a factor tells the label.

    Parameters
    ----------
    accuracy
        Balanced accuracy over held-out groups.
    chance
        95 % point of the same with the groups' labels permuted; None under six groups.
    groups
        How many groups there are.
    """

    accuracy: float
    chance: float | None
    groups: int

    @property
    def predicts(self) -> bool:
        """Whether it tells more than chance does."""
        return self.chance is not None and self.accuracy > self.chance


def codes_of(values: Sequence[Hashable] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return each value's number: of its kind where values are words or few, of its quantile where they are many.

    Numbers run from 0 on without a gap: where many values are alike, quantiles coincide, and there are fewer of them.

    The label takes no part in it, so that the same numbers serve every permutation of the labels.
    """
    numeric = isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    if not numeric:
        known = {v: k for k, v in enumerate(dict.fromkeys(values))}
        return np.array([known[v] for v in values], np.int64)
    numbers = np.asarray(values, np.float64)
    distinct = np.unique(numbers)
    if len(distinct) <= BINS:
        return np.searchsorted(distinct, numbers).astype(np.int64)
    inner = np.unique(np.quantile(numbers, np.arange(1, BINS) / BINS))
    within = np.searchsorted(inner, numbers, side="right")
    return np.unique(within, return_inverse=True)[1].astype(np.int64)


def told(
    codes: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Told:
    """Return how well a factor tells the label of groups that it was not learnt on.

    The classifier is the smallest there is: a value belongs to the class in which it is most frequent (classes weigh
    the same whatever their size; ties are shared). Chance is the same with the labels permuted as blocks.

    Parameters
    ----------
    codes, labels, groups
        One number each for every signal, ``(N,)``; without groups every signal is one.
    seed
        Of folds and permutations.
    permutations
        How many.

    Raises
    ------
    SignalError
        If the counts differ, or fewer than two classes occur.
    """
    if groups is not None and len(groups) != len(labels):
        msg = f"There are {len(labels)} labels and {len(groups)} groups; every signal has one of each."
        raise SignalError(msg)
    if len(codes) != len(labels) or len(np.unique(labels)) < 2:
        msg = f"A factor tells labels of at least two classes, one value each; {len(codes)} values were given."
        raise SignalError(msg)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    b = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    g = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng(seed)
    n_groups = int(g.max()) + 1
    fold = (rng.permutation(n_groups) % min(FOLDS, n_groups))[g]
    accuracy = _held_out(b, y, fold)
    if n_groups < FEWEST_GROUPS:
        return Told(accuracy, None, n_groups)
    null = [_held_out(b, permuted_labels(y, g, rng), fold) for _ in range(permutations)]
    return Told(accuracy, float(np.quantile(null, 0.95, method="higher")), n_groups)


def permuted_labels(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return labels permuted as blocks: what is of one group and one class keeps together.

    Where each group is of one class, that is the groups' labels permuted; images of one group are never drawn apart
    unless their classes differ already. ``groups`` are numbered from 0, both ``(N,)``.
    """
    blocks = np.unique(groups * (int(labels.max()) + 1) + labels, return_inverse=True)[1]
    first = np.zeros(int(blocks.max()) + 1, np.int64)
    first[blocks] = labels
    return np.asarray(rng.permutation(first)[blocks])


def _held_out(b: npt.NDArray[np.int64], y: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> float:
    """Balanced accuracy of the rule *most frequent class of this value*, learnt on the other folds."""
    size = (int(fold.max()) + 1, int(y.max()) + 1, int(b.max()) + 1)
    counts = np.bincount(np.ravel_multi_index((fold, y, b), size), minlength=int(np.prod(size)))
    held = counts.reshape(size).astype(np.float64)
    learnt = held.sum(axis=0) - held
    share = learnt / np.maximum(learnt.sum(axis=2, keepdims=True), 1.0)
    best = share >= share.max(axis=1, keepdims=True) - 1e-12
    credit = best / best.sum(axis=1, keepdims=True)
    right = (held * credit).sum(axis=(0, 2))
    return float((right / np.maximum(held.sum(axis=(0, 2)), 1.0)).mean())
