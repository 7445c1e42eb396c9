"""Baselines of a signal before normalisation, what the network sees of them, and maps with errors beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import matxai
from matxai.errors import SignalError
from matxai.explanation import baselines_seen, provenance
from matxai.explanation.baselines import SignalBaselines, span
from matxai.methods import GradientSHAP, IntegratedGradients

KEY = "integrated_gradients"
NORMAL = {"scale": "dtype", "mean": [0.5], "std": [0.25]}


def made(model, signal, **options):
    return SignalBaselines(model.preprocessing, model.preprocessing.prepare(signal), **options)


@pytest.mark.parametrize(
    ("dtype", "values", "want"),
    [
        ("uint8", [20, 200], (0, 255)),
        ("int8", [-3, 5], (-128, 127)),
        ("uint16", [30, 4000], (0, 4000)),
        ("int16", [-30, 4000], (-30, 4000)),
        ("float32", [0.25, 0.5], (0.25, 0.5)),
    ],
)
def test_black_and_white_are_the_images_own(dtype, values, want):
    assert span(xr.DataArray(np.array(values, dtype), dims="x")) == want


def test_baselines_are_made_before_the_normalisation(make_model, micrograph):
    model = make_model(**NORMAL)
    of = made(model, micrograph)
    assert of("black").unique().tolist() == [-2.0]  # (0 / 255 - 0.5) / 0.25: not 0
    assert of("white").unique().tolist() == [2.0]
    assert of("constant", value=51).unique().tolist() == pytest.approx([-1.2])
    mean = round(float(micrograph.mean()))
    assert of("mean").unique().tolist() == pytest.approx([(mean / 255 - 0.5) / 0.25])
    assert of.signal("blur").dtype == np.uint8
    assert of.signal("blur").std() < 0.3 * micrograph.values.std()
    assert not np.array_equal(of.signal("noise", draw=1), of.signal("noise"))
    assert set(of.seen) == {"black", "white", "constant 51", "mean"}
    others = torch.stack([torch.zeros(1, 48, 64), torch.ones(1, 48, 64)])
    assert made(model, micrograph, references=others)("mean").unique().tolist() == [0.5]


def test_colours_and_volumes_have_baselines_as_well(make_model):
    colour = xr.DataArray(np.random.default_rng(0).random((20, 24, 3)), dims=("y", "x", "c"))
    of = made(make_model(channels=3), colour)
    torch.testing.assert_close(of("mean")[0, :, 0, 0].double(), torch.from_numpy(colour.values.mean((0, 1))), atol=1e-6,
                               rtol=0)  # fmt: skip
    assert of("blur").shape == (1, 3, 20, 24)
    stack = xr.DataArray(np.random.default_rng(0).random((8, 9, 10)), dims=("z", "y", "x"))
    assert made(make_model(axes=3), stack)("blur").shape == (1, 1, 8, 9, 10)


def test_a_map_against_black_sums_to_the_difference_of_the_scores(make_model, micrograph):
    """By hand: the image and the black image, each through the preprocessing."""
    model = make_model(**NORMAL, bias=True)
    method = IntegratedGradients(baselines="black", completeness=0.01, budget=600)
    ds = matxai.explain(model, micrograph, methods=[method, "saliency"], target="pore")
    black = micrograph.copy(data=np.zeros_like(micrograph.values))
    with torch.no_grad():
        a, b = (model.module(model.preprocessing.prepare(s).tensor)[0, 1].item() for s in (micrograph, black))
    total = float(ds["integrated_gradients_black"].sum())
    assert total == pytest.approx(a - b, rel=0.011)
    record = provenance(ds)
    assert record["baselines"] == {"black": [-2.0]}
    assert record["ledger"][f"{KEY}:black"]["score"] == pytest.approx(a - b, rel=1e-5)
    assert record["ledger"][f"{KEY}:black"]["ratio"] == pytest.approx(1, abs=0.011)
    assert record["maps"]["integrated_gradients_black"]["figures"]["copies"] <= 600


def test_errors_stand_beside_their_maps_and_count_for_no_agreement(make_model, micrograph):
    model = make_model(**NORMAL)
    ds = matxai.explain(
        model, micrograph, methods=["smooth_grad", "gradient_shap", KEY], budget=8, tolerance=0.9, seed=3
    )
    assert list(ds.data_vars) == [
        "smooth_grad", "smooth_grad_standard_error", "gradient_shap", "gradient_shap_standard_error", KEY,
        f"{KEY}_error",
    ]  # fmt: skip
    for name in ("smooth_grad_standard_error", "gradient_shap_standard_error", f"{KEY}_error"):
        assert (ds[name] >= 0).all()
        assert ds[name].attrs["signed"] == 0
        assert ds[name].attrs["error_of"] == name.replace("_standard", "").removesuffix("_error")
        assert ds[name].attrs["units"] == ds[ds[name].attrs["error_of"]].attrs["units"]
    record = provenance(ds)
    assert (record["budget"], record["tolerance"], record["seed"]) == (8, 0.9, 3)
    assert "gradient_shap" not in record["ledger"]  # what it sums to is not known: the references' mean score
    assert not any("error" in pair["a"] + pair["b"] for pair in record["agreement"])
    assert (record["forwards"], record["backwards"]) == (1 + 3 * 8, 3 * 8)
    again = matxai.explain(model, micrograph, methods=["smooth_grad", "gradient_shap"], budget=8, tolerance=0.9, seed=3)
    assert np.array_equal(again["gradient_shap"], ds["gradient_shap"])
    x = model.preprocessing.prepare(micrograph).tensor
    plain = matxai.attribute(model.module, x, ["smooth_grad"], budget=8, tolerance=0.9, seed=3)
    for key, name in (("smooth_grad", "smooth_grad"), ("smooth_grad:standard_error", "smooth_grad_standard_error")):
        assert np.allclose(ds[name], np.abs(plain[key][0, 0].numpy()), rtol=1e-4)  # nothing is moved


def test_a_resized_image_keeps_the_sum_of_its_map(make_model, micrograph):
    model = make_model(**NORMAL, size=[24, 40])
    ds = matxai.explain(model, micrograph, methods=[KEY], budget=8)
    record = provenance(ds)["maps"][KEY]
    assert float(ds[KEY].sum()) == pytest.approx(record["sum_at_input"][0], rel=1e-6)
    error = provenance(ds)["maps"][f"{KEY}_error"]
    assert error["error_of"] == KEY
    assert float(ds[f"{KEY}_error"].sum()) == pytest.approx(error["sum_at_input"][0], rel=1e-6)


def test_references_are_prepared_like_the_signal(make_model, micrograph):
    model = make_model(**NORMAL)
    dark = micrograph.copy(data=(micrograph.values // 2).astype(np.uint8))
    ds = matxai.explain(model, micrograph, methods=[GradientSHAP(budget=4), f"{KEY}:mean"], references=[dark], budget=8)
    seen = model.preprocessing.prepare(dark).tensor
    x = model.preprocessing.prepare(micrograph).tensor
    want = matxai.attribute(model.module, x, GradientSHAP(budget=4), references=seen)["gradient_shap"]
    assert np.allclose(ds["gradient_shap"], want[0, 0].numpy(), atol=1e-7)
    assert provenance(ds)["baselines"]["mean"] == pytest.approx([float(seen.mean())], rel=1e-6)
    with pytest.raises(SignalError, match="references= takes signals"):
        matxai.explain(model, micrograph, references=[seen])
    with pytest.raises(SignalError, match="reach the network with 2 sizes"):
        matxai.explain(model, micrograph, references=[dark, dark[:20]])


def test_a_region_near_its_baseline_is_a_note(make_model, micrograph):
    model = make_model(**NORMAL)
    micrograph[30:40, 10:30] = 3
    ds = matxai.explain(model, micrograph, methods=[f"{KEY}:black"], budget=8)
    assert any("a region of 7 % of the input lies within 5 % of its range" in n for n in provenance(ds)["notes"])
    micrograph[30:40, 10:30] = 0
    ds = matxai.explain(model, micrograph, methods=[f"{KEY}:black"], budget=8)
    assert (ds["integrated_gradients_black"][30:40, 10:30] == 0).all()


def test_what_the_network_sees_of_each_baseline(make_model, micrograph):
    seen = baselines_seen(make_model(**NORMAL))
    assert seen == {"black": [-2.0], "white": [2.0], "constant": [pytest.approx(0.0, abs=0.01)], "blur": None,
                    "noise": None, "mean": None}  # fmt: skip
    of = baselines_seen(make_model(**NORMAL), micrograph)
    assert of["black"] == [-2.0]
    assert None not in of.values()
    assert (
        len(baselines_seen(make_model(channels=3, scale="dtype", mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.1]))["black"])
        == 3
    )
    assert set(baselines_seen(make_model(axes=1)).values()) == {None}
    assert baselines_seen(make_model(axes=3, scale="dtype"))["white"] == [1.0]
    flat = baselines_seen(make_model(scale="image"))
    assert flat["black"] == flat["white"] == [0.0]


def test_model_check_says_where_black_and_white_are_one(make_model):
    from matxai.jobs import check_model

    assert check_model(make_model(**NORMAL, size=[32, 32])).baselines["white"] == [2.0]
    found = check_model(make_model(scale="image", size=[32, 32]))
    assert any("black, white and constant are all the same to the network" in f for f in found.findings)
