"""What matching does on each axis: how peaks shift there, within which bounds, and what counts as near."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.shift_models import ShiftModel, diffraction_model, rigid_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """How peaks are matched on one axis.

    Attributes
    ----------
    axis, unit
        That shifts are fitted on.
    tolerance
        How far a line may lie from its peak.
    bounds
        Of zero shift, displacement and strain; of a rigid shift the first.
    needed
        Peaks that must match before anything is fitted.
    diffraction
        Whether Bragg's law holds there.
    fits
        Whether a shift is fitted.
    no_fit
        What is said where none is.
    source_axis
        The axis of the references: ``d_spacing`` and ``q`` are matched on two-theta.
    wavelength
        In angstrom, of powder lines.
    add
        What is added to measured positions first.
    """

    axis: str
    unit: str
    tolerance: float
    bounds: tuple[float, float, float]
    needed: int
    diffraction: bool = False
    fits: bool = True
    no_fit: str = ""
    source_axis: str = ""
    wavelength: float | None = None
    add: float = 0.0

    def to_axis(self, places: Curve) -> Curve:
        """Positions of the references' axis on the axis of the fit."""
        if self.source_axis not in {"d_spacing", "q"} or self.wavelength is None:
            return np.asarray(places, float)
        inverse = 1 / places if self.source_axis == "d_spacing" else places / (2 * np.pi)
        sine = self.wavelength * inverse / 2
        if not (sine <= 1).all() or not (sine > 0).all():
            msg = f"Peaks at d under {self.wavelength / 2:.4g} angstrom cannot be seen at {self.wavelength:g} angstrom."
            raise MatxaiError(msg)
        return np.asarray(np.degrees(2 * np.arcsin(sine)), float)

    def reference(self, lines: ReferenceLines) -> ReferenceLines:
        """The same lines on the axis of the fit."""
        if self.source_axis == self.axis:
            return lines
        moved = self.to_axis(lines.positions)
        rows = [replace(line, position=float(p)) for line, p in zip(lines.lines, moved, strict=True)]
        ordered: list[ReferenceLine] = sorted(rows, key=lambda line: line.position)
        return ReferenceLines(lines.name, self.axis, self.unit, tuple(ordered), lines.source, lines.facts)

    def model(
        self,
        references: Sequence[ReferenceLines],
        bounds: tuple[float, float, float],
        displacement: bool,
        lattice: Sequence[str],
    ) -> ShiftModel:
        """Return the shift model of this axis."""
        if self.diffraction:
            return diffraction_model(references, bounds, displacement=displacement, lattice=lattice)
        return rigid_model(references, bounds[0])

    def reach(self, bounds: tuple[float, float, float]) -> float:
        """How far the search for a common shift goes."""
        return (bounds[0] + bounds[1]) * 2 / 3 if self.diffraction else bounds[0]

    def strains(self, bounds: tuple[float, float, float], window: float) -> Curve:
        """The strains of the search, so close that a line at 90 degrees moves by half a window from one to the next."""
        if not self.diffraction:
            return np.zeros(1)
        n = int(np.ceil(bounds[2] * np.degrees(2) / (window / 2)))
        return np.arange(-n, n + 1) * bounds[2] / n

    def strained(self, places: Curve, strains: Curve) -> Curve:
        """Positions of lines whose spacings are all 1 + strain times as long; shapes are broadcast."""
        if not self.diffraction:
            return np.asarray(places + 0 * strains, float)
        sine = np.clip(np.sin(np.radians(places / 2)) / (1 + strains), -1, 1)
        return np.asarray(np.degrees(2 * np.arcsin(sine)), float)


UNCALIBRATED = (
    "E0 is uncalibrated: beamlines differ by as much as a valence step (1 to 2 eV), so edges are compared within the "
    "tolerance and nothing follows for the oxidation state; align to a foil (aligned=...)."
)
_DIFFRACTION = Rule("two_theta", "degree", 0.1, (0.3, 0.3, 0.01), 4, diffraction=True)
_RULES = {
    "two_theta": _DIFFRACTION,
    "d_spacing": _DIFFRACTION,
    "q": _DIFFRACTION,
    "binding_energy": Rule("binding_energy", "eV", 0.5, (5.0, 5.0, 0.01), 2),
    "kinetic_energy": Rule("kinetic_energy", "eV", 0.5, (5.0, 5.0, 0.01), 2),
    "raman_shift": Rule("raman_shift", "1/cm", 4.0, (10.0, 10.0, 0.01), 2),
    "wavelength": Rule("wavelength", "nm", 0.2, (2.0, 2.0, 0.01), 2),
    "energy": Rule("energy", "eV", 2.0, (5.0, 5.0, 0.01), 2, fits=False, no_fit=UNCALIBRATED),
}


def rule_of(references: Sequence[ReferenceLines], *, aligned: float | None) -> Rule:
    """Return the rule for the axis of these references.

    Raises
    ------
    MatxaiError
        If there is no reference, or they lie on different axes, in different units or at different wavelengths.
    """
    if not references:
        msg = "There is nothing to match with: give at least one reference."
        raise MatxaiError(msg)
    axes = {(r.axis, r.unit) for r in references}
    if len(axes) > 1:
        said = ", ".join(f"{r.name}: {r.axis} in {r.unit}" for r in references)
        msg = f"References are matched together on one axis, in one unit; here are {said}."
        raise MatxaiError(msg)
    names = [r.name for r in references]
    if len(set(names)) < len(names):
        msg = f"Two references have one name among {', '.join(names)}; each is matched once."
        raise MatxaiError(msg)
    axis, unit = axes.pop()
    if axis not in _RULES:
        msg = f"Nothing is known of how peaks shift on the axis '{axis}'; matched are {', '.join(_RULES)}."
        raise MatxaiError(msg)
    if aligned is not None and axis != "energy":
        msg = f"aligned=... is the shift of an energy axis as a foil tells it; on {axis} shifts are fitted."
        raise MatxaiError(msg)
    lengths = {r.facts.get("wavelength") for r in references}
    if _RULES[axis].diffraction and len(lengths) > 1:
        msg = f"References are matched together at one wavelength; here are {', '.join(map(str, lengths))} angstrom."
        raise MatxaiError(msg)
    rule = replace(_RULES[axis], source_axis=axis, wavelength=lengths.pop() if _RULES[axis].diffraction else None)
    if not rule.diffraction and unit != rule.unit:
        msg = f"On {axis} references are matched in {rule.unit}, not in {unit}."
        raise MatxaiError(msg)
    if rule.diffraction and axis != "two_theta" and rule.wavelength is None:
        msg = f"Lines on {axis} are matched on two-theta and need the fact 'wavelength'."
        raise MatxaiError(msg)
    if axis == "energy" and aligned is not None:
        rule = replace(rule, tolerance=0.5, add=float(aligned), no_fit=f"Energies were aligned by {aligned:+g} eV.")
    return rule
