"""X-ray absorption: XDI value by value against a plain parse, projects of Athena by a grammar that runs nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError, UnsafeFileError
from matxai.signals import inspect, read


def _columns(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """A parse of five lines: labels from Column.N, numbers from the lines without a mark."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    said = [line[1:].strip().partition(":") for line in lines if line.startswith("#")]
    header = {k.strip(): v.strip() for k, _, v in reversed(said)}
    names = [header[f"Column.{i}"].split()[0] for i in range(1, 9) if f"Column.{i}" in header]
    table = np.array([line.split() for line in lines if line.strip() and not line.startswith("#")], float)
    return dict(zip(names, table.T, strict=True)), header


@pytest.mark.data
def test_every_scan_of_the_library(data_dir: Path) -> None:
    files = sorted((data_dir / "xas_library").glob("*/*.xdi"))
    assert len(files) == 123
    taken: dict[str, int] = {}
    for path in files:
        columns, header = _columns(path)
        signal = read(path)
        assert signal.dims == ("energy",)
        assert signal.energy.attrs["units"] == "eV"
        np.testing.assert_array_equal(signal.energy.values, columns["energy"])
        for name, values in columns.items():
            np.testing.assert_array_equal(signal.coords[name].values, values)
        with np.errstate(invalid="ignore", divide="ignore"):
            mu = columns["mutrans"] if "mutrans" in columns else np.log(columns["i0"] / columns["itrans"])
        np.testing.assert_allclose(signal.values, mu, rtol=1e-14)
        assert signal.attrs["edge"] == f"{header['Element.symbol']} {header['Element.edge']}"
        formula = "column mutrans" if "mutrans" in columns else "ln(i0/itrans)"
        assert any(formula in note for note in signal.attrs["notes"])
        taken[formula] = taken.get(formula, 0) + 1
        if "irefer" in columns and path.stem.endswith("1"):
            reference = read(path, item="reference")
            np.testing.assert_allclose(reference.values, np.log(columns["itrans"] / columns["irefer"]), rtol=1e-14)
    assert taken == {"column mutrans": 2, "ln(i0/itrans)": 121}
    assert read(data_dir / "xas_library" / "V" / "V_foil.xdi").attrs["e0"] == 5465.0


def _xdi(columns: str, rows: list[str], more: str = "") -> str:
    heads = "".join(f"# Column.{i}: {c}\n" for i, c in enumerate(columns.split(","), 1))
    head = f"# XDI/1.0 test\n{heads}# Element.symbol: fe\n# Element.edge: k\n{more}# ///\n# words\n#----\n# e i\n"
    return head + "\n".join(rows) + "\n"


def test_an_angle_becomes_an_energy_by_the_spacing_of_the_planes(tmp_path: Path) -> None:
    angle = np.linspace(16.5, 16.0, 30)
    rows = [f"{a:.6f} 100 {50 + i}" for i, a in enumerate(angle)]
    path = tmp_path / "a.xdi"
    path.write_text(_xdi("angle degrees,i0,itrans", rows, "# Mono.d_spacing: 3.13550\n"))
    signal = read(path)
    expected = 12398.4198 / (2 * 3.1355 * np.sin(np.deg2rad(np.round(angle, 6))))
    np.testing.assert_allclose(signal.energy.values, expected, rtol=1e-8)
    np.testing.assert_allclose(signal.values, np.log(100 / (50 + np.arange(30))))
    np.testing.assert_allclose(signal.angle.values, np.round(angle, 6))
    assert any("d spacing of 3.1355" in note for note in signal.attrs["notes"])
    radians = [f"{np.deg2rad(a):.9f} 100 {50 + i}" for i, a in enumerate(angle)]
    path.write_text(_xdi("angle radians,i0,itrans", radians, "# Mono.d_spacing: 3.13550\n"))
    np.testing.assert_allclose(read(path).energy.values, expected, rtol=1e-7)
    path.write_text(_xdi("angle degrees,i0,itrans", rows))
    with pytest.raises(FileError, match=r"Mono\.d_spacing, which would give it, is missing"):
        read(path)
    path.write_text(_xdi("angle steps,i0,itrans", rows, "# Mono.d_spacing: 3.13550\n"))
    with pytest.raises(FileError, match="in 'steps'"):
        read(path)


def test_what_columns_give_and_in_which_order(tmp_path: Path) -> None:
    path = tmp_path / "a.xdi"
    rows = [f"{7000 + i} 100 50 {10 + i} 25" for i in range(20)]
    path.write_text(_xdi("energy eV,i0,itrans,ifluor,irefer", rows, "# Scan.edge_energy: 7.112 keV\n"))
    np.testing.assert_allclose(read(path).values, np.log(2))
    np.testing.assert_allclose(read(path, item="fluorescence").values, (10 + np.arange(20)) / 100)
    np.testing.assert_allclose(read(path, item="reference").values, np.log(2))
    assert [item.name for item in inspect(path).items] == ["transmission", "fluorescence", "reference"]
    assert (read(path).attrs["edge"], read(path).attrs["e0"]) == ("Fe K", 7112.0)
    path.write_text(_xdi("energy keV,i0,ifluor", [f"{7 + i / 1000} 100 {10 + i}" for i in range(20)]))
    signal = read(path)
    assert (signal.name, signal.energy.attrs["units"]) == ("fluorescence", "keV")
    path.write_text(_xdi("energy eV,normtrans", [f"{7000 + i} {i}" for i in range(20)]))
    assert "column normtrans" in read(path).attrs["notes"][0]
    path.write_text(_xdi("energy eV,i0", [f"{7000 + i} {i}" for i in range(20)]))
    assert "allow no absorption" in read(path).attrs["notes"][0]
    path.write_text(_xdi("k,chi", [f"{i / 20} {i}" for i in range(20)]))
    assert (read(path).dims, read(path).axis.attrs["units"]) == (("axis",), "1/angstrom")


def test_intensities_that_are_not_positive_have_no_absorption(tmp_path: Path) -> None:
    rows = [f"{7000 + i} 100 {50 if i != 3 else 0}" for i in range(20)]
    (tmp_path / "a.xdi").write_text(_xdi("energy eV,i0,itrans", rows))
    signal = read(tmp_path / "a.xdi")
    assert np.flatnonzero(np.isnan(signal.values)).tolist() == [3]
    assert any("1 point has no absorption" in note for note in signal.attrs["notes"])


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [("energy eV,i0,itrans,irefer", ["1 2 3", "2 3 4", "3 4 5"], "names 4 columns and its rows have 3"),
     ("energy eV,i0", [], "0 tables"), ("time s,i0", ["1 2", "2 3", "3 4"], "neither energy nor angle nor k"),
     ("energy eV,i0", ["1 2", "2 3", "1.5 4"], "turns round"),
     ("energy eV,i0,itrans", ["1 2 3", "2 3 4", "3 4"], "truncated")],
)  # fmt: skip
def test_damaged_scans_are_one_sentence(tmp_path: Path, columns: str, rows: list[str], said: str) -> None:
    (tmp_path / "a.xdi").write_text(_xdi(columns, rows))
    with pytest.raises(FileError, match=said):
        read(tmp_path / "a.xdi")
    with pytest.raises(FileError, match="no axis to choose"):
        read(tmp_path / "a.xdi", axis="energy")


ENERGY = 7000 + np.arange(50.0)


def _group(name: str, label: str, shift: float = 0.0, datatype: str = "xmu", **lists: np.ndarray) -> str:
    args = f"'label','{label}','bkg_e0','7112.5','bkg_z','Fe','fft_edge','K','bkg_eshift','{shift}'"
    args += f",'datatype','{datatype}'"
    text = f"$old_group = '{name}';\n@args = ({args},'annotation','it\\'s steel');\n"
    for key, values in lists.items():
        text += f"@{key} = ({','.join(repr(str(float(v))) for v in values)});\n"
    return text + "[record]   # create object and set arrays\n\n"


HEAD = "# Athena project file -- Demeter version 0.9.24\n# This file created at 2016-04-07T14:09:22\n\n"
TAIL = "@journal = ('', 'words');\n\n%plot_features = ('a' => ['1', {'b' => undef}]);\n\n1;\n\n# End:\n"


@pytest.mark.parametrize("packed", [True, False])
def test_groups_of_a_project(tmp_path: Path, packed: bool) -> None:
    mu = np.arctan(ENERGY - 7025)
    text = HEAD + _group("a", "foil", x=ENERGY, y=mu, i0=2 * ENERGY) + _group("b", "oxide", x=ENERGY, y=-mu) + TAIL
    path = tmp_path / "a.prj"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    signal = read(path)
    assert (signal.dims, list(signal["sample"].values)) == (("sample", "energy"), ["foil", "oxide"])
    np.testing.assert_array_equal(signal.values, [mu, -mu])
    assert (signal.attrs["e0"], signal.attrs["edge"]) == (7112.5, "Fe K")
    path.write_bytes(gzip.compress((HEAD + _group("a", "foil", 1.5, x=ENERGY, y=mu, i0=2 * ENERGY) + TAIL).encode()))
    one = read(path)
    np.testing.assert_allclose(one.energy.values, ENERGY + 1.5)
    np.testing.assert_array_equal(one.i0.values, 2 * ENERGY)
    assert "shifted by 1.5 eV" in one.attrs["notes"][0]
    assert one.attrs["metadata"]["annotation"] == "it's steel"
    path.write_text(HEAD + _group("c", "chi", datatype="chi", x=ENERGY - 7000, y=mu))
    assert read(path).axis.attrs["units"] == "1/angstrom"


def test_a_project_in_json(tmp_path: Path) -> None:
    group = {"args": ["label", "foil", "bkg_e0", 7112], "x": [str(e) for e in ENERGY], "y": list(ENERGY)}
    (tmp_path / "a.prj").write_text(json.dumps({"_____header1": "# Athena project file -- Demeter JSON", "a": group}))
    signal = read(tmp_path / "a.prj")
    np.testing.assert_array_equal(signal.values, ENERGY)
    assert (signal.name, signal.attrs["e0"]) == ("foil", 7112)


@pytest.mark.parametrize(
    ("text", "said"),
    [("@x = (system('touch hacked'));\n", "system"), ("@x = `ls`;\n", "'`ls`"), ("system('ls');\n", "system"),
     ("@x = ('1', '2'", "truncated"), ("@x = ('1');\n@y = ('1');\n", "has no end"), ("@x = ('a');\n", "no number"),
     ('@x = ("@{[system(1)]}");\n', "plain data"), ("@x = " + "[" * 40, "20 deep"), ("@x = ('1' '2');\n", "plain data"),
     ("$old_group = 'a';\n@x = ('1','2');\n@y = ('1');\n[record]\n", "2 energies and 1 values"), ("", "no curve"),
     ("eval { 1 }\n", "'eval")],
)  # fmt: skip
def test_projects_that_hold_more_than_data_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.prj").write_bytes(gzip.compress((HEAD + text).encode()))
    with pytest.raises(FileError, match=said.replace("(", r"\(")) as caught:
        read(tmp_path / "a.prj")
    assert "a.prj" in str(caught.value)
    assert not list(Path.cwd().glob("hacked"))


def test_packed_projects_that_are_cut_or_unfold_without_end(tmp_path: Path) -> None:
    raw = gzip.compress((HEAD + _group("a", "foil", x=ENERGY, y=ENERGY)).encode())
    (tmp_path / "a.prj").write_bytes(raw[:-200])
    with pytest.raises(FileError, match="cannot be unpacked"):
        read(tmp_path / "a.prj")
    (tmp_path / "b.prj").write_bytes(gzip.compress(HEAD.encode() + b" " * 3_000_000))
    with pytest.raises(UnsafeFileError, match="unfold"):
        read(tmp_path / "b.prj", limit=1_000_000)
