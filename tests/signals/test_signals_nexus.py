"""NeXus and Data Exchange: the data that the file itself says should be plotted, with its axes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from matxai.errors import MatxaiWarning
from matxai.signals import read

CUBE = np.arange(24.0).reshape(2, 3, 4)


def nexus(path, **groups):
    """Write an NXentry with an NXdata group for each keyword (its attributes, then its datasets)."""
    with h5py.File(path, "w") as f:
        f.create_group("entry").attrs["NX_class"] = "NXentry"
        for name, (attributes, datasets) in groups.items():
            group = f.create_group(f"entry/{name}")
            group.attrs["NX_class"] = "NXdata"
            group.attrs.update(attributes)
            for key, (values, words) in datasets.items():
                group[key] = values
                group[key].attrs.update(words)
    return path


def test_default_signal_axes_and_units(tmp_path):
    path = nexus(
        tmp_path / "a.nxs",
        other=({"signal": "data"}, {"data": (np.zeros(3), {})}),
        scan=(
            {"signal": "counts", "axes": ["two_theta"]},
            {
                "counts": (np.array([1, 5, 2], np.int32), {"long_name": "Intensity", "units": "counts"}),
                "two_theta": (np.array([30.0, 20.0, 10.0]), {"units": "deg"}),
            },
        ),
    )
    with h5py.File(path, "r+") as f:
        f.attrs["default"] = "entry"
        f["entry"].attrs["default"] = "scan"
        f["entry/title"] = "a powder"
    signal = read(path)
    assert (signal.dims, signal.name) == (("two_theta",), "Intensity")
    np.testing.assert_allclose(signal.two_theta, [10, 20, 30])
    np.testing.assert_array_equal(signal, [2, 5, 1])
    assert signal.two_theta.attrs["units"] == "degree"
    assert signal.attrs["metadata"] == {"units": "counts", "title": "a powder"}
    assert any("'entry/other'" in note for note in signal.attrs["notes"])


def test_without_default_the_first_is_read_and_the_rest_is_named(tmp_path):
    path = nexus(
        tmp_path / "two.nxs",
        a=({"signal": "data"}, {"data": (CUBE[0], {})}),
        b=({"signal": "data"}, {"data": (CUBE, {})}),
    )
    with pytest.warns(MatxaiWarning, match=r"'entry/a' \(3, 4\) was read.*'entry/b' \(2, 3, 4\)"):
        signal = read(path)
    np.testing.assert_array_equal(signal, CUBE[0])
    np.testing.assert_array_equal(read(path, item="entry/b"), CUBE)
    np.testing.assert_array_equal(read(path, dataset="entry/b"), CUBE)


@pytest.mark.parametrize("where", ["list", "colon", "brackets", "numbers"])
def test_the_older_ways_of_naming_axes(tmp_path, where):
    axes = {"y": (np.arange(3) * 2.0, {"units": "um"}), "x": (np.arange(4) * 0.5, {"units": "um"})}
    words: dict = {"signal": 1}
    attributes: dict = {}
    if where == "list":
        words, attributes = {}, {"signal": "image", "axes": ["y", "x"]}
    elif where == "numbers":
        axes["y"][1]["axis"], axes["x"][1]["axis"] = 1, 2
    else:
        words["axes"] = "y:x" if where == "colon" else "[y,x]"
    path = nexus(tmp_path / "old.nxs", data=(attributes, {"image": (CUBE[0], words), **axes}))
    signal = read(path)
    assert signal.dims == ("y", "x")
    np.testing.assert_allclose(signal.y, [0, 2, 4])
    np.testing.assert_allclose(signal.x, [0, 0.5, 1, 1.5])
    assert signal.attrs["pixel_size_source"] == "NeXus NXdata axes"


def test_spectrum_images_come_energy_first_and_edges_become_middles(tmp_path):
    path = nexus(
        tmp_path / "si.nxs",
        data=(
            {"signal": "data", "axes": ["y", "x", "energy"]},
            {
                "data": (CUBE, {"interpretation": "spectrum"}),
                "y": (np.arange(2.0), {"units": "um"}),
                "x": (np.arange(3.0), {"units": "um"}),
                "energy": (np.array([100.0, 102, 104, 106, 108]), {"units": "eV"}),
            },
        ),
    )
    signal = read(path)
    assert signal.dims == ("energy", "y", "x")
    np.testing.assert_allclose(signal.energy, [101, 103, 105, 107])
    np.testing.assert_array_equal(signal, CUBE.transpose(2, 0, 1))


def test_axes_in_space_get_their_letters_and_indices_are_respected(tmp_path):
    path = nexus(
        tmp_path / "em.nxs",
        data=(
            {"signal": "data", "axes": ["axis_x", "axis_y"], "axis_x_indices": 1, "axis_y_indices": 0},
            {
                "data": (CUBE[0], {}),
                "axis_y": (np.arange(3.0), {"units": "nm"}),
                "axis_x": (np.arange(4.0), {"units": "nm"}),
            },
        ),
    )
    signal = read(path)
    assert signal.dims == ("y", "x") and signal.y.attrs["units"] == "nm"


def test_an_axis_that_turns_round_is_counted_and_noted(tmp_path):
    path = nexus(
        tmp_path / "odd.nxs",
        data=(
            {"signal": "data", "axes": ["energy"]},
            {"data": (np.arange(3.0), {}), "energy": (np.array([1.0, 3.0, 2.0]), {"units": "eV"})},
        ),
    )
    signal = read(path)
    np.testing.assert_array_equal(signal, [0, 1, 2])
    assert any("energy do not run in one direction" in note for note in signal.attrs["notes"])


def test_the_nested_nxdata_of_a_beamline_file(data_dir):
    signal = read(data_dir / "em_raw_formats/nexus/nexus_dls_example.nxs")
    assert (signal.dims, signal.shape) == (("axis", "y", "x"), (15, 10, 10))  # stored (y, x, .), a spectrum each
    assert not signal.values.any()
    assert "units" not in signal.axis.attrs
    assert signal.y.attrs["units"] == signal.x.attrs["units"] == "pixel"
    assert signal.attrs["dataset"] == "entry1/testdata/nexustest/data"
    np.testing.assert_array_equal(signal.y, np.arange(10))
    energy = read(data_dir / "em_raw_formats/nexus/nexus_dls_example.nxs", dataset="entry1/instrument/ic_3602_c1/value")
    assert energy.shape == (29, 15)
    assert (float(energy.min()), float(energy.max())) == (2.0862908414775636, 2.3243184282969493)


def test_data_exchange(tmp_path):
    with h5py.File(tmp_path / "tomo.h5", "w") as f:
        f["exchange/data"] = CUBE.astype(np.uint16)
        f["exchange/data"].attrs["units"] = "counts"
        f["exchange/data_white"] = np.ones((5, 3, 4), np.uint16)
        f["exchange/theta"] = np.array([0.0, 90.0])
        for letter in "xy":
            f[f"measurement/instrument/detector/{letter}_actual_pixel_size"] = 1.3e-6
    signal = read(tmp_path / "tomo.h5")
    assert signal.dims == ("theta", "y", "x")
    np.testing.assert_array_equal(signal, CUBE)
    np.testing.assert_array_equal(signal.theta, [0, 90])
    assert signal.theta.attrs["units"] == "degree"
    assert float(signal.x[1]) == 1.3e-6 and signal.x.attrs["units"] == "m"
    assert any("exchange/data_white" in note for note in signal.attrs["notes"])
    assert read(tmp_path / "tomo.h5", dataset="exchange/data_white").shape == (5, 3, 4)
