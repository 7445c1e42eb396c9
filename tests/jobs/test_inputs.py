"""What a user names becomes single inputs with legal, distinct names."""

from __future__ import annotations

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


def test_a_stack_asks_for_slices_and_others_go_on(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.arange(5 * 8 * 9, dtype=np.uint16).reshape(5, 8, 9))
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 9), np.uint8))
    inputs, failures = expand([tmp_path / "stack.tif", tmp_path / "one.tif"])
    assert [i.name for i in inputs] == ["one.tif"]
    assert "stack of 5 slices" in failures[0][1]
    inputs, failures = expand([tmp_path / "stack.tif"], slices="1:3")
    assert [i.name for i in inputs] == ["stack.tif[z=1]", "stack.tif[z=2]"]
    np.testing.assert_array_equal(inputs[0].load().values, np.arange(72, 144).reshape(8, 9))
    inputs, _ = expand([tmp_path / "stack.tif"], "3d")
    assert inputs[0].slice is None
