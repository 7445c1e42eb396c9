"""Each step against an independent formula; what fits a model and what is refused, with the sentence that says why."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.integrate
import scipy.signal
import torch
import torchvision.transforms.v2.functional as tv
import xarray as xr

from matxai.errors import CardError, MatxaiError, ModelError, SignalError
from matxai.modelcard.preprocessing import Preprocessing
from matxai.modelcard.step import make_step, steps

rng = np.random.default_rng(1)


def spec(kind="2d", channels=1, size=None, scale="none", mean=None, std=None, steps=(), axis=None):
    return SimpleNamespace(
        kind=kind, channels=channels, size=size, scale=scale, mean=mean, std=std, steps=list(steps), axis=axis
    )


def image(values, **attrs):
    dims = ("y", "x", "c")[: values.ndim]
    return xr.DataArray(values, dims=dims, attrs={"source": "steel.tif", **attrs})


def spectrum(values, axis=None, dim="energy", units="eV"):
    axis = np.arange(values.size) * 0.5 if axis is None else axis
    return xr.DataArray(values, dims=dim, coords={dim: (dim, axis, {"units": units})}, attrs={"source": "fe.dat"})


def out(step, signal, kind="2d", **more):
    return Preprocessing.from_card(spec(kind, steps=[step], **more)).prepare(signal).tensor[0, 0].double().numpy()


X = rng.uniform(0, 1, (31, 22))
POINTWISE = {
    "window": ({"window": {"low": 0.2, "high": 0.7}}, np.clip((X - 0.2) / 0.5, 0, 1)),
    "percentile": (
        {"percentile": {"low": 2, "high": 95}},
        np.clip((X - np.percentile(X, 2)) / (np.percentile(X, 95) - np.percentile(X, 2)), 0, 1),
    ),
    "minmax": ("minmax", (X - X.min()) / (X.max() - X.min())),
    "zscore": ("zscore", (X - X.mean()) / X.std()),
    "invert": ("invert", 1 - X),
    "gamma": ({"gamma": 0.5}, np.sqrt(X)),
    "log1p": ("log1p", np.log1p(X)),
    "normalise": ({"normalise": {"mean": 0.3, "std": 2.0}}, (X - 0.3) / 2),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_a_pointwise_step_equals_its_formula(name):
    step, expected = POINTWISE[name]
    np.testing.assert_allclose(out(step, image(X)), expected, rtol=1e-5, atol=1e-6)


def test_clahe_evens_contrast_out_and_stays_within_0_and_1():
    from skimage.exposure import equalize_adapthist

    ramp = np.linspace(0, 0.2, 64)[None] + rng.normal(0, 0.01, (64, 64))
    got = out({"clahe": {"tiles": 4}}, image(ramp))
    unit = (ramp - ramp.min()) / np.ptp(ramp)
    np.testing.assert_allclose(got, equalize_adapthist(unit, 16, clip_limit=0.01), atol=1e-6)
    assert 0 <= got.min() < got.max() <= 1


def test_blank_images_become_zeros_and_not_nan():
    for step in ("minmax", "zscore", "percentile", "clahe"):
        assert not out(step, image(np.full((16, 16), 7.0))).any(), step


def test_torchvisions_preprocessing_of_a_grey_micrograph_is_reproduced():
    grey = rng.integers(0, 255, (96, 128), dtype=np.uint8)
    card = spec(
        channels=3,
        size=[56, 56],
        scale="dtype",
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        steps=[{"resize": 64}, {"centre_crop": 56}],
    )
    got = Preprocessing.from_card(card).prepare(image(grey)).tensor[0]
    x = torch.from_numpy(grey)[None].float() / 255
    x = tv.center_crop(tv.resize(x, [64], antialias=True), [56]).expand(3, -1, -1)
    torch.testing.assert_close(got, tv.normalize(x, card.mean, card.std), rtol=1e-5, atol=1e-5)


def test_colours_become_grey_by_luminance_and_grey_is_repeated():
    colour = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
    grey = Preprocessing.from_card(spec(channels=1, scale="dtype")).prepare(image(colour)).tensor[0, 0]
    torch.testing.assert_close(grey, tv.rgb_to_grayscale(torch.from_numpy(colour).permute(2, 0, 1) / 255.0)[0])
    repeated = Preprocessing.from_card(spec(channels=3)).prepare(image(X)).tensor[0]
    assert repeated.shape[0] == 3
    assert torch.equal(repeated[0], repeated[2])


@pytest.mark.parametrize(
    ("dtype", "scale", "top"), [(np.uint8, "dtype", 255), (np.uint16, "dtype", 65535), (np.uint8, "none", 1)]
)
def test_scale_divides_by_the_largest_value_of_the_type(dtype, scale, top):
    values = rng.integers(0, 200, (4, 5)).astype(dtype)
    got = Preprocessing.from_card(spec(scale=scale)).prepare(image(values)).tensor[0, 0].numpy()
    np.testing.assert_allclose(got, values / top, rtol=1e-6)


def test_scale_leaves_floating_point_values_and_image_takes_their_own_range():
    values = rng.normal(5, 3, (4, 5))
    kept = Preprocessing.from_card(spec(scale="dtype")).prepare(image(values)).tensor[0, 0].numpy()
    own = Preprocessing.from_card(spec(scale="image")).prepare(image(values)).tensor[0, 0].numpy()
    np.testing.assert_allclose(kept, values, rtol=1e-6)
    assert (own.min(), own.max()) == (0, 1)


def test_letterbox_keeps_the_shape_and_pads_the_rest():
    got = out({"letterbox": {"size": 32, "value": 0.25}}, image(np.ones((20, 40))))
    assert got.shape == (32, 32)
    assert (got[:8] == 0.25).all()
    assert (got[24:] == 0.25).all()
    np.testing.assert_allclose(got[8:24], 1)


def test_pad_equals_numpys():
    for mode, theirs in (("constant", "constant"), ("edge", "edge"), ("reflect", "reflect")):
        got = out({"pad": {"multiple": 16, "mode": mode}}, image(X))
        np.testing.assert_allclose(got, np.pad(X, ((0, 1), (5, 5)), mode=theirs), rtol=1e-6)


def test_the_information_bar_is_cut_where_the_instrument_tells_it():
    below = Preprocessing.from_card(spec(steps=[{"crop_rows": {"info_bar": True}}]))
    assert below.prepare(image(X, info_bar=[27, 30])).tensor.shape[2] == 27
    assert below.prepare(image(X, info_bar=[0, 3])).tensor.shape[2] == 27
    assert below.prepare(image(X, info_bar="[27, 30]")).tensor.shape[2] == 27  # as a saved explanation has it
    whole = below.prepare(image(X))
    assert whole.tensor.shape[2] == 31
    assert "names no information bar" in whole.notes[0]
    late = Preprocessing.from_card(spec(steps=[{"resize": 20}, {"crop_rows": {"info_bar": True}}]))
    with pytest.raises(CardError, match="before all steps that move pixels"):
        late.prepare(image(X, info_bar=[27, 30]))


E = np.sort(rng.uniform(0, 30, 90))
S = np.sin(E) + 2


def test_steps_of_spectra_equal_numpy_and_scipy():
    even = np.arange(90) * 0.5
    sig, kw = spectrum(S, even), {"kind": "1d"}
    np.testing.assert_allclose(out("derivative", spectrum(S, E), **kw), np.gradient(S, E), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        out({"derivative": {"spacing": "point"}}, spectrum(S, E), **kw), np.gradient(S), rtol=1e-4, atol=1e-6
    )
    for derivative in (0, 1):
        got = out({"savitzky_golay": {"window": 9, "order": 3, "derivative": derivative}}, sig, **kw)
        expected = scipy.signal.savgol_filter(S, 9, 3, deriv=derivative, delta=0.5)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out("area_norm", sig, **kw), S / scipy.integrate.trapezoid(S, even), rtol=1e-5)
    np.testing.assert_allclose(out("snv", sig, **kw), (S - S.mean()) / S.std(ddof=1), rtol=1e-4, atol=1e-6)
    grid = np.linspace(2.5, 40, 77)
    got = out({"resample": {"start": 2.5, "stop": 40, "points": 77}}, sig, **kw)
    np.testing.assert_allclose(got, np.interp(grid, even, S), rtol=1e-5)


def axis(**given):
    return SimpleNamespace(
        **{
            "name": None,
            "units": None,
            "start": None,
            "stop": None,
            "points": None,
            "wavelength": None,
            "convert": False,
            "read": "linear",
            "outside": "error",
            **given,
        }
    )


def test_a_spectrum_is_brought_to_the_models_axis_in_its_units():
    card = spec("1d", axis=axis(name="energy", units="keV", start=0.005, stop=0.02, points=16))
    got = Preprocessing.from_card(card).prepare(spectrum(S, np.arange(90) * 0.5)).tensor[0, 0].numpy()
    np.testing.assert_allclose(got, np.interp(np.linspace(5, 20, 16), np.arange(90) * 0.5, S), rtol=1e-5)
    unnamed = Preprocessing.from_card(card).prepare(spectrum(S, np.linspace(0, 0.1, 90), dim="axis", units="keV"))
    assert "taken as the model's 'energy'" in unnamed.notes[0]
    with pytest.raises(SignalError, match=r"is in 'eV', and the model's 'nm' is no such unit"):
        Preprocessing.from_card(spec("1d", axis=axis(units="nm", start=1, stop=2, points=5))).prepare(spectrum(S))


def test_what_a_spectrum_does_not_cover_is_refused_or_filled_as_the_card_says():
    short = spectrum(S, np.arange(90) * 0.5)
    step = {"start": 0, "stop": 60, "points": 121}
    with pytest.raises(SignalError, match=r"fe\.dat: it covers 0 to 44\.5 eV, and the model takes 0 to 60 eV"):
        out({"resample": step}, short, "1d")
    edge = out({"resample": {**step, "outside": "edge"}}, short, "1d")
    zero = out({"resample": {**step, "outside": "zero"}}, short, "1d")
    np.testing.assert_allclose(edge[90:], S[-1], rtol=1e-6)
    assert not zero[90:].any()
    np.testing.assert_allclose(edge[:90], S, rtol=1e-5)


def test_every_stage_is_visible():
    card = spec(channels=3, scale="dtype", steps=["invert", {"resize": 8}], mean=[0.5], std=[0.2])
    prepared = Preprocessing.from_card(card).prepare(image((X * 255).astype(np.uint8)))
    assert [s.name for s in prepared.stages] == ["scale_dtype", "channels", "invert", "resize", "normalise"]
    assert prepared.stages[0].before.shape == (1, 31, 22)
    assert prepared.stages[3].after.shape == (3, 11, 8)
    for a, b in zip(prepared.stages, prepared.stages[1:], strict=False):
        assert a.after is b.before
    np.testing.assert_allclose(prepared.stages[-1].after, prepared.tensor[0].numpy(), rtol=1e-6)
    assert Preprocessing.from_card(card).describe()[3] == "resize(size=8)"


def test_many_versions_are_prepared_as_each_alone():
    card = Preprocessing.from_card(spec(channels=3, scale="dtype", steps=["percentile", {"resize": 9}, "zscore"]))
    versions = rng.integers(0, 255, (3, 20, 24), dtype=np.uint8)
    batch = card.apply(versions.astype(np.float64), like=image(versions[0]))
    alone = torch.cat([card.prepare(image(v)).tensor for v in versions])
    torch.testing.assert_close(batch, alone)


def test_bounds_are_the_normalised_range_where_it_is_known():
    card = Preprocessing.from_card(spec(channels=3, scale="dtype", mean=[0.5, 0.4, 0.3], std=[0.25, 0.2, 0.1]))
    low, high = card.bounds(image(np.zeros((4, 4), np.uint8)))
    assert low == pytest.approx((-2, -2, -3))
    assert high == pytest.approx((2, 3, 7))
    assert card.bounds(image(X)) == (low, high)
    assert card.bounds(image(X * 100)) is None
    signed = Preprocessing.from_card(spec(scale="dtype")).bounds(image(np.zeros((4, 4), np.int16)))
    assert signed == (pytest.approx((-1.0,), abs=1e-4), (1.0,))
    assert Preprocessing.from_card(spec(scale="dtype", steps=["zscore"])).bounds() is None
    assert Preprocessing.from_card(spec(steps=["percentile", "invert"])).bounds() == ((0.0,), (1.0,))


@pytest.mark.parametrize(
    ("kind", "dims", "sizes", "sentence"),
    [
        ("1d", "yx", (4, 5), "the model takes spectra"),
        ("2d", "zyx", (3, 4, 5), r"choose a slice, as in signal.isel\(z=0\)"),
        ("2d", ("energy",), (9,), r"steel.tif has the axes \(energy: 9\), and the model takes images"),
        ("1d", ("energy", "y", "x"), (9, 4, 5), r"choose one position, as in signal.isel\(y=0, x=0\)"),
        ("1d", ("sample", "energy"), (9, 4), r"signal.isel\(sample=0\)"),
        ("2d", "yxc", (4, 5, 2), "has 2 channels and the model takes 1; choose one"),
        ("3d", "yx", (4, 5), "the model takes stacks"),
    ],
)
def test_a_signal_of_another_kind_is_refused_with_what_would_fit(kind, dims, sizes, sentence):
    wrong = xr.DataArray(np.zeros(sizes), dims=tuple(dims), attrs={"source": "steel.tif"})
    with pytest.raises(ModelError, match=sentence):
        Preprocessing.from_card(spec(kind)).prepare(wrong)


def test_axes_of_length_one_are_no_hindrance():
    stack = xr.DataArray(np.zeros((1, 6, 7)), dims=("t", "y", "x"))
    prepared = Preprocessing.from_card(spec()).prepare(stack)
    assert prepared.signal.dims == ("y", "x")


def test_nan_that_would_reach_the_model_is_an_error_that_says_where_and_how_many():
    x = X.copy()
    x[3, 4] = x[5, 1] = np.nan
    with pytest.raises(
        SignalError, match=r"steel\.tif has 2 values that are NaN or Inf, the first at y=3, x=4, and 2 of"
    ):
        Preprocessing.from_card(spec()).prepare(image(x))
    with pytest.raises(SignalError, match="2 values that are NaN"):
        Preprocessing.from_card(spec(steps=["clahe"])).prepare(image(x))
    with pytest.raises(SignalError, match=r"2 values that are NaN or Inf, the first at y=3, x=4, and 7 of the 144"):
        Preprocessing.from_card(spec(steps=[{"resize": {"size": [12, 12]}}])).prepare(image(x))
    with pytest.raises(SignalError, match="2 values that are NaN"):
        Preprocessing.from_card(spec(steps=["percentile"])).apply(x[None], like=image(x))


def test_nan_that_is_cropped_away_reaches_nobody():
    x = X.copy()
    x[30, 4] = np.nan
    card = spec(steps=[{"resize": {"size": [16, 12]}}, {"crop_rows": {"bottom": 3}}])
    clean = Preprocessing.from_card(card).prepare(image(np.where(np.isnan(x), 0, x))).tensor
    torch.testing.assert_close(Preprocessing.from_card(card).prepare(image(x)).tensor, clean)


def test_values_made_infinite_by_a_step_are_named_with_the_step():
    with pytest.raises(SignalError, match="made by the change to single precision"):
        Preprocessing.from_card(spec()).prepare(image(np.full((3, 3), 1e300)))


@pytest.mark.parametrize("dtype", [complex, "datetime64[s]", "U3", object])
def test_values_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(SignalError, match="a model takes integers or floating-point numbers"):
        Preprocessing.from_card(spec()).prepare(image(np.zeros((3, 3)).astype(dtype)))


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("rezise", r"input.steps\[0\].*Did you mean 'resize'"),
        ({"resize": {"siez": 3}}, "'resize' has no option 'siez'. Did you mean 'size'"),
        ({"resize": {}}, "'resize' needs size"),
        ({"resize": -3}, "size=-3; it must be a positive whole number"),
        ({"resize": {"size": 4, "mode": "liner"}}, "Did you mean 'linear'"),
        ({"window": {"low": 3, "high": 1}}, "high must lie above low"),
        ({"window": 3}, "takes named options"),
        ({"percentile": {"low": -1}}, "from 0 to 100"),
        ({"normalise": {"std": 0}}, "each must be above 0"),
        ({"crop_rows": {}}, "cuts nothing"),
        ({"pad": {}}, "either size or multiple"),
        ({"savitzky_golay": {"window": 4}}, "for spectra|window must be odd"),
        ("derivative", "'derivative' is for spectra, and the model takes images"),
        ({"clahe": {"tiles": True}}, "a whole number"),
        (7, "is no preprocessing step"),
        ({"a": 1, "b": 2}, "is no preprocessing step"),
    ],
)
def test_a_wrong_step_in_a_card_is_one_clear_sentence(step, sentence):
    with pytest.raises(CardError, match=sentence):
        Preprocessing.from_card(spec(steps=[step]))


def test_a_signal_that_a_step_cannot_treat_is_refused():
    for step, sentence in (
        ({"centre_crop": 40}, "31 x 22 pixels there, and 40 x 40"),
        ({"pad": 10}, "more than 10 x 10"),
        ({"crop_rows": {"bottom": 31}}, "none would be left"),
    ):
        with pytest.raises(SignalError, match=sentence):
            Preprocessing.from_card(spec(steps=[step])).prepare(image(X))
    with pytest.raises(SignalError, match="not equally spaced"):
        out({"savitzky_golay": {"derivative": 1}}, spectrum(S, E), "1d")
    with pytest.raises(SignalError, match="area under it is 0"):
        out("area_norm", spectrum(np.zeros(9)), "1d")


def test_the_steps_are_found_by_name_and_have_a_first_line_for_people():
    for name in steps:
        assert (steps[name].__doc__ or "").strip(), name
        assert steps[name].name == name
    with pytest.raises(MatxaiError):
        make_step({"resize": "big"})
