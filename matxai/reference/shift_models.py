"""How measured positions differ from those of the references: instrument and specimen, as a few bounded parameters.

Diffraction (Klug & Alexander, X-ray Diffraction Procedures, 1974, ch. 5)::

    2 theta_measured = 2 theta + zero + displacement cos(theta),    sin(theta) = sin(theta_reference) d_reference / d

with d of a cell whose lengths are 1 + strain times those of the reference. Energies, binding energies and Raman shifts
move rigidly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference.lines import ReferenceLines

    Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """One thing that is fitted.

    Attributes
    ----------
    name
        ``"zero shift"``, ``"lattice of Si"``.
    unit
        Of its value.
    bound
        Its value stays within plus and minus this.
    phase
        Which reference it belongs to; None where it is the instrument's.
    """

    name: str
    unit: str
    bound: float
    phase: int | None = None


@dataclass(frozen=True)
class ShiftModel:
    """Parameters, and where they put every line of every reference.

    Attributes
    ----------
    parameters
        In the order of the values.
    references
        The positions of each reference without any shift.
    factors
        For diffraction, for each reference: squared d of the reference over d as a linear form of the squared inverse
        scales of the cell's axes, shape ``(n, 3)``; None where positions move rigidly.
    columns
        For each reference, the index of the parameter that scales each of the three axes (-1: none).
    """

    parameters: tuple[Parameter, ...]
    references: tuple[Curve, ...]
    factors: tuple[Curve, ...] | None = None
    columns: tuple[tuple[int, int, int], ...] = ()

    @property
    def bounds(self) -> Curve:
        """Shape ``(p,)``."""
        return np.array([p.bound for p in self.parameters], float)

    def lines(self, values: npt.ArrayLike) -> list[Curve]:
        """Return where the lines of each reference are expected on the measured axis."""
        x = np.asarray(values, float)
        return [self.shifted(self.unstrained(x, i), x) for i in range(len(self.references))]

    def unstrained(self, values: Curve, phase: int) -> Curve:
        """Positions of one reference with its lattice as fitted, on a perfect instrument."""
        places = self.references[phase]
        if self.factors is None or max(self.columns[phase]) < 0:
            return places
        scales = np.array([1.0 if c < 0 else 1 + values[c] for c in self.columns[phase]])
        ratio = np.sqrt(np.maximum(self.factors[phase] @ scales**-2.0, 0))
        sine = np.clip(np.sin(np.radians(places / 2)) * ratio, 0, 1)
        return np.asarray(np.degrees(2 * np.arcsin(sine)), float)

    def shifted(self, places: Curve, values: Curve) -> Curve:
        """Positions on the measured axis of places on a perfect instrument."""
        moved = places
        for parameter, value in zip(self.parameters, values, strict=True):
            if parameter.name in {"zero shift", "rigid shift"}:
                moved = moved + value
            elif parameter.name == "displacement":
                moved = moved + value * np.cos(np.radians(places / 2))
        return np.asarray(moved, float)

    def corrected(self, measured: Curve, values: Curve) -> Curve:
        """Places on a perfect instrument of measured positions: the inverse of `shifted`, by iteration."""
        places = np.asarray(measured, float)
        for _ in range(6):  # a shift of 0.3 degrees changes cos(theta) by 0.003: three digits a turn
            places = measured - (self.shifted(places, values) - places)
        return places


def rigid_model(references: Sequence[ReferenceLines], bound: float) -> ShiftModel:
    """Return the model in which all lines move by the same amount."""
    shift = Parameter("rigid shift", references[0].unit, bound)
    return ShiftModel((shift,), tuple(r.positions for r in references))


def diffraction_model(
    references: Sequence[ReferenceLines],
    bounds: tuple[float, float, float],
    *,
    displacement: bool = True,
    lattice: Sequence[str] = (),
) -> ShiftModel:
    """Return the model of a powder pattern.

    Parameters
    ----------
    references
        On two-theta in degrees.
    bounds
        Of zero shift and displacement (degrees) and of strain.
    displacement
        Whether it is fitted.
    lattice
        For each reference ``"fixed"``, ``"scale"`` or ``"axes"`` (its axes that differ in length, each for itself).
    """
    parameters = [Parameter("zero shift", "degree", bounds[0])]
    if displacement:
        parameters.append(Parameter("displacement", "degree", bounds[1]))
    factors, columns = [], []
    for i, (reference, how) in enumerate(zip(references, lattice, strict=True)):
        groups = axes_of(reference) if how == "axes" else ["abc"] if how == "scale" else []
        factors.append(_factors(reference, whole=how != "axes"))
        own = {}
        for group in groups:
            called = f"lattice of {reference.name}" if len(groups) == 1 else f"{group[0]} of {reference.name}"
            own[group] = len(parameters)
            parameters.append(Parameter(called, "relative", bounds[2], i))
        first, second, third = (next((own[g] for g in groups if letter in g), -1) for letter in "abc")
        columns.append((first, second, third))
    places = tuple(r.positions for r in references)
    return ShiftModel(tuple(parameters), places, tuple(factors), tuple(columns))


def axes_of(reference: ReferenceLines) -> list[str]:
    """Return the groups of axes of equal length: ``["abc"]`` of a cubic cell, ``["ab", "c"]`` of a hexagonal one.

    Lines without hkl or cell have one group.
    """
    cell = reference.facts.get("cell")
    if cell is None or any("hkl" not in line.facts for line in reference.lines):
        return ["abc"]
    groups: list[str] = []
    for letter, length in zip("abc", cell[:3], strict=True):
        home = next((g for g in groups if abs(cell["abc".index(g[0])] / length - 1) < 1e-4), None)
        if home is None:
            groups.append(letter)
        else:
            groups[groups.index(home)] += letter
    return groups


def _factors(reference: ReferenceLines, *, whole: bool) -> Curve:
    """Rows that give (d_reference / d)^2 when multiplied with the squared inverse scales of a, b, c.

    1/d^2 = sum_ij h_i h_j G*_ij. Where a, b, c get factors of their own the terms i = j scale with the inverse square
    and mixed terms with the product of two; those are shared out to the two axes in halves, which is exact where the
    two scale alike and to second order in strain elsewhere.
    """
    n = len(reference)
    if whole:
        return np.full((n, 3), 1 / 3)
    from matxai.reference.crystals import metric_of

    inverse = np.linalg.inv(metric_of(reference.facts["cell"]))
    hkl = np.array([line.facts["hkl"] for line in reference.lines], float)
    terms = hkl[:, :, None] * inverse * hkl[:, None, :]
    rows = terms.sum(axis=2)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), float)
