"""Folders, globs and lists of spectra as one set; folders of images stay stacks; what is mixed is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from matxai.errors import FileError
from matxai.jobs.inputs import expand
from matxai.jobs.listing import list_data
from matxai.signals import inspect, read
from matxai.signals.folders import announced

X = np.round(10 + 0.05 * np.arange(60), 2)


def _write(path: Path, scale: float, axis: np.ndarray = X, head: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + "".join(f"{x} {scale * i}\n" for i, x in enumerate(axis)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "patterns"
    for i in range(12):
        _write(where / f"scan_{i + 1}.xy", i + 1.0)
    (where / "labels.csv").write_text("file,class\nscan_1.xy,steel\nscan_2.xy,brass\n")
    (where / "SOURCE.md").write_text("# Where\n\nfrom 2020\n")
    (where / "notes.txt").write_text("twelve scans\n")
    return where


def test_folder_glob_and_list_are_one_set_in_natural_order(folder: Path) -> None:
    names = [f"scan_{i + 1}.xy" for i in range(12)]
    for source in (folder, str(folder / "*.xy"), [folder / name for name in names]):
        signal = read(source, axis="two_theta")
        assert (signal.dims, signal.shape) == (("sample", "two_theta"), (12, 60))
        assert list(signal["sample"].values) == names
        np.testing.assert_allclose(signal.values, np.outer(np.arange(1, 13), np.arange(60)))
        np.testing.assert_array_equal(signal.two_theta.values, X)
        assert (signal.two_theta.attrs["units"], signal.attrs["files"]) == ("degree", 12)
    assert read(folder).attrs["source"] == "patterns"
    info = inspect(folder)
    assert (info.format, info.main.shape) == ("12 files as one set of spectra", (12, 60))


def test_one_spectrum_in_a_folder_is_that_spectrum(tmp_path: Path) -> None:
    _write(tmp_path / "one" / "a.xy", 2.0)
    assert read(tmp_path / "one").dims == ("axis",)


@pytest.mark.parametrize("change", ["shifted", "shorter", "named"])
def test_another_axis_is_named(folder: Path, change: str) -> None:
    axis = {"shifted": X + 0.01, "shorter": X[:50], "named": X}[change]
    _write(folder / "scan_5.xy", 1.0, axis, "Energy (eV) Counts\n" if change == "named" else "")
    with pytest.raises(FileError, match=r"patterns is no set on one axis: scan_5\.xy has (60|50) points of"):
        read(folder)


def test_facts_that_differ_and_columns_become_coordinates(tmp_path: Path) -> None:
    for i, laser in enumerate((532, 785)):
        head = f"# laser: {laser}\n# operator: x\n# raman shift,I,sigma\n"
        rows = "".join(f"{x},{x + i},{i}\n" for x in X)
        (tmp_path / f"{i}.csv").write_text(head + rows)
    signal = read(tmp_path)
    assert signal.dims == ("sample", "raman_shift")
    assert signal.laser_wavelength.values.tolist() == [532, 785]
    assert signal.laser_wavelength.dims == ("sample",)
    np.testing.assert_array_equal(signal.sigma.values, [[0.0] * 60, [1.0] * 60])
    assert signal.attrs["metadata"] == {"operator": "x"}


def test_files_of_one_name_are_called_after_their_folders(tmp_path: Path) -> None:
    paths = [_write(tmp_path / c / "a.xy", 1.0) for c in ("steel", "brass")]
    assert list(read(paths)["sample"].values) == ["steel/a.xy", "brass/a.xy"]


def test_several_spectra_in_a_file_are_samples_of_their_own(tmp_path: Path) -> None:
    _write(tmp_path / "a.xy", 1.0)
    (tmp_path / "b.xy").write_text("".join(f"{x} {i} {2 * i + 5}\n" for i, x in enumerate(X)))
    signal = read(tmp_path)
    assert list(signal["sample"].values) == ["a.xy", "b.xy: column 2", "b.xy: column 3"]
    assert any("b.xy: several spectra" in note for note in signal.attrs["notes"])


def test_images_stay_a_stack_and_mixtures_are_refused(folder: Path) -> None:
    images = folder.parent / "images"
    images.mkdir()
    for i in range(3):
        tifffile.imwrite(images / f"{i}.tif", np.full((5, 6), i, np.uint8))
    _write(images / "positions.csv", 1.0)
    assert read(images).dims == ("z", "y", "x")
    for i in range(3):
        tifffile.imwrite(folder / f"{i}.tif", np.zeros((5, 6), np.uint8))
    with pytest.raises(FileError, match=r"holds 3 images \(such as 0\.tif\) and 12 other signals .*patterns/\*\.tif"):
        read(folder)
    mixed = [images / "0.tif", folder / "scan_1.xy"]
    for source in (mixed, mixed[::-1]):
        with pytest.raises(FileError, match="is a mixed set"):
            read(source)


def test_tables_and_notes_beside_spectra_are_no_inputs(folder: Path) -> None:
    assert not any(announced(folder / name) for name in ("labels.csv", "SOURCE.md", "notes.txt"))
    inputs, failures = expand([folder], "1d")
    assert [one.name for one in inputs] == [f"scan_{i + 1}.xy" for i in range(12)]
    assert not failures
    classes = folder.parent / "classes"
    _write(classes / "steel" / "a.xy", 1.0)
    _write(classes / "brass" / "b.txt", 1.0)
    (classes / "brass" / "readme.txt").write_text("words\n")
    assert sorted((row.name, row.label) for row in list_data(classes).rows) == [
        ("brass/b.txt", "brass"),
        ("steel/a.xy", "steel"),
    ]


def test_a_folder_without_signals_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,class\n")
    with pytest.raises(FileError, match=r"no spectra: it holds labels\.csv"):
        read(tmp_path)


def test_columns_beside_the_spectra_of_a_folder_keep_their_units(tmp_path: Path) -> None:
    for name, factor in (("a", 1), ("b", 2)):
        rows = "".join(f"{100 - i}\t{1386.6 + i:.1f}\t{factor * i}\n" for i in range(9))
        (tmp_path / f"{name}.txt").write_text("Binding Energy (eV)\tKinetic Energy (eV)\tcounts\n" + rows)
    signal = read(tmp_path)
    assert signal.dims == ("sample", "binding_energy")
    assert signal.kinetic_energy.attrs["units"] == "eV"
