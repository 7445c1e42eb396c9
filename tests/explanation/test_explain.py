"""Maps of a real model on the measured grid: their axes, sums and places, and all that is written beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr

import matxai
from matxai.errors import Cancelled, MatxaiError, MethodError, ModelError, SignalError, TargetError
from matxai.explanation import explain, provenance

METHODS = ["grad_cam", "saliency", "input_x_gradient", "lrp:epsilon_plus", "lrp:epsilon_plus_flat", "guided_grad_cam"]


def test_an_explanation_has_a_map_for_each_method_on_the_signals_own_axes(make_model, micrograph):
    ds = explain(make_model(), micrograph, METHODS, target="crack")
    names = ["grad_cam", "saliency", "input_x_gradient", "lrp_epsilon_plus", "lrp_epsilon_plus_flat", "guided_grad_cam"]
    assert list(ds.data_vars) == names
    assert [ds[n].attrs["method"] for n in names] == METHODS
    for name in names:
        assert ds[name].dims == ("y", "x")
        xr.testing.assert_identical(ds[name].y.variable, micrograph.y.variable)
        assert not np.isnan(ds[name]).any()
    assert "signal" in ds.coords
    np.testing.assert_array_equal(ds.signal, micrograph)
    assert ds.signal.dtype == np.uint8
    assert [ds[n].attrs["signed"] for n in names] == [0, 0, 1, 1, 1, 1]


def test_attributes_are_strings_and_numbers_and_the_rest_is_json(make_model, micrograph):
    ds = explain(make_model(), micrograph, METHODS, target=["crack", "pore"], layers=["0", "2"])
    for attrs in (ds.attrs, *(v.attrs for v in ds.variables.values())):
        for key, value in attrs.items():
            assert type(value) in (str, int, float), (key, value)
    assert ds.attrs["format"] == "matxai-explanation"
    assert ds.attrs["version"] == 1
    assert json.loads(ds.signal.attrs["info_bar"]) == [44, 47]
    assert "nothing" not in ds.signal.attrs


def test_maps_equal_the_engines_where_preprocessing_moves_nothing(make_model, micrograph):
    model = make_model()
    ds = explain(model, micrograph, ["grad_cam", "saliency", "lrp:epsilon"], target=1)
    x = torch.from_numpy(micrograph.values)[None, None].float() / 255
    maps = matxai.attribute(model.module, x, ["grad_cam", "saliency", "lrp:epsilon"], target=1)
    np.testing.assert_allclose(ds.grad_cam, maps["grad_cam"][0, 0], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ds.saliency, maps["saliency"][0].abs().amax(0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(ds.lrp_epsilon, maps["lrp:epsilon"][0].sum(0), rtol=1e-4, atol=1e-8)


def test_three_channels_are_reduced_by_sum_or_by_largest_magnitude(make_model, micrograph):
    model = make_model(channels=3)
    ds = explain(model, micrograph, ["saliency", "input_x_gradient"], target="pore")
    x = (torch.from_numpy(micrograph.values)[None, None].float() / 255).expand(1, 3, -1, -1)
    maps = matxai.attribute(model.module, x, ["saliency", "input_x_gradient"], target=1)
    np.testing.assert_allclose(ds.saliency, maps["saliency"][0].abs().amax(0), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(ds.input_x_gradient, maps["input_x_gradient"][0].sum(0), rtol=1e-4, atol=1e-8)
    assert ds.saliency.attrs["reduction"] == "largest magnitude over channels"
    assert ds.input_x_gradient.attrs["reduction"] == "sum over channels"


CROPPED = {"steps": [{"resize": 40}, {"centre_crop": 32}], "size": [32, 32], "mean": [0.2], "std": [0.3]}


def test_relevance_keeps_its_sum_through_resize_and_crop_and_the_rest_is_nan(make_model, micrograph):
    ds = explain(make_model(**CROPPED), micrograph, METHODS, target="crack")
    known = provenance(ds)
    score = known["target"]["score"]
    for name in ("lrp_epsilon_plus", "lrp_epsilon_plus_flat", "input_x_gradient"):
        assert float(ds[name].sum()) == pytest.approx(score, rel=1e-3), name
        assert known["ledger"][ds[name].attrs["method"]]["ratio"] == pytest.approx(1, rel=1e-3)
        at_input = known["maps"][name]["sum_at_input"][0]
        assert float(ds[name].astype(float).sum()) == pytest.approx(at_input, abs=2e-6 * float(abs(ds[name]).sum()))
    seen = np.isfinite(ds.grad_cam.values)
    assert 0.3 < seen.mean() < 0.7
    for name in ds.data_vars:
        np.testing.assert_array_equal(np.isfinite(ds[name].values), seen)
    assert known["network_input"]["seen"] == pytest.approx(seen.mean())


def test_padding_takes_relevance_that_is_reported_as_lost(make_model, micrograph):
    model = make_model(steps=[{"letterbox": {"size": 64, "value": 1.0}}])
    ds = explain(model, micrograph, ["input_x_gradient"], target="crack")
    lost = ds.input_x_gradient.attrs["lost_on_padding"]
    assert lost != 0
    score = provenance(ds)["target"]["score"]
    assert float(ds.input_x_gradient.sum()) + lost == pytest.approx(score, rel=1e-3)


def test_several_layers_and_classes_are_dimensions_with_names(make_model, micrograph):
    ds = explain(make_model(), micrograph, ["grad_cam", "lrp"], target=["pore", "crack"], layers=["0", "2"])
    assert ds.grad_cam.dims == ("class", "layer", "y", "x")
    assert ds.lrp.dims == ("class", "y", "x")
    assert list(ds["class"].values) == ["pore", "crack"]
    assert list(ds.layer.values) == ["0", "2"]
    alone = explain(make_model(), micrograph, ["grad_cam", "lrp"], target="crack", layers="2")
    assert alone.grad_cam.dims == ("y", "x")
    assert alone.grad_cam.attrs["layer"] == "2"
    np.testing.assert_allclose(ds.grad_cam.sel({"class": "crack", "layer": "2"}), alone.grad_cam, rtol=1e-6)
    np.testing.assert_allclose(ds.lrp.sel({"class": "crack"}), alone.lrp, rtol=1e-5, atol=1e-9)


def test_the_maps_beside_a_fused_one_come_along(make_model, micrograph):
    ds = explain(make_model(), micrograph, ["multilayer_grad_cam"], layers=["0", "2"])
    assert ds.multilayer_grad_cam.dims == ("y", "x")
    assert ds.multilayer_grad_cam_layers.dims == ("layer", "y", "x")
    np.testing.assert_allclose(
        ds.multilayer_grad_cam, ds.multilayer_grad_cam_layers.mean("layer"), rtol=1e-5, atol=1e-9
    )


def test_a_layers_own_cells_have_axes_that_say_where_they_lie(make_model, micrograph):
    ds = explain(make_model(), micrograph, ["grad_cam"], layers="2", upsample=False)
    assert ds.grad_cam.dims == ("layer_2_y", "layer_2_x")
    assert ds.grad_cam.shape == (12, 16)
    # two convolutions with kernel 3, stride 2, padding 1: cell 0 is centred on pixel 0, cells are 4 pixels apart
    np.testing.assert_allclose(ds.layer_2_y, np.arange(12) * 4 * 0.5)
    assert ds.layer_2_y.attrs["units"] == "um"


def test_a_map_says_how_fine_it_is_in_pixels_and_units(make_model, micrograph):
    ds = explain(make_model(), micrograph, ["grad_cam", "saliency"], layers="2")
    assert json.loads(ds.grad_cam.attrs["cell"]) == [2.0, 2.0]
    assert json.loads(ds.grad_cam.attrs["receptive_field"]) == [3.5, 3.5]
    assert ds.grad_cam.attrs["cell_text"] == "y 2 um (4 pixels), x 2 um (4 pixels)"
    assert json.loads(ds.saliency.attrs["cell"]) == [0.5, 0.5]
    cell = provenance(ds)["maps"]["grad_cam"]["layers"]["2"]["cell"]["y"]
    assert cell == {"pixels": 4.0, "size": 2.0, "units": "um"}


@pytest.mark.parametrize(("axes", "shape"), [(1, (96,)), (2, (48, 40)), (3, (48, 40, 44))])
def test_a_planted_dot_is_found_where_it_lies_in_every_dimension(make_model, axes, shape):
    dims = {1: ("energy",), 2: ("y", "x"), 3: ("z", "y", "x")}[axes]
    model = make_model(axes, steps=[{"resize": {"size": [n // 2 for n in shape]}}])
    with torch.no_grad():
        for p in model.module.parameters():
            p.fill_(0.1)  # even kernels: the centre of what a cell sees is the centre of its receptive field
    offsets = []
    for k in range(-4, 4):  # one cell: 2 x 4 pixels
        at = [n // 2 + k for n in shape]
        values = np.zeros(shape, np.float32)
        values[tuple(slice(a, a + 1) for a in at)] = 1
        ds = explain(model, xr.DataArray(values, dims=dims), ["grad_cam", "lrp"], target=0, layers="2")
        assert ds.grad_cam.dims == dims
        assert np.unravel_index(int(ds.lrp.values.argmax()), shape) == tuple(at)
        total = float(ds.grad_cam.sum())
        offsets.append([float((ds.grad_cam * i).sum()) / total - a for i, a in zip(np.indices(shape), at, strict=True)])
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.1 * 8


def test_the_provenance_holds_what_is_needed_to_repeat_it(make_model, micrograph):
    ds = explain(make_model(**CROPPED), micrograph, METHODS, command="matxai explain a b")
    known = provenance(ds)
    assert known["command"] == ds.attrs["command"] == "matxai explain a b"
    assert known["model"]["classes"] == ["crack", "pore", "sound"]
    assert len(known["model"]["sha256"]) == len(known["input"]["sha256"]) == 64
    assert known["pixel_size_source"] == "FEI tag 34682"
    assert known["preprocessing"][1:4] == ["channels(channels=1)", "resize(size=40)", "centre_crop(size=32)"]
    assert (known["forwards"], known["backwards"]) == (1, 4)
    assert "1 forward" in known["plan"]
    assert {"matxai", "torch", "numpy", "xarray", "python"} == set(known["versions"])
    assert (known["seed"], known["device"]) == (0, "cpu")
    probabilities = [s["probability"] for s in known["scores"]]
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities == sorted(probabilities, reverse=True)
    assert known["target"]["class"] == known["scores"][0]["class"]
    assert known["target"]["score"] == pytest.approx(known["scores"][0]["logit"], rel=1e-5)
    pairs = {(p["a"], p["b"]) for p in known["agreement"]}
    assert ("saliency", "input_x_gradient") in pairs
    assert all(-1 <= p["rank"] <= 1 for p in known["agreement"])


def test_the_agreement_of_a_map_with_itself_is_one(make_model, micrograph):
    twice = [matxai.methods.LRP(name="a"), matxai.methods.LRP(name="b")]
    assert provenance(explain(make_model(), micrograph, twice))["agreement"] == [{"a": "a", "b": "b", "rank": 1.0}]


def test_the_same_call_gives_the_same_explanation(make_model, micrograph):
    model = make_model()
    state = torch.get_rng_state()
    first, second = (explain(model, micrograph, METHODS) for _ in range(2))
    xr.testing.assert_identical(first, second)
    assert torch.equal(state, torch.get_rng_state())


def test_a_bare_module_is_explained_and_what_was_assumed_is_said(make_network, micrograph):
    ds = explain(make_network(), micrograph, channels=1)
    assert list(ds.data_vars) == ["grad_cam"]
    assert provenance(ds)["assumptions"]


def test_an_empty_cam_says_so_in_its_attribute(make_model, micrograph):
    model = make_model()
    with torch.no_grad():
        model.module[6].weight[0] = -model.module[6].weight[0].abs() - 0.1
    ds = explain(model, micrograph, ["grad_cam"], target="crack")
    if float(ds.grad_cam.max()) == 0:
        assert "no positive evidence" in ds.grad_cam.attrs["empty"]
        assert any("no positive evidence" in n for n in provenance(ds)["notes"])
    else:
        pytest.fail("the map should be empty")


def test_box_bounds_come_from_the_preprocessing_or_the_assumption_is_said(make_model, micrograph):
    known = explain(make_model(mean=[0.5], std=[0.25]), micrograph, ["lrp:epsilon_gamma_box"])
    assert not any("box rule" in a for a in provenance(known)["assumptions"])
    own = explain(make_model(steps=["zscore"]), micrograph, ["lrp:epsilon_gamma_box"])
    assert any("box rule" in a for a in provenance(own)["assumptions"])
    given = explain(make_model(steps=["zscore"]), micrograph, ["lrp:epsilon_gamma_box"], low=-3, high=3)
    assert not any("box rule" in a for a in provenance(given)["assumptions"])


def test_a_dense_output_is_explained_by_the_class_on_top(micrograph):
    from matxai.modelcard import load_model

    torch.manual_seed(0)
    unet = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, 1, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3, 1, 1)).eval()
    model = load_model(unet, task="segmentation", classes=["matrix", "crack"], channels=1)
    known = provenance(explain(model, micrograph, ["lrp"]))
    assert {s["class"] for s in known["scores"]} == {"matrix", "crack"}
    assert sum(s["share"] for s in known["scores"]) == pytest.approx(1)
    assert known["scores"][0]["class"] == known["target"]["class"]


def test_bad_input_is_one_clear_sentence(make_model, micrograph):
    model = make_model()
    with pytest.raises(TargetError, match=r"no class 'crak'\. Did you mean 'crack'"):
        explain(model, micrograph, target="crak")
    with pytest.raises(MethodError, match="Did you mean 'grad_cam'"):
        explain(model, micrograph, ["gradcam"])
    with pytest.raises(MatxaiError, match="'layer4'"):
        explain(model, micrograph, layers="layer4")
    with pytest.raises(ModelError, match="choose a slice"):
        explain(model, micrograph.expand_dims(z=3))
    with pytest.raises(SignalError, match=r"steel\.tif has 1 values? that are NaN"):
        explain(model, micrograph.where(micrograph.x + 100 * micrograph.y > 0).assign_attrs(micrograph.attrs))
    with pytest.raises(TypeError, match="has its card"):
        explain(model, micrograph, kind="2d")


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (np.zeros((48, 64)), r"ndarray of shape \(48, 64\); matxai\.read makes one of a file"),
        ("steel.tif", r"the path 'steel\.tif'; matxai\.read\('steel\.tif'\) makes one"),
        (xr.Dataset(), "Dataset; matxai.read makes one"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_signal_is_refused_in_a_sentence(make_model, given, got):
    with pytest.raises(SignalError, match="explain\\(\\) takes a signal.* and got " + got):
        explain(make_model(), given)


def test_errors_of_targets_name_classes_and_the_signal(micrograph):
    from matxai.modelcard import load_model

    conv = torch.nn.Conv2d(1, 2, 1).eval()
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.copy_(torch.tensor([1.0, -1.0]))
    model = load_model(conv, task="segmentation", classes=["matrix", "crack"], channels=1)
    said = r"^Class 'crack' is on top nowhere in steel\.tif,.*\(no --target\).*in Python"
    with pytest.raises(TargetError, match=said):
        explain(model, micrograph, ["saliency"], target="crack")
    with pytest.raises(TargetError, match="there is no class 7"):
        explain(model, micrograph, ["saliency"], target=7)
    bare = load_model(conv, task="segmentation", channels=1)
    with pytest.raises(TargetError, match="Class 1 is on top nowhere"):
        explain(bare, micrograph, ["saliency"], target=1)


def test_notes_say_what_colour_and_enlargement_cost(make_model, micrograph):
    def notes(signal, **fields):
        return " ".join(provenance(explain(make_model(**fields), signal, ["saliency"]))["notes"])

    colours = xr.concat([micrograph] * 3, "c").transpose("y", "x", "c")
    assert "has 3 colours and the model takes 1" in notes(colours)
    tiny = micrograph[:3, :4]
    assert "Each pixel of the file became 53.3 x 40 of the network's" in notes(tiny, size=[160, 160])
    for quiet in (notes(micrograph), notes(micrograph, size=[96, 128]), notes(micrograph, size=[24, 32])):
        assert "became" not in quiet
        assert "colours" not in quiet


def test_a_cancelled_call_raises_and_progress_is_told(make_model, micrograph):
    import threading

    told = []
    explain(make_model(), micrograph, ["grad_cam", "lrp"], progress=lambda *a: told.append(a))
    assert told
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        explain(make_model(), micrograph, cancel=stop)


def test_relevance_that_goes_with_the_input_follows_the_signals_own_pixels_and_flat_relevance_does_not(
    make_model, micrograph
):
    model = make_model(steps=[{"resize": {"size": [24, 32]}}])
    ds = explain(model, micrograph, ["input_x_gradient", "lrp:epsilon_plus_flat"], target=0)
    prepared = model.preprocessing.prepare(micrograph)
    maps = matxai.attribute(model.module, prepared.tensor, ["saliency", "lrp:epsilon_plus_flat"], target=0)
    pointwise = micrograph.values / 255
    spread = prepared.placement.to_source_transposed(maps["saliency"][0].numpy())[0]
    np.testing.assert_allclose(ds.input_x_gradient, pointwise * spread, rtol=1e-3, atol=1e-8)
    flat = prepared.placement.to_source_transposed(maps["lrp:epsilon_plus_flat"][0].numpy())[0]
    np.testing.assert_allclose(ds.lrp_epsilon_plus_flat, flat, rtol=1e-3, atol=1e-8)


def test_names_in_nested_targets_and_a_composite_with_another_first_rule(micrograph) -> None:
    from matxai.engine import targets
    from matxai.methods import LRP
    from matxai.modelcard import load_model

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(3, 2),
    ).eval()
    net[0].bias.data.fill_(0.5)
    model = load_model(net, task="classification", classes=["matrix", "crack"], channels=1)
    by_name = explain(model, micrograph, ["saliency"], target=targets.contrast("crack", "matrix"))
    by_index = explain(model, micrograph, ["saliency"], target=targets.contrast(1, 0))
    np.testing.assert_array_equal(by_name["saliency"], by_index["saliency"])
    squared = explain(model, micrograph, [LRP(composite="epsilon", first="w_square", name="squared")], target="crack")
    flat = np.asarray(squared["squared"])
    seen = flat[np.isfinite(flat)]
    assert seen.size
    assert np.isfinite(seen).all()
    # the share that w-square gives a pixel does not vanish where the input is 0: no ratio to the value may be taken
    dark = micrograph.copy(data=np.zeros_like(micrograph.values))
    there = explain(model, dark, [LRP(composite="epsilon", first="w_square", name="squared")], target="crack")
    assert np.abs(np.nan_to_num(there["squared"].values)).sum() > 0
