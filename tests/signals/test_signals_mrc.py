"""MRC: the header's claims, angstroms to nanometres, axes in any order."""

from __future__ import annotations

import struct

import mrcfile
import numpy as np
import pytest

from matxai.errors import FileError
from matxai.signals import read


def write(path, data, *, cell=0.0, stack=False):
    with mrcfile.new(path) as file:
        file.set_data(data)
        if cell:
            file.voxel_size = cell
        if stack:
            file.set_image_stack()
    return path


def patched(path, offset, fmt, *values):
    raw = bytearray(path.read_bytes())
    struct.pack_into(fmt, raw, offset, *values)
    path.write_bytes(raw)
    return path


def test_a_haadf_image_with_an_extended_header_that_is_most_of_the_file(data_dir):
    signal = read(data_dir / "em_raw_formats/mrc/HAADFscan.mrc")
    assert (signal.dims, signal.shape, signal.dtype) == (("y", "x"), (16, 16), np.uint16)
    assert (int(signal.min()), int(signal.max())) == (3923, 9399)
    with mrcfile.open(data_dir / "em_raw_formats/mrc/HAADFscan.mrc", permissive=True) as file:
        np.testing.assert_array_equal(signal, file.data)
    for dim in "yx":
        assert signal[dim].attrs["units"] == "nm"
        np.testing.assert_allclose(signal[dim], np.arange(16) * 5.6791313, rtol=1e-7)
    assert signal.attrs["pixel_size_source"] == "MRC header"
    assert signal.attrs["metadata"]["Microscope type"] == "Spectra"
    assert signal.attrs["metadata"]["HT"] == 300000.0


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32, np.complex64])
def test_volumes_of_every_mode(tmp_path, dtype):
    data = (np.arange(24) % 7).reshape(2, 3, 4).astype(dtype)
    signal = read(write(tmp_path / "a.mrc", data, cell=2.5))
    assert signal.dims == ("z", "y", "x") and signal.dtype == dtype
    np.testing.assert_array_equal(signal, data)
    np.testing.assert_allclose(signal.z, [0, 0.25])
    assert signal.z.attrs["units"] == "nm"


def test_no_cell_means_pixels_and_a_stack_has_no_step(tmp_path):
    signal = read(write(tmp_path / "a.mrc", np.ones((2, 3, 4), np.float32)))
    assert {signal[d].attrs["units"] for d in "zyx"} == {"pixel"}
    assert signal.attrs["pixel_size_source"].startswith("uncalibrated")
    signal = read(write(tmp_path / "b.mrcs", np.ones((2, 3, 4), np.float32), cell=10.0, stack=True))
    assert [signal[d].attrs["units"] for d in "zyx"] == ["pixel", "nm", "nm"]
    signal = read(write(tmp_path / "c.mrc", np.ones((3, 4), np.float32), cell=1.0))
    assert "exactly 1 angstrom" in signal.attrs["pixel_size_source"]


def test_axes_stored_in_another_order_and_big_endian(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = patched(write(tmp_path / "a.mrc", data, cell=10.0), 64, "<3i", 3, 1, 2)  # columns z, rows x, sections y
    signal = read(path)
    assert signal.dims == ("z", "y", "x")
    np.testing.assert_array_equal(signal, data.transpose(2, 0, 1))
    raw = bytearray(path.read_bytes())
    raw[:1024] = np.frombuffer(bytes(raw[:1024]), "<i4").astype(">i4").tobytes()
    raw[208:216] = b"MAP \x11\x11\x00\x00"
    raw[1024:] = data.astype(">i2").tobytes()
    (tmp_path / "big.mrc").write_bytes(raw)
    np.testing.assert_array_equal(read(tmp_path / "big.mrc"), data.transpose(2, 0, 1))


def test_large_volumes_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 10)
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    signal = read(write(tmp_path / "a.mrc", data))
    assert signal.chunks == ((1, 1), (3,), (4,))
    np.testing.assert_array_equal(signal, data)


@pytest.mark.parametrize(
    ("offset", "fmt", "values", "said"),
    [
        (0, "<3i", (10**6, 10**6, 1), r"claims 4 TB.*holds 96 bytes"),
        (8, "<i", (3,), r"claims 144 bytes.*holds 96 bytes"),
        (92, "<i", (2**30,), r"claims 96 bytes.*holds 0 bytes"),
        (12, "<i", (101,), "MRC mode 101"),
        (12, "<i", (77,), "header make no sense"),
        (0, "<i", (-4,), "header make no sense"),
    ],
)
def test_headers_that_lie_get_one_sentence(tmp_path, offset, fmt, values, said):
    path = patched(write(tmp_path / "a.mrc", np.ones((2, 3, 4), np.float32)), offset, fmt, *values)
    with pytest.raises(FileError, match=rf"a\.mrc.*{said}") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [1, 300, 1023, 1024, 1100])
def test_truncated_files(tmp_path, keep):
    path = write(tmp_path / "a.mrc", np.ones((2, 3, 4), np.float32))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FileError, match=r"a\.mrc"):
        read(path)
