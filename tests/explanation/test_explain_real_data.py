"""Real measurements explained: a micrograph with an information bar, a tomogram, an absorption spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import matxai
from matxai.explanation import explain, load, provenance, save

pytestmark = pytest.mark.data


def test_a_micrograph_keeps_its_scale_and_what_the_network_never_saw_is_nan(data_dir, make_model, tmp_path):
    signal = matxai.read(next((data_dir / "sem_vendors").rglob("tfs_odemis.tif")))
    first, last = signal.attrs["info_bar"]
    steps = [{"crop_rows": {"info_bar": True}}, {"resize": 128}, {"centre_crop": 112}]
    model = make_model(channels=3, steps=steps, size=[112, 112], mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    ds = explain(model, signal, ["grad_cam", "saliency", "lrp"], target="crack", layers="2")
    known = provenance(ds)
    for name in ds.data_vars:
        assert np.isnan(ds[name].values[first : last + 1]).all()
        assert ds[name].y.attrs["units"] == signal.y.attrs["units"] != "pixel"
    assert float(ds.lrp.astype(float).sum()) == pytest.approx(known["target"]["score"], rel=1e-3)
    factor = first / 128  # rows of the file for each row of the network
    cell = known["maps"]["grad_cam"]["layers"]["2"]["cell"]["y"]
    assert cell["pixels"] == pytest.approx(4 * factor)
    assert cell["size"] == pytest.approx(4 * factor * float(signal.y[1] - signal.y[0]))
    save(ds, tmp_path / "steel.nc")
    xr.testing.assert_identical(load(tmp_path / "steel.nc"), ds)


def test_a_tomogram_is_explained_as_a_volume_and_a_slice_is_asked_for_by_an_image_model(data_dir, make_model):
    stack = matxai.read(data_dir / "ct_cement_weave_fiberform" / "cement_128x128x128.tif")
    ds = explain(make_model(3, steps=[{"resize": {"size": [32, 32, 32]}}]), stack, ["grad_cam", "lrp"])
    assert ds.lrp.dims == ("z", "y", "x")
    assert ds.lrp.shape == stack.shape
    assert float(ds.lrp.astype(float).sum()) == pytest.approx(provenance(ds)["target"]["score"], rel=1e-3)
    with pytest.raises(matxai.MatxaiError, match=r"cement.*choose a slice, as in signal.isel\(z=0\)"):
        explain(make_model(), stack)
    assert explain(make_model(), stack.isel(z=5)).grad_cam.dims == ("y", "x")


def test_a_spectrum_comes_back_on_its_own_uneven_energies(data_dir, make_model):
    file = next((data_dir / "xas_library").rglob("Mn2O3_rt_03.xdi"))
    table = np.loadtxt(file, comments="#")
    signal = xr.DataArray(table[:, 1], dims="energy", coords={"energy": ("energy", table[:, 0], {"units": "eV"})})
    axis = {"name": "energy", "units": "keV", "start": 6.53, "stop": 6.62, "points": 256}
    ds = explain(make_model(1, axis=axis, steps=["snv"]), signal, ["grad_cam", "lrp"])
    np.testing.assert_array_equal(ds.energy, table[:, 0])
    inside = (table[:, 0] >= 6530) & (table[:, 0] <= 6620)
    assert np.isfinite(ds.lrp.values[inside]).all()
    assert np.isnan(ds.lrp.values[(table[:, 0] < 6528) | (table[:, 0] > 6622)]).all()
    assert float(ds.lrp.astype(float).sum()) == pytest.approx(provenance(ds)["target"]["score"], rel=1e-3)
