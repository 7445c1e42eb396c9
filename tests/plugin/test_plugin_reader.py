"""What the reader makes of files: calibrated layers, lazy stacks, curves on the shelf, None for what is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
import dask.array as da
import tifffile
from napari.components import ViewerModel
from napari_matxai import reader
from napari_matxai.layers.images import image_layer, is_curve
from napari_matxai.reader import get_reader, read_layers
from napari_matxai.session.shelf import shelf

import matxai
from matxai.errors import FileError, MatxaiError, MatxaiWarning
from matxai.signals import labelled, read_all
from matxai.signals.reader import readers

npe2 = pytest.importorskip("npe2")
DATA = Path(os.environ.get("MATXAI_TEST_DATA", "/nowhere"))
real = pytest.mark.skipif(not DATA.is_dir(), reason="needs real data (MATXAI_TEST_DATA)")


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    """Read as if no window were open, whatever other tests left behind, and leave nothing on the shelf."""
    monkeypatch.setattr(reader.versions, "viewer_in_front", lambda: None)
    yield
    shelf.take(ViewerModel())


def opened(path) -> ViewerModel:
    """Open a file as napari does, with the reader that it finds by the manifest."""
    npe2.PluginManager.instance().discover()
    viewer = ViewerModel()
    viewer.open(str(path), plugin="matxai")
    return viewer


# -- which files -------------------------------------------------------------------------------------------------------


def test_the_manifest_names_the_suffixes_of_every_reader_and_nothing_wider() -> None:
    (said,) = npe2.PluginManifest.from_distribution("matxai").contributions.readers
    assert said.accepts_directories
    assert set(said.filename_patterns) == {f"*{s}" for r in readers.values() for s in r.suffixes}
    assert all(p.startswith("*.") and "*" not in p[1:] and len(p) > 2 for p in said.filename_patterns)


def test_asking_for_a_reader_imports_no_torch(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((8, 9), np.uint8))
    np.savetxt(tmp_path / "a.xy", np.c_[np.arange(9.0), np.ones(9)])
    (tmp_path / "b.nc").write_bytes(b"CDF\x01")
    code = f"""
import sys
from napari_matxai.reader import get_reader
found = [get_reader({str(tmp_path)!r} + name) is not None for name in ("/image.tif", "/a.xy", "/b.nc", "/c.tif", "")]
assert found == [True, True, False, False, False], found
heavy = [m for m in ("torch", "matplotlib", "qtpy", "PySide6", "PyQt6", "napari") if m in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.tif", b""),
        ("text.tif", b"this is no picture"),
        ("prose.txt", b"Dear reader,\nthis file holds words and 3 numbers.\n"),
        ("points.csv", b"index,axis-0,axis-1\n0,1.0,2.0\n1,3.0,4.0\n2,5.0,6.0\n"),
        ("shapes.csv", b"index,shape-type,vertex-index,axis-0,axis-1\n0,line,0,1.0,2.0\n0,line,1,3.0,4.0\n"),
        ("half.h5", b"\x89HDF"),
        ("page.xml", b"<html><body>no spectrum</body></html>"),
        ("readme.zip", b"PK\x05\x06" + 18 * b"\x00"),
        ("noise.raw", bytes(range(256)) * 8),
    ],
)
def test_what_is_not_ours_is_left_to_others(tmp_path, name, content) -> None:
    (tmp_path / name).write_bytes(content)
    assert get_reader(str(tmp_path / name)) is None


def test_paths_that_lead_nowhere_are_left_to_others(tmp_path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.md").write_text("none")
    for path in (tmp_path / "missing.tif", tmp_path / "words", "https://example.org/a.tif", "a\x00b.tif"):
        assert get_reader(str(path)) is None


def test_damage_behind_a_good_head_is_one_sentence_that_names_the_file(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "cut.tif", np.zeros((64, 64), np.uint16))
    whole = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:2000])
    read = get_reader(str(tmp_path / "cut.tif"))
    with pytest.raises(MatxaiError, match=r"cut\.tif") as error:
        read(str(tmp_path / "cut.tif"))
    assert "Traceback" not in str(error.value)
    viewer = ViewerModel()
    with pytest.raises(Exception, match=r"cut\.tif"):
        viewer.open(str(tmp_path / "cut.tif"), plugin="matxai")
    assert len(viewer.layers) == 0


# -- images and stacks -------------------------------------------------------------------------------------------------


def test_a_folder_and_a_list_of_slices_are_one_lazy_stack_in_their_order(tmp_path) -> None:
    for k in (1, 2, 10):
        tifffile.imwrite(tmp_path / f"slice_{k}.tif", np.full((6, 7), k, np.uint8))
    (layer,) = opened(tmp_path).layers
    assert isinstance(layer.data, da.Array)
    assert layer.data[:, 0, 0].compute().tolist() == [1, 2, 10]
    paths = [str(tmp_path / f"slice_{k}.tif") for k in (10, 1)]
    ((data, keywords, _),) = get_reader(paths)(paths)
    assert np.asarray(data)[:, 0, 0].tolist() == [10, 1]
    assert keywords["name"] == "slice_10.tif ... slice_1.tif"
    assert keywords["metadata"]["matxai"]["path"] == paths


def test_every_measured_image_of_a_file_is_a_layer_and_one_is_in_sight(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(np.zeros((8, 9), np.uint8), metadata=None)
        file.write(np.ones((5, 4), np.uint8), metadata=None)
    viewer = opened(tmp_path / "two.tif")
    assert [la.data.shape for la in viewer.layers] == [(8, 9), (5, 4)]
    assert [la.visible for la in viewer.layers] == [True, False]
    for number, layer in enumerate(viewer.layers):
        again = matxai.read(tmp_path / "two.tif", item=layer.metadata["matxai"]["attrs"]["item"])
        np.testing.assert_array_equal(again, layer.data)
        assert layer.metadata["matxai"]["attrs"]["item"] == number


def test_reading_all_of_a_file_stops_at_the_limit_and_says_so(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "many.tif") as file:
        for k in range(4):
            file.write(np.zeros((8, 9 + k), np.uint8), metadata=None)
    with pytest.warns(MatxaiWarning, match=r"many\.tif holds 4 signals; the first 3 were read"):
        assert len(read_all(tmp_path / "many.tif", most=3)) == 3
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 9), np.uint8))
    (one,) = read_all(tmp_path / "one.tif")
    assert "item" not in one.attrs


@real
def test_a_real_micrograph_keeps_the_instruments_calibration_and_bar() -> None:
    path = DATA / "sem_bam_tio2" / "images" / "1908248.tif"
    (layer,) = opened(path).layers
    signal = matxai.read(path)
    np.testing.assert_array_equal(layer.data, signal.values)
    np.testing.assert_allclose(layer.scale, [float(signal.y[1]), float(signal.x[1])])
    assert [str(u) for u in layer.units] == ["nanometer", "nanometer"]
    assert layer.axis_labels == ("y", "x")
    assert layer.metadata["matxai"]["path"] == str(path)
    assert layer.metadata["matxai"]["attrs"].get("info_bar") == signal.attrs.get("info_bar")


@real
def test_a_real_ct_stack_stays_on_disk_until_a_slice_is_seen() -> None:
    (layer,) = opened(DATA / "ct_cement_weave_fiberform" / "100_fiberform.tif").layers
    assert isinstance(layer.data, da.Array)
    assert layer.data.chunks[0] == (1,) * 100
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(
        np.asarray(layer.data[50]), tifffile.imread(DATA / "ct_cement_weave_fiberform" / "100_fiberform.tif", key=50)
    )


# -- spectra -----------------------------------------------------------------------------------------------------------


def test_a_curve_makes_no_layer_and_waits_for_the_dock(tmp_path) -> None:
    np.savetxt(tmp_path / "a.xy", np.c_[np.linspace(10, 80, 71), np.ones(71)])
    viewer = opened(tmp_path / "a.xy")
    assert len(viewer.layers) == 0
    (arrival,) = shelf.take(viewer)
    assert (arrival.name, arrival.path, arrival.signal.shape) == ("a.xy", str(tmp_path / "a.xy"), (71,))
    assert read_layers(str(tmp_path / "a.xy")) == [(None,)]


def test_what_is_a_curve_and_what_is_an_image() -> None:
    assert is_curve(labelled(np.zeros(4), ("energy",)))
    assert is_curve(labelled(np.zeros((4, 2)), ("time", "c")))
    assert not is_curve(labelled(np.zeros((4, 5)), ("sample", "energy")))
    assert not is_curve(labelled(np.zeros((4, 5, 3)), ("y", "x", "c")))


def test_a_set_of_spectra_is_a_calibrated_image_that_keeps_its_signal(tmp_path) -> None:
    for k in range(3):
        rows = np.c_[700 + np.arange(9.0), np.full(9, k)]
        np.savetxt(tmp_path / f"{k}.csv", rows, header="energy (eV),mu", delimiter=",", comments="")
    (layer,) = opened(tmp_path).layers
    assert layer.axis_labels == ("sample", "energy")
    assert [str(u) for u in layer.units] == ["pixel", "electron_volt"]
    np.testing.assert_allclose(layer.scale, [1.0, 1.0])
    assert layer.translate[1] == 700
    signal = layer.metadata["matxai"]["signal"]
    assert list(signal["sample"].values) == ["0.csv", "1.csv", "2.csv"]
    assert np.shares_memory(signal.values, layer.data)


def test_waveforms_of_a_millisecond_are_no_sliver() -> None:
    waves = labelled(
        np.zeros((20, 1000)), ("sample", "time"), spacing={"time": 1e-6}, units={"time": "s"},
        coords={"sample": np.array([f"hit {k}" for k in range(20)])},
    )  # fmt: skip
    _, keywords, _ = image_layer(waves, "hits")
    height, width = 20 * keywords["scale"][0], 1000 * keywords["scale"][1]
    assert height == pytest.approx(width / 2)
    assert keywords["scale"][1] == pytest.approx(1e-6)


def test_a_spectrum_image_is_a_calibrated_stack_over_energy() -> None:
    image = labelled(
        np.zeros((30, 4, 5), np.float32), ("energy", "y", "x"),
        spacing={"energy": 0.5, "y": 2.0, "x": 2.0}, units={"energy": "eV", "y": "nm", "x": "nm"},
        origin={"energy": 280.0},
    )  # fmt: skip
    data, keywords, kind = image_layer(image, "map")
    layer = ViewerModel()._add_layer_from_data(data, keywords, kind)[0]
    assert [str(u) for u in layer.units] == ["electron_volt", "nanometer", "nanometer"]
    np.testing.assert_allclose(layer.scale, [0.5, 2, 2])
    assert layer.translate[0] == 280
    assert layer.metadata["matxai"]["signal"] is image


@real
def test_real_spectra_go_to_the_shelf_and_real_sets_become_images() -> None:
    viewer = opened(DATA / "raw_xrd_xps" / "xps" / "MgFe2O4_small.xy")
    assert len(viewer.layers) == 0
    names = [a.name for a in shelf.take(viewer)]
    assert names[0] == "MgFe2O4_small.xy: Survey"
    assert len(names) > 1
    (layer,) = opened(DATA / "em_raw_formats" / "renishaw" / "renishaw_test_linescan.wdf").layers
    assert layer.axis_labels == ("sample", "wavelength")
    assert str(layer.units[1]) == "nanometer"


@real
def test_files_that_hold_no_signal_say_what_they_hold() -> None:
    with pytest.raises(FileError, match=r"sample\.pridb holds hit parameters"):
        read_layers(str(DATA / "ae_vallen" / "steel_plate" / "sample.pridb"))


# -- explanations ------------------------------------------------------------------------------------------------------


def test_what_looks_like_an_explanation_is_told_from_other_files(tmp_path) -> None:
    import h5py
    import zarr

    from matxai.explanation.files import is_explanation

    with h5py.File(tmp_path / "other.nc", "w") as file:
        file["data"] = np.zeros((4, 5))
    zarr.create_array(tmp_path / "other.zarr", data=np.zeros((4, 5)))
    (tmp_path / "text.nc").write_text("netcdf other {}")
    assert not any(is_explanation(tmp_path / name) for name in ("other.nc", "other.zarr", "text.nc", "missing.nc", ""))
    assert get_reader(str(tmp_path / "other.nc")) is not None  # an array in HDF5, whatever it is called
    with h5py.File(tmp_path / "newer.nc", "w") as file:
        file.attrs["format"], file.attrs["version"] = "matxai-explanation", 99
    with pytest.raises(MatxaiError, match=r"newer\.nc is an explanation of version 99, which needs a newer matxai"):
        get_reader(str(tmp_path / "newer.nc"))(str(tmp_path / "newer.nc"))
