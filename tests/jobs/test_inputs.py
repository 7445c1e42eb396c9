"""What a user names becomes single inputs with legal, distinct names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from matxai.errors import SignalError
from matxai.jobs.inputs import expand, legal_stem, slice_indices


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("steel.tif", "steel"),
        ("15% Sn: a.xy", "15_ Sn_ a"),
        ("con.tif", "_con"),
        ("a<b>|?.png", "a_b_"),
        ("...", "_"),
        ("x" * 300 + ".tif", "x" * 120),
    ],
)
def test_stems_are_legal_everywhere(name: str, stem: str) -> None:
    assert legal_stem(name) == stem


def test_slices_are_chosen_in_words() -> None:
    assert slice_indices("all", 3, "s") == [0, 1, 2]
    assert slice_indices("-1", 3, "s") == [2]
    assert slice_indices("1:", 4, "s") == [1, 2, 3]
    assert slice_indices("0:9:4", 10, "s") == [0, 4, 8]
    for bad in ("3", "x", "5:2", "::0", ""):
        with pytest.raises(SignalError, match="chooses no slice of s, which has 3"):
            slice_indices(bad, 3, "s")


def test_a_folder_is_its_files_in_natural_order_and_equal_names_stay_apart(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for path in ("a/i2.tif", "a/i10.tif", "b/i2.tif"):
        tifffile.imwrite(tmp_path / path, np.zeros((8, 9), np.uint8))
    inputs, failures = expand([tmp_path / "a", tmp_path / "b"])
    assert not failures
    assert [i.stem for i in inputs] == ["i2", "i10", "i2_2"]


def test_of_a_folder_the_images_are_taken_and_folders_in_it_are_named(tmp_path) -> None:
    for name in ("a/i10.TIF", "a/i2.tif", "a/masks/i2.tif", "a/.cache/i2.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / name, np.zeros((8, 9), np.uint8))
    for name in ("i2.txt", "i2-tif.hdr", "README.md", "labels.csv", "Thumbs.db", ".hidden.tif"):
        (tmp_path / "a" / name).write_text("[SemImageFile]")
    np.save(tmp_path / "a" / "i3.npy", np.zeros((8, 9)))
    inputs, failures = expand([tmp_path / "a"])
    assert [i.name for i in inputs] == ["i2.tif", "i3.npy", "i10.TIF"]
    sentence = "masks is a folder; name it to explain what is in it."
    assert failures == [(str(tmp_path / "a" / "masks"), sentence)]
    _, failures = expand([tmp_path / "a" / "i*"])  # a pattern that fits a file means it
    assert {Path(name).name for name, _ in failures} == {"i2.txt", "i2-tif.hdr"}
    inputs, failures = expand([tmp_path / "a" / "*"])
    assert (str(tmp_path / "a" / "masks"), sentence) in failures


def test_a_store_in_a_folder_is_a_file(tmp_path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.save(str(tmp_path / "image.zarr"), np.zeros((8, 9), np.uint8))
    inputs, failures = expand([tmp_path])
    assert [i.name for i in inputs] == ["image.zarr"]
    assert not failures


def test_a_folder_without_images_says_what_it_holds(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "empty").mkdir()
    inputs, failures = expand([tmp_path, tmp_path / "empty"])
    assert not inputs
    assert "holds no files to explain; it has empty, notes.txt" in failures[0][1]
    assert failures[1][1].endswith("empty is empty.")


def test_a_stack_asks_for_slices_and_others_go_on(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9))
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 9), np.uint8))
    inputs, failures = expand([tmp_path / "stack.tif", tmp_path / "one.tif"])
    assert [i.name for i in inputs] == ["one.tif"]
    assert "stack of 5 slices" in failures[0][1]
    inputs, failures = expand([tmp_path / "stack.tif"], slices="1:3")
    assert [i.name for i in inputs] == ["stack.tif[z=1]", "stack.tif[z=2]"]
    np.testing.assert_array_equal(inputs[0].load().values, np.arange(72, 144).reshape(8, 9))
    inputs, failures = expand([tmp_path / "one.tif"], slices="1")
    assert not inputs
    assert "is a single image and has no slice 1" in failures[0][1]
    inputs, _ = expand([tmp_path / "stack.tif"], "3d")
    assert inputs[0].slice is None
