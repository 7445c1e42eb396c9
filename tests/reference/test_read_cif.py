"""CIF files: real ones against pymatgen's own reading, written ones against what they say, hostile ones by sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError
from matxai.reference import powder_lines, read_cif, structure

SALT = """data_salt
_chemical_name_mineral 'Halite (made up)'
_cell_length_a 5.6402(2)
_cell_length_b 5.6402(2)
_cell_length_c 5.6402(2)
_cell_angle_alpha 90
_cell_angle_beta 90.00(0)
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_B_iso_or_equiv
Na1 Na1+ 0 0 0 1.0 1.62(3)
Cl1 Cl1- 0.5 0.5 0.5(0) 1 1.37
"""


@pytest.fixture
def cif(tmp_path: Path):
    def write(text: str | bytes, name: str = "some.cif") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    ["MnO_225", "Mn2O3_206", "TiO2_141", "TiMnO3_161", "MnO2_14", "Li2Ti(OF3)2_12", "LiTiMnF6_150", "Li3Ti4O8_3"],
)
def test_real_files_give_the_lines_and_the_space_group_of_pymatgen(data_dir: Path, name: str) -> None:
    pytest.importorskip("pymatgen.analysis.diffraction.xrd", reason="pymatgen is the reference here: extra 'test'")
    import gemmi
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core import Structure

    file = data_dir / "xrd_limntiof" / "References" / f"{name}.cif"
    ours = read_cif(file)
    lines = powder_lines(ours, anomalous=False, debye_waller=False)
    theirs = XRDCalculator(wavelength=1.54056).get_pattern(Structure.from_file(file), two_theta_range=(10, 90))
    places, heights = np.asarray(theirs.x), np.asarray(theirs.y)
    summed = np.array([heights[np.abs(places - p) < 0.01].sum() for p in lines.positions])  # lines 0.0005 apart are one
    same = np.array([lines.intensities[np.abs(lines.positions - p) < 0.01].sum() for p in lines.positions])
    assert summed / summed.max() * 100 == pytest.approx(same / same.max() * 100, abs=5)
    for place in places[heights > 1]:
        assert np.abs(lines.positions - place).min() < 0.02
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps([gemmi.Op(t) for t in ours.operations_or_standard]))
    number = int(name.rsplit("_", 1)[1])  # of the space group, by whoever named the files
    assert ours.notes  # every one of them was written out in P 1
    if group is not None:
        assert group.number == number
    else:  # a setting that no table has: as many operations as the group with its centring and half-cells
        assert len(ours.operations) % len(gemmi.find_spacegroup_by_number(number).operations()) == 0


def test_a_file_with_a_space_group_is_the_structure_that_ships(cif) -> None:
    salt = read_cif(cif(SALT))
    assert salt.name == "Halite (made up)"
    assert salt.cell == (5.6402, 5.6402, 5.6402, 90, 90, 90)
    assert [s.b_iso for s in salt.sites] == pytest.approx([1.62, 1.37])
    assert salt.source == "some.cif (data_salt)"
    ours, theirs = powder_lines(salt, debye_waller=False), powder_lines(structure("NaCl"), debye_waller=False)
    assert ours.positions == pytest.approx(theirs.positions)
    assert ours.intensities == pytest.approx(theirs.intensities)


def test_operations_of_the_file_go_before_its_symbol(cif) -> None:
    loop = "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x,-y,-z'\n"
    found = read_cif(cif(SALT.replace("loop_\n_atom", loop + "loop_\n_atom", 1)))
    assert found.operations == ("x,y,z", "-x,-y,-z")
    assert "its operations are those of P -1" in found.notes[0]


def test_mixed_sites_keep_their_occupancies(cif) -> None:
    text = SALT.replace("Na1 Na1+ 0 0 0 1.0 1.62(3)", "Na1 Na1+ 0 0 0 0.7(1) 1.6\nK1 K1+ 0 0 0 0.3(1) 1.6")
    mixed, potash = read_cif(cif(text)), SALT.replace("Na1 Na1+ 0 0 0 1.0 1.62(3)", "K1 K1+ 0 0 0 1.0 1.6")
    assert mixed.composition() == pytest.approx({"Na": 2.8, "K": 1.2, "Cl": 4.0})
    (na, k, both) = (powder_lines(c, anomalous=False) for c in (read_cif(cif(SALT)), read_cif(cif(potash)), mixed))
    factors = [np.sqrt(x.lines[1].facts["f_squared"]) for x in (na, k, both)]  # (2 0 0): all atoms in phase
    assert factors[2] == pytest.approx(0.7 * factors[0] + 0.3 * factors[1], rel=2e-3)


def test_coordinates_of_few_digits_land_on_their_special_position(cif) -> None:
    text = SALT.replace("'F m -3 m'", "'P -3 m 1'").replace("90.00(0)", "90")
    text = text.replace("_cell_angle_gamma 90", "_cell_angle_gamma 120")
    text = text.replace("Cl1 Cl1- 0.5 0.5 0.5(0) 1 1.37", "Cl1 Cl1- 0.333 0.667 0.25 1 1.37")
    assert read_cif(cif(text)).composition() == {"Na": 1, "Cl": 2}


def test_what_was_decided_is_said(cif) -> None:
    ghost = SALT + "H1 H 0.25 ? 0.25 1 .\nO9 O 0.1 0.2 0.3 0 .\n"
    notes = " ".join(read_cif(cif(ghost)).notes)
    assert "1 sites without coordinates were left out" in notes
    assert "1 sites of occupancy 0" in notes
    number = SALT.replace("_symmetry_space_group_name_H-M 'F m -3 m'", "_symmetry_Int_Tables_number 225")
    assert "by its number 225; F m -3 m was taken" in read_cif(cif(number)).notes[0]
    twice = SALT + SALT.replace("data_salt", "data_other")
    assert "that of block 'salt'; others: other" in read_cif(cif(twice)).notes[0]
    assert read_cif(cif(twice), block="other").source == "some.cif (data_other)"
    origin = SALT.replace("'F m -3 m'", "'F d -3 m'")
    assert "without its origin choice; 1 was taken" in read_cif(cif(origin)).notes[0]


def test_anisotropic_displacements_become_their_mean(cif) -> None:
    text = SALT.replace("1.62(3)", ".") + (
        "loop_\n_atom_site_aniso_label\n_atom_site_aniso_U_11\n_atom_site_aniso_U_22\n_atom_site_aniso_U_33\n"
        "_atom_site_aniso_U_12\n_atom_site_aniso_U_13\n_atom_site_aniso_U_23\nNa1 0.01 0.02 0.03 0 0 0\n"
    )
    assert read_cif(cif(text)).sites[0].b_iso == pytest.approx(8 * np.pi**2 * 0.02)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no structure .* it has no data block"),
        (b"\x00\x01\x02garbage\xff" * 50, "is no CIF that can be read"),
        (SALT[: SALT.index("loop_")].encode(), "holds no structure .* its blocks are salt"),
        (SALT[: SALT.index("'F m")].encode(), "is no CIF that can be read .line 9: parse error"),
        (SALT[:-20].encode(), "is no CIF that can be read.*Wrong number of values"),
        (SALT.replace("5.6402(2)", "?").encode(), r"_cell_length_a is '\?'"),
        (SALT.replace("_cell_length_b 5.6402(2)\n", "").encode(), "_cell_length_b is missing"),
        (SALT.replace("gamma 90", "gamma 0").encode(), "The cell of .* is no cell"),
        (SALT.replace("'F m -3 m'", "'F m -3 q'").encode(), "its space group 'F m -3 q' is unknown and it lists no"),
        (SALT.replace("_symmetry_space_group_name_H-M 'F m -3 m'", "").encode(), "names no space group"),
        (SALT.replace("Na1 Na1+", "Qx1 Qx").encode(), "'Qx1' is of no element: 'Qx'"),
        (SALT.replace(" 1.0 1.62(3)", " 3 1.62(3)").encode(), "'Na1' has the occupancy 3; it lies between"),
        (
            SALT.replace("loop_\n_atom", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,zz'\nloop_\n_atom", 1).encode(),
            "'x,y,zz' is no symmetry operation",
        ),
        (
            SALT.replace("loop_\n_atom", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,x,z'\nloop_\n_atom", 1).encode(),
            "it does not keep volumes",
        ),
    ],
)
def test_hostile_files_get_one_sentence(cif, content: bytes, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence) as caught:
        read_cif(cif(content))
    assert "some.cif" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_and_a_block_that_is_not(cif, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_cif(tmp_path / "none.cif")
    with pytest.raises(FileError, match="no data block 'sugar'; it has salt"):
        read_cif(cif(SALT), block="sugar")
