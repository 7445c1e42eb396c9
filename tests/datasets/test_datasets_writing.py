"""Generated sets as files: readers find pixel size and info bar, and the table says what is true."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matxai_datasets import micrograph, micrographs, write
from matxai_datasets.shipped import make_patterns, make_samples, make_spectra, make_volume, samples
from matxai_datasets.writing import FLAVOURS, write_tiff

import matxai
from matxai.errors import FileError

UM = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "micrometer": 1.0, "m": 1e6}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("bar", ["framed", None])
def test_every_flavour_reads_back_with_its_pixel_size(tmp_path: Path, flavour: str, bar: str | None) -> None:
    image = micrograph(3, "pore", bar=bar, pixel_size=0.0234, size=(140, 150))
    signal = matxai.read(write_tiff(image, tmp_path / "a.tif", flavour=flavour))
    assert signal.dims == ("y", "x")
    assert np.array_equal(np.asarray(signal), image.pixels)
    for axis in ("y", "x"):
        step = float(signal[axis][1] - signal[axis][0]) * UM[signal[axis].attrs["units"]]
        assert step == pytest.approx(0.0234, rel=1e-6)
    if flavour == "fei":
        assert signal.attrs.get("info_bar") == ([120, 139] if bar else None)


def test_an_unknown_flavour_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fei, imagej, ome"):
        write_tiff(micrograph(3), tmp_path / "a.tif", flavour="zeiss")


def test_a_written_set_says_what_was_drawn(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", 24, seed=4, bars="by_class", per_specimen=2, size=(120, 130))
    rows = list(csv.DictReader((folder / "labels.csv").open(encoding="utf-8")))
    drawn = list(micrographs(24, 4, bars="by_class", per_specimen=2, size=(120, 130)))
    assert [row["class"] for row in rows] == [image.kind for image in drawn]
    assert [row["group"] for row in rows] == [image.specimen.name for image in drawn]
    for row, image in list(zip(rows, drawn, strict=True))[:6]:
        assert np.array_equal(np.asarray(matxai.read(folder / row["file"])), image.pixels)
        assert np.array_equal(np.asarray(matxai.read(folder / row["mask"])) > 0, image.defect)
        assert (int(row["info_bar_first"]), int(row["info_bar_last"])) == image.info_bar
        assert float(row["pixel_size_um"]) == pytest.approx(image.pixel_size, rel=1e-5)
    sides = {row["group"]: {other["split"] for other in rows if other["group"] == row["group"]} for row in rows}
    assert all(len(side) == 1 for side in sides.values()), "a specimen is never on both sides"
    test = [row for row in rows if row["split"] == "test"]
    assert len(test) == 6
    assert {row["class"] for row in test} == {"crack", "inclusion", "pore"}
    made = json.loads((folder / "generated.json").read_text())
    assert (made["seed"], made["n"], made["bars"]) == (4, 24, "by_class")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match="taken cannot be written"):
        write(tmp_path / "taken", 1)


def test_the_shipped_samples_are_what_the_generator_gives(tmp_path: Path) -> None:
    listed = samples()
    spectra = {"xps_molybdenum", "powder_phases"}
    assert set(listed) == {"defects", "info_bar", "swapped_bar", "cracks", "ct_crack", *spectra}
    assert [path.stem for path in listed["swapped_bar"].paths] == ["pore_black", "pore_framed"]
    made = make_samples(tmp_path / "again")
    shipped = listed["defects"].paths
    assert len(shipped) == 6
    for path in shipped:
        here, again = matxai.read(path), matxai.read(made / "images" / path.name)
        # another processor may round a sum differently: one grey level in a handful of pixels
        difference = np.abs(np.asarray(here).astype(int) - np.asarray(again).astype(int))
        assert (difference > 1).mean() < 1e-3
        assert here.attrs["pixel_size_source"].startswith("FEI")
    assert (made / "labels.csv").read_text() == listed["defects"].labels.read_text()
    folder = listed["defects"].labels.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 700_000


def test_the_swapped_pair_differs_in_the_bar_alone() -> None:
    own, other = (np.asarray(matxai.read(path)) for path in samples()["swapped_bar"].paths)
    assert np.array_equal(own[:140], other[:140])
    assert not np.array_equal(own[140:], other[140:])


def test_the_shipped_spectra_are_what_the_generator_gives(tmp_path: Path) -> None:
    shipped, made = samples()["xps_molybdenum"], make_spectra(tmp_path / "again")
    assert len(shipped.paths) == 3
    for path in shipped.paths:
        here, again = matxai.read(path), matxai.read(made / "files" / path.name)
        assert here.dims == ("binding_energy",)
        assert here.attrs["photon_energy"] == 1486.61
        # another version of numpy may draw other counts of the same mean
        assert float(abs(here - again).max()) < 8 * float(again.max()) ** 0.5
    rows = list(csv.DictReader(shipped.labels.open(encoding="utf-8")))
    assert [row["class"] for row in rows] == ["Mo", "MoS2", "MoO3"]
    assert all((shipped.labels.parent / row["file"]).is_file() for row in rows)


def test_the_shipped_patterns_are_what_the_generator_gives(tmp_path: Path) -> None:
    shipped, made = samples()["powder_phases"], make_patterns(tmp_path / "again")
    whole = matxai.read(list(shipped.paths))
    assert whole.dims == ("sample", "two_theta")
    assert whole.attrs["wavelength"] == 1.54056
    again = matxai.read(sorted((made / "files").iterdir()))
    assert float(abs(whole - again).max()) < 8 * float(again.max()) ** 0.5
    rows = list(csv.DictReader(shipped.labels.open(encoding="utf-8")))
    assert [row["class"] for row in rows] == 2 * ["anatase", "rutile", "zincite"]


def test_the_shipped_stack_is_what_the_generator_gives_and_lies_in_micrometres(tmp_path: Path) -> None:
    (path,), made = samples()["ct_crack"].paths, make_volume(tmp_path / "again")
    here, again = matxai.read(path), matxai.read(made / "images" / path.name)
    assert here.dims == ("z", "y", "x")
    assert [here[d].attrs["units"] for d in here.dims] == ["um"] * 3
    assert [float(here[d][1]) for d in here.dims] == [1.5] * 3
    difference = np.abs(np.asarray(here).astype(int) - np.asarray(again).astype(int))
    assert (difference > 1).mean() < 1e-3
    mask = np.asarray(matxai.read(path.parents[1] / "masks" / path.name))
    opened = mask.reshape(12, -1).sum(axis=1)
    assert opened[0] == opened.max() > 400
    assert not opened[-3:].any()
