"""Which signals are judged and which give their artefacts, where there are more than the run can afford."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

PASSES = 4500
"""Predictions that the exchange of one artefact may take."""
DONORS_PER_CLASS = 4
FEWEST_DONORS = 24
FEWEST_UNITS = 60


def spread(labels: Ints, groups: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Return ``count`` numbers, as evenly over the classes and, within a class, over the groups as they allow.

    Returns
    -------
    numpy.ndarray
        Ascending numbers; all of them where there are no more than ``count``.
    """
    if count >= labels.size:
        return np.arange(labels.size, dtype=np.int64)
    order = rng.permutation(labels.size)
    turn_in_block = np.zeros(labels.size, np.int64)
    seen: dict[tuple[int, int], int] = {}
    for i in order:
        key = (int(labels[i]), int(groups[i]))
        turn_in_block[i] = seen.get(key, 0)
        seen[key] = turn_in_block[i] + 1
    # the first of each group of a class come first, then the second of each; classes take turns
    chosen: list[tuple[int, int, int]] = []
    for c in np.unique(labels):
        mine = [int(i) for i in order if labels[i] == c]
        mine.sort(key=lambda i: int(turn_in_block[i]))
        chosen += [(turn, int(c), i) for turn, i in enumerate(mine)]
    chosen.sort(key=lambda item: item[0])
    return np.sort(np.array([i for _, _, i in chosen[:count]], np.int64))


def donors_of(labels: Ints, groups: Ints, units: int, donors: int | None, rng: np.random.Generator) -> Ints:
    """Return the donors for so many units: as many as the passes allow, or as were asked for."""
    classes = np.unique(labels).size
    count = donors or max(PASSES // max(units, 1), FEWEST_DONORS, DONORS_PER_CLASS * classes)
    return spread(labels, groups, count, rng)


def units_of(labels: Ints, groups: Ints, most: int | None, rng: np.random.Generator) -> Ints:
    """Return the units: all, or as many as can be judged under enough donors, or as were asked for."""
    classes = np.unique(labels).size
    afforded = max(FEWEST_UNITS, PASSES // max(FEWEST_DONORS, DONORS_PER_CLASS * classes))
    return spread(labels, groups, most or afforded, rng)
