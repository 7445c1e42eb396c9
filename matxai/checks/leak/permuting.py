"""Which blocks of donors may stand in each other's place, and all their arrangements.

If the content of an artefact has nothing to do with the class, whole groups of donors are exchangeable, and so are the
blocks of one group. So a permutation moves groups as wholes, to groups with as many blocks, and then shuffles the
blocks inside each group. Where every group holds one class this is the permutation of group labels; where every group
holds every class it is the permutation inside groups, and what is particular to a group never counts for a class.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.checks.leak.blocks import Design

Ints = npt.NDArray[np.int64]

ALL_UP_TO = 5040
"""Up to so many arrangements all of them are looked at (7!, that is seven groups); above, some are drawn."""


@dataclass(frozen=True)
class Family:
    """Groups that may stand in each other's place.

    Parameters
    ----------
    groups
        For each group its blocks, ``(groups, m)``; blocks in one column correspond to each other.
    runs
        Lengths of the runs of columns that may be shuffled among each other inside a group; they add up to m.
    labels
        The classes of the blocks, ``(groups, m)``.
    """

    groups: tuple[tuple[int, ...], ...]
    runs: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]

    @property
    def inside(self) -> int:
        """Arrangements of the blocks of one group."""
        return math.prod(math.factorial(r) for r in self.runs)

    @property
    def arrangements(self) -> int:
        """How many arrangements the family has."""
        return int(math.factorial(len(self.groups)) * self.inside ** len(self.groups))

    @property
    def distinct(self) -> int:
        """How many of them differ in the classes that stand at the blocks: a group's classes all differ."""
        alike: Counter[tuple[tuple[int, ...], ...]] = Counter()
        for labels in self.labels:
            starts = itertools.accumulate((0, *self.runs[:-1]))
            alike[tuple(tuple(sorted(labels[s : s + r])) for s, r in zip(starts, self.runs, strict=True))] += 1
        orders = math.factorial(len(self.groups)) // math.prod(math.factorial(n) for n in alike.values())
        return int(orders * self.inside ** len(self.groups))


def families(design: Design) -> list[Family]:
    """Return the families of exchangeable groups of a design.

    Groups belong together that have as many blocks and whose blocks were put to the same units. Whether a unit met its
    own group does not count.
    """
    met = ~np.isnan(design.shares[:, :, 0]) | (design.groups[:, None] == design.block_groups[None, :])
    found: dict[tuple[bytes, ...], list[list[int]]] = {}
    for group in np.unique(design.block_groups):
        blocks = np.flatnonzero(design.block_groups == group).tolist()
        patterns = {b: np.packbits(met[:, b]).tobytes() for b in blocks}
        blocks.sort(key=lambda b: (patterns[b], b))
        found.setdefault(tuple(patterns[b] for b in blocks), []).append(blocks)
    result = []
    for key, members in found.items():
        runs = tuple(len(list(run)) for _, run in itertools.groupby(key))
        labels = tuple(tuple(int(design.block_labels[b]) for b in blocks) for blocks in members)
        result.append(Family(tuple(map(tuple, members)), runs, labels))
    return result


def arrangements(design: Design, draws: int, rng: np.random.Generator) -> tuple[Ints, bool]:
    """Return arrangements of the blocks' contents and whether they are all there are.

    Parameters
    ----------
    design
        The crossed design.
    draws
        How many are drawn where there are more than :data:`ALL_UP_TO`; the arrangement as found comes on top.
    rng
        For the draws.

    Returns
    -------
    numpy.ndarray, bool
        ``(R, B)``: the block whose content stands at the place of each block. The first row is the data as found.
    """
    parts = families(design)
    blocks = design.block_labels.size
    total = math.prod(p.arrangements for p in parts)
    if total <= ALL_UP_TO:
        rows = np.tile(np.arange(blocks, dtype=np.int64), (total, 1))
        for r, chosen in enumerate(itertools.product(*(list(_every(p)) for p in parts))):
            for pairs in chosen:
                for place, what in pairs:
                    rows[r, place] = what
        return rows, True
    rows = np.tile(np.arange(blocks, dtype=np.int64), (draws + 1, 1))
    for part in parts:
        members = np.array(part.groups)
        columns = np.split(np.arange(members.shape[1]), np.cumsum(part.runs)[:-1])
        for r in range(1, draws + 1):
            content = members[rng.permutation(len(members))]
            for run in columns:
                if run.size > 1:
                    content[:, run] = rng.permuted(content[:, run], axis=1)
            rows[r, members.ravel()] = content.ravel()
    return rows, False


def _every(part: Family) -> Iterator[list[tuple[int, int]]]:
    """Every arrangement of a family as pairs (place, content); the first one as found."""
    starts = list(itertools.accumulate((0, *part.runs[:-1])))
    orders = [
        [s + k for s, run in zip(starts, chosen, strict=True) for k in run]
        for chosen in itertools.product(*(list(itertools.permutations(range(r))) for r in part.runs))
    ]
    for moved in itertools.permutations(range(len(part.groups))):
        for shuffled in itertools.product(orders, repeat=len(moved)):
            pairs = []
            for to, (source, order) in enumerate(zip(moved, shuffled, strict=True)):
                content = part.groups[source]
                pairs += [(place, content[k]) for place, k in zip(part.groups[to], order, strict=True)]
            yield pairs


def told_apart(design: Design) -> int:
    """Return how many arrangements differ in the classes that stand at the blocks; one over it is the smallest p."""
    return math.prod(p.distinct for p in families(design))
