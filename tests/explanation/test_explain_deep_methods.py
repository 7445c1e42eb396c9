"""Maps of channel weights, biases, multipliers and rectified gradients on the measured grid, of images and spectra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from matxai.explanation import explain, provenance
from matxai.explanation.baselines import SignalBaselines
from matxai.methods import attribution

#: What a map counts, and whether it is signed.
COUNTS = {
    "full_grad": ("cam", 0),
    "score_cam": ("cam", 0),
    "ablation_cam": ("cam", 0),
    "eigen_cam": ("cam", 0),
    "deconvnet": ("gradient", 1),
    "deep_lift": ("relevance", 1),
}
SMALLER = {"mean": [0.2], "std": [0.3]}


@pytest.fixture
def spectrum():
    energy = np.linspace(7000.0, 7200.0, 96)
    values = 1 / (1 + np.exp(-(energy - 7112) / 2)) + 0.3 * np.exp(-(((energy - 7130) / 5) ** 2))
    return xr.DataArray(values, dims="energy", coords={"energy": ("energy", energy, {"units": "eV"})})


@pytest.mark.parametrize("axes", [1, 2])
def test_each_map_is_the_tensors_with_its_quantity(axes, make_model, micrograph, spectrum):
    model, signal = make_model(axes, bias=True), spectrum if axes == 1 else micrograph
    ds = explain(model, signal, list(COUNTS), target="crack", budget=16)
    assert list(ds.data_vars) == list(COUNTS)
    prepared = model.preprocessing.prepare(signal)
    blur = SignalBaselines(model.preprocessing, prepared)
    maps = attribution(model.module, prepared.tensor, list(COUNTS), 0, budget=16, baseline=blur).maps
    records = provenance(ds)["maps"]
    for name, (quantity, signed) in COUNTS.items():
        map_ = ds[name]
        assert records[name]["quantity"] == quantity, name
        assert map_.attrs["signed"] == signed, name
        assert map_.dims == signal.dims
        assert np.isfinite(map_).all(), name
        assert np.abs(map_).max() > 0, name
        assert (map_.min() >= 0) or signed, name
        want = maps[name][0].sum(0).numpy()
        np.testing.assert_allclose(map_, want, rtol=1e-4, atol=1e-6 * np.abs(want).max(), err_msg=name)


def test_multipliers_keep_their_sum_on_a_grid_that_was_resized(make_model, micrograph):
    """DeepLift's map is a share of the score's change from the baseline; the other five are values of a pixel."""
    model = make_model(steps=[{"resize": 24}], bias=True, **SMALLER)
    ds = explain(model, micrograph, list(COUNTS), target="crack", budget=16)
    records = provenance(ds)["maps"]
    assert float(ds.deep_lift.astype(float).sum()) == pytest.approx(records["deep_lift"]["sum_at_input"][0], rel=1e-4)
    for name in ("full_grad", "score_cam", "ablation_cam", "eigen_cam", "deconvnet"):
        assert "conservation" not in records[name], name
        assert np.isfinite(ds[name]).all(), name
    prepared = model.preprocessing.prepare(micrograph)
    with torch.no_grad():
        scores, without = map(model.module, (prepared.tensor, SignalBaselines(model.preprocessing, prepared)("blur")))
    change = (scores - without)[0, 0]
    assert records["deep_lift"]["sum_at_input"][0] == pytest.approx(float(change), rel=1e-3, abs=1e-6)
