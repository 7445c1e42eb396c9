"""The standard errors of LIME and kernel SHAP: as large as what other draws change, at the budget and at the stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from matxai.methods import LIME, KernelSHAP, attribution
from matxai.opaque import black_box

SEGMENTS = 16
SEEDS = 30
GENERATOR = np.random.default_rng(1)
ALONE = GENERATOR.standard_normal(SEGMENTS)
MIXED = GENERATOR.standard_normal((4, SEGMENTS)) / 2
X = torch.from_numpy(GENERATOR.standard_normal((1, 1, SEGMENTS)))
LABELS = torch.arange(SEGMENTS)


def score(batch: np.ndarray) -> np.ndarray:
    h = batch[:, 0] @ MIXED.T
    return (np.tanh(h[:, :1] * h[:, 1:2]) * 3 + h[:, 2:3] * h[:, 3:]) + 0.1 * batch[:, 0] @ ALONE[:, None]


def zeros(_: str) -> torch.Tensor:
    return torch.zeros_like(X)


def drawn(method, seeds: int = SEEDS) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Maps and their errors, (seeds, SEGMENTS), and how many copies each took."""
    done = [
        attribution(black_box(score), X, replace(method, segments=LABELS), 0, baseline=zeros, seed=seed)
        for seed in range(seeds)
    ]
    maps = np.stack([d.maps[method.key].flatten().numpy() for d in done])
    errors = np.stack([d.maps[f"{method.key}:standard_error"].flatten().numpy() for d in done])
    return maps, errors, [d.forwards for d in done]


def held(maps: np.ndarray, errors: np.ndarray) -> float:
    """The spread over seeds as a share of the error that was reported."""
    return float((maps.var(0, ddof=1).mean() / (errors**2).mean()) ** 0.5)


@pytest.mark.parametrize("method", [KernelSHAP(budget=200), LIME(budget=50), LIME(budget=200)])
def test_the_error_at_the_budget_is_how_far_draws_differ(method):
    maps, errors, copies = drawn(method)
    assert 0.8 < held(maps, errors) < 1.2
    assert set(copies) == {method.budget + isinstance(method, LIME)}


@pytest.mark.parametrize(
    "method",
    [
        KernelSHAP(budget=1000, tolerance=0.1),
        KernelSHAP(budget=1000, tolerance=0.05),
        LIME(budget=1000, tolerance=0.2),
        LIME(budget=1000, tolerance=0.1),
    ],
)
def test_what_stops_early_is_as_near_as_was_asked_for(method):
    maps, errors, copies = drawn(method)
    assert max(copies) < method.budget  # the tolerance ended it, in every seed
    assert 0.8 < held(maps, errors) < 1.2
    largest = np.abs(maps).max(1)
    assert (errors.max(1) <= method.tolerance * largest).all()
    spread = maps.std(0, ddof=1)
    assert np.sqrt((spread**2).mean()) < method.tolerance * largest.mean()
    assert spread.max() < 1.25 * method.tolerance * largest.mean()  # the largest of 16, each known to 13 %


@pytest.mark.parametrize("method", [KernelSHAP(budget=60, tolerance=0.9), LIME(budget=33, tolerance=0.9)])
def test_few_draws_do_not_stop_and_their_error_is_not_known(method):
    done = attribution(black_box(score), X, replace(method, segments=LABELS), 0, baseline=zeros)
    assert done.forwards == method.budget + isinstance(method, LIME)
    assert np.isinf(done.maps[f"{method.key}:standard_error"].numpy()).all()
    assert any(f"{method.key} drew too few coalitions of 16 segments" in said for said in done.warnings)


def test_the_tolerance_is_of_the_map():
    """Of segments of unequal size it is the density that is held to the tolerance."""
    wide = torch.cat([X, X[..., -1:].repeat(1, 1, 40) / 40], -1)
    labels = torch.cat([LABELS, torch.full((40,), SEGMENTS - 1)])
    done = attribution(
        black_box(lambda batch: score(np.concatenate([batch[..., :15], batch[..., 15:].sum(-1, keepdims=True)], -1))),
        wide, KernelSHAP(segments=labels, budget=1000, tolerance=0.05), 0, baseline=lambda _: torch.zeros_like(wide),
    )  # fmt: skip
    map_, error = done.maps["kernel_shap"], done.maps["kernel_shap:standard_error"]
    assert error.max() <= 0.05 * map_.abs().max()
    assert done.forwards < 1000


@pytest.mark.parametrize("kind", [KernelSHAP, LIME])
def test_where_all_coalitions_are_run_nothing_is_unsure(kind):
    method = kind(segments=LABELS // 4, budget=16, tolerance=0.01)
    done = [attribution(black_box(score), X, method, 0, baseline=zeros, seed=seed).maps for seed in range(2)]
    assert (done[0][f"{method.key}:standard_error"] == 0).all()
    assert (done[0][method.key] == done[1][method.key]).all()


def test_the_error_is_that_of_leaving_each_pair_out():
    """Held against kernel SHAP fitted anew without each pair in turn."""
    from matxai.methods.kinds.kernel_shap import Design, _design, values

    design = _design(6, 43, np.random.default_rng(0))
    gains = np.random.default_rng(1).standard_normal((2, len(design.rows)))
    total = np.array([0.3, -1.0])
    listed, n = len(design.weights), len(design.rows)
    without = []
    for first in range(listed, n, 2):
        kept = np.r_[0:first, first + 2 : n]
        without.append(values(Design(design.rows[kept], design.weights, design.rest), gains[:, kept], total)[0])
    many = len(without)
    want = np.sqrt(((np.stack(without) - np.mean(without, 0)) ** 2).sum(0) * (many - 1) / many)
    assert many > 10
    np.testing.assert_allclose(values(design, gains, total)[1], want, rtol=1e-9)
