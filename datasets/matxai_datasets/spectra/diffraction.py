"""Powder patterns: phases, a diffractometer, and the intensities that a detector would see of them.

Structure factors with anomalous terms, multiplicities and the Lorentz-polarisation factor come from
`matxai.reference.powder_lines`. Here lines get their place (lattice, zero, displacement), their width (Scherrer, Stokes
and Wilson, Caglioti, by Thompson, Cox and Hastings), their skew and their texture (March and Dollase).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matxai_datasets.spectra.profiles import add_lines, thompson_cox_hastings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.reference.crystals import CrystalStructure

Floats = NDArray[np.float64]

REACH = 12.0
"""How many widths the tails of a line are followed."""

FAINTEST = 0.1
"""Lines weaker than this percentage of a phase's strongest are not drawn; those of the tube with its bare strength."""

SATELLITES = ("K-alpha2", "K-beta", "W L-alpha1")


@dataclass(frozen=True)
class Phase:
    """One phase of a powder.

    Attributes
    ----------
    structure
        The crystal; its own displacement parameters are in its lines already.
    area
        Of its strongest line, K-alpha2 and texture left aside, in counts times degrees.
    scale
        By what its cell's lengths are multiplied: one number, or three for a, b, c.
    size
        Mean size of coherent domains along the scattering vector, in nm (Scherrer, K = 0.9).
    strain
        Mean microstrain, 1 for 100 %: a width of 4 strain tan(theta) (Stokes and Wilson).
    texture
        March's r: 1 is none, below 1 plates lie flat, above 1 needles do. W. A. Dollase, J. Appl. Cryst. 19 (1986) 267.
    texture_axis
        The normal of the plates, as hkl.
    b_extra
        More displacement of all atoms: B in square angstrom, added to that of the structure.
    """

    structure: CrystalStructure
    area: float
    scale: float | tuple[float, float, float] = 1.0
    size: float = 200.0
    strain: float = 0.0
    texture: float = 1.0
    texture_axis: tuple[int, int, int] = (0, 0, 1)
    b_extra: float = 0.0


@dataclass(frozen=True)
class Diffractometer:
    """A laboratory instrument in Bragg-Brentano geometry.

    Attributes
    ----------
    anode
        ``"Cu"``, ``"Co"``, ...
    u, v, w
        Gaussian width of the instrument, squared: u tan^2(theta) + v tan(theta) + w, in square degrees (Caglioti et
        al., Nucl. Instrum. 3 (1958) 223).
    natural
        Lorentzian width of the emission line: ``natural`` times tan(theta), in degrees.
    axial
        Skew by axial divergence: times cot(2 theta) it is the ``amount`` of :func:`profiles.axial`.
    k_alpha_2
        Strength of K-alpha2 against that of the bare tube (half of K-alpha1): 1 without a monochromator.
    k_beta
        What the filter lets through of K-beta, of 1.
    tungsten
        Strength of the tungsten line against that assumed by `matxai.reference` (1 % of K-alpha1).
    zero
        Error of the goniometer's zero in degrees of two-theta.
    displacement
        How far the sample's surface lies above the focusing circle, in mm; above means higher angles.
    radius
        Of the goniometer, in mm.
    """

    anode: str = "Cu"
    u: float = 0.004
    v: float = -0.003
    w: float = 0.005
    natural: float = 0.02
    axial: float = 0.05
    k_alpha_2: float = 1.0
    k_beta: float = 0.0
    tungsten: float = 0.0
    zero: float = 0.0
    displacement: float = 0.0
    radius: float = 240.0

    def shift(self, two_theta: Floats) -> Floats:
        """Return by how much a line at ``two_theta`` (degrees) is displaced: zero + 2 s cos(theta) / R."""
        theta = np.radians(two_theta / 2)
        return self.zero + np.degrees(2.0 * self.displacement * np.cos(theta) / self.radius)


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of one phase as an instrument shows them; arrays of one length.

    Attributes
    ----------
    labels
        hkl.
    emission
        The line of the tube.
    centre
        In degrees of two-theta, errors of the instrument included.
    area
        In counts times degrees.
    fwhm, eta, skew
        The profile.
    """

    labels: tuple[str, ...]
    emission: tuple[str, ...]
    centre: Floats
    area: Floats
    fwhm: Floats
    eta: Floats
    skew: Floats

    def chosen(self, rows: Sequence[int]) -> Lines:
        """Return some of them, by number."""
        some = list(rows)
        return Lines(
            tuple(self.labels[k] for k in some),
            tuple(self.emission[k] for k in some),
            *(a[some] for a in (self.centre, self.area, self.fwhm, self.eta, self.skew)),
        )


class _Table(NamedTuple):
    """One row for each family of hkl and line of the tube."""

    hkl: NDArray[np.int64]
    labels: tuple[str, ...]
    emission: tuple[str, ...]
    wavelength: Floats
    weight: Floats


@lru_cache(maxsize=128)
def _table(structure: CrystalStructure, anode: str, low: float, high: float) -> _Table:
    from matxai.reference.diffraction import powder_lines
    from matxai.reference.tubes import tube

    found = powder_lines(
        structure, wavelength=anode, two_theta=(low, high), satellites=SATELLITES, least=FAINTEST / 2, merge=1e-6
    )
    own = [line for line in found.lines if line.facts["emission"] == "K-alpha1"]
    strongest = max((line.intensity for line in own), default=100.0)
    waves, hkl, labels, emission, wavelength, weight = tube(anode), [], [], [], [], []
    for line in found.lines:
        families = line.facts["families"]
        total = sum(f.multiplicity * f.f_squared for f in families)
        of_tube = line.facts["emission"]
        relative = line.intensity / strongest
        if relative < FAINTEST / 100:
            continue
        for family in families:
            hkl.append(family.hkl)
            labels.append(" ".join(map(str, family.hkl)))
            emission.append(of_tube)
            wavelength.append(waves[of_tube].wavelength)
            weight.append(relative * family.multiplicity * family.f_squared / total)
    return _Table(np.array(hkl), tuple(labels), tuple(emission), np.array(wavelength), np.array(weight))


def march_dollase(structure: CrystalStructure, hkl: NDArray[np.int64], axis: Sequence[int], r: float) -> Floats:
    """Return the factor by which texture changes each family's intensity, ``(n,)``.

    The mean of (r^2 cos^2 a + sin^2 a / r)^(-3/2) over the equivalent reflections; a is the angle of hkl to the axis.
    """
    reciprocal = np.linalg.inv(structure.metric)
    equivalent = np.einsum("ni,rij->nrj", hkl, structure.rotations()).astype(float)
    t = np.asarray(axis, float)
    dot = equivalent @ reciprocal @ t
    length = np.einsum("nri,ij,nrj->nr", equivalent, reciprocal, equivalent) * (t @ reciprocal @ t)
    cos2 = np.clip(dot**2 / length, 0, 1)
    return np.asarray(((r**2 * cos2 + (1 - cos2) / r) ** -1.5).mean(axis=1))


def lines_of(phase: Phase, instrument: Diffractometer, low: float, high: float) -> Lines:
    """Return the lines of a phase between two angles, and two degrees beyond."""
    table = _table(phase.structure, instrument.anode, max(low - 2.0, 1.0), min(high + 2.0, 178.0))
    cell = phase.structure.scaled(phase.scale)
    inverse = np.sqrt(np.einsum("ni,ij,nj->n", table.hkl, np.linalg.inv(cell.metric), table.hkl))
    sine = table.wavelength * inverse / 2
    there = sine < 1
    theta = np.arcsin(np.where(there, sine, 0.5))
    strength = {"K-alpha1": 1.0, "K-alpha2": instrument.k_alpha_2, "K-beta": instrument.k_beta}
    area = phase.area * table.weight * np.array([strength.get(e, instrument.tungsten) for e in table.emission])
    area = area * np.exp(-2.0 * phase.b_extra * (inverse / 2) ** 2)
    if phase.texture != 1.0:
        area = area * march_dollase(phase.structure, table.hkl, phase.texture_axis, phase.texture)
    tan = np.tan(theta)
    gauss = np.sqrt(np.maximum(instrument.u * tan**2 + instrument.v * tan + instrument.w, 1e-10))
    scherrer = np.degrees(0.9 * table.wavelength / (10.0 * phase.size * np.cos(theta)))
    lorentz = scherrer + np.degrees(4.0 * phase.strain) * tan + instrument.natural * tan
    fwhm, eta = thompson_cox_hastings(gauss, lorentz)
    ideal = np.degrees(2 * theta)
    skew = instrument.axial / np.tan(2 * theta)
    every = Lines(table.labels, table.emission, ideal + instrument.shift(ideal), area, fwhm, eta, skew)
    return every.chosen(np.flatnonzero(there & (area > 0)).tolist())


def drawn_lines(axis: Floats, lines: Lines) -> Floats:
    """Return the lines alone on an axis, ``(n,)``."""
    into = np.zeros_like(axis)
    add_lines(
        into, axis, centre=lines.centre, area=lines.area, fwhm=lines.fwhm, eta=lines.eta, skew=lines.skew, reach=REACH
    )
    return into


@dataclass(frozen=True)
class Background:
    """What lies under the lines.

    Attributes
    ----------
    fluorescence
        Counts that do not depend on the angle.
    air
        Counts at the lower end that scatter from air and fall off with the angle.
    hump
        Counts at the top of the broad maximum of what is amorphous.
    hump_at, hump_width
        Its place and full width in degrees.
    slope
        Coefficients of a polynomial in the axis scaled to -1 to 1, times the fluorescence.
    """

    fluorescence: float = 100.0
    air: float = 50.0
    hump: float = 0.0
    hump_at: float = 22.0
    hump_width: float = 8.0
    slope: tuple[float, ...] = field(default=())

    def on(self, axis: Floats) -> Floats:
        """Return it on an axis, never below zero."""
        scaled = 2.0 * (axis - axis[0]) / (axis[-1] - axis[0]) - 1.0
        level = 1.0 + sum((c * scaled ** (k + 1) for k, c in enumerate(self.slope)), np.zeros_like(axis))
        broad = self.hump * np.exp(-4.0 * np.log(2.0) * ((axis - self.hump_at) / self.hump_width) ** 2)
        air = self.air * np.exp(-(axis - axis[0]) / 8.0)
        return np.asarray(np.maximum(self.fluorescence * level, 0.0) + air + broad)


def powder_pattern(
    axis: Floats, phases: Sequence[Phase], instrument: Diffractometer, background: Background | None = None
) -> Floats:
    """Return what the detector would see of a powder, without noise.

    Parameters
    ----------
    axis
        Two-theta in degrees, ascending, ``(n,)``.
    phases
        What is in it.
    instrument
        What it is measured with.
    background
        What lies under it.

    Returns
    -------
    numpy.ndarray
        Mean counts, ``(n,)``.
    """
    found = np.zeros_like(axis) if background is None else background.on(axis)
    for phase in phases:
        found = found + drawn_lines(axis, lines_of(phase, instrument, float(axis[0]), float(axis[-1])))
    return found
