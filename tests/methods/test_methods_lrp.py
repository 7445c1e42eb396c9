"""LRP as users ask for it: a rule of its own at the first layer, a table of rules, and no option without effect."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from matxai.engine import At, Composite, LinearRule, composite
from matxai.errors import MethodError
from matxai.methods import LRP, attribute, attribution


@pytest.fixture
def dense():
    """Two linear layers on four values: every rule can be written out. Each unit gets values of both signs."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False)).double()
    net[1].weight.data.abs_().add_(0.1)
    return net


@pytest.fixture
def x():
    values = torch.rand(3, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    return values * torch.tensor([2.0, 1.0, -0.5, -1.0])


def at_first(net, x, target, share):
    """Relevance of the input, given how the first layer shares out what its outputs have by the epsilon rule."""
    W, V = net[1].weight.detach(), net[3].weight.detach()
    a = (x.flatten(1) @ W.T).clamp(min=0)
    R = a * V[target]  # epsilon at the last layer: each unit's own contribution
    parts = share(W, x.flatten(1))  # (B, units, inputs)
    return (parts / parts.sum(-1, keepdim=True) * R[..., None]).sum(1).view_as(x)


def box(W, x):
    return W * x[:, None] - W.clamp(min=0) * -3 - W.clamp(max=0) * 4


SHARES = {
    "flat": (lambda W, x: torch.ones_like(W).expand(len(x), -1, -1), {}),
    "w_square": (lambda W, x: W.square().expand(len(x), -1, -1), {}),
    "box": (box, {"low": -3.0, "high": 4.0}),
    "z_box": (box, {"low": [-3.0], "high": np.array([4.0])}),
    "epsilon": (lambda W, x: W * x[:, None], {}),
    "gamma": (lambda W, x: W * x[:, None] + 0.5 * (W * x[:, None]).clamp(min=0), {"gamma": 0.5}),
    "z_plus": (lambda W, x: (W * x[:, None]).clamp(min=0), {}),
}


@pytest.mark.parametrize("first", SHARES)
def test_the_rule_of_the_first_layer_is_the_one_asked_for(dense, x, first):
    share, options = SHARES[first]
    got = attribution(dense, x, LRP("epsilon", first=first, **options), 1)
    assert torch.allclose(got.maps["lrp:epsilon"], at_first(dense, x, 1, share), rtol=1e-6, atol=1e-9)
    assert list(got.ledger) == [f"epsilon_{first}"]
    assert torch.allclose(got.maps["lrp:epsilon"].flatten(1).sum(1), got.scores, rtol=1e-6)


def test_alpha_beta_at_the_first_layer(dense, x):
    got = attribute(dense, x, LRP("epsilon", first="alpha_beta", alpha=2.0, beta=1.0), 1)["lrp:epsilon"]
    plus = at_first(dense, x, 1, lambda W, x: (W * x[:, None]).clamp(min=0))
    minus = at_first(dense, x, 1, lambda W, x: (W * x[:, None]).clamp(max=0))
    assert torch.allclose(got, 2 * plus - minus, rtol=1e-6, atol=1e-9)


def test_bounds_of_the_call_reach_the_box_rule_alone(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    named = [LRP(first="box", name="open"), LRP("epsilon_gamma_box", first="flat", name="flat"), "lrp", "saliency"]
    maps = attribute(net, x, named, 1, low=-5.0, high=5.0)
    want = attribute(net, x, LRP(first="box", low=-5.0, high=5.0), 1)["lrp"]
    assert torch.equal(maps["open"], want)
    assert not torch.equal(maps["open"], maps["lrp"])
    assert torch.equal(maps["lrp"], attribute(net, x, "lrp", 1)["lrp"])
    with pytest.raises(MethodError, match="'epsilon_plus_box' needs the lowest and highest value"):
        attribute(net, x, LRP(first="box"), 1)


def test_a_table_of_rules(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    same = LRP(composite("epsilon_plus_flat"))
    assert same.key == "lrp:epsilon_plus_flat"
    got = attribution(net, x, [same, LRP("epsilon_plus_flat", name="named")], 1)
    assert got.backwards == 1  # equal tables are one backward
    assert torch.equal(got.maps["lrp:epsilon_plus_flat"], got.maps["named"])
    mine = Composite("mine", [(At(depth="first"), "w_square")], LinearRule("gamma", gamma=2.0))
    maps = attribute(net, x, [LRP(mine), "lrp"], 1, low=-1, high=1)
    assert list(maps) == ["lrp:mine", "lrp"]
    assert not torch.allclose(maps["lrp:mine"], maps["lrp"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"composite": "epsilon", "gamma": 9, "low": -3}, "gamma, low have no effect in the composite 'epsilon', "),
        ({"composite": "epsilon", "no_positive": "drop"}, "no_positive has no effect"),
        ({"composite": "epsilon_plus", "alpha": 3.0, "beta": 2.0}, "alpha, beta have no effect"),
        ({"composite": "epsilon_gamma", "low": torch.zeros(3)}, "options are against, epsilon, gamma"),
        (
            {"composite": "epsilon_alpha2_beta1", "gamma": 1},
            "options are against, alpha, beta, epsilon, gate, no_positive",
        ),
        ({"composite": "epsilon_gamma_box", "first": "flat", "high": 1}, "'epsilon_gamma_box' with first='flat'"),
        ({"composite": "epsilon", "first": "bax"}, "no first-layer rule 'bax'. Did you mean 'box'"),
        ({"composite": composite("epsilon"), "gamma": 1, "first": "flat"}, "set gamma, first there"),
    ],
)
def test_options_without_effect_are_refused(options, says):
    with pytest.raises(MethodError) as caught:
        LRP(**options)
    assert says in str(caught.value)


def test_options_with_an_effect_are_taken():
    for options in (
        {"composite": "epsilon", "epsilon": 0.25}, {"composite": "epsilon_plus", "no_positive": "drop"},
        {"composite": "epsilon", "first": "gamma", "gamma": 1}, {"composite": "epsilon_gamma_box", "low": 0, "high": 1},
        {"composite": "epsilon_gamma", "gamma": 0.0}, {"composite": "epsilon_alpha2_beta1", "alpha": 3.0, "beta": 2.0},
    ):  # fmt: skip
        assert isinstance(LRP(**options).rule(), Composite)


def test_lrp_is_made_without_torch():
    code = "import sys; from matxai.methods import LRP; LRP('epsilon', first='w_square').rule(); sys.exit('torch' in sys.modules)"  # noqa: E501
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
