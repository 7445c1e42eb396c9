"""Maps come back where they belong: adjoints, sums, true places, in 1-D, 2-D and 3-D, step by step and composed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from matxai.modelcard.preprocessing import Preprocessing
from matxai.modelcard.step import make_step

rng = np.random.default_rng(0)


def spec(kind="2d", channels=1, size=None, scale="none", mean=None, std=None, steps=(), axis=None):
    return SimpleNamespace(
        kind=kind, channels=channels, size=size, scale=scale, mean=mean, std=std, steps=list(steps), axis=axis
    )


def signal_of(values, step=0.5, units="um"):
    dims = {1: ("energy",), 2: ("y", "x"), 3: ("z", "y", "x")}[values.ndim]
    coords = {d: (d, np.arange(n) * step, {"units": units}) for d, n in zip(dims, values.shape, strict=True)}
    return xr.DataArray(values, dims=dims, coords=coords)


LINEAR = {
    "resize": ("2d", (40, 56), ["resize"], {"resize": {"size": [17, 23]}}),
    "resize up": ("2d", (12, 9), [], {"resize": {"size": [31, 40]}}),
    "resize skipping": ("2d", (40, 56), [], {"resize": {"size": [9, 11], "antialias": False}}),
    "cubic": ("2d", (40, 56), [], {"resize": {"size": [17, 23], "mode": "cubic"}}),
    "nearest": ("2d", (40, 56), [], {"resize": {"size": [17, 23], "mode": "nearest"}}),
    "volume": ("3d", (12, 14, 10), [], {"resize": {"size": [5, 6, 7]}}),
    "crop": ("2d", (40, 56), [], {"centre_crop": 20}),
    "rows": ("2d", (40, 56), [], {"crop_rows": {"bottom": 7, "top": 2}}),
    "edge": ("2d", (13, 10), [], {"pad": {"size": 20, "mode": "edge"}}),
    "reflect": ("2d", (13, 10), [], {"pad": {"multiple": 8, "mode": "reflect"}}),
    "resample": ("1d", (60,), [], {"resample": {"start": 3.1, "stop": 27.3, "points": 41}}),
    "smooth": ("1d", (60,), [], {"savitzky_golay": {"window": 7, "order": 2}}),
}
# weights that sum to 0: nothing of a constant is left, and the adjoint alone keeps no sum
SLOPES = {
    "derivative": ("1d", (60,), [], {"derivative": {}}),
    "second derivative": ("1d", (60,), [], {"savitzky_golay": {"window": 7, "order": 3, "derivative": 2}}),
}


@pytest.mark.parametrize("name", [*LINEAR, *SLOPES])
def test_the_way_back_is_the_adjoint_of_the_way_there(name):
    kind, shape, _, step = {**LINEAR, **SLOPES}[name]
    x = rng.normal(size=shape)
    prepared = Preprocessing.from_card(spec(kind, steps=[step])).prepare(signal_of(x))
    y = rng.normal(size=prepared.tensor.shape[1:])
    there = float((prepared.tensor[0].double().numpy() * y).sum())
    back = float((prepared.placement.to_source_transposed(y, unseen=0.0)[0] * x).sum())
    assert there == pytest.approx(back, rel=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_without_a_ratio_the_sum_of_relevance_is_kept(name):
    kind, shape, _, step = LINEAR[name]
    prepared = Preprocessing.from_card(spec(kind, steps=[step])).prepare(signal_of(rng.normal(size=shape)))
    relevance = rng.normal(size=prepared.tensor.shape[1:])
    returned = prepared.placement.to_source_adjoint(relevance, unseen=0.0)
    assert returned.values.sum() == pytest.approx(relevance.sum(), abs=1e-6 * np.abs(relevance).sum())
    assert returned.lost == 0.0


CHAINS = {
    "torchvision's": spec(
        size=[28, 28],
        channels=3,
        scale="dtype",
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        steps=[{"resize": 32}, {"centre_crop": 28}],
    ),
    "clip first": spec(steps=["percentile", "invert", {"resize": {"size": [19, 30]}}, "zscore"]),
    "clip after": spec(steps=[{"resize": 30}, {"percentile": {"low": 5, "high": 90}}, {"centre_crop": 24}, "minmax"]),
    "curve first": spec(scale="dtype", steps=["gamma", "clahe", {"resize": 24}, "zscore"][1:]),
    "two resizes": spec(scale="image", mean=[0.4], std=[0.2], steps=[{"resize": 37}, "zscore", {"resize": [11, 12]}]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_with_its_ratio_relevance_comes_back_with_its_sum(name):
    x = rng.integers(0, 255, (48, 64), dtype=np.uint8)
    prepared = Preprocessing.from_card(CHAINS[name]).prepare(signal_of(x))
    values = prepared.tensor[0].double().numpy()
    ratio = rng.normal(size=values.shape)
    relevance = values * ratio
    limit = 1e-6 * np.abs(relevance).sum()
    for kw in ({"gradient": ratio}, {"values": values}, {}):
        returned = prepared.placement.to_source_adjoint(relevance, **kw, unseen=0.0)
        assert returned.values.shape == (1, 48, 64)
        assert returned.values.sum() == pytest.approx(relevance.sum(), abs=limit)


def test_relevance_is_the_signal_after_the_pointwise_steps_times_the_adjoint_of_the_ratio():
    x = rng.uniform(0, 1, (24, 32))
    card = spec(mean=[0.3], std=[0.5], steps=[{"window": {"low": 0.2, "high": 0.9}}, {"resize": {"size": [9, 10]}}])
    prepared = Preprocessing.from_card(card).prepare(signal_of(x))
    ratio = rng.normal(size=prepared.tensor.shape[1:])
    returned = prepared.placement.to_source_adjoint(prepared.tensor[0].numpy() * ratio, gradient=ratio)
    pointwise = (np.clip((x - 0.2) / 0.7, 0, 1) - 0.3) / 0.5
    expected = pointwise * prepared.placement.to_source_transposed(ratio)[0]
    np.testing.assert_allclose(returned.values[0], expected, rtol=1e-9, atol=1e-12)


def test_relevance_of_a_derivative_keeps_its_sum_although_its_weights_sum_to_nothing():
    x = np.cumsum(rng.normal(size=80))
    card = spec("1d", mean=[0.2], std=[3.0], steps=["derivative"])
    prepared = Preprocessing.from_card(card).prepare(signal_of(x))
    values = prepared.tensor[0].double().numpy()
    ratio = rng.normal(size=values.shape)
    returned = prepared.placement.to_source_adjoint(values * ratio, gradient=ratio)
    assert returned.values.sum() == pytest.approx((values * ratio).sum(), abs=1e-5)


def test_colours_made_grey_share_relevance_by_what_each_brought():
    x = rng.integers(0, 255, (8, 9, 3), dtype=np.uint8)
    image = xr.DataArray(x, dims=("y", "x", "c"))
    prepared = Preprocessing.from_card(spec(channels=1, scale="dtype")).prepare(image)
    ratio = rng.normal(size=(1, 8, 9))
    returned = prepared.placement.to_source_adjoint(prepared.tensor[0].numpy() * ratio, gradient=ratio)
    expected = np.moveaxis(x, 2, 0) / 255 * np.array([0.2989, 0.587, 0.114])[:, None, None] * ratio
    np.testing.assert_allclose(returned.values, expected, rtol=1e-6)


def test_what_the_network_never_saw_is_nan_and_what_falls_on_padding_is_reported():
    x = rng.uniform(1, 2, (30, 20))
    card = spec(steps=[{"crop_rows": {"bottom": 6}}, {"letterbox": {"size": 32, "value": 0.5}}])
    prepared = Preprocessing.from_card(card).prepare(signal_of(x))
    place = prepared.placement
    assert place.seen[:24].all()
    assert not place.seen[24:].any()
    np.testing.assert_array_equal(place.padded, prepared.tensor[0, 0].numpy() == 0.5)
    relevance = np.ones((1, 32, 32))
    for kw in ({}, {"values": prepared.tensor[0].numpy()}):
        returned = place.to_source_adjoint(relevance, **kw)
        assert np.isnan(returned.values[0, 24:]).all()
        assert returned.lost == pytest.approx(place.padded.sum())
        assert np.nansum(returned.values) + returned.lost == pytest.approx(32 * 32)
    assert np.isnan(place.to_source_interpolated(relevance[0])[24:]).all()


def test_resize_256_and_centre_crop_224_leave_2_7_rows_of_the_information_bar():
    bar = np.zeros((768, 1024), dtype=bool)
    bar[-56:] = True
    image = signal_of(np.where(bar, 255, 0).astype(np.uint8))
    prepared = Preprocessing.from_card(spec(scale="dtype", steps=[{"resize": 256}, {"centre_crop": 224}])).prepare(
        image
    )
    rows_of_bar = float(prepared.tensor[0, 0].mean(1).sum())
    # the bar's 56 rows are 18.7 after resizing; the crop takes 16 of the 256 rows off below
    assert rows_of_bar == pytest.approx(2.67, abs=0.02)
    assert not prepared.placement.seen[722:].any()
    assert prepared.placement.reach(bar) == pytest.approx(9 / 56 * 224 * 3 / 1024, rel=0.15)


@pytest.mark.parametrize(
    ("kind", "shape", "size", "crop"),
    [("1d", (90,), 45, 31), ("2d", (60, 84), 30, 24), ("3d", (24, 26, 28), 12, 9)],
)
def test_a_planted_dot_comes_back_to_its_pixel(kind, shape, size, crop):
    card = Preprocessing.from_card(spec(kind, steps=[{"resize": size}, {"centre_crop": crop}]))
    offsets = []
    for k in range(-6, 7):
        at = tuple(n // 2 + k for n in shape)
        image = np.zeros(shape)
        image[at] = 1.0
        prepared = card.prepare(signal_of(image))
        seen = prepared.tensor[0].double().numpy()
        for back in (
            prepared.placement.to_source_interpolated(seen[0], unseen=0.0),
            prepared.placement.to_source_transposed(seen, unseen=0.0)[0],
        ):
            centre = [float((back * i).sum() / back.sum()) for i in np.indices(shape)]
            offsets.append(np.subtract(centre, at))
        exact = prepared.placement.to_source_adjoint(seen, values=seen, unseen=0.0).values[0]
        assert np.unravel_index(int(exact.argmax()), shape) == at
        assert np.count_nonzero(exact) == 1
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.05
    assert np.abs(offsets).max() < 0.5


def test_a_planted_peak_comes_back_to_its_angle_through_resampling_onto_a_descending_axis():
    angle = np.linspace(10, 80, 701)
    pattern = xr.DataArray(
        np.exp(-(((angle - 44.2) / 0.4) ** 2)), dims="two_theta", coords={"two_theta": ("two_theta", angle)}
    )
    card = Preprocessing.from_card(spec("1d", steps=[{"resample": {"start": 70, "stop": 20, "points": 333}}]))
    prepared = card.prepare(pattern)
    assert prepared.tensor[0, 0].argmax() == np.argmin(abs(np.linspace(70, 20, 333) - 44.2))
    cam = prepared.placement.to_source_interpolated(prepared.tensor[0, 0].numpy())
    assert angle[np.nanargmax(cam)] == pytest.approx(44.2, abs=0.11)
    outside = (angle < 19.85) | (angle > 70.15)
    assert np.isnan(cam[outside]).all()
    assert np.isfinite(cam[(angle > 20) & (angle < 70)]).all()


def test_cells_and_receptive_fields_are_said_in_pixels_and_units_of_the_signal():
    card = spec(steps=[{"resize": {"size": [24, 16]}}, {"centre_crop": 12}])
    prepared = Preprocessing.from_card(card).prepare(signal_of(np.zeros((96, 32)), step=0.5, units="nm"))
    y, x = prepared.placement.source_spacing((8, 8))
    assert (y.dim, y.pixels, y.size, y.units) == ("y", pytest.approx(32), pytest.approx(16), "nm")
    assert (x.pixels, x.size) == (pytest.approx(16), pytest.approx(8))
    assert str(x) == "8 nm (16 pixels)"


def test_a_resize_that_skips_pixels_says_how_many():
    skipping = spec(steps=[{"resize": {"size": [10, 10], "antialias": False}}])
    whole = spec(steps=[{"resize": {"size": [10, 10]}}])
    image = signal_of(np.zeros((80, 80)))
    assert Preprocessing.from_card(skipping).prepare(image).placement.skipped == pytest.approx(
        1 - (20 / 74) ** 2, abs=0.05
    )
    assert Preprocessing.from_card(whole).prepare(image).placement.skipped == 0


@pytest.mark.parametrize(("n_in", "n_out"), [(50, 17), (17, 50), (33, 32), (7, 1), (1, 5)])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_resizing_equals_torch(n_in, n_out, mode, antialias):
    x = torch.from_numpy(rng.normal(size=(1, 1, n_in, n_in)))
    torch_mode = {"linear": "bilinear", "cubic": "bicubic"}[mode]
    expected = torch.nn.functional.interpolate(x, (n_out, n_out), mode=torch_mode, antialias=antialias)
    step = make_step({"resize": {"size": [n_out, n_out], "mode": mode, "antialias": antialias}})
    got, _ = step.run(x, None)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
