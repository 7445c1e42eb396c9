"""Crystal structures as records: cell, symmetry, sites; and the atoms of the whole cell that follow from them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

SAME_PLACE = 0.1
"""Distance in angstrom below which images of one site are one atom on a special position."""


@dataclass(frozen=True)
class Site:
    """One atom of the asymmetric unit.

    Attributes
    ----------
    element
        Its symbol: ``"Fe"``. Form factors are those of the neutral atom.
    position
        Fractional coordinates.
    occupancy
        The share of cells in which it is there, over 0 and at most 1.
    b_iso
        Isotropic displacement parameter B = 8 pi^2 U in square angstrom; None where the source gives none.
    label
        How the source calls it: ``"O2"``.
    """

    element: str
    position: tuple[float, float, float]
    occupancy: float = 1.0
    b_iso: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Atoms:
    """The atoms of one cell.

    Attributes
    ----------
    elements
        Symbols, one for each atom.
    positions
        Fractional coordinates in [0, 1), shape ``(n, 3)``.
    occupancies
        Shape ``(n,)``.
    b_iso
        Square angstrom, shape ``(n,)``; NaN where the source gives none.
    """

    elements: tuple[str, ...]
    positions: npt.NDArray[np.float64]
    occupancies: npt.NDArray[np.float64]
    b_iso: npt.NDArray[np.float64]


@dataclass(frozen=True)
class CrystalStructure:
    """A crystal: what powder lines are computed from.

    Attributes
    ----------
    name
        How it is called here: ``"Fe2O3 (hematite)"``.
    cell
        ``a, b, c`` in angstrom, ``alpha, beta, gamma`` in degrees.
    space_group
        Hermann-Mauguin symbol, with the setting where it has several: ``"F d -3 m:2"``.
    sites
        The asymmetric unit.
    source
        The paper, handbook or file.
    operations
        Symmetry operations as triplets (``"-x,y,-z+1/2"``); those of the space group where none are given.
    notes
        What was decided on reading.

    Raises
    ------
    MatxaiError
        If the cell is none, the space group is unknown, or a site has no element, place or occupancy.
    """

    name: str
    cell: tuple[float, float, float, float, float, float]
    space_group: str
    sites: tuple[Site, ...]
    source: str
    operations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_cell(self.name, self.cell)
        if not self.operations:
            _group(self.name, self.space_group)
        if not self.sites:
            msg = f"The structure '{self.name}' has no atoms."
            raise MatxaiError(msg)
        for site in self.sites:
            _check_site(self.name, site)

    @property
    def volume(self) -> float:
        """Of the cell, in cubic angstrom."""
        return float(np.sqrt(np.linalg.det(self.metric)))

    @property
    def metric(self) -> npt.NDArray[np.float64]:
        """The metric tensor ``a_i . a_j`` in square angstrom, shape ``(3, 3)``."""
        return metric_of(self.cell)

    @property
    def operations_or_standard(self) -> tuple[str, ...]:
        """The given operations, else those of the space group."""
        return self.operations or _standard_operations(self.name, self.space_group)

    def rotations(self) -> npt.NDArray[np.int64]:
        """Rotation parts of the symmetry operations, each once, shape ``(n, 3, 3)``."""
        return _unique_rotations(self.operations_or_standard)

    def atoms(self) -> Atoms:
        """Return every atom of the cell; images of a site that fall within `SAME_PLACE` are one."""
        rotations, shifts = _parsed(self.operations_or_standard)
        found: list[tuple[Site, npt.NDArray[np.float64]]] = []
        for site in self.sites:
            images = (rotations @ np.asarray(site.position, float) + shifts) % 1.0
            found.extend((site, place) for place in self._distinct(images))
        return Atoms(
            tuple(site.element for site, _ in found),
            np.array([place for _, place in found]),
            np.array([site.occupancy for site, _ in found]),
            np.array([np.nan if site.b_iso is None else site.b_iso for site, _ in found]),
        )

    def _distinct(self, images: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
        """Means of the images that coincide: coordinates of few digits (0.333) land on their special position."""
        left, places = images, []
        while len(left):
            step = left - left[0]
            step -= np.round(step)
            near = np.einsum("ni,ij,nj->n", step, self.metric, step) < SAME_PLACE**2
            places.append((left[0] + step[near].mean(axis=0)) % 1.0)
            left = left[~near]
        return places

    def composition(self) -> dict[str, float]:
        """Return the number of atoms of each element in the cell, occupancies counted."""
        atoms = self.atoms()
        return {
            e: float(sum(o for other, o in zip(atoms.elements, atoms.occupancies, strict=True) if other == e))
            for e in dict.fromkeys(atoms.elements)
        }

    def scaled(self, scale: float | Sequence[float]) -> CrystalStructure:
        """Return it with the cell's lengths multiplied by one factor, or by one for each of a, b, c.

        Raises
        ------
        MatxaiError
            If a factor is not positive, or there are neither one nor three.
        """
        factors = np.broadcast_to(np.asarray(scale, float), (3,)) if np.size(scale) in {1, 3} else None
        if factors is None or not (np.isfinite(factors).all() and (factors > 0).all()):
            msg = f"A cell is scaled by one positive factor or by three (a, b, c), not by {scale}."
            raise MatxaiError(msg)
        a, b, c = (float(x) for x in np.array(self.cell[:3]) * factors)
        return replace(self, cell=(a, b, c, *self.cell[3:]))


def metric_of(cell: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the metric tensor ``a_i . a_j`` in square angstrom of a cell of three lengths and three angles."""
    lengths = np.asarray(cell[:3], float)
    ca, cb, cg = np.cos(np.radians(cell[3:]))
    cosines = np.array([[1, cg, cb], [cg, 1, ca], [cb, ca, 1]])
    return np.asarray(np.outer(lengths, lengths) * cosines, float)


def _check_cell(name: str, cell: Sequence[float]) -> None:
    numbers = np.asarray(cell, float)
    closed = bool(numbers.shape == (6,) and np.isfinite(numbers).all() and (numbers[:3] > 0).all())
    if closed:
        ca, cb, cg = np.cos(np.radians(numbers[3:]))
        inside = bool(((numbers[3:] > 0) & (numbers[3:] < 180)).all())
        closed = inside and bool(1 - ca**2 - cb**2 - cg**2 + 2 * ca * cb * cg > 1e-6)
    if not closed:
        said = ", ".join(f"{x:g}" for x in numbers.ravel())
        msg = (
            f"The cell of '{name}' is no cell: {said}. "
            "It needs three positive lengths (angstrom) and three angles (degrees) that close a volume."
        )
        raise MatxaiError(msg)


def _check_site(name: str, site: Site) -> None:
    import gemmi

    called = site.label or site.element
    if gemmi.Element(site.element).atomic_number == 0:
        msg = f"The site '{called}' of '{name}' is of no element: '{site.element}'. Write a symbol such as 'Fe'."
        raise MatxaiError(msg)
    if not np.isfinite(np.asarray(site.position, float)).all():
        msg = f"The site '{called}' of '{name}' has no place: {site.position}. It needs three fractional coordinates."
        raise MatxaiError(msg)
    if not 0 < site.occupancy <= 1:
        msg = f"The site '{called}' of '{name}' has the occupancy {site.occupancy:g}; it must be over 0 and at most 1."
        raise MatxaiError(msg)
    if site.b_iso is not None and not -1 < site.b_iso < 100:
        msg = f"The site '{called}' of '{name}' has B = {site.b_iso:g} square angstrom; between 0 and 5 is usual."
        raise MatxaiError(msg)


def _group(name: str, symbol: str) -> Any:
    import gemmi

    found: Any = gemmi.find_spacegroup_by_name(symbol)  # None for what it does not know
    if found is None:
        msg = f"The space group of '{name}' is unknown: '{symbol}'. Write a Hermann-Mauguin symbol such as 'F m -3 m'."
        raise MatxaiError(msg)
    return found


@functools.lru_cache(maxsize=256)
def _standard_operations(name: str, symbol: str) -> tuple[str, ...]:
    return tuple(op.triplet() for op in _group(name, symbol).operations())


@functools.lru_cache(maxsize=256)
def _parsed(operations: tuple[str, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rotations ``(n, 3, 3)`` and translations ``(n, 3)``."""
    import gemmi

    ops = [gemmi.Op(text) for text in operations]
    rotations, shifts = np.array([op.rot for op in ops], float), np.array([op.tran for op in ops], float)
    return rotations / gemmi.Op.DEN, shifts / gemmi.Op.DEN


@functools.lru_cache(maxsize=256)
def _unique_rotations(operations: tuple[str, ...]) -> npt.NDArray[np.int64]:
    return np.unique(np.rint(_parsed(operations)[0]).astype(np.int64), axis=0)
