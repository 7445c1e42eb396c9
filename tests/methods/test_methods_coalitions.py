"""LIME and kernel SHAP against brute force, captum, least squares written out, and linear models."""

from __future__ import annotations

import itertools
import math

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.errors import MethodError
from matxai.methods import LIME, KernelSHAP, attribution
from matxai.opaque import black_box

SIZE = {1: (20,), 2: (9, 8), 3: (4, 6, 5)}


class Game(nn.Module):
    """Scores (B, 2) with products of distant pixels: what one segment is worth depends on the others."""

    def __init__(self, pixels: int, channels: int = 2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.a = nn.Parameter(torch.randn(2, channels * pixels, generator=generator, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(3, channels * pixels, generator=generator, dtype=torch.float64) / pixels**0.5)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1) @ self.b.T
        return x.flatten(1) @ self.a.T + (h[:, :1] * h[:, 1:2] * 3 + h[:, 2:].tanh())


def some(axes: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 2, *SIZE[axes], generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def half(x: Tensor):
    return lambda _: 0.5 * x.roll(1, -1)


def blocks(size: tuple[int, ...], count: int) -> Tensor:
    """Labels 0 to count - 1, mixed over the pixels."""
    return (torch.arange(math.prod(size)) * 7 % count).view(size)


def sums(map_: Tensor, labels: Tensor, count: int) -> Tensor:
    """The sum of an attribution (..., C, *spatial) over each segment."""
    axes = tuple(range(-labels.ndim - 1, 0))
    return torch.stack([(map_ * (labels == k)).sum(axes) for k in range(count)], -1)


def shapley(net: nn.Module, x: Tensor, fill: Tensor, labels: Tensor, count: int) -> Tensor:
    """Shapley values of one sample by their definition, (K, count)."""
    worth = {}
    for subset in itertools.product([False, True], repeat=count):
        inside = torch.tensor(subset)[labels]
        worth[subset] = net(torch.where(inside, x, fill)[None])[0].detach()
    found = torch.zeros(2, count, dtype=torch.float64)
    for j in range(count):
        for subset, without in worth.items():
            if not subset[j]:
                s = sum(subset)
                weight = math.factorial(s) * math.factorial(count - s - 1) / math.factorial(count)
                with_j = worth[tuple(v or i == j for i, v in enumerate(subset))]
                found[:, j] += weight * (with_j - without)
    return found


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_kernel_shap_with_all_coalitions_is_exact(axes, count):
    net, x = Game(math.prod(SIZE[axes])), some(axes)
    labels = blocks(SIZE[axes], count)
    done = attribution(
        net, x, KernelSHAP(segments=labels, budget=2**count), matxai.targets.each(0, 1), baseline=half(x)
    )
    map_, fill = done.maps["kernel_shap"], half(x)("")
    for b in range(2):
        want = shapley(net, x[b], fill[b], labels, count)
        assert torch.allclose(sums(map_[:, b], labels, count), want, rtol=1e-10, atol=1e-12)
    change = (net(x) - net(fill)).T.detach()
    assert torch.allclose(map_.flatten(2).sum(-1), change, rtol=1e-12)
    for k in range(count):  # even over a segment and over the channels
        assert map_[..., labels == k].flatten(2).std(-1).max() < 1e-15
    assert (done.maps["kernel_shap:standard_error"] == 0).all()
    assert (done.forwards, done.backwards) == (2**count, 0)  # the whole input is the clean forward


def test_kernel_shap_equals_captum_with_all_coalitions():
    net, x = Game(72), some(2, batch=1)
    labels = blocks(SIZE[2], 4)
    torch.manual_seed(0)
    want = captum.attr.KernelShap(net).attribute(
        x,
        baselines=half(x)(""),
        target=1,
        feature_mask=labels[None, None],
        n_samples=800,
        perturbations_per_eval=500,
    )
    got = attribution(net, x, KernelSHAP(segments=labels), 1, baseline=half(x)).maps["kernel_shap"]
    of_captum = torch.stack([want[0, 0][labels == k][0] for k in range(4)])
    # captum draws its coalitions; with hundreds of them over four segments all are there, at nearly their weights
    assert torch.allclose(sums(got[0], labels, 4), of_captum.double(), atol=0.1 * of_captum.abs().max().item())


def test_drawn_kernel_shap_is_as_far_off_as_its_error_says():
    count, x = 10, some(1, batch=1)
    net, labels = Game(20), blocks(SIZE[1], 10)
    want = shapley(net, x[0], half(x)("")[0], labels, count)
    off = []
    for seed in range(40):
        done = attribution(net, x, KernelSHAP(segments=labels, budget=80), 1, baseline=half(x), seed=seed)
        map_, error = done.maps["kernel_shap"], done.maps["kernel_shap:standard_error"]
        got, spread = (sums(m[0], labels, count) for m in (map_, error))
        assert torch.allclose(got.sum(), want[1].sum(), rtol=1e-10)  # the constraint holds however few are drawn
        off.append((got - want[1]) / spread)
        assert (spread > 0).all()
        assert done.forwards == 80  # the clean forward, the empty coalition, 20 single ones, 58 drawn ones
    off = torch.stack(off)
    assert 0.7 < off.square().mean().sqrt() < 1.5
    assert off.mean(0).abs().max() < 4 * 1.5 / 40**0.5  # without bias to speak of
    wider = [
        attribution(net, x, KernelSHAP(segments=labels, budget=b), 1, baseline=half(x))
        .maps["kernel_shap:standard_error"]
        .max()
        for b in (80, 320)
    ]
    assert wider[1] < 0.7 * wider[0]


class Linear(nn.Module):
    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2 * pixels, generator=torch.Generator().manual_seed(2)).double())

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + 0.7


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("budget", [16, 70])
def test_on_a_linear_model_both_give_the_contribution_of_each_segment(axes, budget):
    size, count = SIZE[axes], 4 if budget == 16 else 12
    net, x = Linear(math.prod(size)), some(axes)
    labels = torch.stack([blocks(size, count), blocks(size, count).flip(0)])  # each sample has its own
    methods = [KernelSHAP(segments=labels, budget=budget), LIME(segments=labels.numpy(), budget=budget, ridge=0)]
    done = attribution(net, x, methods, [0, 2], baseline=half(x))
    pixelwise = (net.weight[[0, 2]].detach() * (x - half(x)("")).flatten(1)).view(x.shape)
    for b in range(2):
        want = sums(pixelwise[b], labels[b], count)
        assert torch.allclose(sums(done.maps["kernel_shap"][b], labels[b], count), want, rtol=1e-9)
        lime = done.maps["lime"][b].sum(0)
        assert torch.allclose(torch.stack([lime[labels[b] == k].mean() for k in range(count)]), want, rtol=1e-9)
    assert done.maps["kernel_shap:standard_error"].max() < 1e-10
    assert done.maps["lime:standard_error"].max() < 1e-10
    assert done.forwards == (1 + 15 + 15 if budget == 16 else 1 + 69 + 70)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_lime_is_the_weighted_ridge_regression_of_its_coalitions(ridge):
    """Held against the augmented least squares of the same coalitions, with an intercept that is not penalised."""
    x = some(1, batch=1)
    net, labels, asked = Game(20), blocks(SIZE[1], 6), []

    def seen(batch: np.ndarray) -> np.ndarray:
        asked.append(batch)
        return net(torch.from_numpy(batch)).detach().numpy()

    method = LIME(segments=labels, budget=50, ridge=ridge, width=0.4)
    done = attribution(black_box(seen), x, method, 1, baseline=half(x))
    copies = torch.from_numpy(np.concatenate(asked))
    assert len(copies) == done.forwards == 51
    inside = (copies == x).all(1)
    kept = torch.stack([inside[:, labels == k].all(1) for k in range(6)], 1).double()
    y = net(copies)[:, 1].detach()
    weight = torch.exp(-(((1 - (kept.sum(1) / 6).sqrt()) / 0.4) ** 2))
    centred = kept - (weight @ kept) / weight.sum()
    penalty = ridge * (weight[:, None] * centred**2).sum() / 6
    rows = torch.cat([weight.sqrt()[:, None] * torch.cat([kept, torch.ones(51, 1)], 1).double(),
                      torch.cat([penalty.sqrt() * torch.eye(6).double(), torch.zeros(6, 1)], 1)])  # fmt: skip
    want = torch.linalg.lstsq(rows, torch.cat([weight.sqrt() * y, torch.zeros(6).double()])[:, None]).solution[:6, 0]
    got = torch.stack([done.maps["lime"][0].sum(0)[labels == k].mean() for k in range(6)])
    assert torch.allclose(got, want, rtol=1e-9)


def test_the_error_of_lime_is_how_far_other_draws_differ():
    x, net, labels = some(1, batch=1), Game(20), blocks(SIZE[1], 10)
    maps, errors = [], []
    for seed in range(40):
        done = attribution(net, x, LIME(segments=labels, budget=100), 1, baseline=half(x), seed=seed).maps
        maps.append(done["lime"].sum(1))
        errors.append(done["lime:standard_error"].sum(1))
    ratio = torch.stack(maps).std(0) / torch.stack(errors).square().mean(0).sqrt()
    assert ratio.min() > 0.6
    assert ratio.max() < 1.6


def test_segments_are_found_by_number_and_depend_on_no_other_sample(make_gap_net, make_input):
    for axes in (1, 2, 3):
        net, x = make_gap_net(axes).double(), make_input(axes).double()
        done = attribution(net, x, KernelSHAP(segments=6), 1)
        alone = attribution(net, x[2:], KernelSHAP(segments=6), 1)
        key = "kernel_shap"
        assert torch.allclose(done.maps[key][2:], alone.maps[key], atol=1e-12 * float(done.maps[key].abs().max()))
        assert len(done.maps[key][0, 0].unique()) >= 4


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (KernelSHAP(segments=10, budget=24), "over 10 segments needs a budget of 25 copies, and has 24"),
        (KernelSHAP(segments=10, budget=24), "or at most 9 segments"),
        (
            KernelSHAP(segments=2, budget=2),
            "needs a budget of 3 copies, and has 2; give budget=3, or at most 1 segment.",
        ),
        (LIME(segments=10, budget=11), "over 10 segments needs a budget of 12 copies"),
        (KernelSHAP(segments=21), "cannot be 21 segments in 20 pixels"),
        (LIME(segments=0), "cannot be 0 segments"),
        (LIME(segments=torch.zeros(19, dtype=torch.long)), r"int64 \(19,\); for the input \(2, 2, 20\)"),
        (LIME(segments=torch.zeros(20)), r"float32 \(20,\)"),
        (LIME(borders="peaks"), "no borders 'peaks'"),
    ],
)
def test_what_cannot_be_done_is_said(method, words):
    with pytest.raises(MethodError, match=words):
        attribution(Game(20), some(1), method, 0)


def test_options_of_lime_are_checked():
    with pytest.raises(MethodError, match="The width of lime is 0"):
        LIME(width=0)
    with pytest.raises(MethodError, match="The ridge of lime is -1"):
        LIME(ridge=-1)


@pytest.mark.parametrize("budget", [3, 16, 40, 200])
def test_the_default_number_of_segments_fits_the_budget(budget):
    for name in ("lime", "kernel_shap"):
        done = attribution(Game(20), some(1), name, 0, budget=budget)
        assert done.forwards <= budget + 1
        assert done.maps[name].isfinite().all()
