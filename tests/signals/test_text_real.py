"""Every real text of diffraction and Raman in the shared data, value by value against plain parses of its own."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiWarning
from matxai.signals import inspect, read

RUN_ON = re.compile(r"(15|50|85|100)% SnPerovskite")


@pytest.mark.data
def test_perovskite_patterns(data_dir: Path) -> None:
    files = sorted((data_dir / "xrd_perovskite_spacegroups" / "Experimental").glob("*/*.xy"))
    assert len(files) == 88
    for path in files:
        signal = read(path)
        lines = path.read_text().splitlines()
        if RUN_ON.match(path.name):  # fixed columns; the first line alone is shorter
            pairs = [line.split() if len(line.split()) == 2 else [line[:7], line[7:]] for line in lines]
            expected = np.array(pairs, float)
            assert any("run into one another" in note for note in signal.attrs["notes"])
        else:
            expected = np.loadtxt(path)
        assert signal.dims == ("axis",)
        assert "units" not in signal.axis.attrs
        np.testing.assert_array_equal(signal.axis.values, expected[:, 0])
        np.testing.assert_array_equal(signal.values, expected[:, 1])
        hinted = any("two_theta" in note for note in signal.attrs.get("notes", []))
        assert hinted == ("2-Theta" in path.name or "2theta" in path.name)


@pytest.mark.data
def test_the_strongest_peaks_of_run_on_files_are_there(data_dir: Path) -> None:
    folder = data_dir / "xrd_perovskite_spacegroups" / "Experimental" / "I4Imcm"
    signal = read(folder / "15% SnPerovskite at 0.5M 4to1 dmftodmso.xy")
    assert float(signal.sel(axis=14.1185)) == 1260
    assert signal.sizes["axis"] == 1412


@pytest.mark.data
def test_pairs_of_different_lengths(data_dir: Path) -> None:
    path = data_dir / "xrd_perovskite_spacegroups" / "Demo_exp_d.csv"
    with path.open() as file:
        rows = list(csv.reader(file))
    info = inspect(path)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatxaiWarning)
        for number in range(len(info.items)):
            item = read(path, item=number)
            for name in item["sample"].values if item.ndim == 2 else [item.name]:
                found[str(name)] = item.sel(sample=name) if item.ndim == 2 else item
    assert len(found) == 73
    seen: dict[str, int] = {}
    for pair in range(73):
        label = rows[0][2 * pair]
        seen[label] = seen.get(label, 0) + 1
        name = label if seen[label] == 1 else f"{label} ({seen[label]})"
        cells = [(row[2 * pair], row[2 * pair + 1]) for row in rows[1:] if row[2 * pair]]
        expected = np.array(cells, float)
        np.testing.assert_array_equal(found[name].axis.values, expected[:, 0])
        np.testing.assert_array_equal(found[name].values, expected[:, 1])


@pytest.mark.data
def test_limntiof_patterns_and_their_folder(data_dir: Path) -> None:
    folder = data_dir / "xrd_limntiof" / "Spectra"
    files = sorted(folder.glob("*.xy"))
    assert len(files) == 8
    for path in files:
        signal, expected = read(path, axis="two_theta"), np.loadtxt(path)
        np.testing.assert_array_equal(signal.two_theta.values, expected[:, 0])
        assert signal.two_theta.attrs["units"] == "degree"
        np.testing.assert_array_equal(np.atleast_2d(signal.values), expected[:, 1:].T)
        assert (signal.ndim == 2) == (expected.shape[1] == 3)  # a second intensity, and no uncertainty
    whole = read(folder, axis="two_theta")
    assert (whole.dims, whole.shape) == (("sample", "two_theta"), (11, 9001))
    np.testing.assert_array_equal(whole.sel(sample="LiMnO2.xy").values, np.loadtxt(folder / "LiMnO2.xy")[:, 1])
    np.testing.assert_array_equal(whole.sel(sample="MnO2.xy: column 3").values, np.loadtxt(folder / "MnO2.xy")[:, 2])


def _bwtek(path: Path) -> tuple[list[str], np.ndarray]:
    lines = path.read_text("latin-1").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Pixel;"))
    heads = lines[start].rstrip(";").split(";")
    rows = [line.split(";")[: len(heads)] for line in lines[start + 1 :] if line.strip()]
    cells = [[float(c.replace(",", ".")) if c.strip() else np.nan for c in row] for row in rows]
    return heads, np.array(cells)


@pytest.mark.data
def test_bwtek_raman(data_dir: Path) -> None:
    files = sorted((data_dir / "raman_charisma").glob("*_BW*/*.txt"))
    assert len(files) == 57
    for path in files:
        heads, table = _bwtek(path)
        there = np.isfinite(table[:, heads.index("Raman Shift")])
        table, missing = table[there], int((~there).sum())
        signal = read(path)
        assert signal.attrs["reader"] == "bwtek"
        assert signal.dims == ("raman_shift",)
        assert signal.raman_shift.attrs["units"] == "1/cm"
        columns = {
            "raman_shift": "Raman Shift",
            "wavelength": "Wavelength",
            "dark": "Dark",
            "raw_data_1": "Raw data #1",
        }
        for coordinate, head in columns.items():
            np.testing.assert_array_equal(signal[coordinate].values, table[:, heads.index(head)])
        np.testing.assert_array_equal(signal.values, table[:, heads.index("Dark Subtracted #1")])
        assert signal.attrs.get("left_out", 0) == missing
        assert signal.attrs["laser_wavelength"] == pytest.approx(785 if "785" in path.name else 532, abs=3)
    lamp = next(path for path in files if path.name.startswith("Ne_532nm_x50_25ms"))
    other = read(lamp, axis="wavelength")
    heads, table = _bwtek(lamp)
    places = table[:, heads.index("Wavelength")]
    np.testing.assert_array_equal(other.wavelength.values, places[np.isfinite(places)])
    with pytest.raises(FileError, match="no axis 'energy'; it has wavelength, wavenumber, raman_shift"):
        read(lamp, axis="energy")


@pytest.mark.data
def test_two_columns_of_the_other_spectrometer(data_dir: Path) -> None:
    files = sorted((data_dir / "raman_charisma" / "FMNT-M_Ho785").glob("*.txt"))
    assert len(files) == 29
    for path in files:
        signal, expected = read(path), np.loadtxt(path)
        assert signal.dims == ("axis",)
        np.testing.assert_array_equal(signal.axis.values, expected[:, 0])
        np.testing.assert_array_equal(signal.values, expected[:, 1])
    assert read(files[0], axis="raman_shift").raman_shift.attrs["units"] == "1/cm"


@pytest.mark.data
def test_tables_that_are_no_spectra(data_dir: Path) -> None:
    files = [*data_dir.glob("*/*.csv"), *data_dir.glob("*/*.json"), *data_dir.glob("*/SOURCE.md")]
    files += [*data_dir.glob("*/LICENSE*"), *data_dir.glob("sem_vendors/*.txt"), *data_dir.glob("*/nordif/Setting.txt")]
    files += [*data_dir.glob("raw_xrd_xps/xps/FeO_analyzed_results.csv"), *data_dir.glob("em_raw_formats/mrc/*.txt")]
    files = [path for path in files if path.name != "Demo_exp_d.csv"]
    assert len(files) >= 40
    for path in files:
        with pytest.raises(FileError) as caught:
            read(path)
        assert path.name in str(caught.value)
        assert "damaged" not in str(caught.value)
    with pytest.raises(FileError, match="350 x 128 numbers without an axis"):
        read(data_dir / "magnet_loops" / "transformer_meas.csv")
