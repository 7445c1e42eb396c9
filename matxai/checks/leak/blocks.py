"""The crossed design as blocks: which donors are of one class and one group, and how often each class was predicted.

Units are judged under donors; donors of one class and one group share whatever their group has in common, so that such
a *block*, and no single donor, is what may be exchanged with another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matxai.errors import MatxaiError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """Units by blocks of donors.

    Parameters
    ----------
    labels, groups
        Class and group of each unit, ``(n,)``.
    block_labels, block_groups
        Class and group of each block, ``(B,)``; no two blocks have both alike.
    shares
        ``(n, B, K)``: how often class k is predicted for unit i under the donors of block b; NaN where unit i was
        judged under none of them.
    classes
        The classes that donors came from, ascending.
    donors
        How many donors the blocks hold.
    left_out
        Classes of the data that could not take part: all their donors are of one group, and what that group has of its
        own cannot be told from the class.
    """

    labels: Ints
    groups: Ints
    block_labels: Ints
    block_groups: Ints
    shares: Floats
    classes: tuple[int, ...]
    donors: int
    left_out: tuple[int, ...]

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which blocks count for which unit, ``(n, B)``: those it was judged under, of other groups than its own."""
        judged = ~np.isnan(self.shares[:, :, 0])
        return np.asarray(judged & (self.groups[:, None] != self.block_groups[None, :]), bool)


def _checked(
    top: Ints, labels: Ints, donor_labels: Ints, groups: Ints, donor_groups: Ints
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    arrays = [np.asarray(a) for a in (top, labels, donor_labels, groups, donor_groups)]
    top, labels, donor_labels, groups, donor_groups = arrays
    if top.ndim != 2 or top.shape != (labels.size, donor_labels.size):
        msg = f"Predictions under donors are (units, donors) = ({labels.size}, {donor_labels.size}), not {top.shape}."
        raise MatxaiError(msg)
    if groups.shape != labels.shape or donor_groups.shape != donor_labels.shape:
        msg = (
            f"Each unit and each donor has one group: {labels.size} units with {groups.size} groups, "
            f"{donor_labels.size} donors with {donor_groups.size} are given."
        )
        raise MatxaiError(msg)
    if top.dtype.kind == "f":
        top = np.where(np.isnan(top), -1, top)
    whole = [a.astype(np.int64) for a in (top, labels, donor_labels, groups, donor_groups)]
    return whole[0], whole[1], whole[2], whole[3], whole[4]


def design_of(top: Ints, labels: Ints, donor_labels: Ints, groups: Ints, donor_groups: Ints) -> Design:
    """Return the blocks of a crossed design.

    Parameters
    ----------
    top
        Class predicted for each unit under each donor, ``(n, D)``; negative (or NaN) where it was not judged.
    labels, groups
        Class and group of each unit, ``(n,)``.
    donor_labels, donor_groups
        Class and group of each donor, ``(D,)``.

    Returns
    -------
    Design
        Of the classes whose donors are of at least two groups, and of the units that have donors of their own class
        and of another one among the groups that are not theirs.

    Raises
    ------
    MatxaiError
        If shapes differ.
    """
    top, labels, donor_labels, groups, donor_groups = _checked(top, labels, donor_labels, groups, donor_groups)
    judged = top >= 0
    donors = judged.any(axis=0)
    present = np.unique(donor_labels[donors])
    classes = [int(c) for c in present if np.unique(donor_groups[donors & (donor_labels == c)]).size > 1]
    kept = donors & np.isin(donor_labels, classes)
    pairs = np.stack([donor_labels[kept], donor_groups[kept]], axis=1).reshape(-1, 2)
    blocks, member = np.unique(pairs, axis=0, return_inverse=True)
    member = member.ravel()
    n_classes = int(max([*top.ravel().tolist(), *labels.tolist(), *donor_labels.tolist(), 0])) + 1
    shares = np.full((labels.size, len(blocks), n_classes), np.nan)
    some, ok = top[:, kept], judged[:, kept]
    for b in range(len(blocks)):
        inside = member == b
        seen = ok[:, inside].sum(axis=1)
        counted = np.stack([((some[:, inside] == c) & ok[:, inside]).sum(axis=1) for c in range(n_classes)], axis=1)
        has = seen > 0
        shares[has, b] = counted[has] / seen[has, None]
    found = Design(
        labels,
        groups,
        blocks[:, 0],
        blocks[:, 1],
        shares,
        tuple(classes),
        int(kept.sum()),
        tuple(int(c) for c in np.unique(labels) if int(c) not in classes),
    )
    return _of_units(found, _complete(found))


def _complete(design: Design) -> npt.NDArray[np.bool_]:
    """Which units have a block of their own class and one of another class."""
    own = design.labels[:, None] == design.block_labels[None, :]
    return np.asarray((design.usable & own).any(axis=1) & (design.usable & ~own).any(axis=1), bool)


def _of_units(design: Design, rows: npt.NDArray[np.bool_]) -> Design:
    return Design(
        design.labels[rows],
        design.groups[rows],
        design.block_labels,
        design.block_groups,
        design.shares[rows],
        design.classes,
        design.donors,
        design.left_out,
    )


def effects_of_units(design: Design) -> Floats:
    """Return the exchange effect of each unit, ``(n,)``.

    For a unit of class y and another class c: the mean over blocks of class c of the share of c, less the mean over
    blocks of class y of the same; averaged over the other classes. Blocks of the unit's own group do not count.
    """
    if design.labels.size == 0:
        return np.zeros(0)
    share = np.nan_to_num(design.shares[:, :, list(design.classes)])  # (n, B, classes)
    places = _places(design)
    usable = design.usable.astype(np.float64)
    own, other = _compared(design)
    count = usable @ places
    theirs = np.einsum("ib,bc,ibc->ic", usable, places, share) / np.maximum(count, 1.0)
    mine = (own * count).sum(axis=1)
    ours = np.einsum("ib,ibc->ic", usable * (own @ places.T), share) / mine[:, None]
    return np.asarray(((theirs - ours) * other).sum(axis=1) / other.sum(axis=1))


def terms(design: Design, shares: Floats | None = None) -> Floats:
    """Return what each block adds to the test's statistic for each unit if it is of each class, ``(n, B, classes)``.

    The statistic of a labelling of the blocks is the sum of the entries at their labels. It is the effect, changed so
    that it stays comparable when labels move: a unit's own group is left out whatever its label, the weights are those
    of all blocks of a class, and shares count from the unit's mean over the blocks that it met. Were each class's mean
    taken over the blocks left, the own class would be measured on fewer blocks with the true labels than with others,
    and the permutations would be too narrow.

    Parameters
    ----------
    design
        The crossed design.
    shares
        Other shares than the design's, ``(n, B, K)``.
    """
    n, blocks = design.labels.size, design.block_labels.size
    if n == 0:
        return np.zeros((0, blocks, len(design.classes)))
    usable = design.usable
    share = np.nan_to_num((design.shares if shares is None else shares)[:, :, list(design.classes)])
    mean = (share * usable[:, :, None]).sum(axis=1) / usable.sum(axis=1)[:, None]
    centred = np.where(usable[:, :, None], share - mean[:, None, :], 0.0)
    own, other = _compared(design)
    met = usable | (design.groups[:, None] == design.block_groups[None, :])
    count = np.maximum(met.astype(np.float64) @ _places(design), 1.0)
    towards = (centred * other[:, None, :]).sum(axis=2, keepdims=True)
    found = np.where(own[:, None, :], -towards, np.where(other[:, None, :], centred, 0.0))
    return np.asarray(found / count[:, None, :] / other.sum(axis=1)[:, None, None])


def _places(design: Design) -> Floats:
    """Which class each block is of, ``(B, classes)``."""
    return np.stack([design.block_labels == c for c in design.classes], axis=1).astype(np.float64)


def _compared(design: Design) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Each unit's own class, and the other classes of which it met a block, both ``(n, classes)``."""
    own = design.labels[:, None] == np.array(design.classes)[None, :]
    met = design.usable.astype(np.float64) @ _places(design) > 0
    return own, np.asarray(met & ~own, bool)
