"""A stack explained plane by plane: the same numbers as its planes, its leading axes kept, bounded memory, cancel."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest

import matxai
from matxai.errors import Cancelled, MatxaiError, SignalError
from matxai.explanation import explain_stack, load, provenance, save, stacks
from matxai.signals import labelled

METHODS = ["grad_cam", "lrp:epsilon", "saliency"]


def stack(n=4, dtype=np.uint8):
    values = np.random.default_rng(0).integers(0, 250, (n, 24, 32)).astype(dtype)
    return labelled(
        values,
        ("z", "y", "x"),
        spacing={"z": 2.0, "y": 0.5, "x": 0.5},
        units=dict.fromkeys("zyx", "um"),
        origin={"z": 7.0},
        attrs={"source": "stack.tif"},
    )


def test_each_plane_has_the_numbers_that_it_has_by_itself(make_model):
    model, signal = make_model(), stack()
    found = explain_stack(model, signal, METHODS)
    for k in range(4):
        one = matxai.explain(model, signal.isel(z=k), METHODS)
        for name in one.data_vars:
            np.testing.assert_array_equal(found[name].values[k], one[name].values)
        record = provenance(found)["planes"][k]
        assert record["at"] == {"z": k}
        assert record["scores"] == provenance(one)["scores"]
        assert str(found.explained.values[k]) == provenance(one)["target"]["class"]
        assert str(found.top.values[k]) == provenance(one)["scores"][0]["class"]
    assert found["grad_cam"].dims == ("z", "y", "x")
    np.testing.assert_array_equal(found.z, [7.0, 9.0, 11.0, 13.0])
    assert found.z.attrs["units"] == signal.z.attrs["units"]
    assert found["lrp_epsilon"].attrs["max"] == pytest.approx(float(found["lrp_epsilon"].max()))


def test_several_classes_and_layers_stay_axes_behind_the_stacks_own(make_model):
    found = explain_stack(make_model(), stack(2), ["grad_cam"], target=["crack", "pore"], layers=["0", "2"])
    assert found["grad_cam"].dims == ("z", "class", "layer", "y", "x")
    assert set(found.explained.values.tolist()) == {"crack, pore"}


def test_a_lazy_stack_is_read_a_plane_at_a_time_and_gives_the_same(make_model):
    model, signal, asked = make_model(), stack(), []

    def plane(block_info=None):
        k = block_info[None]["chunk-location"][0]
        asked.append(k)
        return signal.values[k : k + 1]

    lazy = signal.copy(data=da.map_blocks(plane, chunks=((1,) * 4, 24, 32), dtype=np.uint8, meta=np.empty((0, 0, 0))))
    told = []
    found = explain_stack(model, lazy, ["grad_cam"], target="pore", progress=lambda *a: told.append((a[0], len(asked))))
    np.testing.assert_array_equal(found["grad_cam"], explain_stack(model, signal, ["grad_cam"], target="pore").grad_cam)
    assert told[:3] == [(0, 1), (1, 2), (2, 3)]  # the plane under way and those before it
    assert found.signal.chunks is not None


def test_large_maps_go_to_a_file_that_goes_with_them(make_model, tmp_path, monkeypatch):
    model, signal = make_model(), stack()
    expected = explain_stack(model, signal, ["grad_cam"], target="pore").grad_cam.values
    monkeypatch.setattr(stacks, "IN_MEMORY", 0.0)
    found = explain_stack(model, signal, ["grad_cam"], target="pore", folder=tmp_path)
    np.testing.assert_array_equal(found.grad_cam.values, expected)
    assert len(list(tmp_path.glob("*/map.npy"))) == 1
    del found
    assert not list(tmp_path.iterdir())


def test_it_is_saved_and_comes_back_equal(make_model, tmp_path):
    found = explain_stack(make_model(), stack(2), METHODS)
    for name in ("a.nc", "a.zarr"):
        assert load(save(found, tmp_path / name)).identical(found)


def test_cancel_keeps_what_is_done_only_where_that_is_asked_for(make_model):
    model, signal = make_model(), stack()
    stop = threading.Event()

    def progress(done, _total, _label):
        if done == 2:
            stop.set()

    with pytest.raises(Cancelled, match="Cancelled"):
        explain_stack(model, signal, ["grad_cam"], progress=progress, cancel=stop)
    stop.clear()
    part = explain_stack(model, signal, ["grad_cam"], target="pore", progress=progress, cancel=stop, keep=True)
    np.testing.assert_array_equal(np.isnan(part.grad_cam.values).all((1, 2)), [False, False, True, True])
    assert provenance(part)["planes_asked"] == 4
    assert len(provenance(part)["planes"]) == 2
    stop.set()
    with pytest.raises(Cancelled):
        explain_stack(model, signal, ["grad_cam"], cancel=stop, keep=True)


def test_what_is_no_stack_and_a_bad_plane_are_said(make_model):
    with pytest.raises(SignalError, match=r"takes 2: it is no stack"):
        explain_stack(make_model(), stack().isel(z=0))
    signal = stack(3, np.float32)
    signal.values[1, 3, 4] = np.nan
    with pytest.raises(SignalError, match=r"^At z 1: .* NaN or Inf, the first at y=3, x=4"):
        explain_stack(make_model(), signal)
    with pytest.raises(MatxaiError):
        explain_stack(make_model(), stack(), target="nothing of the kind")


def test_a_set_of_spectra_is_a_stack_of_them(make_model):
    values = np.random.default_rng(0).random((3, 40)).astype(np.float32)
    spectra = labelled(values, ("sample", "energy"), spacing={"energy": 0.5}, units={"energy": "eV"})
    model = make_model(axes=1, scale="none")
    found = explain_stack(model, spectra, ["input_x_gradient"], target="pore")
    assert found["input_x_gradient"].dims == ("sample", "energy")
    one = matxai.explain(model, spectra.isel(sample=2), ["input_x_gradient"], target="pore")
    np.testing.assert_array_equal(found["input_x_gradient"].values[2], one["input_x_gradient"].values)
