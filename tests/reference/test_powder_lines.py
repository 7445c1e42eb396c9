"""Powder lines against pymatgen, and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import MatxaiError
from matxai.reference import CrystalStructure, Site, powder_lines, structure, structures, tube, wavelength_of
from matxai.reference.diffraction import dispersion, form_factor

COMPARED = [
    "Si",
    "Cu",
    "Fe (ferrite, bcc)",
    "Ti",
    "NaCl",
    "CaF2",
    "ZnO",
    "SrTiO3",
    "TiO2 (rutile)",
    "TiO2 (anatase)",
    "Al2O3 (corundum)",
    "Fe3O4 (magnetite)",
    "FeO (wuestite)",
    "LiCoO2",
    "SiO2 (quartz)",
    "CaCO3 (calcite)",
    "CaCO3 (aragonite)",
    "BaTiO3",
    "CuO (tenorite)",
]


def pattern_of_pymatgen(crystal: CrystalStructure, wavelength: float) -> tuple[np.ndarray, np.ndarray]:
    """The same atoms, without symmetry: pymatgen finds families and multiplicities its own way."""
    pytest.importorskip("pymatgen.analysis.diffraction.xrd", reason="pymatgen is the reference here: extra 'test'")
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core import Lattice, Structure

    atoms = crystal.atoms()
    species = [{e: o} for e, o in zip(atoms.elements, atoms.occupancies, strict=True)]
    made = Structure(Lattice.from_parameters(*crystal.cell), species, atoms.positions)
    pattern = XRDCalculator(wavelength=wavelength).get_pattern(made, two_theta_range=(10, 90))
    return np.asarray(pattern.x), np.asarray(pattern.y)


@pytest.mark.parametrize("name", COMPARED)
def test_lines_are_those_of_pymatgen(name: str) -> None:
    ours = powder_lines(structure(name), wavelength=1.54056, anomalous=False, debye_waller=False)
    places, heights = pattern_of_pymatgen(structure(name), 1.54056)
    for place, height in zip(places[heights > 1], heights[heights > 1], strict=True):
        nearest = np.abs(ours.positions - place).argmin()
        assert ours.positions[nearest] == pytest.approx(place, abs=0.02)
        assert ours.intensities[nearest] == pytest.approx(height, abs=5)
    for line in ours.lines:
        if line.intensity > 1:
            assert np.abs(places - line.position).min() < 0.02, line.label


def test_another_wavelength_is_that_of_pymatgen() -> None:
    ours = powder_lines(structure("hematite"), wavelength="Mo", anomalous=False, debye_waller=False, least=1)
    places, heights = pattern_of_pymatgen(structure("hematite"), wavelength_of("Mo"))
    strong = heights > 1.05
    apart = np.abs(ours.positions[:, None] - places[strong])
    assert apart.min(axis=0).max() < 0.02
    assert ours.intensities[apart.argmin(axis=0)] == pytest.approx(heights[strong], abs=5)


def test_silicon_by_hand() -> None:
    """F = 8 f for h + k + l = 4 n, 4 (1 + i) f for odd indices; a = 5.431 and Bragg's law give the places."""
    lines = powder_lines(structure("Si"), anomalous=False, debye_waller=False).lines
    assert [line.facts["hkl"] for line in lines] == [(1, 1, 1), (2, 2, 0), (3, 1, 1), (4, 0, 0), (3, 3, 1), (4, 2, 2)]
    assert [line.facts["multiplicity"] for line in lines] == [8, 12, 24, 6, 24, 24]
    for line in lines:
        h, k, m = line.facts["hkl"]
        d = 5.431020511 / np.sqrt(h * h + k * k + m * m)
        f = form_factor("Si", 1 / (4 * d * d))
        assert line.facts["d_spacing"] == pytest.approx(d)
        assert line.facts["f_squared"] == pytest.approx((64 if (h + k + m) % 2 == 0 else 32) * f**2)
        assert line.position == pytest.approx(2 * np.degrees(np.arcsin(1.54056 / (2 * d))))
        theta = np.radians(line.position / 2)
        expected = line.facts["multiplicity"] * line.facts["f_squared"] * (1 + np.cos(2 * theta) ** 2)
        expected /= np.sin(theta) ** 2 * np.cos(theta)
        first = lines[0]
        t1 = np.radians(first.position / 2)
        strongest = 8 * first.facts["f_squared"] * (1 + np.cos(2 * t1) ** 2) / (np.sin(t1) ** 2 * np.cos(t1))
        assert line.intensity == pytest.approx(100 * expected / strongest)


def test_caesium_chloride_lattices_with_equal_atoms_lose_the_odd_lines() -> None:
    atom = Site("W", (0, 0, 0), b_iso=0.2)
    other = Site("W", (0.5, 0.5, 0.5), b_iso=0.2)
    primitive = CrystalStructure("W as CsCl", (3.1648,) * 3 + (90.0,) * 3, "P m -3 m", (atom, other), "made")
    assert np.allclose(powder_lines(primitive).positions, powder_lines(structure("W")).positions)


def test_form_factors_begin_with_the_number_of_electrons() -> None:
    for element, number in (("C", 6), ("O", 8), ("Fe", 26), ("W", 74)):
        assert form_factor(element, 0.0) == pytest.approx(number, abs=0.05)


def test_dispersion_jumps_at_the_edge() -> None:
    """The K edge of iron, 7.112 keV, lies between Co K-alpha (6.93) and Cu K-alpha (8.05): f'' is 0.49 and 3.2."""
    below, above = dispersion("Fe", wavelength_of("Co")), dispersion("Fe", wavelength_of("Cu"))
    assert below[1] == pytest.approx(0.49, abs=0.05)
    assert above[1] == pytest.approx(3.2, abs=0.1)
    assert below[0] == pytest.approx(-3.3, abs=0.3)
    assert above[0] == pytest.approx(-1.1, abs=0.2)


def test_anomalous_terms_average_a_pair_of_friedel() -> None:
    """GaAs (2 0 0): (f_Ga - f_As)^2 of complex factors; (1 1 1) and (-1 -1 -1) differ, their mean is given."""
    lines = powder_lines(structure("GaAs"), debye_waller=False).lines
    for hkl in ((1, 1, 1), (2, 0, 0)):
        line = next(x for x in lines if x.facts["hkl"] == hkl)
        factors = [
            complex(*dispersion(e, 1.54056)) + form_factor(e, 1 / (4 * line.facts["d_spacing"] ** 2))
            for e in ("Ga", "As")
        ]
        pair = [abs(4 * (factors[0] + factors[1] * np.exp(sign * 0.5j * np.pi * sum(hkl)))) ** 2 for sign in (1, -1)]
        assert line.facts["f_squared"] == pytest.approx(np.mean(pair))


def test_thermal_motion_weakens_by_its_exponent() -> None:
    still = powder_lines(structure("Cu"), debye_waller=False).lines
    moving = powder_lines(structure("Cu"), usual_b=0.57).lines
    for a, b in zip(still, moving, strict=True):
        s2 = 1 / (4 * a.facts["d_spacing"] ** 2)
        assert b.facts["f_squared"] / a.facts["f_squared"] == pytest.approx(np.exp(-2 * 0.57 * s2))


def test_a_monochromator_polarises() -> None:
    plain, mono = (powder_lines(structure("Cu"), monochromator=a).lines for a in (0.0, 26.6))
    cut = np.cos(np.radians(26.6)) ** 2
    expected = [
        (1 + cut * np.cos(np.radians(x.position)) ** 2) / (1 + np.cos(np.radians(x.position)) ** 2) for x in plain
    ]
    found = [b.intensity / a.intensity for a, b in zip(plain, mono, strict=True)]
    assert found == pytest.approx(np.array(expected) / expected[0])


def test_coinciding_families_are_one_line_that_names_both() -> None:
    line = next(x for x in powder_lines(structure("Si"), two_theta=(90, 100)).lines if "5 1 1" in x.label)
    assert {f.hkl: f.multiplicity for f in line.facts["families"]} == {(5, 1, 1): 24, (3, 3, 3): 8}
    assert line.label == "5 1 1, 3 3 3"


def test_d_and_q_are_the_same_lines() -> None:
    angle, spacing, q = (powder_lines(structure("NaCl"), axis=a) for a in ("two_theta", "d_spacing", "q"))
    assert spacing.unit, q.unit == ("angstrom", "1/angstrom")
    assert spacing.positions[::-1] == pytest.approx(1.54056 / (2 * np.sin(np.radians(angle.positions / 2))))
    assert q.positions == pytest.approx(2 * np.pi / spacing.positions[::-1])
    assert [x.label for x in q.lines] == [x.label for x in spacing.lines[::-1]] == [x.label for x in angle.lines]


def test_satellites_of_the_tube() -> None:
    lines = powder_lines(structure("Si"), wavelength="Cu", satellites=("K-alpha2", "K-beta"), anomalous=False)
    own = {x.facts["emission"]: x for x in lines.lines if x.facts["hkl"] == (2, 2, 0)}
    d = own["K-alpha1"].facts["d_spacing"]
    for name, length in (("K-alpha1", 1.54056), ("K-alpha2", 1.54439), ("K-beta", 1.392218)):
        assert own[name].position == pytest.approx(2 * np.degrees(np.arcsin(length / (2 * d))))
    assert own["K-alpha2"].intensity / own["K-alpha1"].intensity == pytest.approx(0.5, rel=0.01)
    assert own["K-beta"].label == "2 2 0 K-beta"
    assert max(x.intensity for x in lines.lines) == 100
    apparent = powder_lines(structure("Si"), satellites=("K-beta",), axis="d_spacing").lines
    beta = next(x for x in apparent if x.label == "2 2 0 K-beta")
    assert beta.position == pytest.approx(d * 1.54056 / 1.392218)


def test_tubes() -> None:
    assert tube("Mo")["K-alpha1"].wavelength == 0.7093
    assert wavelength_of("Cu K-alpha") == pytest.approx(1.54184, abs=1e-5)
    with pytest.raises(MatxaiError, match="no tube with the anode 'Xx'"):
        tube("Xx")
    with pytest.raises(MatxaiError, match=r"Cu has no line 'K-alfa1'.*K-alpha1"):
        wavelength_of("Cu K-alfa1")


def test_the_structures_that_ship_are_whole() -> None:
    """The atoms in the cell are a whole number of formula units, and no two of them touch."""
    assert len(structures()) >= 40
    import re

    for name in structures():
        crystal = structure(name)
        formula = {e: float(n or 1) for e, n in re.findall(r"([A-Z][a-z]?)(\d*)", name.split(" (")[0])}
        units = {e: crystal.composition()[e] / n for e, n in formula.items()}
        assert set(formula) == set(crystal.composition()), name
        assert max(units.values()) / min(units.values()) <= 1 / 0.94, (name, units)
        places = crystal.atoms().positions
        step = places[:, None] - places
        step -= np.round(step)
        apart = np.sqrt(np.einsum("nmi,ij,nmj->nm", step, crystal.metric, step)) + 9 * np.eye(len(places))
        assert apart.min() > 1.2, name
        assert crystal.source


def test_a_phase_is_found_by_part_of_its_name() -> None:
    assert structure("magnetite") is structure("Fe3O4") is structure("Fe3O4 (magnetite)")
    with pytest.raises(MatxaiError, match=r"'TiO2' may be 'TiO2 \(rutile\)' or 'TiO2 \(anatase\)'"):
        structure("TiO2")
    with pytest.raises(MatxaiError, match=r"no structure 'SrTiO4'.*Did you mean 'SrTiO3'"):
        structure("SrTiO4")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"wavelength": 0}, "wavelength of 0 angstrom is none"),
        ({"two_theta": (50, 20)}, "must ascend within 0 to 180"),
        ({"axis": "two-theta"}, "no axis 'two-theta'.*two_theta"),
        ({"wavelength": 1.0, "satellites": ("K-beta",)}, "No tube has K-alpha at 1 angstrom"),
        ({"satellites": ("K-gamma",)}, "'K-gamma' is no satellite of Cu"),
        ({"two_theta": (10, 12)}, "'Si' has no line in this range"),
        ({"wavelength": 0.2, "two_theta": (10, 90)}, "Form factors are known up to two-theta 47.2"),
        ({"usual_b": -1}, "usual_b=-1"),
    ],
)
def test_bad_parameters_get_one_sentence(change: dict, sentence: str) -> None:
    with pytest.raises(MatxaiError, match=sentence):
        powder_lines(structure("Si"), **change)


def test_a_giant_cell_is_refused_before_it_is_computed() -> None:
    giant = CrystalStructure("giant", (300,) * 3 + (90,) * 3, "P 1", (Site("C", (0, 0, 0)),), "made")
    with pytest.raises(MatxaiError, match=r"about .* reflections up to 90 degrees"):
        powder_lines(giant)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cell": (4, 4, 4, 90, 90, 200)}, "is no cell"),
        ({"cell": (4, 4, 4, 30, 30, 90)}, "close a volume"),
        ({"space_group": "F q -3 m"}, "space group of 'x' is unknown: 'F q -3 m'"),
        ({"sites": ()}, "has no atoms"),
        ({"sites": (Site("Qq", (0, 0, 0)),)}, "of no element: 'Qq'"),
        ({"sites": (Site("Fe", (0, float("nan"), 0)),)}, "has no place"),
        ({"sites": (Site("Fe", (0, 0, 0), 1.5),)}, "occupancy 1.5"),
    ],
)
def test_structures_that_are_none_are_refused(change: dict, sentence: str) -> None:
    good = {"cell": (4, 4, 4, 90, 90, 90), "space_group": "P m -3 m", "sites": (Site("Fe", (0, 0, 0)),)}
    with pytest.raises(MatxaiError, match=sentence):
        CrystalStructure(name="x", source="made", **{**good, **change})
