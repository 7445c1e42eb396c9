"""Powder lines of a crystal structure: positions, families of hkl, multiplicities, intensities.

The kinematic formula of every textbook (Warren, X-ray Diffraction, 1969; International Tables C, 6.2)::

    I = m |F|^2 (1 + cos^2(2 a) cos^2(2 theta)) / (sin^2(theta) cos(theta))
    F = sum_j o_j (f_j(s) + f'_j + i f''_j) exp(-B_j s^2) exp(2 pi i h.x_j),    s = sin(theta) / wavelength

with f from the four Gaussians and a constant of International Tables C (1992), table 6.1.1.4, and f', f'' by Cromer and
Liberman (J. Chem. Phys. 53, 1891, 1970), both through gemmi. The squares of h and -h are averaged, as a powder does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from matxai.errors import MatxaiError, nearest
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.tubes import HC, anode_of, tube, wavelength_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference.crystals import CrystalStructure

K_ALPHA_1 = 1.54056
"""Of copper, in angstrom (Bearden 1967)."""
UNITS = {"two_theta": "degree", "d_spacing": "angstrom", "q": "1/angstrom"}
USUAL_B = 0.5
"""Square angstrom; for sites whose source gives none."""
MOST_HKL = 4_000_000
FORM_FACTORS_END = 2.0
"""sin(theta) / wavelength in 1/angstrom up to which the table of form factors holds."""


@dataclass(frozen=True)
class Family:
    """Reflections that symmetry makes equal.

    Attributes
    ----------
    hkl
        One of them, with the fewest negative indices.
    multiplicity
        How many there are, h and -h both counted.
    f_squared
        |F|^2 in square electrons, mean of h and -h.
    """

    hkl: tuple[int, int, int]
    multiplicity: int
    f_squared: float


def powder_lines(
    structure: CrystalStructure,
    *,
    wavelength: float | str = K_ALPHA_1,
    two_theta: tuple[float, float] = (10.0, 90.0),
    axis: str = "two_theta",
    satellites: Sequence[str] = (),
    anomalous: bool = True,
    debye_waller: bool = True,
    usual_b: float = USUAL_B,
    monochromator: float = 0.0,
    least: float = 0.01,
    merge: float = 1e-3,
) -> ReferenceLines:
    """Return the lines that a powder of this structure shows.

    Parameters
    ----------
    structure
        From `structure`, `read_cif`, or made by hand.
    wavelength
        In angstrom, or a tube's line by name (``"Cu"``, ``"Mo K-alpha"``).
    two_theta
        The range in degrees, for every axis.
    axis
        ``two_theta`` (degree), ``d_spacing`` (angstrom) or ``q`` (1/angstrom).
    satellites
        Lines of the same tube to give as well: ``"K-alpha2"``, ``"K-beta"``, ``"W L-alpha1"``, ``"W L-alpha2"``. On
        the axes d and q they stand where the wavelength above puts them.
    anomalous
        Whether f' and f'' are added to the form factors.
    debye_waller, usual_b
        Whether atoms move, and B in square angstrom of sites whose source gives none.
    monochromator
        Its two-theta in degrees (26.6 for graphite and copper); 0 is none.
    least
        Lines weaker than this are left out; the strongest line has 100.
    merge
        Lines closer than this in degrees are one.

    Returns
    -------
    ReferenceLines
        Each line with the facts ``hkl``, ``multiplicity``, ``d_spacing``, ``f_squared`` of its strongest family,
        ``families`` (all of them), ``emission`` and ``two_theta``.

    Raises
    ------
    MatxaiError
        If a parameter is out of its range, or no line lies in the range.
    """
    primary = _wavelength(wavelength)
    _check(structure, primary, two_theta, axis, usual_b, monochromator, least, merge)
    emissions = [("", primary, 1.0), *_satellites(satellites, primary)]
    sticks: list[_Stick] = []
    for name, length, strength in emissions:
        seen = _families(structure, length, two_theta)
        squares = _squares(structure, seen, length, anomalous=anomalous, b=usual_b if debye_waller else None)
        sticks += _sticks(seen, squares, (name, length, strength), np.cos(np.radians(monochromator)) ** 2, merge)
    strongest = max((s.weight for s in sticks), default=0.0)
    kept = [s for s in sticks if s.weight > 0 and s.weight >= least / 100 * strongest]
    lines = sorted((_line(s, axis, primary, strongest) for s in kept), key=lambda line: line.position)
    return ReferenceLines(
        structure.name,
        axis,
        UNITS[axis],
        tuple(lines),
        structure.source,
        {
            "wavelength": primary,
            "cell": structure.cell,
            "space_group": structure.space_group,
            "anomalous": anomalous,
            "debye_waller": debye_waller,
            "monochromator": monochromator,
            "satellites": tuple(satellites),
        },
    )


def _wavelength(given: float | str) -> float:
    return wavelength_of(given) if isinstance(given, str) else float(given)


def _check(
    structure: CrystalStructure,
    wavelength: float,
    two_theta: tuple[float, float],
    axis: str,
    usual_b: float,
    monochromator: float,
    least: float,
    merge: float,
) -> None:
    if axis not in UNITS:
        msg = f"Powder lines have no axis '{axis}'. {nearest(axis, UNITS, label='There are')}"
        raise MatxaiError(msg)
    if not 0.05 <= wavelength <= 5:
        msg = f"A wavelength of {wavelength:g} angstrom is none for diffraction; 0.05 to 5 are (Cu: 1.54056)."
        raise MatxaiError(msg)
    low, high = two_theta
    if not 0 <= low < high <= 180:
        msg = f"The range of two-theta must ascend within 0 to 180 degrees, not go from {low:g} to {high:g}."
        raise MatxaiError(msg)
    reach = np.sin(np.radians(high / 2)) / wavelength
    if reach > FORM_FACTORS_END:
        end = 2 * np.degrees(np.arcsin(FORM_FACTORS_END * wavelength))
        msg = f"Form factors are known up to two-theta {end:.1f} degrees at {wavelength:g} angstrom, not to {high:g}."
        raise MatxaiError(msg)
    if not 0 <= usual_b < 100 or not 0 <= monochromator < 180 or not 0 <= least < 100 or not 0 <= merge < 1:
        msg = (
            f"usual_b={usual_b:g}, monochromator={monochromator:g}, least={least:g} and merge={merge:g} must lie in "
            "0 to 100 square angstrom, 0 to 180 degrees, 0 to 100 and 0 to 1 degree."
        )
        raise MatxaiError(msg)
    expected = 33.6 * structure.volume * reach**3  # 4/3 pi (2 reach)^3: reciprocal points within the sphere
    if expected > MOST_HKL:
        msg = (
            f"'{structure.name}' has about {expected:.2g} reflections up to {high:g} degrees at {wavelength:g} "
            f"angstrom, and {MOST_HKL} are the most computed. Choose a smaller range."
        )
        raise MatxaiError(msg)


def _satellites(names: Sequence[str], primary: float) -> list[tuple[str, float, float]]:
    if not names:
        return []
    anode = anode_of(primary)
    if anode is None:
        msg = f"No tube has K-alpha at {primary:g} angstrom, so it has no {', '.join(names)}; leave satellites out."
        raise MatxaiError(msg)
    lines = {name: line for name, line in tube(anode).items() if name != "K-alpha1"}
    if strange := [name for name in names if name not in lines]:
        msg = f"'{strange[0]}' is no satellite of {anode} K-alpha1. {nearest(strange[0], lines, label='There are')}"
        raise MatxaiError(msg)
    return [(name, lines[name].wavelength, lines[name].strength) for name in names]


class _Families(NamedTuple):
    hkl: npt.NDArray[np.int64]  # (n, 3), one of each family
    multiplicity: npt.NDArray[np.int64]  # (n,)
    d: npt.NDArray[np.float64]  # (n,)


class _Stick(NamedTuple):
    two_theta: float
    weight: float
    d: float
    emission: str
    families: tuple[Family, ...]


def _families(structure: CrystalStructure, wavelength: float, two_theta: tuple[float, float]) -> _Families:
    """Families of hkl within the range, absent ones included."""
    least, most = (2 * np.sin(np.radians(x / 2)) / wavelength for x in two_theta)  # 1/d
    reach = np.floor(np.array(structure.cell[:3]) * most + 1e-9).astype(np.int64)  # |h| = |a . s| <= a |s|
    axes = [np.arange(-n, n + 1) for n in reach]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inverse = np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", hkl, np.linalg.inv(structure.metric), hkl), 0))
    inside = (inverse >= max(least, 1e-9)) & (inverse <= most)
    hkl, inverse = hkl[inside], inverse[inside]
    keys = _keys(hkl, structure.rotations())
    _, first, count = np.unique(keys, return_index=True, return_counts=True)
    span = _span(hkl)
    best = keys[first]
    chosen = np.stack([best // span**2 % span, best // span % span, best % span], axis=-1) - span // 2
    return _Families(chosen, count, 1 / inverse[first])


def _span(hkl: npt.NDArray[np.int64]) -> int:
    """An odd number larger than the range of every index of every equivalent reflection."""
    return 4 * int(np.abs(hkl).max(initial=0)) + 3


def _keys(hkl: npt.NDArray[np.int64], rotations: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """One number for each family: of the reflections that symmetry and Friedel make equal, the best one to write.

    That is the one with the fewest negative indices, and of those the largest.
    """
    span = _span(hkl)
    best = np.full(len(hkl), -1, dtype=np.int64)
    for rotation in rotations:
        turned = hkl @ rotation
        for signed in (turned, -turned):
            places = signed + span // 2
            positive = 3 - (signed < 0).sum(axis=1)
            np.maximum(best, ((positive * span + places[:, 0]) * span + places[:, 1]) * span + places[:, 2], out=best)
    return best


def _squares(
    structure: CrystalStructure, seen: _Families, wavelength: float, *, anomalous: bool, b: float | None
) -> npt.NDArray[np.float64]:
    """|F|^2 of each family; ``b`` None stands still."""
    atoms = structure.atoms()
    s2 = 1 / (4 * seen.d**2)
    kinds = sorted(set(atoms.elements))
    plain = {e: form_factor(e, s2) for e in kinds}
    shift = {e: dispersion(e, wavelength) if anomalous else (0.0, 0.0) for e in kinds}
    where = np.array([kinds.index(e) for e in atoms.elements])
    b_iso = np.where(np.isnan(atoms.b_iso), b or 0.0, atoms.b_iso) if b is not None else np.zeros(len(where))
    squares = np.empty(len(seen.d))
    real = np.stack([plain[e] + shift[e][0] for e in kinds])
    imaginary = np.array([shift[e][1] for e in kinds])
    step = max(1, 2_000_000 // len(where))
    for start in range(0, len(squares), step):
        rows = slice(start, start + step)
        waves = np.exp(2j * np.pi * (seen.hkl[rows] @ atoms.positions.T))
        waves *= atoms.occupancies * np.exp(-np.outer(s2[rows], b_iso))
        # |F(h)|^2 and |F(-h)|^2 have the mean |A|^2 + |B|^2, A of the real and B of the imaginary factors.
        a = (waves * real[where][:, rows].T).sum(axis=1)
        squares[rows] = np.abs(a) ** 2 + np.abs(waves @ imaginary[where]) ** 2
    return squares


def form_factor(element: str, s_squared: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the form factor of a neutral atom in electrons.

    Parameters
    ----------
    element
        Its symbol.
    s_squared
        (sin(theta) / wavelength)^2 in 1/square angstrom, any shape; up to 4.

    Raises
    ------
    MatxaiError
        If the table has no such element.
    """
    import gemmi

    table = gemmi.Element(element).it92
    if gemmi.Element(element).atomic_number == 0 or table is None:
        msg = f"There is no form factor of '{element}'; International Tables C have H to Cf."
        raise MatxaiError(msg)
    s2 = np.asarray(s_squared, float)[..., None]
    return np.asarray((np.array(table.a) * np.exp(-np.array(table.b) * s2)).sum(axis=-1) + table.c, float)


def dispersion(element: str, wavelength: float) -> tuple[float, float]:
    """Return f' and f'' in electrons at a wavelength in angstrom."""
    import gemmi

    number = gemmi.Element(element).atomic_number
    if number < 3:  # the table begins with lithium; hydrogen and helium have next to none
        return 0.0, 0.0
    first, second = gemmi.cromer_liberman(z=number, energy=HC / wavelength)
    return float(first), float(second)


def _sticks(
    seen: _Families,
    squares: npt.NDArray[np.float64],
    emission: tuple[str, float, float],
    polarised: float,
    merge: float,
) -> list[_Stick]:
    name, wavelength, strength = emission
    theta = np.arcsin(np.clip(wavelength / (2 * seen.d), 0, 1))
    with np.errstate(divide="ignore"):
        factor = (1 + polarised * np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.maximum(np.cos(theta), 1e-9))
    weights = strength * seen.multiplicity * squares * factor / (1 + polarised)
    places = np.degrees(2 * theta)
    there = np.flatnonzero(weights > 1e-9 * weights.max(initial=0))  # the rest is absent: rounding
    order = there[np.argsort(places[there], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(places[order]) > merge) + 1) if len(order) else []
    found = []
    for group in groups:
        group = group[np.lexsort((-seen.hkl[group].max(axis=1), -weights[group]))]
        total = float(weights[group].sum())
        families = tuple(
            Family((int(h), int(k), int(m)), int(seen.multiplicity[i]), float(squares[i]))
            for i in group
            for h, k, m in [seen.hkl[i]]
        )
        place = float((places[group] * weights[group]).sum() / total)
        found.append(_Stick(place, total, float(seen.d[group[0]]), name, families))
    return found


def _line(stick: _Stick, axis: str, primary: float, strongest: float) -> ReferenceLine:
    first = stick.families[0]
    apparent_q = 4 * np.pi * np.sin(np.radians(stick.two_theta / 2)) / primary
    position = {"two_theta": stick.two_theta, "d_spacing": 2 * np.pi / apparent_q, "q": apparent_q}[axis]
    label = ", ".join(" ".join(str(i) for i in family.hkl) for family in stick.families)
    facts: dict[str, Any] = {
        "hkl": first.hkl,
        "multiplicity": first.multiplicity,
        "d_spacing": stick.d,
        "f_squared": first.f_squared,
        "families": stick.families,
        "two_theta": stick.two_theta,
        "emission": stick.emission or "K-alpha1",
    }
    shown = f"{label} {stick.emission}" if stick.emission else label
    return ReferenceLine(float(position), shown, 100 * stick.weight / strongest, facts)
