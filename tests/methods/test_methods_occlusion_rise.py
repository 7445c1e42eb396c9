"""Occlusion and RISE against captum, closed forms, and themselves in other chunks, batches and dimensions."""

from __future__ import annotations

import itertools

import captum.attr
import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.engine import memory
from matxai.errors import MethodError
from matxai.methods import LIME, RISE, KernelSHAP, Occlusion, attribution
from matxai.opaque import black_box

SIZE = {1: (20,), 2: (9, 11), 3: (5, 6, 7)}


class Linear(nn.Module):
    """Scores (B, 3) that are linear in the input."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, *shape, generator=generator, dtype=torch.float64))
        self.bias = nn.Parameter(torch.randn(3, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bn,kn->bk", x.flatten(1), self.weight.flatten(1)) + self.bias


def some(axes: int, batch: int = 2, channels: int = 2) -> Tensor:
    return torch.randn(batch, channels, *SIZE[axes], generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def half(x: Tensor):
    """A baseline that differs from pixel to pixel."""
    return lambda name: 0.5 * x.roll(1, -1) + (0.1 if name == "blur" else 0.0)


def close(a: Tensor, b: Tensor, tolerance: float = 1e-12) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 2), (4, 3), (5, 1)])
def test_occlusion_equals_captum(make_gap_net, axes, window, stride):
    net, x = make_gap_net(axes).double(), some(axes)
    fill = half(x)("black")
    method = Occlusion(window=window, stride=stride, baseline="black")
    done = attribution(net, x, method, [1, 2], baseline=half(x))
    want = captum.attr.Occlusion(net).attribute(
        x, (2, *(window,) * axes), strides=(2, *(stride,) * axes), target=[1, 2], baselines=fill
    )
    got = done.maps["occlusion:black"]
    assert got.shape == x.shape
    assert close(got.sum(1), want[:, 0], 2e-6)  # captum adds up in single precision
    assert torch.equal(got[:, 0], got[:, 1])  # an equal share in each channel
    positions = 1
    for n in SIZE[axes]:
        positions *= -(-(n - window) // stride) + 1
    assert (done.forwards, done.backwards) == (1 + positions, 0)


def test_the_default_windows_fit_the_budget_and_cover_everything():
    method = Occlusion()
    for size, budget in itertools.product([(1000,), (224, 224), (64, 64), (3, 5), (32, 64, 64), (1, 40)], [1, 7, 512]):
        window, stride, counts = method.geometry(size, budget)
        product = 1
        for n, w, s, c in zip(size, window, stride, counts, strict=True):
            assert 1 <= s <= w <= n
            assert (c - 1) * s + w >= n  # the last window reaches the border
            product *= c
        assert product <= budget
    assert method.geometry((224, 224), 512) == ((20, 20), (10, 10), (22, 22))
    assert method.geometry((1000,), 512) == ((63,), (31,), (32,))
    assert Occlusion(window=0.25, stride=(4, 2)).geometry((32, 20), 512)[:2] == ((8, 5), (4, 2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 2, "stride": 3}, "a longer stride leaves pixels out"),
        ({"window": 2, "stride": 1}, "has 80 positions, more than the budget of 50; give a budget of 80"),
        ({"window": 1}, "has 99 positions"),
        ({"window": 12}, "12 on an axis of 9 pixels; give pixels"),
        ({"window": (3, 3, 3)}, r"\(3, 3, 3\); give pixels \(an integer\) or a share"),
        ({"window": 1.5}, "1.5 on an axis"),
        ({"window": True}, "is True"),
        ({"stride": 0}, "The stride of occlusion is 0"),
    ],
)
def test_occlusion_says_what_is_wrong(options, words):
    with pytest.raises(MethodError, match=words):
        attribution(Linear((2, *SIZE[2])), some(2), Occlusion(budget=50, **options), 0)


def test_occlusion_has_no_tolerance():
    with pytest.raises(MethodError, match="draws nothing at random"):
        Occlusion(tolerance=0.1)


def weights_of(pixels: int, cell: int) -> Tensor:
    """For each shift of the grid: how much each of its nodes counts at each pixel, (cell, pixels, nodes)."""
    at = (torch.arange(pixels)[None] + torch.arange(cell)[:, None]).double() / cell
    low = at.floor()
    found = torch.zeros(cell, pixels, int(low.max()) + 2, dtype=torch.float64)
    found.scatter_(2, low.long()[..., None], (1 - (at - low))[..., None])
    found.scatter_add_(2, (low.long() + 1)[..., None], (at - low)[..., None])
    return found


@pytest.mark.parametrize(("axes", "level"), [(1, False), (2, False), (3, False), (2, True)])
def test_rise_is_within_its_error_of_the_closed_form_on_a_linear_model(axes, level):
    """E[f(x m + b (1 - m)) m(v)] / p = f(b) + sum_u w_u (x_u - b_u) E[m_u m_v] / p, with E[m_u m_v] of all shifts.

    Without its level, E[f] = f(b) + p sum_u w_u (x_u - b_u).
    """
    size, grid, p = SIZE[axes], 3, 0.4
    x = some(axes)
    net = Linear((2, *size))
    method = RISE(grid=grid, p=p, budget=5000, level=level)
    done = attribution(net, x, method, matxai.targets.each(0, 2), baseline=half(x), seed=5)
    fill = half(x)("blur")
    moment = torch.ones(1, 1, dtype=torch.float64)
    for n in size:
        w = weights_of(n, -(-n // grid))
        moment = torch.kron(moment, torch.einsum("sun,svn->uv", w, w) / len(w))
    moment = p**2 + p * (1 - p) * moment
    terms = torch.einsum("tcn,bcn->tbn", net.weight[[0, 2]].flatten(2), (x - fill).flatten(2))
    moment = moment / p - (0 if level else p)
    base = net(fill)[:, [0, 2]].T.detach()[..., None] if level else 0
    want = (base + terms.detach() @ moment).view(2, 2, *size)
    mean = net(fill)[:, [0, 2]].T.detach() + p * terms.sum(-1).detach()
    assert torch.allclose(done.figures["rise"]["level"], mean, atol=0.15 * float(mean.abs().max()))
    got, error = (done.maps[k].sum(2) for k in ("rise", "rise:standard_error"))
    off = (got - want) / error
    assert off.abs().max() < 5
    assert 0.3 < off.square().mean().sqrt() < 2.0  # neither exact nor wrong: as far off as the error says
    assert error.max() < 0.2 * want.std()
    assert (done.forwards, done.backwards) == (5001, 0)


def test_the_masks_of_rise_are_left_in_with_p_everywhere_and_differ_by_seed():
    x = torch.zeros(1, 1, 10, 7, dtype=torch.float64)
    boxed = black_box(lambda a: a.reshape(len(a), -1)[:, :2])
    seen = []

    class Spy(RISE):
        def masks(self, numbers, size, copies):
            seen.append(super().masks(numbers, size, copies))
            return seen[-1]

    attribution(boxed, x, Spy(grid=4, p=0.3, budget=3000), 0)
    masks = torch.cat(seen)
    assert masks.min() >= 0
    assert masks.max() <= 1
    spread = masks.std(0) / 3000**0.5
    assert ((masks.mean(0) - 0.3).abs() < 5 * spread).all()
    seen.clear()
    attribution(boxed, x, Spy(grid=4, p=0.3, budget=8), 0)
    first = torch.cat(seen)
    assert torch.equal(first, masks[:8])
    seen.clear()
    attribution(boxed, x, Spy(grid=4, p=0.3, budget=8), 0, seed=1)
    assert not torch.equal(torch.cat(seen), first)


@pytest.mark.parametrize("name", ["occlusion", "rise", "lime", "kernel_shap"])
def test_maps_depend_neither_on_chunks_nor_on_the_batch(make_gap_net, monkeypatch, name):
    net, x = make_gap_net(2).double(), some(2, batch=3)
    kwargs = {"target": 1, "budget": 90, "seed": 2}
    want = attribution(net, x, name, **kwargs)
    monkeypatch.setitem(memory.LARGEST, "cpu", 7)
    chunked = attribution(net, x, name, **kwargs)
    alone = attribution(net, x[1:2], name, **kwargs)
    for key, map_ in want.maps.items():
        assert close(chunked.maps[key], map_)
        assert close(alone.maps[key], map_[1:2])
    assert chunked.forwards == want.forwards


@pytest.mark.parametrize("name", ["rise", "lime", "kernel_shap"])
def test_a_tolerance_ends_it_at_the_same_copy_whatever_the_chunks(make_gap_net, monkeypatch, name):
    net, x = make_gap_net(2).double(), some(2)
    full = attribution(net, x, name, 1, budget=400, seed=2)
    loose = float((full.maps[f"{name}:standard_error"].amax() / full.maps[name].abs().amax()) * 2.5)
    stopped = attribution(net, x, name, 1, budget=400, seed=2, tolerance=loose)
    assert stopped.forwards < full.forwards
    assert (stopped.forwards - 1) % 32 == 0
    error, map_ = stopped.maps[f"{name}:standard_error"], stopped.maps[name]
    assert (error.flatten(1).amax(1) <= loose * map_.abs().flatten(1).amax(1)).all()
    monkeypatch.setitem(memory.LARGEST, "cpu", 7)
    again = attribution(net, x, name, 1, budget=400, seed=2, tolerance=loose)
    assert again.forwards == stopped.forwards
    assert close(again.maps[name], map_)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RISE(p=1.0), "p of rise is 1.0"),
        (lambda: RISE(grid=0), "The grid of rise is 0"),
        (lambda: RISE(grid=2.5), "The grid of rise is 2.5"),
        (lambda: RISE(budget=0), "The budget of rise is 0"),
    ],
)
def test_rise_says_what_is_wrong(make, words):
    with pytest.raises(MethodError, match=words):
        make()


def test_a_grid_fits_the_axes_and_a_baseline_the_input():
    net, x = Linear((2, *SIZE[2])), some(2)
    with pytest.raises(MethodError, match="the input has 2 axes"):
        attribution(net, x, RISE(grid=(3, 3, 3)), 0)
    with pytest.raises(MethodError, match=r"The baseline 'white' is \(1, 2\)"):
        attribution(net, x, "rise:white", 0, baseline=lambda _: torch.zeros(1, 2))


def test_half_precision_comes_back_in_single(make_gap_net):
    net, x = make_gap_net(2), some(2).float()
    want = attribution(net, x, ["occlusion", "rise"], 1, budget=30).maps
    got = attribution(net.bfloat16(), x.bfloat16(), ["occlusion", "rise"], 1, budget=30).maps
    for map_ in got.values():
        assert map_.dtype == torch.float32
        assert map_.isfinite().all()
    assert close(got["rise"], want["rise"], 0.1)


@pytest.mark.parametrize("name", ["occlusion", "rise", "lime", "kernel_shap"])
def test_a_region_like_its_baseline_is_warned_about_where_it_is_larger_than_what_is_replaced(name):
    x = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = Linear((1, 24, 24))
    assert attribution(net, x, f"{name}:black", 0, low=-9.0, budget=40).warnings == ()
    x[..., :16] = -9.0
    (said,) = attribution(net, x, f"{name}:black", 0, low=-9.0, budget=40).warnings
    assert f"{name}:black: a region of 67 % of the input" in said


MIXED = (torch.arange(99) * 7 % 12).view(9, 11)


@pytest.mark.parametrize(
    ("method", "tolerance"), [(RISE(), 0.2), (LIME(segments=MIXED), 0.2), (KernelSHAP(segments=MIXED), 0.1)]
)
def test_with_a_tolerance_a_map_depends_on_no_other_sample_or_target(method, tolerance):
    """Each map stops when it is known well enough, whatever the others still need."""
    x, wanted = some(2, batch=3), [matxai.targets.output(0), matxai.targets.output(2)]
    x[1] *= 4
    net = nn.Sequential(Linear((2, *SIZE[2])), nn.Tanh())
    options = {"budget": 400, "tolerance": tolerance}
    together = attribution(net, x, method, matxai.targets.each(*wanted), **options)
    forwards = set()
    for t, b in itertools.product(range(2), range(3)):
        one = attribution(net, x[b : b + 1], method, wanted[t], **options)
        forwards.add(one.forwards)
        for key, map_ in one.maps.items():
            assert close(together.maps[key][t, b : b + 1], map_)
    assert len(forwards) > 1  # they do stop at different copies
    assert together.forwards == max(forwards)
