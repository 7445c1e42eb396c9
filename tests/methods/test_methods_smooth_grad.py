"""SmoothGrad, its square and its variance: closed forms, captum's statistics with the same noise, stopping, counts."""

from __future__ import annotations

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import nn

import matxai
from matxai.engine.copies import Copies
from matxai.errors import MethodError
from matxai.methods import SmoothGrad, attribution, resolve


class Quadratic(nn.Module):
    """Two scores x^T A x over all values of a sample."""

    def __init__(self, n: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.a = torch.randn(2, n, n, dtype=torch.float64, generator=generator)

    def forward(self, x):
        flat = x.flatten(1)
        return torch.stack([((flat @ a) * flat).sum(1) for a in self.a], 1)


@pytest.fixture
def x():
    return torch.randn(2, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def test_it_is_the_gradient_where_the_score_is_linear(x):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 3)).double().eval()
    found = matxai.attribute(net, x, ["saliency", "smooth_grad", "smooth_grad:variance", "smooth_grad:square"], 1)
    torch.testing.assert_close(found["smooth_grad"], found["saliency"], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found["smooth_grad:square"], found["saliency"] ** 2, rtol=1e-12, atol=1e-14)
    for key in ("smooth_grad:variance", "smooth_grad:standard_error", "smooth_grad:square:standard_error"):
        assert found[key].abs().max() < 1e-14, key


def test_on_a_quadratic_form_mean_and_variance_are_within_their_errors_of_the_closed_form(x):
    net, noise = Quadratic(6), 0.2
    methods = [SmoothGrad(statistic=s, noise=noise, budget=800) for s in ("mean", "square", "variance")]
    found = matxai.attribute(net, x, methods, 1)
    both = net.a[1] + net.a[1].T
    sigma = noise * (x.flatten(1).amax(1) - x.flatten(1).amin(1))
    mean = (x.flatten(1) @ both).view_as(x)
    variance = (sigma[:, None] ** 2 * both.square().sum(1)).view_as(x)
    for key, want in (
        ("smooth_grad", mean), ("smooth_grad:square", mean**2 + variance), ("smooth_grad:variance", variance),
    ):  # fmt: skip
        error = found[f"{key}:standard_error"]
        assert ((found[key] - want).abs() < 4 * error).all(), key
        assert (error < 0.12 * want.abs().max()).all(), key


def test_statistics_are_captums_with_the_same_noise(make_gap_net, make_input, monkeypatch):
    net, x = make_gap_net(2).double(), make_input(2).double()
    drawn = Copies(net, matxai.engine.run(net, x, matxai.engine.Plan())).normal(range(6), purpose="smooth_grad")
    spread = 0.15 * (x.flatten(1).amax(1) - x.flatten(1).amin(1))
    noise = (drawn * spread.view(-1, 1, 1, 1)).transpose(0, 1).flatten(0, 1)  # captum: the copies of a sample together
    monkeypatch.setattr(torch, "normal", lambda mean, _: mean + noise)
    tunnel = NoiseTunnel(Saliency(net))
    found = matxai.attribute(net, x, [SmoothGrad(statistic=s, budget=6) for s in ("mean", "square", "variance")], 1)
    for key, kind, factor in (
        ("smooth_grad", "smoothgrad", 1), ("smooth_grad:square", "smoothgrad_sq", 1),
        ("smooth_grad:variance", "vargrad", 6 / 5),  # captum divides by n
    ):  # fmt: skip
        want = tunnel.attribute(x, nt_type=kind, nt_samples=6, stdevs=1.0, target=1, abs=False) * factor
        torch.testing.assert_close(found[key], want, rtol=1e-8, atol=1e-14)


def test_chunks_batches_and_precision_change_nothing(make_gap_net, make_input, monkeypatch):
    net, x = make_gap_net(1).double(), make_input(1).double()
    want = matxai.attribute(net, x, "smooth_grad", 1, budget=20, tolerance=0.3)
    monkeypatch.setattr(Copies, "_size", lambda *_, **__: 3)
    got = matxai.attribute(net, x, "smooth_grad", 1, budget=20, tolerance=0.3)
    one = matxai.attribute(net, x[1:2], "smooth_grad", 1, budget=20, tolerance=0.3)
    for key, value in want.items():
        torch.testing.assert_close(got[key], value, rtol=1e-11, atol=1e-15)
        torch.testing.assert_close(one[key], value[1:2], rtol=1e-11, atol=1e-15)
    single = matxai.attribute(net.float(), x.float(), "smooth_grad", 1, budget=20, tolerance=0.3)["smooth_grad"]
    assert single.dtype == torch.float32
    assert (single - want["smooth_grad"]).abs().max() < 1e-4 * want["smooth_grad"].abs().max()


def test_passes_are_counted_and_planned(make_gap_net, make_input):
    net, x, target = make_gap_net(2), make_input(2), matxai.targets.each(0, 2)
    planned = matxai.plan(["smooth_grad", "saliency"])
    assert (planned.forwards, planned.backwards, planned.copies) == (65, 65, 64)
    assert "at most 64 perturbed copies: one forward each, 64 of them one backward" in planned.describe()
    result = attribution(net, x, ["smooth_grad", SmoothGrad(statistic="square", budget=3)], target, budget=5)
    assert (result.forwards, result.backwards) == (1 + 5 + 3, 2 * (5 + 3))
    assert (result.plan.forwards, result.plan.backwards) == (9, 16)
    assert result.maps["smooth_grad"].shape == result.maps["smooth_grad:standard_error"].shape == (2, *x.shape)
    assert result.figures == {"smooth_grad": {"copies": 5}, "smooth_grad:square": {"copies": 3}}


def test_a_tolerance_stops_at_a_multiple_of_eight_copies_once_the_error_is_below(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    result = attribution(net, x, "smooth_grad", 1, budget=200, tolerance=0.2)
    count = result.figures["smooth_grad"]["copies"]
    assert 8 <= count < 200
    assert count % 8 == 0
    assert result.forwards == 1 + count
    value, error = (result.maps[k].abs().flatten(1).amax(1) for k in ("smooth_grad", "smooth_grad:standard_error"))
    assert (error <= 0.2 * value).all()
    of_object = attribution(net, x, SmoothGrad(budget=200, tolerance=0.5), 1, tolerance=0.01)
    assert of_object.figures["smooth_grad"]["copies"] <= count


def test_the_seed_is_the_callers(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    maps = [matxai.attribute(net, x, "smooth_grad", 1, budget=2, seed=s)["smooth_grad"] for s in (0, 0, 1)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise": 0.0}, "The noise of smooth_grad is 0.0; it is a fraction of the input's range"),
        ({"statistic": "median"}, "SmoothGrad has no statistic 'median'"),
        ({"budget": 0}, "The budget of smooth_grad is 0; it is the number of copies"),
        ({"tolerance": 2.0}, "The tolerance of smooth_grad is 2.0; it is a share"),
        ({"statistic": "variance", "budget": 1}, "a variance needs at least 2 copies"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(MethodError, match=sentence):
        SmoothGrad(**options)


def test_variants_have_their_names():
    assert [m.key for m in resolve([SmoothGrad(), SmoothGrad(statistic="square"), SmoothGrad(statistic="variance")])] \
        == ["smooth_grad", "smooth_grad:square", "smooth_grad:variance"]  # fmt: skip
