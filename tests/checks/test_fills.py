"""Every fill changes the region and nothing else, and has the property that it is named for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from matxai.checks.fills import fills
from matxai.errors import MethodError

SHAPES = [(40,), (32, 24), (12, 14, 10)]


def field(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 20 * ndimage.gaussian_filter(rng.standard_normal(shape), 2) + rng.standard_normal(shape)


def block(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(s // 3, s // 3 + max(2, s // 5)) for s in shape)] = True
    return mask


@pytest.mark.parametrize("name", list(fills))
@pytest.mark.parametrize("shape", SHAPES, ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("channels", [None, 3])
def test_a_fill_changes_the_region_and_nothing_else(name: str, shape: tuple[int, ...], channels: int | None) -> None:
    values = field(shape) if channels is None else np.stack([field(shape, s) for s in range(channels)], axis=-1)
    before, mask = values.copy(), block(shape)
    filled = fills[name](values, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(filled[~mask], before[~mask])
    assert (filled[mask] != before[mask]).all()
    assert np.isfinite(filled).all()
    assert before.min() - 30 < filled.min()
    assert filled.max() < before.max() + 30


@pytest.mark.parametrize("name", list(fills))
def test_a_constant_image_stays_constant(name: str) -> None:
    values, mask = np.full((30, 30), 7.0), block((30, 30))
    np.testing.assert_allclose(fills[name](values, mask, np.random.default_rng(0)), 7.0, rtol=1e-9)


def test_the_local_mean_is_the_ring_of_each_piece() -> None:
    values = np.zeros((20, 40))
    values[:, 20:] = 10.0
    mask = np.zeros_like(values, bool)
    mask[8:11, 5:8] = mask[8:11, 30:33] = True
    filled = fills["local_mean"](values + np.where(mask, 99, 0), mask, np.random.default_rng(0))
    assert filled[9, 6] == 0.0
    assert filled[9, 31] == 10.0


def test_linear_imputation_continues_a_ramp_exactly() -> None:
    """A linear field is harmonic, so the solution is the field itself; a ramp leaves a median no noise to learn."""
    y, x = np.mgrid[:30, :40].astype(float)
    values, mask = 2 * x + 3 * y, block((30, 40))
    filled = fills["noisy_linear"](np.where(mask, 0.0, values), mask, np.random.default_rng(0))
    noise = np.abs(filled - values)[mask].max()
    assert noise < 12.0  # the ring of the emptied region is not noise-free: its median sees the hole
    exact = fills["noisy_linear"](values, mask, np.random.default_rng(0))
    np.testing.assert_allclose(exact, values, atol=1e-9)


def test_linear_imputation_carries_the_noise_of_the_surroundings() -> None:
    rng = np.random.default_rng(1)
    values, mask = 50 + 4 * rng.standard_normal((60, 60)), block((60, 60))
    filled = fills["noisy_linear"](values, mask, np.random.default_rng(0))
    assert 2.0 < filled[mask].std() < 7.0
    assert fills["blur"](values, mask, rng)[mask].std() < 1.5


def test_translates_of_one_shape_give_translated_fills() -> None:
    from matxai.checks.fills.noisy_linear import _factor

    values = field((40, 40))
    mask = block((40, 40))
    _factor.cache_clear()
    one = fills["noisy_linear"](values, mask, np.random.default_rng(0))
    two = fills["noisy_linear"](np.roll(values, 5, 0), np.roll(mask, 5, 0), np.random.default_rng(0))
    np.testing.assert_allclose(np.roll(one, 5, 0), two, rtol=1e-12)
    assert _factor.cache_info().misses == 1


def test_an_unknown_fill_is_answered_with_the_nearest() -> None:
    with pytest.raises(MethodError, match=r"There is no fill 'blurr'\. Did you mean 'blur'"):
        fills["blurr"]
