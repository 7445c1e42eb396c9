"""Electron spectra: VAMAS, SPECS, Scienta and CasaXPS, value by value against readers that are not ours."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import matxai
from matxai.errors import FileError, MatxaiWarning

REGULAR = """VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4
here
instrument
me
try
1
a comment
NORM
REGULAR
0
1
depth
nm
{included}
0
0
0
{blocks}
"""
BLOCK = """{name}
glass
2024
2
3
4
5
6
0
0
{technique}
{depth}
Al
{source}
0
0
0
0
0
FAT
20
1
4.5
0
0
0
0
0
O
1s
-1
{label}
eV
{start}
0.5
2
counts
d
transmission
d
pulse counting
0.1
3
0
0
0
0
0
{n}
1
9
1
2
{values}
"""


@pytest.fixture
def xps(data_dir: Path) -> Path:
    return data_dir / "raw_xrd_xps" / "xps"


def _vamas(path: Path, *blocks: dict[str, object], included: str = "0") -> Path:
    said = {"name": "O 1s", "technique": "XPS", "depth": 0, "source": 1486.6, "label": "kinetic energy", "start": 950}
    made = []
    for block in blocks:
        words = {**said, "n": 6, "values": "1\n1\n5\n1.5\n9\n2", **block}
        made.append(BLOCK.format(**words))
    text = REGULAR.format(blocks=len(blocks), included=included) + "".join(made) + "end of experiment\n"
    path.write_text(text)
    return path


def test_regular_vamas_as_the_library_vamas_reads_it(xps: Path) -> None:
    vamas = pytest.importorskip("vamas", reason="the independent reader of VAMAS is not installed")
    theirs = vamas.Vamas(str(xps / "regular.vms")).blocks[0]
    ours = matxai.read(xps / "regular.vms")
    assert ours.dims == ("binding_energy",) and ours.shape == (1351,)
    counts, transmission = (np.array(v.y_values) for v in theirs.corresponding_variables)
    kinetic = theirs.x_start + theirs.x_step * np.arange(len(counts))
    np.testing.assert_array_equal(ours.values, counts[::-1])
    np.testing.assert_array_equal(ours.transmission, transmission[::-1])
    np.testing.assert_allclose(ours.binding_energy, 1486.61 - kinetic[::-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.kinetic_energy, kinetic[::-1], rtol=0, atol=1e-9)
    assert ours.binding_energy.attrs["units"] == ours.kinetic_energy.attrs["units"] == "eV"
    assert (float(ours.binding_energy[0]), float(ours.binding_energy[-1])) == (0.0, 1350.0)
    assert ours.attrs["photon_energy"] == 1486.61 and ours.attrs["work_function"] == 4.1082
    assert ours.attrs["value_name"] == "counts"
    assert ours.attrs["metadata"]["pass_energy"] == 100 and ours.attrs["metadata"]["date"] == "2023-08-24 14:19:47"


def test_irregular_vamas_line_by_line(xps: Path) -> None:
    lines = (xps / "FeO_analyzed.vms").read_text().splitlines()
    end = lines.index("end of experiment")
    n = int(lines[end - 3363 - 7])
    assert n == 3363
    table = np.array([float(v) for v in lines[end - n : end]]).reshape(-1, 3)
    ours = matxai.read(xps / "FeO_analyzed.vms")
    assert ours.shape == (1121,) and ours.name == "Fe 2p"
    np.testing.assert_array_equal(ours.values, table[::-1, 1])
    np.testing.assert_array_equal(ours.kinetic_energy, table[::-1, 0])
    np.testing.assert_array_equal(ours.transmission, table[::-1, 2])
    np.testing.assert_allclose(ours.binding_energy, 1486.61 - table[::-1, 0], rtol=0, atol=1e-9)
    # CasaXPS fitted this block: its first component is said to be at 709.03 eV, the highest count lies beside it
    results = (xps / "FeO_analyzed_results.csv").read_text(encoding="latin-1")
    fitted = float(next(line for line in results.splitlines() if line.startswith("Fe 2p\t")).split("\t")[1])
    assert abs(float(ours.binding_energy[int(np.argmax(ours.values))]) - fitted) < 1.5
    assert "transition" in ours.attrs["metadata"] and ours.attrs["metadata"]["transition"] == "2p"


def test_the_other_axis_is_given_when_asked_for(xps: Path) -> None:
    for name in ("regular.vms", "MgFe2O4_small.xy", "Cu-HHTP_0001.txt", "vms_txt_export.txt"):
        ours = matxai.read(xps / name, item=0, axis="kinetic_energy")
        other = matxai.read(xps / name, item=0)
        assert ours.dims[-1] == "kinetic_energy" and np.all(np.diff(ours.kinetic_energy) > 0)
        np.testing.assert_array_equal(ours.values, other.values[..., ::-1])
        np.testing.assert_array_equal(ours.binding_energy, other.binding_energy[::-1])
    with pytest.raises(FileError, match="has no axis 'wavelength'; its axis is the binding or the kinetic energy"):
        matxai.read(xps / "regular.vms", axis="wavelength")


def test_specs_text_is_the_same_spectrum_as_its_vamas(xps: Path) -> None:
    text = [line.split() for line in (xps / "MgFe2O4_small.xy").read_text().splitlines() if line and line[0] != "#"]
    rows = np.array(text, dtype=float)
    with pytest.warns(MatxaiWarning, match="holds 2 signals; 'Survey' .1351,. was read"):
        survey = matxai.read(xps / "MgFe2O4_small.xy")
    region = matxai.read(xps / "MgFe2O4_small.xy", item="Fe2p")
    np.testing.assert_array_equal(survey.binding_energy, rows[:1351, 0][::-1])
    np.testing.assert_array_equal(survey.values, rows[:1351, 1][::-1])
    np.testing.assert_array_equal(region.binding_energy, rows[1351:, 0][::-1])
    np.testing.assert_array_equal(region.values, rows[1351:, 1][::-1])
    vamas = matxai.read(xps / "regular.vms")
    np.testing.assert_allclose(survey.binding_energy, vamas.binding_energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(survey.values * 0.1, vamas.values, rtol=1e-5)  # counts/s over a dwell of 0.1 s
    assert survey.attrs["value_unit"] == "counts/s" and survey.attrs["work_function"] == 4.1082
    assert region.attrs["metadata"]["Pass Energy"] == 20 and survey.attrs["metadata"]["Pass Energy"] == 100


def test_scienta_text(xps: Path) -> None:
    lines = (xps / "Cu-HHTP_0001.txt").read_text().splitlines()
    rows = np.array([line.split() for line in lines[lines.index("[Data 1]") + 1 :] if line.strip()], dtype=float)
    ours = matxai.read(xps / "Cu-HHTP_0001.txt")
    assert ours.dims == ("binding_energy",) and ours.shape == (1221,)
    np.testing.assert_array_equal(ours.binding_energy, rows[::-1, 0])
    np.testing.assert_array_equal(ours.values, rows[::-1, 1])
    np.testing.assert_allclose(ours.kinetic_energy, 700 - rows[::-1, 0], rtol=0, atol=1e-9)
    assert ours.attrs["metadata"]["Pass Energy"] == 200


def test_casa_text(xps: Path) -> None:
    text = (xps / "vms_txt_export.txt").read_text().splitlines()
    is_row = [line[:1].isdigit() for line in text]
    blocks = [list(g) for k, g in itertools.groupby(zip(is_row, text, strict=True), key=lambda p: p[0]) if k]
    tables = [np.array([line.split() for _, line in block], dtype=float) for block in blocks]
    assert len(tables) == 4
    for item, (one, other) in enumerate(((0, 2), (1, 3))):
        ours = matxai.read(xps / "vms_txt_export.txt", item=item)
        assert ours.dims == ("sample", "binding_energy")
        for i, k in enumerate((one, other)):
            np.testing.assert_array_equal(ours.values[i], tables[k][::-1, 1])
            np.testing.assert_array_equal(ours.counts_per_second[i], tables[k][::-1, 3])
            np.testing.assert_array_equal(ours.binding_energy, tables[k][::-1, 2])
            np.testing.assert_array_equal(ours.kinetic_energy, tables[k][::-1, 0])
    assert list(ours.sample.values) == ["Cycle 4:Ni:Ni2p", "Cycle 14:NiO:Ni2p"]


def test_blocks_on_one_axis_are_a_set_and_keep_what_they_say(tmp_path: Path) -> None:
    path = _vamas(tmp_path / "a.vms", {"depth": 0}, {"depth": 2.5, "values": "7\n1\n8\n1\n9\n1"})
    ours = matxai.read(path)
    assert ours.dims == ("sample", "binding_energy")
    np.testing.assert_array_equal(ours, [[9, 5, 1], [9, 8, 7]])
    np.testing.assert_allclose(ours.binding_energy, [535.6, 536.1, 536.6])
    assert list(ours.sample.values) == ["O 1s", "O 1s (2)"]
    assert ours.attrs["metadata"]["depth"] == [0.0, 2.5]
    assert ours.transmission.dims == ("sample", "binding_energy")


def test_fields_left_out_keep_the_value_of_the_first_block(tmp_path: Path) -> None:
    path = _vamas(tmp_path / "a.vms", {}, {"name": "C 1s"})
    text = path.read_text().replace("nm\n0\n", "nm\n-2\n9\n14\n", 1)  # technique and source energy
    head, tail = text.split("C 1s\n")
    path.write_text(head + "C 1s\n" + tail.replace("XPS\n", "", 1).replace("1486.6\n", "", 1))
    ours = matxai.read(path)
    assert ours.dims == ("sample", "binding_energy") and ours.attrs["photon_energy"] == 1486.6


def test_without_a_photon_energy_the_axis_is_kinetic_and_says_so(tmp_path: Path) -> None:
    path = _vamas(tmp_path / "a.vms", {"source": 1e37})
    ours = matxai.read(path)
    assert ours.dims == ("kinetic_energy",)
    assert ours.attrs["notes"] == ["the file does not name the photon energy, so the axis is the kinetic energy"]
    with pytest.raises(FileError, match="the file does not name the photon energy; leave axis= away"):
        matxai.read(path, axis="binding_energy")
    assert matxai.read(_vamas(tmp_path / "b.vms", {"technique": "AES dir"})).dims == ("kinetic_energy",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t[: len(t) // 2], "is truncated"),
        (lambda t: t.replace("NORM", "WAVE"), "experiment mode 'WAVE'; VAMAS knows MAP"),
        (lambda t: t.replace("REGULAR", "MAPPING"), "scan mode 'MAPPING'; spectra are REGULAR or IRREGULAR"),
        (lambda t: t.replace("\n6\n1\n9\n", "\n6000000\n1\n9\n"), "is 6000000, and 11 lines follow"),
        (lambda t: t.replace("\n6\n1\n9\n", "\n5\n1\n9\n"), "5 values of 2 variables, which is no whole number"),
        (lambda t: t.replace("kinetic energy\neV\n950", "kinetic energy\neV\nlots"), "the start should be a number"),
        (lambda t: t.replace("depth\nnm\n0\n", "depth\nnm\n1\n77\n"), "lists the field 77"),
        (lambda t: t.replace("\n5\n1.5\n", "\n5\nmore\n"), "a value of 'O 1s' should be a number and is 'more'"),
        (lambda t: t.replace("here\n", "here\x00\n"), r"is no text: byte \d+ is 0x00"),
    ],
)
def test_damaged_vamas_is_one_sentence(tmp_path: Path, change: object, said: str) -> None:
    path = _vamas(tmp_path / "a.vms", {})
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(FileError, match=said) as caught:
        matxai.read(path)
    assert "a.vms" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("MgFe2O4_small.xy", "1349  15867.872", "1349  ?", "2 numbers should stand there"),
        ("MgFe2O4_small.xy", "Values/Curve:                 1351", "Values/Curve:    9351", "says that it has 9351"),
        ("Cu-HHTP_0001.txt", "Dimension 1 size=1221", "Dimension 1 size=1222", "claims 1222 points, and 1221 rows"),
        ("Cu-HHTP_0001.txt", "scale=600 599.5", "scale=600 598.5", "another one in its header than in its data"),
        ("vms_txt_export.txt", "B.E.\tCPS\n2.8661", "B.E.\tCPS\tMore\n2.8661", "5 columns are named and 4 follow"),
    ],
)
def test_damaged_text_is_one_sentence(xps: Path, tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = (xps / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(FileError, match=said):
        matxai.read(tmp_path / name)


def test_an_ellipsis_of_windows_ends_no_line(tmp_path: Path) -> None:
    path = _vamas(tmp_path / "a.vms", {})
    plain = matxai.read(path)
    text = path.read_text()
    assert "a comment\n" in text
    path.write_bytes(text.replace("a comment\n", "a comment\x85 and \x0c more\n").encode("latin-1"))
    found = matxai.read(path)
    np.testing.assert_array_equal(found, plain)
