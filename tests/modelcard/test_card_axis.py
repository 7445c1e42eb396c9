"""The axis that a card fixes: units, wavelength, what is missing; maps come back with their sum; backgrounds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
import xarray as xr
from torch import nn

import matxai
from matxai.errors import CardError, FileError, SignalError
from matxai.modelcard.card import InputSpec
from matxai.modelcard.preprocessing import Preprocessing

rng = np.random.default_rng(3)
ANGLE = np.linspace(10, 80, 701)


def pattern(values, angle=ANGLE, dim="two_theta", units="degree", **attrs):
    return xr.DataArray(values, dims=dim, coords={dim: (dim, angle, {"units": units})}, attrs=attrs, name="nickel.xy")


def card(steps=(), **axis):
    given = {"name": "two_theta", "units": "degree", "start": 12.0, "stop": 70.0, "points": 233, **axis}
    return Preprocessing.from_card(
        InputSpec.model_validate({"kind": "1d", "channels": 1, "scale": "none", "steps": list(steps), "axis": given})
    )


@pytest.mark.parametrize("read", ["linear", "average"])
@pytest.mark.parametrize("points", [233, 2001])
@pytest.mark.parametrize("outside", ["edge", "zero"])
def test_the_way_back_is_the_adjoint_and_keeps_the_sum(read, points, outside) -> None:
    x = rng.normal(size=701)
    prepared = card(read=read, points=points, stop=85.0, outside=outside).prepare(pattern(x))
    (axis,) = prepared.placement.axes
    y = rng.normal(size=points)
    there, back = axis.weights @ x, axis.weights.T @ y
    assert there @ y == pytest.approx(x @ back, abs=1e-10)
    np.testing.assert_allclose(prepared.tensor[0, 0], there, atol=1e-6)
    gradient = rng.normal(size=(1, points))
    values = there[None]
    returned = prepared.placement.to_source_adjoint(gradient * values, gradient, unseen=0.0)
    assert returned.values.sum() == pytest.approx((gradient * values).sum(), abs=1e-10)
    assert returned.lost == pytest.approx(0.0, abs=1e-12), "zeros have no relevance"
    np.testing.assert_allclose(returned.values[0], x * (axis.weights.T @ gradient[0]), atol=1e-12)


def test_the_sparse_product_of_a_long_spectrum_is_the_dense_one() -> None:
    angle = np.linspace(10, 80, 2400)
    x = rng.normal(size=(2, 2400))
    signal = pattern(x[0], angle)
    preprocessing = card(points=1500)
    prepared = preprocessing.prepare(signal)
    matrix = prepared.placement.axes[0].weights.toarray()
    np.testing.assert_allclose(preprocessing.apply(x, signal)[:, 0], x @ matrix.T, atol=1e-6)
    np.testing.assert_allclose(prepared.tensor[0, 0], np.interp(np.linspace(12, 70, 1500), angle, x[0]), atol=1e-6)
    spoilt = x[0].copy()
    spoilt[0] = np.nan  # at 10 degrees, which the model does not take
    np.testing.assert_allclose(preprocessing.prepare(pattern(spoilt, angle)).tensor, prepared.tensor)


def test_averages_use_every_point_and_are_linear_where_the_measurement_is_coarse() -> None:
    fine = pattern(rng.normal(size=7001), np.linspace(10, 80, 7001))  # step 0.01, the model's 0.25
    linear, average = (card(read=read).prepare(fine) for read in ("linear", "average"))
    assert linear.placement.skipped > 0.9
    assert average.placement.skipped < 1e-3
    k = 100  # at 37 degrees: a triangle of 25 points to either side, by hand
    triangle = 1 - abs(np.arange(-24, 25)) / 25
    centre = round((12 + 0.25 * k - 10) / 0.01)
    by_hand = (triangle * fine.values[centre - 24 : centre + 25]).sum() / triangle.sum()
    assert average.tensor[0, 0, k].item() == pytest.approx(by_hand, abs=1e-6)
    coarse = pattern(rng.normal(size=71), np.linspace(10, 80, 71))
    one, other = (card(read=read).prepare(coarse).tensor for read in ("linear", "average"))
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_averages_on_an_uneven_axis_keep_a_constant_and_a_slope() -> None:
    angle = np.cumsum(rng.uniform(0.02, 0.2, size=900)) + 9
    got = card(read="average", stop=60.0, points=60).prepare(pattern(np.full(900, 7.0), angle)).tensor
    torch.testing.assert_close(got, torch.full_like(got, 7.0))
    slope = card(read="average", stop=60.0, points=60).prepare(pattern(angle, angle)).tensor[0, 0].numpy()
    np.testing.assert_allclose(slope, np.linspace(12, 60, 60), atol=0.1)


def test_what_is_missing_is_said_and_nothing_is_extrapolated() -> None:
    short = pattern(np.ones(301), np.linspace(20, 50, 301))
    with pytest.raises(SignalError) as error:
        card().prepare(short)
    said = str(error.value)
    assert "it covers 20 to 50 degree, and the model takes 12 to 70 degree" in said
    assert "12 to 20 and 50 to 70 degree is missing (112 of 233 points)" in said
    assert "outside: edge" in said
    apart = pattern(np.ones(301), np.linspace(90, 120, 301))
    with pytest.raises(SignalError, match=r"12 to 70 degree is missing \(233 of 233 points\)"):
        card().prepare(apart)
    filled = card(outside="zero").prepare(short)
    assert "112 points that it does not cover were filled with zeros, as the card says" in filled.notes[0]
    assert int((filled.tensor == 0).sum()) == 112


def test_the_resampling_stands_in_the_notes() -> None:
    notes = card(read="average").prepare(pattern(np.ones(701))).notes
    assert notes == (
        "nickel.xy was resampled from 701 points over 10 to 80 degree to 233 points over 12 to 70 degree, by averages.",
    )


def test_a_pattern_of_another_wavelength_is_refused_or_read_where_the_same_planes_reflect() -> None:
    planes = np.array([2.5, 2.0, 1.8, 1.6])  # angstrom
    theta = {w: np.degrees(2 * np.arcsin(w / 2 / planes)) for w in (1.5406, 0.7093)}
    angle = np.linspace(5, 40, 3501)
    molybdenum = pattern(
        sum(np.exp(-(((angle - t) / 0.05) ** 2)) for t in theta[0.7093]), angle, wavelength=np.float64(0.7093)
    )
    with pytest.raises(SignalError, match=r"measured at 0\.7093 angstrom, and the model was trained at 1\.5406"):
        card(wavelength=1.5406).prepare(molybdenum)
    converting = card(wavelength=1.5406, convert=True, points=5801)
    prepared = converting.prepare(molybdenum)
    assert "read where the same planes reflect at the model's 1.5406" in prepared.notes[0]
    grid, got = np.linspace(12, 70, 5801), prepared.tensor[0, 0].numpy()
    for expected in theta[1.5406]:
        near = abs(grid - expected) < 0.5
        assert grid[near][got[near].argmax()] == pytest.approx(expected, abs=0.011)
    cam = prepared.placement.to_source_interpolated(got)
    assert min(abs(angle[np.nanargmax(cam)] - theta[0.7093])) < 0.011
    wide = pattern(np.ones(1701), np.linspace(0.1, 170, 1701), wavelength=2.2897)  # Cr: beyond 180 degrees nothing
    with pytest.raises(SignalError, match="what no angle reflects at this wavelength"):
        card(wavelength=1.5406, convert=True, stop=120.0).prepare(wide)


def test_the_same_line_by_another_source_and_a_file_without_wavelength_are_notes() -> None:
    near = card(wavelength=1.5406).prepare(pattern(np.ones(701), wavelength=1.5418))
    assert "the same line, left where it is" in near.notes[0]
    nameless = card(wavelength=1.5406).prepare(pattern(np.ones(701)))
    assert "names no wavelength; it was taken as the model's 1.5406 angstrom" in nameless.notes[0]
    with pytest.raises(ValueError, match="'convert' needs 'wavelength'"):
        card(convert=True)


def test_steps_behind_the_axis_see_it_in_the_models_units() -> None:
    x = np.cumsum(rng.normal(size=701))
    kilo = pattern(x, np.linspace(7.0, 7.7, 701), "energy", "keV")
    own = pattern(x, np.linspace(7000, 7700, 701), "energy", "eV")
    slope = card(["derivative"], name="energy", units="eV", start=7010, stop=7600, points=400)
    torch.testing.assert_close(slope.prepare(kilo).tensor, slope.prepare(own).tensor, rtol=1e-4, atol=1e-5)


def test_a_bare_resample_says_where_in_the_chain_the_axis_comes() -> None:
    chain = card([{"snip": 20}, "resample", "snv"])
    assert [s.name for s in chain.steps] == ["channels", "snip", "resample", "snv"]
    assert chain.steps[2].points == 233
    with pytest.raises(CardError, match=r"input\.steps\[0\]: 'resample' alone goes onto the card's axis"):
        Preprocessing.from_card(InputSpec(kind="1d", steps=["resample"]))


def test_snip_equals_the_loop_of_the_paper() -> None:
    y = 50 + 300 * np.exp(-(((np.arange(200) - 80) / 4) ** 2)) + rng.poisson(20, size=200)
    v = np.log(np.log(np.sqrt(y + 1) + 1) + 1)
    for p in range(15, 0, -1):
        old = v.copy()
        for i in range(p, 200 - p):
            v[i] = min(old[i], (old[i - p] + old[i + p]) / 2)
    background = (np.exp(np.exp(v) - 1) - 1) ** 2 - 1
    chain = Preprocessing.from_card(InputSpec(kind="1d", scale="none", steps=[{"snip": 15}]))
    prepared = chain.prepare(pattern(y, np.arange(200.0)))
    np.testing.assert_allclose(prepared.tensor[0, 0], y - background, atol=1e-4)
    gradient = rng.normal(size=(1, 200))
    back = prepared.placement.to_source_adjoint(gradient * prepared.tensor[0].numpy(), gradient)
    assert back.values.sum() == pytest.approx((gradient * prepared.tensor[0].numpy()).sum(), rel=1e-6)


def test_arpls_equals_the_dense_solution_of_the_paper_and_finds_a_planted_baseline() -> None:
    t = np.arange(300)
    baseline = 40 + 0.1 * t + 30 * np.exp(-(((t - 150) / 200) ** 2))
    y = baseline + 200 * np.exp(-(((t - 120) / 5) ** 2)) + rng.normal(size=300)
    w, penalty = np.ones(300), 1e5 * np.diff(np.eye(300), 2, axis=0).T @ np.diff(np.eye(300), 2, axis=0)
    for _ in range(50):
        z = np.linalg.solve(np.diag(w) + penalty, w * y)
        d = y - z
        m, s = d[d < 0].mean(), d[d < 0].std()
        new = scipy.special.expit(-2 * (d - (2 * s - m)) / s)
        change = np.linalg.norm(w - new) / np.linalg.norm(w)
        w = new
        if change < 1e-3:
            break
    chain = Preprocessing.from_card(InputSpec(kind="1d", scale="none", steps=["arpls"]))
    got = chain.prepare(pattern(y, t.astype(float))).tensor[0, 0].numpy()
    np.testing.assert_allclose(got, y - z, atol=1e-4)
    assert np.abs(y - got - baseline).max() < 3
    with pytest.raises(SignalError, match="a baseline runs through all of them"):
        chain.prepare(pattern(np.where(t == 5, np.nan, y), t.astype(float)))


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"snip": 0}], "window=0; it must be at least 1"),
        ([{"snip": {"windw": 3}}], "'snip' has no option 'windw'"),
        ([{"arpls": {"smoothness": -1}}], "smoothness=-1"),
        ([{"resample": {"start": 1, "stop": 2, "points": 5, "convert": True}}], "'convert' without 'wavelength'"),
        ([{"resample": {"start": 1, "stop": 2, "points": 5, "read": "cubic"}}], "read='cubic'"),
    ],
)
def test_options_that_cannot_be_are_refused(steps, said) -> None:
    with pytest.raises(CardError) as error:
        Preprocessing.from_card(InputSpec(kind="1d", steps=steps))
    assert said in str(error.value)


class Net(nn.Module):
    """Two convolutions over a spectrum of any length."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 6, 5, 2, 2), nn.ReLU(), nn.Conv1d(6, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``(B, 1, L)`` to ``(B, classes)``."""
        return self.head(self.body(x).mean(-1))


AXIS = {"name": "two_theta", "units": "degree", "start": 12.0, "stop": 70.0, "points": 233}
FIELDS = {"kind": "1d", "channels": 1, "scale": "none", "axis": AXIS, "steps": ["snv"], "classes": ["a", "b", "c"]}
FACTORY = """
from torch import nn


def build(classes=3):
    mean = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(nn.Conv1d(1, 6, 5, 2, 2), nn.ReLU(), *mean, nn.Linear(6, classes))
"""


def simple(classes: int = 3) -> nn.Module:
    """What the factory above builds."""
    space: dict = {}
    exec(compile(FACTORY, "model.py", "exec"), space)
    return space["build"](classes).eval()


def onnx_file(net: nn.Module, file) -> None:
    """Write what ``simple`` builds as ONNX, with any number of points."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = {k: numpy_helper.from_array(v.detach().numpy(), k) for k, v in net.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["x", "0.weight", "0.bias"], ["c"], strides=[2], pads=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "4.weight", "4.bias"], ["scores"], transB=1),
    ]
    x, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["batch", 1, "points"]), ("scores", ["batch", 3]))
    )
    graph = helper.make_graph(nodes, "net", [x], [scores], list(weights.values()))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)


def written(form: str, folder):
    """Return a model file of some form, and what ``load_model`` takes beside it; the module that it must equal."""
    torch.manual_seed(0)
    if form == "pt2":
        net = Net().eval()
        torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 233),)), folder / "net.pt2")
        return folder / "net.pt2", {}, net
    if form == "onnx":
        net = simple()
        onnx_file(net, folder / "net.onnx")
        return folder / "net.onnx", {}, net
    if form == "safetensors":
        from matxai_models import matxai_architecture
        from safetensors.torch import save_file

        net = matxai_architecture("defect_resnet", classes=3, channels=1, kind="1d", widths=(4, 6, 8)).eval()
        save_file(net.state_dict(), folder / "net.safetensors")
        return folder / "net.safetensors", {"arch": "matxai:defect_resnet?widths=4,6,8"}, net
    (folder / "model.py").write_text(FACTORY)
    net = simple()
    torch.save(net.state_dict(), folder / "net.pt")
    return folder / "net.pt", {"arch": f"{folder / 'model.py'}:build", "trust": True}, net


@pytest.mark.parametrize("form", ["pt2", "onnx", "safetensors", "checkpoint"])
def test_models_of_every_form_take_spectra_on_their_axis(form, tmp_path) -> None:
    file, beside, net = written(form, tmp_path)
    model = matxai.load_model(file, **beside, **FIELDS)
    measured = pattern(rng.normal(size=701))
    x = model.preprocessing.prepare(measured).tensor
    values = np.interp(np.linspace(12, 70, 233), ANGLE, measured.values)
    np.testing.assert_allclose(x[0, 0], (values - values.mean()) / values.std(ddof=1), atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), net(x), rtol=1e-4, atol=1e-5)
    name = "occlusion" if model.black_box else "lrp"
    found = matxai.explain(model, measured, methods=[name], target="b")
    assert found[name].dims == ("two_theta",)
    assert found[name].sizes["two_theta"] == 701
    assert "resampled from 701 points over 10 to 80 degree to 233" in found.attrs["matxai"]


def test_torchscript_is_refused_with_what_to_do(tmp_path) -> None:
    torch.jit.save(torch.jit.trace(Net().eval(), torch.zeros(1, 1, 233)), tmp_path / "net.pt")
    with pytest.raises(FileError, match=r"TorchScript"):
        matxai.load_model(tmp_path / "net.pt", **FIELDS)


def test_a_program_of_another_length_than_the_cards_axis_is_refused(tmp_path) -> None:
    file, _, _ = written("pt2", tmp_path)
    with pytest.raises(CardError, match=r"input\.axis has 400 points, but the program takes 233"):
        matxai.load_model(file, **{**FIELDS, "axis": {**AXIS, "points": 400}})
