"""Maps of methods that replace parts of the input, on the measured grid; of black boxes as well."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr

import matxai
from matxai.errors import MethodError
from matxai.explanation import explain, provenance
from matxai.modelcard import load_model

MASKED = ["occlusion", "rise", "lime", "kernel_shap"]
SMALLER = {"steps": [{"resize": 24}], "mean": [0.2], "std": [0.3]}


def test_shapley_values_keep_their_sum_and_changes_are_interpolated(make_model, micrograph):
    ds = explain(make_model(**SMALLER), micrograph, MASKED, target="crack", budget=40)
    names = ["occlusion", "rise", "rise_standard_error", "lime", "lime_standard_error", "kernel_shap"]
    assert list(ds.data_vars) == [*names, "kernel_shap_standard_error"]
    records = provenance(ds)["maps"]
    assert float(ds.kernel_shap.sum()) == pytest.approx(records["kernel_shap"]["sum_at_input"][0], rel=1e-5)
    assert records["kernel_shap"]["quantity"] == "relevance"
    assert records["kernel_shap"]["conservation"][0]["ratio"] == pytest.approx(1, rel=1e-5)  # of the score's change
    assert ds.occlusion.attrs["units"] == "score"
    assert ds.occlusion.dims == micrograph.dims
    for name in names[:-1]:
        assert records[name]["quantity"] == "change"
        assert "conservation" not in records[name]  # a change of the score at a pixel is no share of it
    for name in ("rise", "lime", "kernel_shap"):
        assert ds[f"{name}_standard_error"].attrs["error_of"] == name
    assert ds.rise_standard_error.min() > 0
    assert all("standard_error" not in key for key in str(provenance(ds)["agreement"]).split("'"))
    inside = explain(make_model(**SMALLER), micrograph, ["occlusion"], target="crack", budget=40).occlusion.values
    assert ds.occlusion.values.max() == pytest.approx(inside.max())  # the value of a pixel, whatever its size
    assert (np.isfinite(inside)).all()


def test_a_black_box_is_explained_as_its_network_is(make_model, micrograph):
    model = make_model()
    network = model.module

    def predict(batch: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(batch)).detach().numpy()

    box = load_model(matxai.black_box(predict), kind="2d", classes=list(model.classes))
    got = explain(box, micrograph, MASKED, target="crack", budget=30)
    want = explain(model, micrograph, MASKED, target="crack", budget=30)
    for name in want.data_vars:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-4, atol=1e-5 * float(abs(want[name]).max()))
    assert "black box" in " ".join(provenance(got)["notes"])
    with pytest.raises(MethodError, match="'lrp' needs the gradients of a PyTorch model; the function 'predict' is"):
        explain(box, micrograph, ["lrp"])
    done = explain(box, micrograph, ["grad_cam", "rise"], budget=4, leave_out=True)
    assert list(done.data_vars) == ["rise", "rise_standard_error"]
    assert "a black box" in provenance(done)["left_out"]["grad_cam"]


def test_a_spectrum_is_explained_by_its_zones():
    energy = np.linspace(0, 10, 60)
    signal = xr.DataArray(np.exp(-(((energy - 4) / 0.4) ** 2)), {"energy": energy}, ("energy",))
    box = load_model(matxai.black_box(lambda a: a[:, :, 20:30].sum(2)), kind="1d", scale="none")
    ds = explain(box, signal, [matxai.methods.KernelSHAP(segments=6), "occlusion"], target=1)
    assert int(np.argmax(ds.kernel_shap.values)) in range(20, 30)
    assert float(ds.kernel_shap[:20].sum()) == pytest.approx(0, abs=1e-6)


def test_each_map_states_what_it_cannot_look_into(make_model, micrograph):
    ds = explain(make_model(), micrograph, ["occlusion", "rise", "lime", "saliency"], target="crack", budget=40)
    sides = {name: np.array(json.loads(ds[name].attrs["cell"])) for name in ("occlusion", "rise", "lime", "saliency")}
    assert all((sides[name] > 2 * sides["saliency"]).all() for name in ("occlusion", "rise", "lime"))
    size = np.array([micrograph.sizes[d] for d in ("y", "x")])
    shares = np.diff([float(micrograph[d][i]) for d in ("y", "x") for i in (0, 1)])[::2]
    np.testing.assert_allclose(sides["rise"] / shares, size / 7, rtol=0.02)
