"""Which labels the blocks of donors might as well have had, if what they bring had nothing to do with their class.

Whole groups of donors are then exchangeable, and so are the blocks of one group. A group hands its classes to another
one with as many blocks, and the classes of one group's blocks are shuffled. Where every group holds one class this is
the permutation of the groups' labels; where every group holds every class it is the permutation inside groups, and what
is particular to a group never counts for a class.
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
Held = tuple[tuple[int, ...], ...]

ALL_UP_TO = 5040
"""Up to so many labellings all of them are looked at; above, some are drawn."""


@dataclass(frozen=True)
class Family:
    """Groups that may hand each other their classes.

    Parameters
    ----------
    groups
        For each group its blocks, in runs: the blocks of one run may be shuffled among each other.
    held
        For each group the classes of each of its runs, each run ascending.
    """

    groups: tuple[Held, ...]
    held: tuple[Held, ...]

    @property
    def inside(self) -> int:
        """Orders of the classes inside one group."""
        return math.prod(math.factorial(len(run)) for run in self.groups[0])

    @property
    def labellings(self) -> int:
        """How many different labellings the family has."""
        alike = math.prod(math.factorial(n) for n in Counter(self.held).values())
        return int(math.factorial(len(self.groups)) // alike * self.inside ** len(self.groups))


def families(design: Design) -> list[Family]:
    """Return the families of exchangeable groups of a design.

    Groups belong together that have as many blocks and whose blocks were put to the same units. Whether a unit met its
    own group does not count.
    """
    met = ~np.isnan(design.shares[:, :, 0]) | (design.groups[:, None] == design.block_groups[None, :])
    found: dict[tuple[bytes, ...], list[list[int]]] = {}
    for group in np.unique(design.block_groups):
        blocks = np.flatnonzero(design.block_groups == group).tolist()
        pattern = {b: np.packbits(met[:, b]).tobytes() for b in blocks}
        blocks.sort(key=lambda b: pattern[b])
        found.setdefault(tuple(pattern[b] for b in blocks), []).append(blocks)
    result = []
    for key, members in found.items():
        sizes = [len(list(run)) for _, run in itertools.groupby(key)]
        starts = list(itertools.accumulate((0, *sizes[:-1])))
        groups = tuple(tuple(tuple(m[s : s + n]) for s, n in zip(starts, sizes, strict=True)) for m in members)
        held = tuple(
            tuple(tuple(sorted(int(design.block_labels[b]) for b in run)) for run in group) for group in groups
        )
        result.append(Family(groups, held))
    return result


def told_apart(design: Design) -> int:
    """Return how many labellings there are; one over it is the smallest p that a test by them can give."""
    return math.prod(f.labellings for f in families(design))


def labellings(design: Design, draws: int, rng: np.random.Generator) -> Ints:
    """Return labellings of the blocks, ``(R, B)``, as indices into the design's classes.

    Parameters
    ----------
    design
        The crossed design.
    draws
        How many are drawn where there are more than :data:`ALL_UP_TO`; the labels as found come first, on top of them.
    rng
        For the draws.
    """
    parts = families(design)
    index = {c: k for k, c in enumerate(design.classes)}
    asis = np.array([index[int(c)] for c in design.block_labels], np.int64)
    if math.prod(f.labellings for f in parts) <= ALL_UP_TO:
        rows = []
        for chosen in itertools.product(*(list(_every(f)) for f in parts)):
            row = asis.copy()
            for block, c in itertools.chain.from_iterable(chosen):
                row[block] = index[c]
            rows.append(row)
        return np.stack(rows)
    drawn = np.tile(asis, (draws + 1, 1))
    for part in parts:
        blocks = [np.array([b for run in group for b in run]) for group in part.groups]
        held = np.array([[index[c] for run in runs for c in run] for runs in part.held])
        columns = np.split(np.arange(held.shape[1]), np.cumsum([len(run) for run in part.groups[0]])[:-1])
        places = np.stack(blocks)
        for r in range(1, draws + 1):
            given = held[rng.permutation(len(held))]
            for run in columns:
                if run.size > 1:
                    given[:, run] = rng.permuted(given[:, run], axis=1)
            drawn[r, places] = given
    return drawn


def _every(part: Family) -> Iterator[list[tuple[int, int]]]:
    """Every labelling of a family, as pairs of a block and its class."""
    kinds = Counter(part.held)
    for order in orders(list(kinds.values())):
        handed = [list(kinds)[k] for k in order]
        inside = [list(itertools.product(*(itertools.permutations(run) for run in runs))) for runs in handed]
        for chosen in itertools.product(*inside):
            yield [
                (block, c)
                for group, runs in zip(part.groups, chosen, strict=True)
                for blocks, classes in zip(group, runs, strict=True)
                for block, c in zip(blocks, classes, strict=True)
            ]


def orders(left: list[int]) -> Iterator[tuple[int, ...]]:
    """Every distinct order of a multiset given by how often each of its kinds occurs."""
    if not any(left):
        yield ()
        return
    for kind, n in enumerate(left):
        if n:
            left[kind] -= 1
            for rest in orders(left):
                yield (kind, *rest)
            left[kind] += 1
