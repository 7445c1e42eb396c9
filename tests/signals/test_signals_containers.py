"""What holds for every container format: units that pint reads, ascending places, slices of a folder, gzip."""

from __future__ import annotations

import gzip
import warnings

import mrcfile
import numpy as np
import pytest

from matxai.errors import FileError, MatxaiError, MatxaiWarning
from matxai.signals import inspect, read
from matxai.signals.formats.axes import Axis, dims_of, signal_of
from matxai.signals.formats.pieces import MappedArray
from matxai.signals.units import registry

FILES = [
    "digitalmicrograph/Fei HAADF-UK_location.dm3",
    "digitalmicrograph/1D/test-EDS_spectrum.dm3",
    "digitalmicrograph/1D/test-MonarcCL_spectrum-ccd.dm4",
    "digitalmicrograph/2D/test_diffraction_pattern.dm3",
    "digitalmicrograph/3D/EELS_SI.dm4",
    "mrc/HAADFscan.mrc",
    "emd/Si100_3D.emd",
    "emd/fei_example_dpc_titles.emd",
    "emd/fei_example_tem_stack.emd",
    "nexus/nexus_dls_example.nxs",
    "hspy/example2_v3.1.hspy",
]


@pytest.mark.parametrize("name", FILES)
def test_every_dim_has_ascending_places_and_a_unit_that_pint_reads(data_dir, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatxaiWarning)
        signal = read(data_dir / "em_raw_formats" / name)
    for dim in signal.dims:
        assert dim in signal.coords, f"{dim} has no places"
        places = signal[dim].values
        assert places.shape == (signal.sizes[dim],) and np.all(np.diff(places) > 0)
        if dim == "axis":
            assert "units" not in signal[dim].attrs
        else:
            assert registry().Unit(signal[dim].attrs["units"]) is not None
    assert signal.dtype.isnative
    info = inspect(data_dir / "em_raw_formats" / name)
    assert info.main.shape == signal.shape and info.main.dtype == str(signal.dtype)


def test_items_promise_the_shape_that_they_load(data_dir):
    from matxai.signals.reader import ReadOptions
    from matxai.signals.reading import open_items

    for name in FILES:
        for item in open_items(data_dir / "em_raw_formats" / name, ReadOptions())[1]:
            signal = item.load()
            assert (item.shape, item.dtype) == (signal.shape, str(signal.dtype)), f"{name}: {item.name}"


def test_negative_steps_are_turned_round_with_their_data():
    data = np.arange(12.0).reshape(3, 4)
    signal = signal_of(data, [Axis("y", "nm", 1.0), Axis("x", "nm", -0.5, 10.0)], source="here")
    np.testing.assert_allclose(signal.x, [8.5, 9.0, 9.5, 10.0])
    np.testing.assert_array_equal(signal, data[:, ::-1])
    assert float(signal.sel(x=10.0, y=2.0)) == data[2, 0]


def test_a_unit_that_nobody_knows_is_said():
    axes = [Axis("y", "furlongs of cheese", 2.0), Axis("x", "nm", 2.0)]
    signal = signal_of(np.ones((2, 3)), axes, source="here")
    assert signal.y.attrs["units"] == "pixel" and float(signal.y[1]) == 1.0
    assert signal.attrs["notes"] == ["the unit 'furlongs of cheese' of the axis y is not known"]
    assert float(signal.x[1]) == 2.0


@pytest.mark.parametrize(
    ("axes", "shape", "dims"),
    [
        ([Axis(unit="eV", step=1.0)], (5,), ("energy",)),
        ([Axis("x", step=1.0)], (5,), ("axis",)),
        ([Axis("Height"), Axis("Width")], (5, 6), ("y", "x")),
        ([Axis("R_x", "nm"), Axis("R_y", "nm"), Axis("Q_x", "1/nm"), Axis("Q_y", "1/nm")], (2, 2, 2, 2), ()),
        ([Axis("time", "s"), Axis(), Axis()], (2, 3, 4), ("t", "y", "x")),
        ([Axis("two_theta", "deg"), Axis("two_theta", "deg")], (2, 3), ("two_theta", "two_theta_1")),
        ([Axis() for _ in range(6)], (2,) * 6, ("axis_0", "axis_1", "t", "z", "y", "x")),
    ],
)
def test_names_of_axes(axes, shape, dims):
    found = dims_of(axes, shape, np.float32)
    assert found == (dims or ("x", "y", "q_x", "q_y"))


def test_a_large_file_is_opened_without_reading_it(tmp_path, monkeypatch):
    data = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.float32, shape=(64, 512, 640))
    data[5] = 3.0
    data.flush()
    read_bytes = 0
    original = MappedArray.__getitem__

    def counted(self, key):
        nonlocal read_bytes
        piece = original(self, key)
        read_bytes += piece.nbytes
        return piece

    monkeypatch.setattr(MappedArray, "__getitem__", counted)
    signal = read(tmp_path / "a.npy")
    assert signal.chunks[0] == (1,) * 64 and read_bytes == 0
    assert float(signal[5].max()) == 3.0
    assert read_bytes == 512 * 640 * 4


def test_folders_of_slices_are_one_stack(tmp_path):
    for folder, suffix in (("npy", ".npy"), ("mrc", ".mrc")):
        (tmp_path / folder).mkdir()
        for i in (1, 2, 10):
            path = tmp_path / folder / f"slice_{i}{suffix}"
            image = np.full((3, 4), i, np.int16)
            if suffix == ".npy":
                np.save(path, image)
            else:
                mrcfile.write(path, image, voxel_size=10.0)
        stack = read(tmp_path / folder)
        assert stack.dims == ("z", "y", "x")
        np.testing.assert_array_equal(stack[:, 0, 0], [1, 2, 10])
    assert stack.x.attrs["units"] == "nm" and stack.z.attrs["units"] == "pixel"


@pytest.mark.parametrize("name", ["map.mrc.gz", "stack.h5.gz", "a.npy.gz"])
def test_gzip_is_not_unfolded(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(bytes(2**24)))
    with pytest.raises(FileError, match=rf"{name} begins with bytes 1f 8b"):
        read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".h5", ".nxs", ".emd", ".hspy", ".mrc", ".dm3", ".dm4", ".npy", ".npz", ".bcf"])
def test_empty_and_mislabelled_files_get_one_sentence(tmp_path, suffix):
    for raw in (b"", b"\x01\x02\x03\x04", b"hello, I am a text\n" * 100):
        path = tmp_path / f"odd{suffix}"
        path.write_bytes(raw)
        with pytest.raises(MatxaiError) as caught:
            read(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)
