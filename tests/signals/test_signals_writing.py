"""Calibrated float32 TIFF comes back with the same values, pixel size, unit and origin; others read it too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from matxai.errors import FileError, SignalError
from matxai.signals import labelled, read, write_tiff

rng = np.random.default_rng(0)


def made(dims: str, step: float, unit: str, **origin: float):
    sizes = {"t": 2, "z": 3, "y": 5, "x": 6, "c": 4}
    data = rng.normal(size=[sizes[d] for d in dims]).astype(np.float32)
    spacing = {d: step * (i + 1) for i, d in enumerate("zyx") if d in dims}
    units = dict.fromkeys(spacing, unit)
    if "t" in dims:
        spacing["t"], units["t"] = 2.5, "s"
    return labelled(data, tuple(dims), spacing=spacing, units=units, origin=origin, name="lrp")


@pytest.mark.parametrize("name", ["map.tif", "map.ome.tif"])
@pytest.mark.parametrize("dims", ["yx", "zyx", "tzyx", "yxc", "tzyxc"])
@pytest.mark.parametrize(("step", "unit"), [(7.34375, "nm"), (0.269792, "um"), (1e-4, "mm"), (3.3333333, "angstrom")])
def test_round_trip(tmp_path: Path, name: str, dims: str, step: float, unit: str) -> None:
    signal = made(dims, step, unit, x=12.5 * step)
    back = read(write_tiff(tmp_path / name, signal))
    assert (back.dims, back.dtype) == (signal.dims, np.float32)
    np.testing.assert_array_equal(back.values, signal.values)
    for dim in signal.dims:
        np.testing.assert_allclose(back[dim], signal[dim], rtol=1e-7, atol=0)
        assert back[dim].attrs == signal[dim].attrs


def test_imagej_reads_the_same_pixel_size(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "map.tif", made("zyx", 0.5, "um"), info={"class": "crack", "score": 1.5})
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_imagej
        found = tiff.imagej_metadata
        assert (found["unit"], found["spacing"], found["slices"]) == ("um", 0.5, 3)
        num, den = tiff.pages[0].tags["XResolution"].value
        assert num / den == pytest.approx(1 / 1.5)
        assert json.loads(found["Info"]) == {"name": "lrp", "class": "crack", "score": 1.5}


def test_ome_readers_get_the_same_pixel_size(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "map.ome.tif", made("zyx", 0.5, "um"))
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert 'PhysicalSizeX="1.5" PhysicalSizeXUnit="µm"' in tiff.ome_metadata
        assert tiff.series[0].shape == (3, 5, 6)


def test_arrays_and_uncalibrated_signals_stay_in_pixels(tmp_path: Path) -> None:
    for data in (np.eye(4), np.zeros((2, 3, 4), bool)):
        back = read(write_tiff(tmp_path / "a.tif", data))
        np.testing.assert_array_equal(back.values, data.astype(np.float32))
        assert back.x.attrs["units"] == "pixel"


def test_nan_survives(tmp_path: Path) -> None:
    data = np.full((3, 4), np.nan, np.float32)
    data[1, 1] = 2
    np.testing.assert_array_equal(read(write_tiff(tmp_path / "a.tif", data)).values, data)


def test_what_a_tiff_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with pytest.raises(SignalError, match=r"select one of \['layer'\]"):
        write_tiff(path, labelled(np.zeros((2, 3, 4)), ("layer", "y", "x")))
    with pytest.raises(SignalError, match="shape"):
        write_tiff(path, np.zeros(5))
    with pytest.raises(SignalError, match="complex"):
        write_tiff(path, labelled(np.zeros((3, 4), complex), ("y", "x")))
    with pytest.raises(SignalError, match="uneven"):
        write_tiff(path, labelled(np.zeros((3, 4)), ("y", "x"), coords={"x": [0, 1, 2, 9.0]}, units={"x": "nm"}))
    with pytest.raises(SignalError, match="different kinds"):
        write_tiff(path, labelled(np.zeros((3, 4)), ("y", "x"), spacing={"x": 1, "y": 1}, units={"x": "nm", "y": "eV"}))
    with pytest.raises(SignalError, match="no unit '1/nm'"):
        write_tiff(tmp_path / "a.ome.tif", made("yx", 1.0, "1/nm"))
    assert list(tmp_path.iterdir()) == []


def test_units_of_one_kind_are_brought_together(tmp_path: Path) -> None:
    signal = labelled(np.zeros((3, 4)), ("y", "x"), spacing={"y": 0.002, "x": 3.0}, units={"y": "mm", "x": "um"})
    back = read(write_tiff(tmp_path / "a.tif", signal))
    assert (float(back.y[1]), back.y.attrs["units"]) == (pytest.approx(2.0), "um")


def test_a_folder_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        write_tiff(tmp_path / "no" / "a.tif", np.eye(3))

    def full(path: Path, *args: object, **kwargs: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    old = write_tiff(tmp_path / "a.tif", np.eye(3)).read_bytes()
    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(FileError, match="No space left"):
        write_tiff(tmp_path / "a.tif", np.eye(4))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == old


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float64"])
@pytest.mark.parametrize("dims", [("y", "x"), ("y", "x", "c")])
def test_values_keep_their_type_where_asked_for(tmp_path, dtype, dims) -> None:
    values = (np.random.default_rng(0).random((20, 30, 3)[: len(dims)]) * 200).astype(dtype)
    signal = labelled(values, dims, spacing=dict.fromkeys("yx", 2.5), units=dict.fromkeys("yx", "nm"))
    back = read(write_tiff(tmp_path / "a.tif", signal, keep_type=True))
    assert back.dims == dims
    assert back.dtype == dtype
    np.testing.assert_array_equal(back.values, values)
    np.testing.assert_allclose(back.x, signal.x)
    assert back.x.attrs["units"] == "nm"
