"""HDF5: which dataset is meant, what is refused, and what stays on disk."""

from __future__ import annotations

import threading

import h5py
import numpy as np
import pytest

from matxai.errors import FileError, UnsafeFileError
from matxai.signals import inspect, read
from matxai.signals.units import registry

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)


def test_the_only_dataset_is_taken(tmp_path):
    with h5py.File(tmp_path / "one.h5", "w") as f:
        f["deep/image"] = IMAGE
        f["deep/name"] = "a word is no signal"
        f["deep/voltage"] = 20.0
    signal = read(tmp_path / "one.h5")
    assert signal.dims == ("y", "x") and signal.dtype == np.uint16
    np.testing.assert_array_equal(signal, IMAGE)
    assert signal.attrs["dataset"] == "deep/image"
    assert [signal[d].attrs["units"] for d in signal.dims] == ["pixel", "pixel"]
    assert signal.attrs["pixel_size_source"].startswith("uncalibrated")


def test_a_named_dataset_and_the_sentence_for_a_wrong_name(tmp_path):
    with h5py.File(tmp_path / "steel.h5", "w") as f:
        f["entry/data"] = IMAGE
        f["entry/dark"] = IMAGE[:2]
    np.testing.assert_array_equal(read(tmp_path / "steel.h5", dataset="/entry/dark"), IMAGE[:2])
    with pytest.raises(FileError) as caught:
        read(tmp_path / "steel.h5", dataset="image")
    assert str(caught.value) == (
        "steel.h5 has no dataset 'image'; it has 'entry/data', 'entry/dark'. Name one with dataset=..."
    )
    with pytest.raises(FileError, match=r"does not say which.*'entry/data' \(3, 4\), 'entry/dark'.*dataset="):
        read(tmp_path / "steel.h5")
    with pytest.raises(FileError, match="is a group and no dataset"):
        read(tmp_path / "steel.h5", dataset="entry")


def test_dimension_scales_are_axes(tmp_path):
    with h5py.File(tmp_path / "scales.h5", "w") as f:
        data = f.create_dataset("map", data=IMAGE)
        for i, (name, places, unit) in enumerate((("y", [0.0, 0.5, 1.0], "µm"), ("x", [9.0, 6.0, 3.0, 0.0], "nm"))):
            f[name] = np.array(places)
            f[name].attrs["units"] = unit
            f[name].make_scale(name)
            data.dims[i].attach_scale(f[name])
    signal = read(tmp_path / "scales.h5")
    assert signal.y.attrs["units"] == "um" and signal.x.attrs["units"] == "nm"
    np.testing.assert_allclose(signal.x, [0, 3, 6, 9])  # stored descending: turned round with its data
    np.testing.assert_array_equal(signal, IMAGE[:, ::-1])


def test_element_size_um_of_imagej_and_ilastik(tmp_path):
    with h5py.File(tmp_path / "ct.h5", "w") as f:
        f["t0"] = np.zeros((2, 3, 4), np.uint8)
        f["t0"].attrs["element_size_um"] = [2.0, 0.5, 0.25]
    signal = read(tmp_path / "ct.h5")
    assert signal.dims == ("z", "y", "x")
    assert [float(signal[d][1]) for d in signal.dims] == [2.0, 0.5, 0.25]
    assert {signal[d].attrs["units"] for d in signal.dims} == {"um"}


def test_matlab_arrays_are_turned_the_right_way(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as f:
        f["image"] = IMAGE.T
        f["image"].attrs["MATLAB_class"] = np.bytes_("uint16")
    signal = read(tmp_path / "a.mat")
    assert signal.dims == ("y", "x")
    np.testing.assert_array_equal(signal, IMAGE)


def test_colours_booleans_byte_order_and_complex_pairs(tmp_path):
    pair = np.zeros((2, 2), [("re", "<f4"), ("im", "<f4")])
    pair["re"], pair["im"] = 1.5, -2.0
    cases = {
        "rgb": (np.zeros((5, 6, 3), np.uint8), ("y", "x", "c"), np.uint8),
        "big": (IMAGE.astype(">i4"), ("y", "x"), np.int32),
        "mask": (IMAGE > 5, ("y", "x"), np.bool_),
        "pair": (pair, ("y", "x"), np.complex64),
        "spectrum": (np.arange(7.0), ("axis",), np.float64),
    }
    for name, (data, dims, dtype) in cases.items():
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as f:
            f["data"] = data
        signal = read(path)
        assert (signal.dims, signal.dtype) == (dims, dtype), name
        assert signal.dtype.isnative
    assert read(tmp_path / "pair.h5").values[0, 0] == 1.5 - 2.0j
    assert "units" not in read(tmp_path / "spectrum.h5").axis.attrs


def test_a_large_stack_stays_on_disk_and_is_read_slice_by_slice_from_threads(tmp_path, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 1000)
    stack = np.random.default_rng(0).integers(0, 255, (6, 20, 30), dtype=np.uint8)
    with h5py.File(tmp_path / "stack.h5", "w") as f:
        f.create_dataset("exchange/data", data=stack, chunks=(1, 20, 30), compression="gzip")
    signal = read(tmp_path / "stack.h5")
    assert signal.chunks == ((1,) * 6, (20,), (30,))
    np.testing.assert_array_equal(signal.compute(scheduler="threads"), stack)
    wrong: list[int] = []

    def look(i: int) -> None:
        if not np.array_equal(signal[i].compute(scheduler="sync"), stack[i]):
            wrong.append(i)

    threads = [threading.Thread(target=look, args=(i % 6,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    with h5py.File(tmp_path / "stack.h5", "r+") as f:  # nothing was left open
        f["exchange/data"][0] = 0


def test_a_file_that_this_process_has_open_already_is_read(tmp_path):
    with h5py.File(tmp_path / "open.h5", "w") as f:
        f["data"] = IMAGE
    with h5py.File(tmp_path / "open.h5", "r"):
        np.testing.assert_array_equal(read(tmp_path / "open.h5"), IMAGE)


def test_nan_is_reported_and_not_fatal(tmp_path, caplog):
    with h5py.File(tmp_path / "nan.h5", "w") as f:
        f["data"] = np.array([[1.0, np.nan], [np.inf, 2.0]])
    signal = read(tmp_path / "nan.h5")
    assert "1 NaN and 1 infinite" in caplog.text
    assert signal.attrs["nonfinite"] == {"nan": 1, "inf": 1}


def external_link(f):
    f["entry/data"] = h5py.ExternalLink("secret.h5", "/data")


def external_storage(f):
    f.create_dataset("data", (3, 4), "u2", external=[("secret.raw", 0, 24)])


def virtual(f):
    layout = h5py.VirtualLayout((3, 4), "u2")
    layout[:] = h5py.VirtualSource("secret.h5", "data", (3, 4))
    f.create_virtual_dataset("data", layout)


def soft_link_to_an_external_one(f):
    f["away"] = h5py.ExternalLink("secret.h5", "/")
    f["data"] = h5py.SoftLink("/away/data")


@pytest.mark.parametrize("make", [external_link, external_storage, virtual, soft_link_to_an_external_one])
def test_nothing_outside_the_file_is_read(tmp_path, make):
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["data"] = IMAGE
    (tmp_path / "secret.raw").write_bytes(IMAGE.tobytes())
    with h5py.File(tmp_path / "links.h5", "w") as f:
        make(f)
    with pytest.raises(UnsafeFileError, match=r"links\.h5.*not followed"):
        read(tmp_path / "links.h5")
    for name in ("data", "entry/data"):
        with pytest.raises(FileError):
            read(tmp_path / "links.h5", dataset=name)


def test_a_dataset_of_the_file_itself_may_be_named_beside_a_link_outside(tmp_path):
    with h5py.File(tmp_path / "both.h5", "w") as f:
        f["mine"] = IMAGE
        f["other"] = h5py.ExternalLink("nowhere.h5", "/data")
    with pytest.raises(UnsafeFileError, match=r"'other' is an external link to 'nowhere\.h5'.*'mine' \(3, 4\)"):
        read(tmp_path / "both.h5")
    np.testing.assert_array_equal(read(tmp_path / "both.h5", dataset="mine"), IMAGE)


def test_tables_text_objects_and_empty_arrays_are_no_signals(tmp_path):
    cases = {
        "table": np.zeros(3, [("a", "f8"), ("b", "f8"), ("c", "i4")]),
        "text": np.array([b"one", b"two"]),
        "empty": np.zeros((0, 4)),
        "scalar": np.float64(3.0),
    }
    for name, data in cases.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as f:
            f["data"] = data
        with pytest.raises(FileError, match=rf"{name}\.h5"):
            read(tmp_path / f"{name}.h5", dataset="data")
        with pytest.raises(FileError, match=rf"{name}\.h5 holds no array of numbers"):
            read(tmp_path / f"{name}.h5")
    with h5py.File(tmp_path / "objects.h5", "w") as f:
        f.create_dataset("data", (2,), h5py.vlen_dtype(np.dtype("i4")))
    with pytest.raises(FileError, match=r"holds text and no array"):
        read(tmp_path / "objects.h5", dataset="data")


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.95])
def test_a_truncated_file_gets_one_sentence(tmp_path, keep):
    whole = tmp_path / "whole.h5"
    with h5py.File(whole, "w") as f:
        f["data"] = np.arange(5000.0)
    raw = whole.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(raw[: keep if isinstance(keep, int) else int(len(raw) * keep)])
    with pytest.raises(FileError) as caught:
        read(cut, reader="hdf5")
    assert "cut.h5" in str(caught.value) and "\n" not in str(caught.value)


def test_claims_that_the_file_does_not_hold_are_refused_before_memory_is_asked_for(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as f:
        f.create_dataset("data", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")
    with pytest.raises(UnsafeFileError, match=r"bomb\.h5 would unfold .* 8 TB"):
        read(tmp_path / "bomb.h5")
    with h5py.File(tmp_path / "late.h5", "w") as f:
        f.create_dataset("data", (10**6, 10**6), "f8")
    with pytest.raises(FileError, match=r"late\.h5.*claims 8 TB.*holds 0 bytes"):
        read(tmp_path / "late.h5")
    with h5py.File(tmp_path / "zeros.h5", "w") as f:
        f.create_dataset("data", data=np.zeros((9000, 9000), np.uint8), chunks=(9000, 9000), compression="gzip")
    with pytest.raises(UnsafeFileError, match="100 times its size"):
        read(tmp_path / "zeros.h5")
    assert read(tmp_path / "zeros.h5", limit=10**8).shape == (9000, 9000)


def test_a_hard_link_that_contains_itself_does_not_go_round_for_ever(tmp_path):
    with h5py.File(tmp_path / "loop.h5", "w") as f:
        f["a/b/data"] = IMAGE
        f["a/b/up"] = f["a"]
        f["a/soft"] = h5py.SoftLink("/a/soft")
    np.testing.assert_array_equal(read(tmp_path / "loop.h5"), IMAGE)
    with pytest.raises(FileError, match="has no dataset 'a/soft'"):
        read(tmp_path / "loop.h5", dataset="a/soft")


def test_saved_explanations_say_what_they_are(tmp_path):
    with h5py.File(tmp_path / "result.nc", "w") as f:
        f.attrs["format"] = "matxai-explanation"
        f["data"] = IMAGE
    with pytest.raises(FileError, match=r"result\.nc is a saved explanation .* matxai\.load"):
        read(tmp_path / "result.nc")


def test_pandas_tables_are_refused(data_dir):
    files = sorted((data_dir / "magnet_loops").glob("*.h5"))
    assert len(files) == 3
    for path in files:
        with pytest.raises(FileError, match=rf"{path.name} holds a pandas table \('dataframe'\) and no signal"):
            read(path)


def test_ebsd_patterns_ask_which_dataset_is_meant(data_dir):
    for maker, name in (("edax", "Scan 1/EBSD/Data/Pattern"), ("kikuchipy", "Scan 1/EBSD/Data/patterns")):
        path = data_dir / f"ebsd_nickel/{maker}_h5ebsd/patterns.h5"
        with pytest.raises(FileError, match=rf"patterns\.h5 does not say which .* it has '{name}' \(9, 60, 60\)"):
            read(path)
        signal = read(path, dataset=name)
        assert (signal.dims, signal.shape, signal.dtype) == (("z", "y", "x"), (9, 60, 60), np.uint8)
        with h5py.File(path) as f:
            np.testing.assert_array_equal(signal, f[name][...])


def test_hyperspy_files(data_dir):
    path = data_dir / "em_raw_formats/hspy/example2_v3.1.hspy"
    signal = read(path)
    assert (signal.dims, signal.shape, signal.dtype) == (("y", "x"), (16, 16), np.int32)
    assert signal.y.attrs["units"] == signal.x.attrs["units"] == "1/nm"
    assert registry().Unit("1/nm").dimensionality == registry().Unit("1/m").dimensionality
    assert float(signal.y[0]) == 131.87124127149582 and float(signal.x[0]) == 137.10422703623772
    assert float(signal.x[1] - signal.x[0]) == pytest.approx(0.17443285882472992, rel=1e-12)
    assert (int(signal.min()), int(signal.max())) == (718, 1218)
    assert signal.attrs["metadata"]["title"] == "test_diffraction_pattern"
    assert inspect(path).items[0].name == "test_diffraction_pattern"


def test_hyperspy_spectrum_images_come_energy_first(tmp_path):
    cube = np.arange(24.0).reshape(2, 3, 4)
    with h5py.File(tmp_path / "si.hspy", "w") as f:
        group = f.create_group("Experiments/map")
        group["data"] = cube
        axes = (("y", "µm", 2, True), ("x", "µm", 3, True), ("Energy loss", "eV", 4, False))
        for i, (name, unit, size, navigate) in enumerate(axes):
            group.create_group(f"axis-{i}").attrs.update(
                name=name, units=unit, size=size, scale=0.5, offset=float(i), navigate=navigate
            )
    signal = read(tmp_path / "si.hspy")
    assert signal.dims == ("energy", "y", "x")
    np.testing.assert_array_equal(signal, cube.transpose(2, 0, 1))
    np.testing.assert_allclose(signal.energy, [2.0, 2.5, 3.0, 3.5])
