"""Spectra in tables of text: every dialect of one curve reads equal; what is no spectrum is told."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiError, MatxaiWarning, SignalError, UnsafeFileError
from matxai.signals import inspect, read
from matxai.signals.spectra.cells import Dialect
from matxai.signals.spectra.naming import heading

X = np.round(10 + 0.02 * np.arange(40), 2)
Y = np.round(1500 + 1200 * np.exp(-(((X - 10.4) / 0.05) ** 2)), 3)

HEADERS = {
    "none": "",
    "hash": "# measured on a Monday\n# 10 20 30\n",
    "semicolon": "; a comment\n",
    "percent": "% a comment, with commas; and 3 numbers 1 2 3\n",
    "bang": "!comment\n",
    "star": "*MEAS\n*COND 4\n",
    "quote": '"a comment in quotes"\n',
    "bare": "Sample: steel\nOperator = nobody\n\n[Data]\n",
    "long": "".join(f"key {i}: value {i}\n" for i in range(900)),
}


def _written(delimiter: str, decimal: str, exponent: str = "") -> str:
    def said(value: float) -> str:
        text = f"{value:.8e}".replace("e", exponent) if exponent else f"{value:.3f}"
        return text.replace(".", decimal)

    return "\n".join(delimiter.join((said(x), said(y))) for x, y in zip(X, Y, strict=True)) + "\n"


def _dialects() -> list[tuple[str, bytes, str]]:
    found: list[tuple[str, bytes, str]] = []
    marks = [("\t", "tab"), (";", "semicolon"), (" ", "blank"), ("   ", "blanks"), ("|", "bar"), (" ; ", "spaced")]
    for (delimiter, name), decimal in itertools.product(marks, ".,"):
        found.append((f"{name} {decimal}", _written(delimiter, decimal).encode(), ".txt"))
    found += [(f"comma {d!r}", _written(d, ".").encode(), ".csv") for d in (",", ", ", " , ")]
    quoted = "\n".join(f'"{x:.2f}","{y:.3f}"'.replace(".", ",") for x, y in zip(X, Y, strict=True))
    found += [
        ("quoted decimal commas", quoted.encode(), ".csv"),
        ("mixed commas", _written(", ", ",").encode(), ".csv"),
    ]
    found += [(f"header {k}", (v + _written("\t", ".")).encode(), ".xy") for k, v in HEADERS.items()]
    plain = _written("\t", ".")
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"):
        found.append((encoding, f"# Größe in µm\n{plain}".encode(encoding), ".txt"))
    found += [("crlf", plain.replace("\n", "\r\n").encode(), ".xy"), ("cr", plain.replace("\n", "\r").encode(), ".xy")]
    found += [("no end", plain.rstrip("\n").encode(), ".xy"), ("^Z", plain.encode() + b"\x1a", ".dat")]
    found.append(("trailing", plain.replace("\n", "\t\n").encode(), ".xy"))
    found.append(("trailing ;", _written(";", ",").replace("\n", ";\n").encode(), ".csv"))
    found.append(("blank lines", plain.replace("\n", "\n\n").encode(), ".xy"))
    found.append(("indented", ("  " + plain.replace("\n", "\n  ")).encode(), ".prn"))
    found += [(f"exponent {e}", _written(" ", ".", e).encode(), ".dat") for e in "eEdD"]
    found.append(("exponent ,", _written(";", ",", "E").encode(), ".asc"))
    found.append(("descending", "\n".join(reversed(plain.splitlines())).encode(), ".tsv"))
    grouped = "\n".join(f"{x:.2f}\t{y:,.3f}" for x, y in zip(X, Y, strict=True))
    found += [("thousands ,", grouped.encode(), ".txt"), ("thousands '", grouped.replace(",", "'").encode(), ".txt")]
    swapped = grouped.replace(",", "~").replace(".", ",")
    found.append(("thousands .", swapped.replace("~", ".").encode(), ".txt"))
    found.append(("thousands blank", swapped.replace("~", "\u00a0").encode(), ".txt"))
    rows = [",two_theta,I", *(f"{i},{x},{y}" for i, (x, y) in enumerate(zip(X, Y, strict=True)))]
    return [*found, ("pandas", "\n".join(rows).encode(), ".csv")]


DIALECTS = _dialects()


def test_there_are_forty_dialects_and_more() -> None:
    assert len(DIALECTS) >= 40
    assert len({name for name, _, _ in DIALECTS}) == len(DIALECTS)


@pytest.mark.parametrize(("name", "raw", "suffix"), DIALECTS, ids=[n for n, _, _ in DIALECTS])
def test_one_curve_reads_equal_in_every_dialect(tmp_path: Path, name: str, raw: bytes, suffix: str) -> None:
    path = tmp_path / f"curve{suffix}"
    path.write_bytes(raw)
    signal = read(path)
    dim = "two_theta" if name == "pandas" else "axis"
    assert signal.dims == (dim,)
    np.testing.assert_allclose(signal[dim].values, X, rtol=0, atol=1e-9)
    np.testing.assert_allclose(signal.values, Y, rtol=1e-8)
    assert ("units" in signal[dim].attrs) == (name == "pandas")
    np.testing.assert_array_equal(read(path, axis="two_theta").values, signal.values)
    assert read(path, axis="two_theta").two_theta.attrs["units"] == "degree"


@pytest.mark.parametrize(
    ("cell", "point", "comma"),
    [("1.5", 1.5, None), ("1,5", None, 1.5), ("1,234", 1234.0, 1.234), ("1.234", 1.234, 1234.0),
     ("1,234.5", 1234.5, None), ("1.234,5", None, 1234.5), ("12 345", 12345.0, 12345.0), ("1e3", 1e3, 1e3),
     ("1D-3", 1e-3, 1e-3), ("+.5", 0.5, None), ("5.", 5.0, None), ("1_000", None, None), ("0x10", None, None),
     ("--5", None, None), ("1e", None, None), ("steel", None, None)],
)  # fmt: skip
def test_cells_as_numbers(cell: str, point: float | None, comma: float | None) -> None:
    assert Dialect(";", ".").number(cell) == point
    assert Dialect(";", ",").number(cell) == comma


@pytest.mark.parametrize("word", ["", "nan", "NaN", "n/a", "#N/A", "-", "---", "-1.#IND", "null"])
def test_words_for_no_number_are_nan(word: str) -> None:
    value = Dialect("\t").number(word)
    assert value is not None
    assert np.isnan(value)


@pytest.mark.parametrize(
    ("text", "kind", "unit"),
    [("2Theta (deg)", "two_theta", "deg"), ("2-θ [°]", "two_theta", "°"), ("Pos. [°2Th.]", "two_theta", "°2Th."),
     ("Raman Shift (cm-1)", "raman_shift", "cm-1"), ("Energy/eV", "energy", "eV"), ("B.E.", "binding_energy", ""),
     ("Kinetic Energy (eV)", "kinetic_energy", "eV"), ("nm", "wavelength", "nm"), ("t", None, ""),
     ("Wavenumber cm-1", "wavenumber", "cm-1"), ("time_s", "time", "s"), ("t (ms)", "time", "ms"),
     ("q (1/nm)", "q", "1/nm"), ("d (Å)", "d_spacing", "Å"),
     ("Counts", None, ""), ("Intensity (a.u.)", None, "a.u."), ("Energy loss (eV)", "energy", "eV")],
)  # fmt: skip
def test_headings(text: str, kind: str | None, unit: str) -> None:
    found = heading(text)
    assert (found.kind, found.unit) == (kind, unit)


@pytest.mark.parametrize(
    "header",
    ["Raman Shift (cm-1)\tIntensity (a.u.)", "# Raman Shift (cm-1)  Intensity (a.u.)", "Raman Shift,Intensity",
     "Raman shift\tIntensity\ncm-1\tcounts", "#Wave\n# Raman Shift / cm-1 ; I"],
)  # fmt: skip
def test_the_header_names_axis_and_unit(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.txt").write_text(f"{header}\n{_written(chr(9), '.')}", encoding="utf-8")
    signal = read(tmp_path / "a.txt")
    assert signal.dims == ("raman_shift",)
    assert signal.raman_shift.attrs["units"] == "1/cm"
    np.testing.assert_allclose(signal.values, Y)


def test_a_named_axis_is_not_renamed_and_its_unit_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Wavelength (nm),I\n" + _written(",", "."))
    with pytest.raises(FileError, match="which is wavelength; axis='two_theta' contradicts it"):
        read(path, axis="two_theta")
    with pytest.raises(SignalError, match="two_theta"):
        read(path, axis="two_thta")
    with pytest.raises(FileError, match="no dataset to choose"):
        read(path, dataset="a")
    path.write_text("Wavelength (eV),I\n" + _written(",", "."))
    with pytest.raises(FileError, match="in eV, which is no unit of wavelength"):
        read(path)
    path.write_text("Energy (keV),I\n" + _written(",", "."))
    assert read(path).energy.attrs["units"] == "keV"


def test_a_name_is_a_hint_that_is_shown_and_not_used(tmp_path: Path) -> None:
    path = tmp_path / "steel_2-Theta_Omega.xy"
    path.write_text(_written(" ", "."))
    signal = read(path)
    assert signal.dims == ("axis",)
    assert any("axis='two_theta'" in note for note in signal.attrs["notes"])
    assert any("axis='two_theta'" in problem for problem in inspect(path).problems)


def test_xye_and_roots_are_uncertainties_and_other_third_columns_a_second_spectrum(tmp_path: Path) -> None:
    rows = [(x, y, 0.1 * y) for x, y in zip(X, Y, strict=True)]
    text = "\n".join(" ".join(map(repr, map(float, row))) for row in rows)
    (tmp_path / "a.xye").write_text(text)
    (tmp_path / "a.xy").write_text(text)
    (tmp_path / "root.dat").write_text("\n".join(f"{x} {y} {np.sqrt(y):.3f}" for x, y in zip(X, Y, strict=True)))
    first = read(tmp_path / "a.xye")
    np.testing.assert_allclose(first.sigma.values, 0.1 * Y)
    both = read(tmp_path / "a.xy")
    assert (both.dims, list(both["sample"].values)) == (("sample", "axis"), ["column 2", "column 3"])
    np.testing.assert_allclose(both.values, [Y, 0.1 * Y])
    np.testing.assert_allclose(read(tmp_path / "root.dat").sigma.values, np.sqrt(Y), atol=1e-3)


def test_columns_are_a_set_with_sigmas_and_counters_beside(tmp_path: Path) -> None:
    head = "pixel;wavelength (nm);steel;sigma;brass;err\n"
    rows = "".join(f"{i};{x};{y};1;{2 * y};2\n" for i, (x, y) in enumerate(zip(X, Y, strict=True)))
    (tmp_path / "a.csv").write_text(head + rows)
    signal = read(tmp_path / "a.csv")
    assert signal.dims == ("sample", "wavelength")
    assert list(signal["sample"].values) == ["steel", "brass"]
    np.testing.assert_allclose(signal.values, [Y, 2 * Y])
    np.testing.assert_array_equal(signal.sigma.values, [[1.0] * 40, [2.0] * 40])
    np.testing.assert_array_equal(signal.pixel.values, np.arange(40))


def test_two_axes_of_one_measurement_are_one_curve(tmp_path: Path) -> None:
    rows = "".join(f"{1486.61 - x}\t{y}\t\t{x}\t{10 * y}\n" for x, y in zip(X, Y, strict=True))
    (tmp_path / "a.txt").write_text("Excitation Energy: 1486.61 eV\nK.E.\tCounts\t\tB.E.\tCPS\n" + rows)
    signal = read(tmp_path / "a.txt")
    np.testing.assert_allclose(signal.binding_energy.values, X)
    np.testing.assert_allclose(signal.values, 10 * Y)
    np.testing.assert_allclose(signal.kinetic_energy.values, 1486.61 - X)
    np.testing.assert_allclose(signal.counts.values, Y)
    assert signal.attrs["photon_energy"] == 1486.61
    other = read(tmp_path / "a.txt", axis="kinetic_energy")
    np.testing.assert_allclose(other.values, Y[::-1])


def test_pairs_of_columns_are_curves_of_their_own(tmp_path: Path) -> None:
    third = [f"{X[i] + 1:.2f},{3 * Y[i]}" if i < 25 else "," for i in range(40)]
    lines = ["A,A,B,B,C,C", *(f"{X[i]},{Y[i]},{X[i]},{2 * Y[i]},{third[i]}" for i in range(40))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.warns(MatxaiWarning, match=r"1: 'C' \(25,\)"):
        signal = read(tmp_path / "a.csv")
    np.testing.assert_allclose(signal.values, [Y, 2 * Y])
    last = read(tmp_path / "a.csv", item="C")
    np.testing.assert_allclose(last.axis.values, X[:25] + 1)
    np.testing.assert_allclose(last.values, 3 * Y[:25])
    assert "left_out" not in last.attrs


def test_blocks_on_one_axis_are_a_set_and_on_others_items(tmp_path: Path) -> None:
    block = _written(" ", ".")
    short = "\n".join(block.split("\n")[:9])
    path = tmp_path / "a.dat"
    path.write_text(f"# Region: one\n{block}\n# Region: two\n{block}\n# Region: three\n{short}\n")
    with pytest.warns(MatxaiWarning, match="1: 'three'"):
        signal = read(path)
    assert list(signal["sample"].values) == ["one", "two"]
    assert read(path, item="three").shape == (9,)


@pytest.mark.parametrize("labels", [0, 1, 2])
def test_spectra_in_rows_are_a_set(tmp_path: Path, labels: int) -> None:
    heads = ["name", "class"][:labels]
    cells = [["a", "x"], ["b", "x"], ["c", "y"]]
    lines = [",".join([*heads, *map(str, X)])]
    lines += [",".join([*cells[i][:labels], *map(str, (i + 1) * Y)]) for i in range(3)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    signal = read(tmp_path / "a.csv", axis="wavelength")
    assert signal.dims == ("sample", "wavelength")
    np.testing.assert_allclose(signal.wavelength.values, X)
    np.testing.assert_allclose(signal.values, [Y, 2 * Y, 3 * Y])
    assert list(signal["sample"].values) == (["a", "b", "c"] if labels else ["row 1", "row 2", "row 3"])
    if labels == 2:
        assert list(signal["class"].values) == ["x", "x", "y"]
    assert "first row" in signal.attrs["notes"][0]


def test_an_axis_in_the_first_column_wins_over_numbers_as_headings(tmp_path: Path) -> None:
    lines = ["nm," + ",".join(str(10 * i) for i in range(9))]
    lines += [f"{x}," + ",".join(str(y + i) for i in range(9)) for x, y in zip(X, Y, strict=True)]
    (tmp_path / "kinetics.csv").write_text("\n".join(lines))
    signal = read(tmp_path / "kinetics.csv")
    assert (signal.dims, signal.shape) == (("sample", "wavelength"), (9, 40))
    np.testing.assert_allclose(signal.sel(sample="30").values, Y + 3)


def test_rows_without_a_place_are_left_out_and_empty_cells_are_nan(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("energy (eV);I\n;1\n10,5;2\n11,5;\n12,5;n/a\n13,5;5\n")
    signal = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(signal.energy.values, [10.5, 11.5, 12.5, 13.5])
    np.testing.assert_array_equal(signal.values, [2, np.nan, np.nan, 5])
    assert (signal.attrs["left_out"], signal.attrs["nonfinite"]) == (1, {"nan": 2})


def test_columns_that_run_into_one_another_are_divided_and_told(tmp_path: Path) -> None:
    axis = 9.9 + 0.0496 * np.arange(200)
    counts = np.where(np.arange(200) % 7 == 0, 1993, 85)
    lines = [f"{x:7.4f}"[:7] + (f"{c}" if c > 999 else f" {c}") for x, c in zip(axis, counts, strict=True)]
    (tmp_path / "a.xy").write_text("\n".join(lines))
    signal = read(tmp_path / "a.xy")
    np.testing.assert_array_equal(signal.values, counts)
    np.testing.assert_allclose(signal.axis.values, axis, atol=1e-4)
    assert "29 lines" in signal.attrs["notes"][0]
    lines[70] = lines[70].replace("1993", "").strip() + "x1"
    lines[77] = "123"
    (tmp_path / "a.xy").write_text("\n".join(lines))
    with pytest.raises(FileError, match="line"):
        read(tmp_path / "a.xy")


NO_SPECTRA = {
    "labels.csv": "file,class\na.xy,steel\nb.xy,brass\n",
    "codes.csv": "0,Fm-3m\n1,Pm-3m\n2,P3m1\n",
    "index.csv": ",0\n0,0.0\n1,0.0\n2,1.0\n",
    "data.json": '{"a": [1, 2, 3],\n"b": 2}\n',
    "rows.json": "[[1, 2],\n[3, 4]]\n",
    "doc.xml": "<a>\n1 2\n3 4\n</a>\n",
    "card.yaml": "version: 1\nlist:\n- 1\n- 2\n",
    "README.md": "# Title\n\nIn 2020 we measured 10 20 things.\n",
    "code.py": "x = 1\ny = 2\n",
    "notes.txt": "Temperatures of 2020:\nMonday 12 13\nTuesday 14 15\n",
    "results.csv": "Name\tPosition\tFWHM\nFe 2p\t709.03\t3.86\nO 1s\t530.1\t1.2\n",
    "column.txt": "1.0\n2.0\n3.0\n4.0\n",
    "waves.csv": "\n".join(" ".join(f"{np.sin(i + k / 3):.5f}" for k in range(30)) for i in range(20)),
    "turns.xy": "1 5\n2 6\n1.5 7\n3 8\n",
    "still.xy": "1 5\n2 6\n2 7\n3 8\n",
    "short.xy": "1 5\n",
}


@pytest.mark.parametrize("name", NO_SPECTRA)
def test_what_is_no_spectrum_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(NO_SPECTRA[name])
    with pytest.raises(FileError) as caught:
        read(tmp_path / name)
    said = str(caught.value)
    assert name in said
    assert "\n" not in said
    assert "damaged or of an unknown kind" not in said


def test_tables_without_an_axis_and_duplicated_axes_are_told(tmp_path: Path) -> None:
    for name, said in (("waves.csv", "without an axis"), ("still.xy", "stands still"), ("index.csv", "one column")):
        (tmp_path / name).write_text(NO_SPECTRA[name])
        with pytest.raises(FileError, match=said):
            read(tmp_path / name)


HOSTILE = {
    "binary.xy": bytes(np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8)),
    "nul.xy": b"1 2\n3 4\n" + b"\x00" * 64 + b"5 6\n",
    "nul_late.txt": b"1 2\n3 4\n" * 3000 + b"\x00\x01\x02",
    "wide.csv": b"1.5," * 1_000_000 + b"2\n",
    "truncated.xy": b"1.0 2.0\n2.0 3.0\n3.0 4.0\n4.",
    "word.xy": b"1.0 2.0\n2.0 3.0\n3.0 x\n4.0 5.0\n",
    "ragged.csv": b"1 2 3\n2 3 4\n3 4\n4 5 6\n",
    "deep.txt": b"[" * 100_000,
    "quotes.csv": b'"1","2\n' * 2000,
    "empty.xy": b"",
    "bom.txt": b"\xff\xfe",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(MatxaiError) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "unknown kind" not in str(caught.value)


def test_the_line_that_is_damaged_is_named(tmp_path: Path) -> None:
    for name, said in (("truncated.xy", "line 4"), ("word.xy", "line 3 has 'x'"), ("ragged.csv", "line 3")):
        (tmp_path / name).write_bytes(HOSTILE[name])
        with pytest.raises(FileError, match=said):
            read(tmp_path / name)


def test_a_text_larger_than_allowed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.xy").write_text(_written(" ", "."))
    with pytest.raises(UnsafeFileError, match="limit="):
        read(tmp_path / "a.xy", limit=100)


@pytest.mark.parametrize(("end", "said"), [("1300\n", False), ("1300", False), ("13", True), ("13\n", False)])
def test_a_last_number_that_may_be_cut_off_is_named(tmp_path: Path, end: str, said: bool) -> None:
    (tmp_path / "a.xy").write_text(f"10.0 1100\n10.1 1200\n10.2 1250\n10.3 {end}")
    notes = read(tmp_path / "a.xy").attrs.get("notes", [])
    assert any("line 4, has no end of line" in note for note in notes) is said
    head = "# XDI/1.0\n# Column.1: energy eV\n# Column.2: mutrans\n# ---\n"
    (tmp_path / "a.xdi").write_text(f"{head}7100 1100\n7101 1200\n7102 1250\n7103 {end}")
    notes = read(tmp_path / "a.xdi").attrs["notes"]
    assert any("line 8, has no end of line" in note for note in notes) is said
