"""Velox and Berkeley EMD: real files, value by value against the file's own numbers."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from matxai.errors import MatxaiWarning
from matxai.signals import inspect, read


def test_nine_images_of_one_velox_file(data_dir):
    path = data_dir / "em_raw_formats/emd/fei_example_dpc_titles.emd"
    info = inspect(path)
    names = [i.name for i in info.items]
    assert names == [
        *("DF4-A", "DF4-B", "DF4-C", "DF4-D"),
        *("DF4-A - DF4-C", "DF4-B - DF4-D", "DPC", "iDPC", "iDPC (unfiltered)"),
    ]
    assert [i.measured for i in info.items] == [True] * 4 + [False] * 5
    with pytest.warns(MatxaiWarning, match=r"'DF4-A' \(2, 2\) was read.*'DPC' \(2, 2\)"):
        first = read(path)
    assert (first.dims, first.dtype) == (("y", "x"), np.uint16)
    assert (int(first.min()), int(first.max())) == (29142, 30335)
    assert first.x.attrs["units"] == "nm" and float(first.x[1]) == pytest.approx(0.099619915558306547, rel=1e-11)
    complex_image = read(path, item="DPC")
    assert complex_image.dtype == np.complex64
    assert complex(complex_image.values.min()) == pytest.approx(-1459.9154 - 1487.9266j, rel=1e-6)
    with h5py.File(path) as f:
        images = {k: f[f"Data/Image/{k}/Data"][:, :, 0] for k in f["Data/Image"]}
    segments = {n: read(path, item=n).values.astype(float) for n in names[:4]}
    difference = read(path, item="DF4-A - DF4-C").values
    np.testing.assert_array_equal(difference, segments["DF4-A"] - segments["DF4-C"])
    assert any(np.array_equal(difference, i) for i in images.values() if not i.dtype.names)
    assert first.attrs["metadata"]["acceleration_voltage"] == 300000.0


def test_frames_of_a_velox_stack_come_first(data_dir):
    path = data_dir / "em_raw_formats/emd/fei_example_tem_stack.emd"
    signal = read(path)
    assert (signal.dims, signal.shape, signal.dtype) == (("t", "y", "x"), (2, 3, 3), np.int16)
    with h5py.File(path) as f:
        np.testing.assert_array_equal(signal, np.moveaxis(next(iter(f["Data/Image"].values()))["Data"][...], 2, 0))
    assert [signal[d].attrs["units"] for d in signal.dims] == ["s", "nm", "nm"]
    np.testing.assert_allclose(signal.t, [0, 0.8])
    assert float(signal.x[0]) == pytest.approx(-16.738064777825999)
    assert float(signal.x[1] - signal.x[0]) == pytest.approx(8.1728831922978511e-3)
    assert signal.name == "Ceta"


def test_large_velox_stacks_stay_on_disk_a_chunk_a_frame(data_dir, monkeypatch):
    path = data_dir / "em_raw_formats/emd/fei_example_tem_stack.emd"
    whole = read(path)
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 10)
    lazy = read(path)
    assert lazy.chunks == ((1, 1), (3,), (3,))
    np.testing.assert_array_equal(lazy, whole)


def test_a_berkeley_cube_of_py4dstem(data_dir):
    path = data_dir / "em_raw_formats/emd/Si100_3D.emd"
    signal = read(path)
    assert (signal.dims, signal.shape, signal.dtype) == (("bin_outer_angle", "y", "x"), (37, 22, 22), np.float32)
    with h5py.File(path) as f:
        group = f["4DSTEM_simulation/data/realslices/virtual_detector_depth0000"]
        np.testing.assert_array_equal(signal, group["realslice"][...].transpose(2, 1, 0))  # dim1 is R_x
        np.testing.assert_array_equal(signal.bin_outer_angle, group["dim3"][...])
    assert [signal[d].attrs["units"] for d in signal.dims] == ["mrad", "nm", "nm"]
    assert float(signal.x[1]) == 0.25


def test_two_places_stand_for_an_even_axis_and_several_groups_are_items(tmp_path):
    with h5py.File(tmp_path / "two.emd", "w") as f:
        for name, data in (("a", np.ones((3, 4))), ("b", np.ones((5, 6)))):
            group = f.create_group(f"data/{name}")
            group.attrs["emd_group_type"] = 1
            group["data"] = data
            for i, letter in enumerate("yx"):
                group[f"dim{i + 1}"] = np.array([1.0, 3.0])
                group[f"dim{i + 1}"].attrs.update(name=letter, units="[n_m]")
    with pytest.warns(MatxaiWarning, match=r"'a' \(3, 4\) was read.*'b' \(5, 6\)"):
        signal = read(tmp_path / "two.emd")
    np.testing.assert_allclose(signal.x, [1, 3, 5, 7])
    assert read(tmp_path / "two.emd", item=1).shape == (5, 6)


def test_damaged_words_of_velox_leave_pixels(tmp_path):
    with h5py.File(tmp_path / "odd.emd", "w") as f:
        f["Data/Image/0/Data"] = np.zeros((3, 4, 1), np.uint8)
        f["Data/Image/0/Metadata"] = np.frombuffer(b'{"BinaryResult": [1, {', np.uint8)[:, None]
    signal = read(tmp_path / "odd.emd")
    assert signal.shape == (3, 4) and signal.x.attrs["units"] == "pixel"
