"""Facts that ship, against what does not come from them: handbook densities, bond lengths, charges, shells."""

from __future__ import annotations

import functools
import itertools

import gemmi
import numpy as np
import pytest

from matxai.reference import auger_lines, binding_energies, edges, raman_lines, structure, structures
from matxai.reference.phases import _PHASES
from matxai.reference.photoelectrons import SOURCES, _solids
from matxai.reference.shipped import rows

MASSES = {  # IUPAC, abridged
    "Li": 6.94, "B": 10.81, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "Na": 22.990, "Mg": 24.305,
    "Al": 26.982, "Si": 28.085, "S": 32.06, "Cl": 35.45, "K": 39.098, "Ca": 40.078, "Ti": 47.867, "Cr": 51.996,
    "Mn": 54.938, "Fe": 55.845, "Co": 58.933, "Ni": 58.693, "Cu": 63.546, "Zn": 65.38, "Ga": 69.723, "Ge": 72.630,
    "As": 74.922, "Br": 79.904, "Sr": 87.62, "Mo": 95.95, "Ag": 107.868, "Cs": 132.905, "Ba": 137.327, "La": 138.905,
    "Ce": 140.116, "W": 183.84, "Pt": 195.084, "Au": 196.967, "Pb": 207.2,
}  # fmt: skip

DENSITIES = {  # g/cm3, handbooks of chemistry and physics and of mineralogy, at room temperature unless said
    "Ag": 10.49, "Al": 2.70, "Au": 19.3, "Cu": 8.96, "Ni": 8.90, "Pt": 21.45, "Fe (ferrite, bcc)": 7.87,
    "Fe (austenite, fcc)": 8.0,  # austenitic steels, 7.9 to 8.1
    "Cr": 7.19, "Mo": 10.2, "W": 19.3, "Ti": 4.506, "Zn": 7.14, "Si": 2.329, "Ge": 5.323, "C (diamond)": 3.513,
    "GaAs": 5.318, "ZnS (sphalerite)": 4.09, "ZnO": 5.61, "NaCl": 2.165, "KCl": 1.988, "LiF": 2.64, "MgO": 3.58,
    "MnO": 5.37, "NiO": 6.72, "TiN": 5.40, "FeO (wuestite)": 5.7, "CaF2": 3.18, "CeO2": 7.22, "SrTiO3": 5.11,
    "CsPbBr3 (cubic)": 4.80,  # 4.85 at room temperature, about 1 % less above 130 C
    "TiO2 (rutile)": 4.23, "MnO2": 5.12, "TiO2 (anatase)": 3.88, "Al2O3 (corundum)": 3.98, "Fe2O3 (hematite)": 5.26,
    "Fe3O4 (magnetite)": 5.18, "LiMn2O4": 4.28, "LiCoO2": 5.05, "SiO2 (quartz)": 2.65, "CaCO3 (calcite)": 2.71,
    "CaCO3 (aragonite)": 2.93, "BaTiO3": 6.02, "LaB6": 4.72, "CuO (tenorite)": 6.5,
}  # fmt: skip

BONDS = {  # angstrom: shortest distances of the pair, by textbooks of crystal chemistry (sums of radii)
    "C (diamond)": ("C", "C", 1.545), "Si": ("Si", "Si", 2.352), "ZnO": ("Zn", "O", 1.98), "GaAs": ("Ga", "As", 2.45),
    "TiO2 (rutile)": ("Ti", "O", 1.95), "TiO2 (anatase)": ("Ti", "O", 1.94), "MnO2": ("Mn", "O", 1.89),
    "Al2O3 (corundum)": ("Al", "O", 1.86), "Fe2O3 (hematite)": ("Fe", "O", 1.95),
    "Fe3O4 (magnetite)": ("Fe", "O", 1.89),
    "LiMn2O4": ("Mn", "O", 1.96), "LiCoO2": ("Co", "O", 1.92), "SiO2 (quartz)": ("Si", "O", 1.61),
    "CaCO3 (calcite)": ("C", "O", 1.28), "CaCO3 (aragonite)": ("C", "O", 1.28), "BaTiO3": ("Ti", "O", 1.86),
    "LaB6": ("B", "B", 1.66), "CuO (tenorite)": ("Cu", "O", 1.96), "CaF2": ("Ca", "F", 2.36), "CeO2": ("Ce", "O", 2.34),
    "CsPbBr3 (cubic)": ("Pb", "Br", 2.94),
}  # fmt: skip

CHARGES = {
    "Li": 1, "Na": 1, "K": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Pb": 2, "Cu": 2, "Ni": 2, "Al": 3,
    "Co": 3, "Ga": 3, "Si": 4, "Ti": 4, "Ce": 4, "C": 4, "F": -1, "Cl": -1, "Br": -1, "O": -2, "S": -2, "As": -3,
}  # fmt: skip
SEVERAL = {"Fe": (2, 3), "Mn": (2, 4)}
"""Elements whose mean charge may lie anywhere between two."""


@functools.cache
def shortest(name: str) -> dict[tuple[str, str], float]:
    """The shortest distance of each pair of elements, images in the cells around counted."""
    crystal = structure(name)
    atoms = crystal.atoms()
    around = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    step = atoms.positions[:, None, None] - atoms.positions[:, None] + around
    apart = np.sqrt(np.einsum("nmki,ij,nmkj->nmk", step, crystal.metric, step))
    apart = np.where(apart < 1e-6, np.inf, apart).min(axis=2)
    found: dict[tuple[str, str], float] = {}
    for i, j in itertools.product(range(len(atoms.elements)), repeat=2):
        pair = (min(atoms.elements[i], atoms.elements[j]), max(atoms.elements[i], atoms.elements[j]))
        found[pair] = min(found.get(pair, np.inf), float(apart[i, j]))
    return found


def test_every_phase_has_a_density_here() -> None:
    assert set(structures()) == set(DENSITIES)


@pytest.mark.parametrize("name", sorted(DENSITIES))
def test_densities_are_those_of_handbooks(name: str) -> None:
    crystal = structure(name)
    mass = sum(MASSES[e] * n for e, n in crystal.composition().items())
    assert mass / 0.602214076 / crystal.volume == pytest.approx(DENSITIES[name], rel=0.02)


@pytest.mark.parametrize("name", sorted(DENSITIES))
def test_no_atoms_are_closer_than_their_cores_allow(name: str) -> None:
    found = shortest(name)
    anions = {"O", "F", "S", "Cl", "Br", "N"}
    for (first, second), apart in found.items():
        metals = first not in anions | {"C", "B"} and second not in anions | {"C", "B"}
        least = 2.2 if metals or {first, second} <= anions else 1.25
        assert apart > least, (first, second, apart)
    assert min(found.values()) < 3.2  # a cell of the wrong scale leaves its atoms alone


@pytest.mark.parametrize("name", sorted(BONDS))
def test_bonds_have_their_length(name: str) -> None:
    first, second, length = BONDS[name]
    assert shortest(name)[min(first, second), max(first, second)] == pytest.approx(length, abs=0.02)


def test_salts_are_neutral() -> None:
    seen = 0
    for name in structures():
        composition = structure(name).composition()
        if len(composition) == 1 or not set(composition) <= set(CHARGES) | set(SEVERAL):
            continue  # elements, TiN, LaB6
        seen += 1
        rest = -sum(CHARGES[e] * n for e, n in composition.items() if e in CHARGES)
        variable = [e for e in composition if e in SEVERAL]
        if variable:
            (element,) = variable
            low, high = SEVERAL[element]
            assert low - 1e-9 <= rest / composition[element] <= high + 1e-9, name
        else:
            assert rest == pytest.approx(0, abs=1e-9), name
    assert seen == 27


def test_every_phase_names_a_source() -> None:
    assert all(len(phase.source) > 20 for phase in _PHASES)


LEVELS = {"1s": ("K", None), "2p": ("L3", "L2"), "3d": ("M5", "M4")}


@pytest.mark.parametrize("row", [r for r in _solids() if "metal)" in r.state and r.level in LEVELS], ids=str)
def test_metals_have_the_levels_of_the_table_of_edges(row) -> None:
    """Two tables that do not come from each other: solids by XPS, and the edges of Elam, Ravel and Sieber."""
    table = {line.facts["level"]: line.position for line in edges(row.element).lines}
    high, low = LEVELS[row.level]
    assert row.energy == pytest.approx(table[high], abs=0.5)
    if row.splitting is not None:
        assert row.splitting == pytest.approx(table[low] - table[high], abs=0.51)  # chromium: 9.2 and 9.7


def test_doublets_hold_the_physics_of_their_shell() -> None:
    """A splitting grows with the atomic number; an area is shared as 2 j + 1; the larger j binds less."""
    for shell, share in (("2p", 1 / 2), ("3d", 2 / 3), ("4f", 3 / 4)):
        own = [r for r in _solids() if r.level == shell and r.splitting is not None]
        elements = sorted({r.element for r in own}, key=lambda e: gemmi.Element(e).atomic_number)
        mean = [np.mean([r.splitting for r in own if r.element == e]) for e in elements]
        assert mean == sorted(mean)
        for row in own:
            lines = [x for x in binding_energies(f"{row.element} {shell}").lines if x.facts["state"] == row.state]
            main, other = sorted(lines, key=lambda line: line.position)
            assert other.position - main.position == pytest.approx(row.splitting)
            assert other.intensity / main.intensity == pytest.approx(share)
            assert str(main.facts["level"]) > str(other.facts["level"])  # 3/2 before 1/2


def test_oxidation_binds_tighter_and_uncertainties_are_sober() -> None:
    for row in _solids():
        assert 0.1 <= row.uncertainty <= 0.8, row
        assert row.sources and set(row.sources) <= set(SOURCES), row
    for ladder in (
        ("Ti (metal)", "TiN", "TiO2"), ("V (metal)", "VO2", "V2O5"), ("Cr (metal)", "Cr2O3", "CrO3"),
        ("Mn (metal)", "MnO", "Mn2O3", "MnO2"), ("Fe (metal)", "FeO", "Fe3O4", "Fe2O3"), ("Mo (metal)", "MoO2", "MoO3"),
        ("Si (element)", "SiC", "Si3N4", "SiO2"), ("Sn (metal)", "SnO2"), ("W (metal)", "WO3"), ("Zr (metal)", "ZrO2"),
    ):  # fmt: skip
        shell = {row.state: row.energy for row in _solids() if row.level in {"2p", "3d", "4f"}}
        energies = [shell[state] for state in ladder]
        assert energies == sorted(set(energies)), ladder


def test_auger_parameters_are_those_of_wagner() -> None:
    """2p3/2 (3d5/2 of silver) and the sharpest Auger line: Wagner's values in eV, which no charging moves."""
    for element, level, state, parameter in (
        ("Cu", "2p3/2", "Cu (metal)", 1851.2),
        ("Cu", "2p3/2", "Cu2O", 1849.2),
        ("Cu", "2p3/2", "CuO", 1851.3),
        ("Zn", "2p3/2", "Zn (metal)", 2013.8),
        ("Zn", "2p3/2", "ZnO", 2010.0),
        ("Ag", "3d5/2", "Ag (metal)", 726.0),
    ):
        photo = {x.facts["state"]: x.position for x in binding_energies(f"{element} {level}").lines}[state]
        auger = {x.facts["state"]: x.position for x in auger_lines(element).lines}[state]
        assert photo + auger == pytest.approx(parameter, abs=0.2), (element, state)


def test_rows_without_a_second_source_say_so() -> None:
    facts = {line.label: line.facts["compared"] for line in binding_energies("Fe 2p3/2").lines}
    assert facts["Fe 2p3/2 Fe2O3"] is True
    assert facts["Fe 2p3/2 FeOOH"] is False
    assert auger_lines("F").lines[0].facts["compared"] is False


def test_raman_lines_ascend_and_no_substance_is_written_twice() -> None:
    table = rows("raman")
    for substance in {row[0] for row in table}:
        places = raman_lines(substance).positions
        assert (np.diff(places) > 0).all(), substance
        assert all(0 < float(row[3]) <= 25 for row in table if row[0] == substance)
