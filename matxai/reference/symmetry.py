"""The symmetry that a list of atoms obeys, for cells that were written out in P 1: families of hkl follow from it."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.reference.crystals import CrystalStructure

TOLERANCE = 0.02
"""Angstrom by which an atom may miss its image."""
MOST_ATOMS = 500


def with_symmetry(structure: CrystalStructure) -> CrystalStructure:
    """Return a structure in P 1 as one atom of each orbit and the operations that make the others.

    A cell of more than `MOST_ATOMS` atoms, or one that obeys nothing but the identity, comes back as it is.
    """
    sites = structure.sites
    if len(sites) > MOST_ATOMS:
        return structure
    places = np.array([site.position for site in sites]) % 1.0
    kinds = _kinds(structure)
    operations: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]] = []
    for rotation in _lattice_rotations(structure.metric):
        operations += _translations(rotation, places, kinds, structure.metric)
    if len(operations) < 2:
        return structure
    first = [i for i in range(len(sites)) if min(images[i] for _, _, images in operations) == i]
    import gemmi

    found = gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(_triplet(r, t)) for r, t, _ in operations]))
    symbol = "by its operations" if found is None else found.xhm()
    note = f"the file gives every atom in P 1; {len(operations)} operations that they obey were found ({symbol})"
    return replace(
        structure,
        space_group=symbol,
        sites=tuple(sites[i] for i in first),
        operations=tuple(_triplet(r, t) for r, t, _ in operations),
        notes=(*structure.notes, note),
    )


def _kinds(structure: CrystalStructure) -> npt.NDArray[np.int64]:
    """A number for each kind of site: element, occupancy and displacement."""
    names = [(s.element, round(s.occupancy, 4), round(s.b_iso or 0.0, 3)) for s in structure.sites]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names])


@functools.cache
def _unimodular() -> npt.NDArray[np.int64]:
    """Every 3 x 3 matrix of -1, 0 and 1 whose determinant is 1 or -1."""
    every = np.array(list(itertools.product((-1, 0, 1), repeat=9)), dtype=np.int64).reshape(-1, 3, 3)
    return np.asarray(every[np.abs(np.rint(np.linalg.det(every))) == 1], np.int64)


def _lattice_rotations(metric: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rotations of fractional coordinates that keep the metric tensor to `TOLERANCE`."""
    rotations = _unimodular()
    turned = np.swapaxes(rotations, 1, 2) @ metric @ rotations
    lengths = np.sqrt(np.diag(metric))
    error = np.abs(turned - metric) / np.maximum.outer(lengths, lengths)
    return np.asarray(rotations[error.max(axis=(1, 2)) < 2 * TOLERANCE], np.int64)


def _translations(
    rotation: npt.NDArray[np.int64],
    places: npt.NDArray[np.float64],
    kinds: npt.NDArray[np.int64],
    metric: npt.NDArray[np.float64],
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
    """Operations with this rotation: each with the atom that every atom falls on."""
    turned = places @ rotation.T
    rarest = np.argmin(np.bincount(kinds))
    members = np.flatnonzero(kinds == rarest)
    few = np.unique(np.linspace(0, len(places) - 1, 6).astype(int))
    found = []
    for target in members:
        shift = (places[target] - turned[members[0]]) % 1.0
        rational = np.rint(shift * 24) / 24 % 1.0  # what triplets can say
        moved = turned + rational
        if _images(moved[few], kinds[few], places, kinds, metric) is None:  # most candidates end here
            continue
        images = _images(moved, kinds, places, kinds, metric)
        if images is not None and len(set(images.tolist())) == len(places):
            found.append((rotation, rational, images))
    return found


def _images(
    moved: npt.NDArray[np.float64],
    moved_kinds: npt.NDArray[np.int64],
    places: npt.NDArray[np.float64],
    kinds: npt.NDArray[np.int64],
    metric: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64] | None:
    """The atom of its own kind that each moved atom falls on; None where one falls on none."""
    step = moved[:, None] - places
    step -= np.round(step)
    apart = ((step @ metric) * step).sum(axis=2)
    apart[moved_kinds[:, None] != kinds] = np.inf
    return apart.argmin(axis=1) if apart.min(axis=1).max() < TOLERANCE**2 else None


def _triplet(rotation: npt.NDArray[np.int64], shift: npt.NDArray[np.float64]) -> str:
    import gemmi

    op = gemmi.Op("x,y,z")
    op.rot = (rotation * gemmi.Op.DEN).tolist()
    op.tran = np.rint(shift * gemmi.Op.DEN).astype(int).tolist()
    return op.triplet()
