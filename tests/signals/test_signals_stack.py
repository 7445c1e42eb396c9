"""Folders, globs and lists of slices as one lazy stack."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from matxai.errors import FileError
from matxai.signals import inspect, read

SLICES = np.random.default_rng(0).integers(0, 256, (12, 6, 7), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    where = tmp_path / "slices"
    where.mkdir()
    for i, data in enumerate(SLICES):
        tifffile.imwrite(where / f"slice_{i + 1}.tif", data)
    (where / "SOURCE.md").write_text("not a slice")
    (where / ".slice_0.tif").write_bytes(b"")
    return where


def test_folder_glob_and_list_are_one_stack_in_natural_order(folder: Path) -> None:
    for source in (folder, str(folder / "*.tif"), [folder / f"slice_{i + 1}.tif" for i in range(12)]):
        signal = read(source)
        assert (signal.dims, signal.shape, signal.dtype) == (("z", "y", "x"), (12, 6, 7), np.uint8)
        assert signal.data.chunksize == (1, 6, 7)
        np.testing.assert_array_equal(signal.values, SLICES)
        assert signal.z.attrs["units"] == "pixel"
        assert signal.attrs["slices"] == 12
    assert read(folder).attrs["source"] == "slices"


def test_a_list_keeps_its_own_order(folder: Path) -> None:
    signal = read([folder / "slice_10.tif", folder / "slice_2.tif"])
    np.testing.assert_array_equal(signal.values, SLICES[[9, 1]])


def test_a_slice_is_read_only_when_it_is_used(folder: Path) -> None:
    signal = read(folder)
    (folder / "slice_7.tif").write_bytes(b"II*\x00 gone")
    np.testing.assert_array_equal(signal[3].values, SLICES[3])
    with pytest.raises(FileError, match=r"slice_7\.tif"):
        signal[6].compute(scheduler="sync")


def test_stacks_travel_to_other_processes(folder: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", SLICES, photometric="minisblack", compression="zlib")
    for source in (folder, tmp_path / "stack.tif"):
        data = pickle.loads(pickle.dumps(read(source).data))
        np.testing.assert_array_equal(data.compute(scheduler="sync"), SLICES)


def test_different_sizes_are_listed(folder: Path) -> None:
    tifffile.imwrite(folder / "slice_3.tif", np.zeros((5, 7), np.uint8))
    with pytest.raises(
        FileError, match=r"6 x 7 \(11 files, such as slice_1\.tif\); 5 x 7 \(1 files, such as slice_3\.tif\)"
    ):
        read(folder)


def test_types_are_widened_and_calibration_is_the_first_slices(tmp_path: Path) -> None:
    for i, dtype in enumerate((np.uint8, np.uint16)):
        tifffile.imwrite(
            tmp_path / f"s{i}.tif", SLICES[i].astype(dtype), imagej=True, resolution=(2, 4), metadata={"unit": "um"}
        )
    signal = read(tmp_path)
    assert signal.dtype == np.uint16
    np.testing.assert_array_equal(signal.values, SLICES[:2])
    assert (float(signal.x[1]), float(signal.y[1]), signal.x.attrs["units"]) == (0.5, 0.25, "um")
    assert signal.attrs["pixel_size_source"].startswith("ImageJ unit and resolution (first slice")


def test_colour_slices_keep_their_channels(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 256, (3, 6, 7, 3), dtype=np.uint8)
    for i, one in enumerate(data):
        Image.fromarray(one).save(tmp_path / f"{i}.png")
    signal = read(tmp_path)
    assert signal.dims == ("z", "y", "x", "c")
    np.testing.assert_array_equal(signal.values, data)


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a[1].tif", SLICES[0])
    np.testing.assert_array_equal(read(str(tmp_path / "a[1].tif")).values, SLICES[0])


def test_one_file_is_that_file(folder: Path, tmp_path: Path) -> None:
    assert read([folder / "slice_1.tif"]).dims == ("y", "x")
    (tmp_path / "one").mkdir()
    tifffile.imwrite(tmp_path / "one" / "stack.tif", SLICES, photometric="minisblack")
    assert read(tmp_path / "one").shape == SLICES.shape


def test_stacks_cannot_be_slices(tmp_path: Path) -> None:
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", SLICES, photometric="minisblack")
    with pytest.raises(FileError, match="cannot be a slice"):
        read(tmp_path)


def test_folders_without_images_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it holds no files"):
        read(tmp_path)
    (tmp_path / "labels.csv").write_text("file,class\n")
    with pytest.raises(FileError, match=r"it holds labels\.csv"):
        read(tmp_path)


def test_a_bad_slice_and_a_missing_one_are_named(folder: Path) -> None:
    with pytest.raises(FileError, match=r"slice_99\.tif does not exist"):
        read([folder / "slice_1.tif", folder / "slice_99.tif"])
    with pytest.raises(FileError, match="is a folder"):
        read([folder, folder / "slice_1.tif"])
    (folder / "slice_5.tif").write_bytes(b"")
    with pytest.raises(FileError, match=r"slice_5\.tif is empty"):
        read(folder)


def test_inspect_of_a_folder(folder: Path) -> None:
    info = inspect(folder)
    assert (info.source, info.format, info.main.shape) == ("slices", "12 files as one stack", (12, 6, 7))


@pytest.mark.data
def test_a_folder_of_images_of_two_sizes_is_no_stack(data_dir: Path) -> None:
    shapes = set()
    for folder in sorted((data_dir / "xsdd_steel_strip" / "images").iterdir()):
        try:
            shapes.add(read(folder).shape[1:])
        except FileError as error:
            assert "128 x 128 x 3" in str(error)  # noqa: PT017 - which of the folders is odd is not the point
            shapes.add("odd")
    assert shapes == {(128, 128, 3), "odd"}
