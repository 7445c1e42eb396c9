"""JCAMP-DX in all its forms, packed by an encoder of this file's own, and EMSA spectra; both against other readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiWarning, SignalError, UnsafeFileError
from matxai.signals import inspect, read

Y = np.concatenate([np.round(900 * np.exp(-(((np.arange(90) - 40) / 6.0) ** 2))), np.full(12, 7), [-3, -250, 0, 0, 5]])
X = 400 + 2.0 * np.arange(Y.size)
SQZ = {i: "@ABCDEFGHI"[i] for i in range(10)}, {i: "@abcdefghi"[i] for i in range(10)}
DIF = {i: "%JKLMNOPQR"[i] for i in range(10)}, {i: "%jklmnopqr"[i] for i in range(10)}


def _letters(value: int, table: tuple[dict[int, str], dict[int, str]]) -> str:
    digits = str(abs(value))
    return table[value < 0][int(digits[0])] + digits[1:]


def _lines(form: str, per: int = 9) -> list[str]:
    values = [int(v) for v in Y]
    found = []
    for start in range(0, len(values), per):
        part = values[start : start + per]
        x = f"{X[start]:g}"
        if form == "AFFN":
            found.append(f"{x} " + " ".join(map(str, part)))
        elif form == "PAC":
            found.append(x + "".join(f"{v:+d}" for v in part))
        elif form == "SQZ":
            found.append(x + "".join(_letters(v, SQZ) for v in part))
        elif form in ("DIF", "DIFDUP"):
            more = values[start + 1 : start + per + 1]  # the last of a line is the first of the next
            steps = [b - a for a, b in zip([part[0], *more], more, strict=False)]
            found.append(x + _letters(part[0], SQZ) + _packed(steps, dup=form == "DIFDUP"))
    return found


def _packed(steps: list[int], *, dup: bool) -> str:
    text, i = "", 0
    while i < len(steps):
        count = 1
        while dup and i + count < len(steps) and steps[i + count] == steps[i]:
            count += 1
        text += _letters(steps[i], DIF) + (("STUVWXYZs"[int(str(count)[0]) - 1] + str(count)[1:]) if count > 1 else "")
        i += count
    return text


def _file(lines: list[str], **records: object) -> str:
    said = {"TITLE": "steel", "JCAMP-DX": "4.24", "DATA TYPE": "RAMAN SPECTRUM", "XUNITS": "1/CM", "YUNITS": "COUNTS",
            "FIRSTX": X[0], "LASTX": X[-1], "NPOINTS": Y.size, "XFACTOR": 1, "YFACTOR": 0.5, **records}  # fmt: skip
    head = "".join(f"##{k}={v}\n" for k, v in said.items() if v is not None)
    return f"{head}##XYDATA=(X++(Y..Y))\n" + "\n".join(lines) + "\n##END=\n"


@pytest.mark.parametrize("form", ["AFFN", "PAC", "SQZ", "DIF", "DIFDUP"])
def test_every_form_of_packing(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.jdx"
    path.write_text(_file(_lines(form)))
    signal = read(path)
    assert signal.dims == ("raman_shift",)
    np.testing.assert_allclose(signal.raman_shift.values, X)
    np.testing.assert_allclose(signal.values, 0.5 * Y)
    assert (signal.name, signal.attrs["value_unit"], signal.raman_shift.attrs["units"]) == ("steel", "COUNTS", "1/cm")
    jcamp = pytest.importorskip("jcamp")
    other = jcamp.readfile(str(path))
    np.testing.assert_allclose(other["x"], signal.raman_shift.values)
    np.testing.assert_allclose(other["y"], signal.values)


def test_the_example_of_the_standard() -> None:
    from matxai.signals.spectra.asdf import unpacked

    forms = ["99 98 97 96 98 93", "+99+98+97+96+98+93", "I9I8I7I6I8I3", "I9jjjKn"]
    for text in forms:
        assert unpacked([f"1 {text}"], "f", most=6).values.tolist() == [99, 98, 97, 96, 98, 93]
    assert unpacked(["1 50 50 50 50 51 51"], "f", most=6).values.tolist() == [50] * 4 + [51] * 2
    assert unpacked(["1 E0VE1T"], "f", most=6).values.tolist() == [50] * 4 + [51] * 2
    assert unpacked(["1 E0%UJ%"], "f", most=6).values.tolist() == [50] * 4 + [51] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [({"NPOINTS": Y.size + 5}, "claims 112 points and holds 107"), ({"NPOINTS": Y.size - 9}, "98"),
     ({"LASTX": 9000.0}, "X check fails"), ({"NPOINTS": None}, "NPOINTS is missing"),
     ({"YFACTOR": "x"}, "YFACTOR is 'x'")],
)  # fmt: skip
def test_damaged_headers_are_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    (tmp_path / "a.jdx").write_text(_file(_lines("DIFDUP"), **change))
    with pytest.raises(FileError, match=said):
        read(tmp_path / "a.jdx")


def test_damaged_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jdx"
    lines = _lines("DIF")
    changed = lines[4][:-1] + ("J" if lines[4][-1] != "J" else "K")
    for text, said in (
        (_file([*lines[:4], changed, *lines[5:]]), "Y check fails in line 6"),
        (_file([*lines[:4], *lines[5:]]), "check fails"),
        (_file(lines[:-3]), "holds"),
        (_file(["abc", *lines]), "begins with no abscissa"),
        (_file([lines[0] + "!", *lines[1:]]), "'!', which is no form"),
        (_file([lines[0] + "S99999999999", *lines[1:]]), "repeats a value 199999999999 times"),
        (_file(lines).replace("##END=\n", ""), "has no ##END="),
    ):
        path.write_text(text)
        with pytest.raises(FileError, match=said):
            read(path)
    path.write_text(_file(lines, NPOINTS=300_000_000))
    with pytest.raises(UnsafeFileError, match="unfold"):
        read(path)
    path.write_text("##TITLE=steel\n##END=\n")
    with pytest.raises(FileError, match="no curve"):
        read(path)


def test_pairs_comments_and_units(tmp_path: Path) -> None:
    rows = [f"{x}, {y};" for x, y in zip(X, Y, strict=True)]
    head = "$$ a comment\n##title=uv\n##XUNITS=NANOMETERS $$ said\n##YUNITS=ABSORBANCE\n##NPOINTS=107\n"
    head += "##xy points=(XY..XY)\n"
    (tmp_path / "a.dx").write_text(head + "\n".join(rows) + "\n##END=\n")
    signal = read(tmp_path / "a.dx")
    assert (signal.dims, signal.wavelength.attrs["units"]) == (("wavelength",), "nm")
    np.testing.assert_allclose(signal.values, Y)
    np.testing.assert_allclose(signal.wavelength.values, X)
    with pytest.raises(FileError, match="which is wavelength; axis='energy' contradicts it"):
        read(tmp_path / "a.dx", axis="energy")
    with pytest.raises(SignalError):
        read(tmp_path / "a.dx", axis="energie")
    (tmp_path / "b.dx").write_text(head + "\n".join(rows[:50]) + "\n##END=\n")
    with pytest.raises(FileError, match="claims 107 points and holds 50"):
        read(tmp_path / "b.dx")


def test_linked_blocks_are_items_or_a_set(tmp_path: Path) -> None:
    one = _file(_lines("SQZ"))
    head = "##TITLE=both\n##DATA TYPE=LINK\n##BLOCKS=2\n"
    other = _file(_lines("DIF"), TITLE="brass", YFACTOR=1)
    (tmp_path / "set.jdx").write_text(f"{head}{one}{other}##END=\n")
    signal = read(tmp_path / "set.jdx")
    assert list(signal["sample"].values) == ["steel", "brass"]
    np.testing.assert_allclose(signal.values, [0.5 * Y, Y])
    other = _file(_lines("AFFN"), TITLE="brass", XUNITS="NANOMETERS")
    (tmp_path / "two.jdx").write_text(f"{head}{one}{other}##END=\n")
    with pytest.warns(MatxaiWarning, match="1: 'brass'"):
        assert read(tmp_path / "two.jdx").name == "steel"
    assert read(tmp_path / "two.jdx", item="brass").dims == ("wavelength",)


def test_ntuples_pages_have_factors_of_their_own(tmp_path: Path) -> None:
    head = (
        "##TITLE=fid\n##DATA TYPE=NMR FID\n##NTUPLES=NMR FID\n##VAR_NAME=TIME, REAL, IMAG, PAGE NUMBER\n"
        "##SYMBOL=X, R, I, N\n##VAR_DIM=107, 107, 107, 2\n##UNITS=SECONDS, ARBITRARY, ARBITRARY,\n"
        "##FIRST=400, 0, 0, 1\n##LAST=612, 5, 5, 2\n##FACTOR=1, 0.5, 2, 1\n"
    )
    body = "\n".join(_lines("DIFDUP"))
    pages = [f"##PAGE=N={i}\n##DATA TABLE=(X++({s}..{s})), XYDATA\n{body}\n" for i, s in ((1, "R"), (2, "I"))]
    (tmp_path / "a.dx").write_text(head + "".join(pages) + "##END NTUPLES=NMR FID\n##END=\n")
    signal = read(tmp_path / "a.dx")
    assert signal.dims == ("sample", "time")
    np.testing.assert_allclose(signal.values, [0.5 * Y, 2 * Y])
    np.testing.assert_allclose(signal.time.values, X)


def _msa(kind: str, rows: list[str], **more: object) -> str:
    said = {"FORMAT": "EMSA/MAS Spectral Data File", "VERSION": "1.0", "TITLE": "steel", "NPOINTS": 10,
            "NCOLUMNS": 4, "XUNITS": "keV", "YUNITS": "counts", "DATATYPE": kind, "XPERCHAN": 0.01, "OFFSET": -0.2,
            **more}  # fmt: skip
    head = "".join(f"#{k:<12}: {v}\r\n" for k, v in said.items() if v is not None)
    return f"{head}#SPECTRUM    : here\r\n" + "\r\n".join(rows) + "\r\n#ENDOFDATA   :\r\n"


def test_values_without_places_in_several_columns(tmp_path: Path) -> None:
    rows = ["1., 2., 3., 4.,", "5., 6., 7., 8.,", "9., 1.0D1"]
    path = tmp_path / "a.msa"
    path.write_text(_msa("Y", rows))
    signal = read(path)
    np.testing.assert_allclose(signal.energy.values, -0.2 + 0.01 * np.arange(10))
    np.testing.assert_allclose(signal.values, np.arange(1, 11))
    assert (signal.energy.attrs["units"], signal.name) == ("keV", "steel")
    path.write_text(_msa("Y", rows, OFFSET=None, CHOFFSET=20))
    np.testing.assert_allclose(read(path).energy.values, -0.2 + 0.01 * np.arange(10))
    path.write_text(_msa("Y", rows, XUNITS="mrad"))
    assert (read(path).dims, read(path, axis="two_theta").dims) == (("axis",), ("two_theta",))


@pytest.mark.parametrize(
    ("text", "said"),
    [(_msa("Y", ["1, 2"], NPOINTS=300_000_000).replace("#ENDOFDATA", "#END"), r"claims 3e\+08 points and holds 2"),
     (_msa("Y", ["1, x"]), "no number"), (_msa("XY", ["1, 2", "3"]), "no pairs"), (_msa("Z", ["1, 2"]), "DATATYPE 'Z'"),
     (_msa("Y", ["1, 2"], XPERCHAN=None), "no XPERCHAN"), (_msa("Y", []), "truncated")],
)  # fmt: skip
def test_damaged_spectra_are_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.msa").write_text(text)
    with pytest.raises(FileError, match=said):
        read(tmp_path / "a.msa")


@pytest.mark.data
def test_a_real_spectrum_against_another_reader(data_dir: Path) -> None:
    path = data_dir / "em_raw_formats" / "msa" / "example1.msa"
    signal = read(path)
    rows = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    expected = np.array(rows, float)
    assert expected.shape == (21, 2)
    np.testing.assert_array_equal(signal.energy.values, expected[:, 0])
    np.testing.assert_array_equal(signal.values, expected[:, 1])
    assert signal.energy.attrs["units"] == "eV"
    assert any("NPOINTS says 20, the file holds 21" in problem for problem in inspect(path).problems)
    rsciio = pytest.importorskip("rsciio.msa")
    other = rsciio.file_reader(str(path))[0]
    np.testing.assert_array_equal(np.asarray(other["data"]).ravel()[: signal.size], signal.values)


@pytest.mark.parametrize(
    ("said", "dim", "unit"),
    [
        ("CM^-1", "wavenumber", "1/cm"),
        ("Raman shift (1/cm)", "raman_shift", "1/cm"),
        ("2-Theta (deg)", "two_theta", "degree"),
        ("WAVELENGTH (NM)", "wavelength", "nm"),
        ("bananas", "axis", None),
    ],
)
def test_units_in_a_programs_own_words_name_the_axis(tmp_path: Path, said: str, dim: str, unit: str | None) -> None:
    (tmp_path / "a.jdx").write_text(
        f"##TITLE=a\n##JCAMP-DX=4.24\n##XUNITS={said}\n##NPOINTS=3\n##XYPOINTS=(XY..XY)\n1,2\n2,3\n3,4\n##END=\n"
    )
    signal = read(tmp_path / "a.jdx")
    assert (signal.dims[0], signal[dim].attrs.get("units")) == (dim, unit)
