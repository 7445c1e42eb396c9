"""Every fill changes the region and nothing else, and has the property that it is named for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from skimage.restoration import inpaint_biharmonic

from matxai.checks import filled_signal
from matxai.checks.fills import IMAGE_FILLS, SPECTRUM_FILLS, chosen, fills, laplace, usual_fills
from matxai.checks.fills.ground import Ground
from matxai.checks.fills.spot import Spot
from matxai.errors import MethodError, RegionError
from matxai.signals import labelled

SHAPES = [(40,), (32, 24), (12, 14, 10)]
CASES = [(name, shape) for name in fills for shape in SHAPES if len(shape) in fills[name].axes]
RNG = np.random.default_rng


def field(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = RNG(seed)
    return 100 + 20 * ndimage.gaussian_filter(rng.standard_normal(shape), 2) + rng.standard_normal(shape)


def block(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(s // 3, s // 3 + max(2, s // 5)) for s in shape)] = True
    return mask


@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize("channels", [None, 3])
def test_a_fill_changes_the_region_and_nothing_else(name: str, shape: tuple[int, ...], channels: int | None) -> None:
    values = field(shape) if channels is None else np.stack([field(shape, s) for s in range(channels)], axis=-1)
    before, mask = values.copy(), block(shape)
    filled = fills[name](values, mask, RNG(0), donor=values[::-1].copy())
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(filled[~mask], before[~mask])
    changed = filled[mask] != before[mask]
    assert changed.mean() > 0.9  # a clipped value may happen to be what it was
    if fills[name].bounded:
        assert before.min() <= filled.min() <= filled.max() <= before.max()


@pytest.mark.parametrize("name", list(fills))
@pytest.mark.parametrize("where", ["middle", "edge", "nearly all"])
def test_a_constant_signal_stays_constant(name: str, where: str) -> None:
    shape = (30, 30) if 2 in fills[name].axes else (60,)
    mask = block(shape)
    if where == "edge" and name != "edge_step":
        mask = np.zeros(shape, bool)
        mask[-5:] = True
    elif where == "nearly all":
        mask = np.ones(shape, bool)
        mask[:3] = mask[-3:] = False
    values = np.full(shape, 7.0)
    filled = fills[name](values, mask, RNG(0), donor=values)
    scale = 3 * 7.0 if name.startswith("poisson") else 1e-8  # counting noise is the one thing that is drawn in here
    np.testing.assert_allclose(filled, 7.0, atol=scale)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_same_seed_gives_the_same_fill_and_only_what_draws_follows_the_seed(name, shape) -> None:
    shape = tuple(2 * n for n in shape)  # in a small stack there is one best patch, whoever draws
    values, mask = field(shape), block(shape)
    one, two, other = (fills[name](values, mask, RNG(s), donor=values[::-1]) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert fills[name].draws == bool((one != other).any())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.bool_])
def test_a_region_filled_with_itself_changes_nothing(dtype) -> None:
    values = RNG(0).integers(0, 2 if dtype is np.bool_ else 255, (20, 30)).astype(dtype)
    filled = fills["donor"](values, block((20, 30)), donor=values)
    assert filled.dtype == values.dtype
    np.testing.assert_array_equal(filled, values)


@pytest.mark.parametrize("name", IMAGE_FILLS)
def test_type_and_range_are_the_files_own(name: str) -> None:
    values = np.where(np.arange(40)[:, None] < 20, 0, 4095).astype(np.uint16) * np.ones((1, 40), np.uint16)
    filled = fills[name](values, block((40, 40)), RNG(0))
    assert filled.dtype == np.uint16
    assert filled.max() <= 4095  # the detector has twelve bits, the file sixteen


def test_the_local_mean_is_the_ring_of_each_piece() -> None:
    values = np.zeros((20, 40))
    values[:, 20:] = 10.0
    mask = np.zeros_like(values, bool)
    mask[8:11, 5:8] = mask[8:11, 30:33] = True
    filled = fills["local_mean"](values + np.where(mask, 99, 0), mask, RNG(0))
    assert filled[9, 6] == 0.0
    assert filled[9, 31] == 10.0


def test_the_local_mean_at_the_border_is_that_of_the_ring_in_the_picture() -> None:
    values = field((20, 20))
    mask = np.zeros((20, 20), bool)
    mask[17:19, 0:4] = True
    ring = ndimage.binary_dilation(mask, iterations=3) & ~mask
    np.testing.assert_allclose(fills["local_mean"](values, mask)[mask], values[ring].mean())


def test_the_blur_is_the_normalised_convolution_of_the_outside() -> None:
    """Against the definition, with nothing beyond the border and the whole kernel."""
    values, mask = field((40, 36)), block((40, 36))
    mask[:4, 30:] = True
    sigma = max(2.0, ndimage.distance_transform_edt(mask).max())
    options = {"sigma": sigma, "mode": "constant", "truncate": 4.0}
    carried = ndimage.gaussian_filter(np.where(mask, 0, values), **options)
    expected = carried / ndimage.gaussian_filter((~mask).astype(float), **options)
    np.testing.assert_allclose(fills["blur"](values, mask)[mask], expected[mask], rtol=1e-9)


@pytest.mark.parametrize("name", ["noisy_linear", "inpaint"])
def test_a_ramp_is_continued_exactly(name: str) -> None:
    """A linear field solves both equations, and a ramp leaves a median no noise to learn."""
    y, x = np.mgrid[:30, :40].astype(float)
    values, mask = 2 * x + 3 * y, block((30, 40))
    np.testing.assert_allclose(fills[name](values, mask, RNG(0)), values, atol=1e-8)


def test_inpainting_is_scikit_images_biharmonic_surface() -> None:
    values = ndimage.gaussian_filter(RNG(0).standard_normal((40, 40)), 4)
    values /= np.abs(values).max()
    mask = block((40, 40))
    ours, theirs = fills["inpaint"](values, mask), inpaint_biharmonic(values, mask)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_surface_that_overshoots_is_kept_within_the_picture(sign: int) -> None:
    """Slopes that rise up to the hole go on in it, beyond every value there is: no maximum rule holds here."""
    y, x = np.abs(np.mgrid[:40, :40] - 19.5)
    values = sign * np.maximum(100 - 8 * np.maximum(y, x), 4.0)
    mask = np.zeros((40, 40), bool)
    mask[14:26, 14:26] = True
    values[mask] = 0.0
    low, high = values.min(), values.max()
    surface = fills["inpaint"].patch(Ground.of(values, spatial=2), Spot.of(mask), RNG(0))
    assert np.abs(surface).max() > 1.2 * np.abs(values).max()
    filled = fills["inpaint"](values, mask)
    np.testing.assert_array_equal(filled[mask], np.clip(surface[:, 0], low, high))
    assert low <= filled.min() <= filled.max() <= high


def test_linear_imputation_carries_the_noise_of_the_surroundings() -> None:
    rng = RNG(1)
    values, mask = 50 + 4 * rng.standard_normal((60, 60)), block((60, 60))
    filled = fills["noisy_linear"](values, mask, RNG(0))
    assert 2.0 < filled[mask].std() < 7.0
    assert fills["blur"](values, mask, rng)[mask].std() < 1.5


def test_texture_is_made_of_the_surroundings_and_keeps_their_period() -> None:
    """Stripes go on as stripes: every value is one that the outside has, and most rows go through unbroken."""
    values = np.tile(np.array([10, 20, 30, 40], np.uint8), 15)[None].repeat(60, axis=0)
    mask = np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    filled = fills["texture"](np.where(mask, 99, values).astype(np.uint8), mask, RNG(0))
    assert set(np.unique(filled)) == {10, 20, 30, 40}
    assert (filled == values)[mask].mean() > 0.95


@pytest.mark.parametrize("name", ["noisy_linear", "inpaint", "blur", "local_mean"])
def test_translates_share_one_factor_and_give_translated_fills(name: str, monkeypatch) -> None:
    factors = []
    for module in ("laplace", "inpaint"):
        place = __import__(f"matxai.checks.fills.{module}", fromlist=["splu"])
        monkeypatch.setattr(place, "splu", lambda a: factors.append(a.shape) or splu(a))
    values, mask = field((43, 41)), block((43, 41))
    mask[14, 13] = False  # a shape that no other test has left a factor of
    mask[15, 13] = name != "inpaint"
    if name == "blur":  # whose surroundings are the whole picture: only a wide frame of one value makes translates
        values[:] = np.where(mask, values, 50.0)
    one = fills[name](values, mask, RNG(0))
    for shift in range(1, 7):
        two = fills[name](np.roll(values, shift, 0), np.roll(mask, shift, 0), RNG(0))
        np.testing.assert_allclose(np.roll(one, shift, 0), two, rtol=1e-9)
    assert len(factors) == (1 if name in ("noisy_linear", "inpaint") else 0)


def test_a_large_region_is_solved_from_coarse_to_fine() -> None:
    """Against the factorised system: apart by less than a hundredth of the contrast around."""
    values = ndimage.gaussian_filter(RNG(0).standard_normal((200, 170)), 6)
    mask = np.zeros(values.shape, bool)
    mask[20:170, 15:150] = True
    mask[80:100, 60:90] = False
    spot = Spot.of(mask)
    exact = laplace.harmonic(Ground.of(values, spatial=2), spot)
    there, here = spot.window(1)
    hole = spot.shape.padded(1)[here]
    refined = laplace.refined(np.where(hole, 0.0, values[there])[..., None], hole)
    assert np.abs(exact - refined).max() < 0.01 * np.ptp(values)
    smooth = fills["inpaint"](values, mask)  # more than it factorises
    edge = mask & ~ndimage.binary_erosion(mask)
    assert np.abs((smooth - values)[edge]).max() < 0.1 * np.ptp(values)


def test_the_laplacian_of_a_grid_is_its_degree_minus_its_neighbours() -> None:
    dense = laplace.laplacian((2, 3))
    assert sparse.issparse(dense)
    np.testing.assert_array_equal(dense.diagonal(), [2, 3, 2, 2, 3, 2])
    np.testing.assert_array_equal(dense.sum(axis=1), 0)


# -- spectra -----------------------------------------------------------------------------------------------------------


def zone(n: int, start: int, stop: int) -> np.ndarray:
    mask = np.zeros(n, bool)
    mask[start:stop] = True
    return mask


def test_a_bridge_over_a_line_is_the_line_on_an_uneven_axis_too() -> None:
    x = np.sort(RNG(0).uniform(0, 10, 80))
    line, mask = 3 * x - 4, zone(80, 30, 50)
    peak = labelled(line + np.where(mask, 9.0, 0.0), ("energy",), coords={"energy": x})
    np.testing.assert_allclose(filled_signal(peak, mask, "linear_bridge").values, line, atol=1e-12)


def test_the_baseline_goes_under_a_peak_and_past_its_neighbour() -> None:
    x = np.arange(200.0)
    parabola = 50 + 0.2 * x - 0.001 * x**2
    peaks = 40 * np.exp(-(((x - 100) / 3) ** 2)) + 30 * np.exp(-(((x - 122) / 1.5) ** 2))
    mask = zone(200, 88, 112)
    filled = fills["local_baseline"](parabola + peaks, mask)
    np.testing.assert_allclose(filled[mask], parabola[mask], atol=0.2)
    bridged = fills["linear_bridge"](parabola + peaks, zone(200, 88, 121))
    assert np.abs(bridged - parabola)[88:121].max() > 5  # what the neighbour does to three points beside


@pytest.mark.parametrize("sign", [1, -1])
def test_an_arctangent_edge_is_replaced_by_itself(sign: int) -> None:
    energy = np.linspace(5960.0, 6060.0, 400)
    edge = 0.2 + 0.001 * (energy - 6000) + sign * 0.9 * (0.5 + np.arctan((energy - 6003.0) / 1.7) / np.pi)
    mask = (energy > 5995) & (energy < 6015)
    signal = labelled(edge, ("energy",), coords={"energy": energy})
    np.testing.assert_allclose(filled_signal(signal, mask, "edge_step").values, edge, atol=1e-6)


def test_an_edge_step_takes_the_white_line_and_leaves_the_edge() -> None:
    energy = np.linspace(5960.0, 6060.0, 400)
    edge = 0.5 + np.arctan((energy - 6003.0) / 1.0) / np.pi
    white = 0.8 * np.exp(-(((energy - 6007.0) / 2.0) ** 2))
    mask = (energy > 5995) & (energy < 6020)
    filled = fills["edge_step"](edge + white, mask)
    bridged = fills["linear_bridge"](edge + white, mask)
    assert np.abs(filled - edge).max() < 0.15
    assert np.abs(bridged - edge).max() > 0.3


def test_counts_are_drawn_around_the_baseline() -> None:
    rng = RNG(0)
    counts = rng.poisson(400, 6000).astype(np.uint32)
    mask = zone(6000, 2000, 4000)
    spectrum = counts + np.where(mask, 5000, 0).astype(np.uint32)
    filled = fills["poisson"](spectrum, mask, RNG(1))[mask].astype(float)
    assert filled.mean() == pytest.approx(400, rel=0.02)
    assert filled.var() == pytest.approx(400, rel=0.15)
    # the same with a gain, told from the noise beside the region: variance over mean
    scaled = fills["poisson"](spectrum * 0.037, mask, RNG(1))[mask]
    assert scaled.var() == pytest.approx(400 * 0.037**2, rel=0.15)
    redrawn = fills["poisson_redraw"](spectrum, mask, RNG(1))[mask].astype(float)
    assert (redrawn - spectrum[mask]).var() == pytest.approx(5400, rel=0.15)
    assert (redrawn - spectrum[mask]).mean() == pytest.approx(0, abs=8)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_an_unknown_fill_is_answered_with_the_nearest() -> None:
    with pytest.raises(MethodError, match=r"There is no fill 'blurr'\. Did you mean 'blur'"):
        fills["blurr"]


def test_a_fill_for_another_number_of_axes_names_those_that_are_right() -> None:
    with pytest.raises(MethodError, match=r"'linear_bridge' is for spectra .* 2 spatial axes\. Right are: blur"):
        fills["linear_bridge"](field((20, 20)), block((20, 20)))
    with pytest.raises(MethodError, match="'edge_step' is for spectra"):
        chosen(["blur", "edge_step"], 2, donor=False)


def test_masks_and_donors_that_cannot_be_are_said() -> None:
    values, mask = field((20, 30)), block((20, 30))
    with pytest.raises(RegionError, match=r"mask is \(20, 20\), the signal \(20, 30\)"):
        fills["blur"](values, mask[:, :20])
    with pytest.raises(RegionError, match="is empty"):
        fills["blur"](values, np.zeros_like(mask))
    with pytest.raises(RegionError, match="covers the whole signal"):
        fills["blur"](values, np.ones_like(mask))
    with pytest.raises(RegionError, match="is boolean, not int"):
        fills["blur"](values, mask.astype(int))
    with pytest.raises(RegionError, match=r"The donor is \(30, 20\), the signal \(20, 30\)"):
        fills["donor"](values, mask, donor=values.T)
    with pytest.raises(MethodError, match="takes its content from another sample"):
        fills["donor"](values, mask)
    with pytest.raises(RegionError, match="at least one fill"):
        chosen([], 2, donor=False)
    with pytest.raises(RegionError, match="need counts"):
        fills["poisson"](RNG(0).standard_normal(60), zone(60, 20, 30))
    with pytest.raises(RegionError, match="three points on both sides"):
        fills["edge_step"](field((60,)), zone(60, 40, 60))


def test_the_usual_fills_are_five_for_every_number_of_axes() -> None:
    assert [f.name for f in chosen(None, 1, donor=False)] == list(SPECTRUM_FILLS)
    for axes in (2, 3):
        assert [f.name for f in chosen(None, axes, donor=True)] == [*IMAGE_FILLS, "donor"]
    assert min(len(SPECTRUM_FILLS), len(IMAGE_FILLS)) == 5


def test_across_an_edge_a_step_is_usual_and_where_nothing_is_counted_no_counting_noise() -> None:
    assert usual_fills(1) == SPECTRUM_FILLS
    assert "linear_bridge" not in usual_fills(1, kind="edge")
    assert "edge_step" in usual_fills(1, kind="edge")
    assert "poisson" not in usual_fills(1, counts=False)
    assert {len(set(usual_fills(1, kind=k, counts=c))) for k in ("edge", "peak") for c in (True, False)} == {5}
    assert usual_fills(2, kind="edge", counts=False) == IMAGE_FILLS


@pytest.mark.parametrize("name", [n for n in sorted(fills) if 2 in fills[n].axes])
@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_is(name: str, spoilt: float) -> None:
    values, mask = RNG(0).random((30, 40)), block((30, 40))
    rows, columns = np.nonzero(mask)
    values[0, 0] = values[rows[0] - 1, columns[0]] = values[rows[0], columns[0]] = spoilt  # far off, beside, inside
    filled = fills[name](values, mask, donor=RNG(1).random((30, 40)))
    assert np.isfinite(filled[mask]).all()
    np.testing.assert_array_equal(filled[~mask], values[~mask])
    with pytest.raises(RegionError, match="No position of the signal"):
        fills[name](np.full((30, 40), np.nan), mask, donor=values)
