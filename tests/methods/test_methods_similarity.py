"""BiLRP: the relevance of a similarity, against the explicit loop over features and against a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from matxai.engine import Backward, Needs, composite, merge, run, targets
from matxai.errors import LayerError, MethodError
from matxai.methods import similarity


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 2, 9, 8, dtype=torch.float64, generator=generator) for _ in range(2))


def by_the_loop(net, x, layer, rule, size):
    """Relevance of each feature by itself, (M, B, C, H, W), one run for each."""
    plan = merge([Needs(backwards=(Backward(rule, at_input=True),))])
    return torch.stack(
        [run(net, x, plan, target=targets.neuron(layer, m)).relevance(rule, "input") for m in range(size)]
    )


def in_cells(relevance, grid):
    """Sums over cells by two loops over pixels: (M, B, *grid)."""
    out = relevance.new_zeros(*relevance.shape[:2], *grid)
    height, width = relevance.shape[-2:]
    for i in range(height):
        for j in range(width):
            out[..., i * grid[0] // height, j * grid[1] // width] += relevance[..., i, j].sum(2)
    return out


@pytest.mark.parametrize("name", ["epsilon", "epsilon_plus"])
def test_it_equals_the_double_loop(make_gap_net, pair, name):
    net, rule = make_gap_net(2).double(), composite(name)
    net_before = {k: v.clone() for k, v in net.state_dict().items()}
    one, two = (by_the_loop(net, x, "5", rule, 8) for x in pair)
    phi, psi = (net[:6](x).mean((2, 3)).detach() for x in pair)
    got = similarity(net, *pair, layer="5", composite=name, joint=(3, 2))
    assert (got.forwards, got.backwards) == (1, 9)
    assert torch.allclose(got.score, (phi * psi).sum(1))
    assert torch.allclose(got.maps[0], torch.einsum("mbchw,bm->bchw", one, psi), rtol=1e-6, atol=1e-10)
    assert torch.allclose(got.maps[1], torch.einsum("mbchw,bm->bchw", two, phi), rtol=1e-6, atol=1e-10)
    a, b = (in_cells(r, (3, 2)) for r in (one, two))
    expected = torch.zeros(2, 3, 2, 3, 2, dtype=torch.float64)
    for m in range(8):
        for i in range(2):
            expected[i] += a[m, i][:, :, None, None] * b[m, i]
    assert torch.allclose(got.joint, expected, rtol=1e-6, atol=1e-10)
    assert all(torch.equal(v, net_before[k]) for k, v in net.state_dict().items())


def test_a_linear_model_has_a_closed_form(pair):
    """phi = W x: R_ii' = sum_m x_i W_mi W_mi' x'_i', and everything sums to the similarity."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 5, bias=False), nn.Linear(5, 2)).double()
    W = net[1].weight.detach()
    got = similarity(net, *pair, layer="1", composite="epsilon", joint=(9, 8))
    one, two = (x.flatten(1) for x in pair)
    c, d = W * one[:, None], W * two[:, None]  # (B, M, pixels)
    assert torch.allclose(got.maps[0].flatten(1), torch.einsum("bmi,bm->bi", c, d.sum(2)), rtol=1e-6)
    expected = torch.einsum("bmchw,bmdij->bhwij", *(t.view(2, 5, 2, 9, 8) for t in (c, d)))
    assert torch.allclose(got.joint, expected, rtol=1e-6, atol=1e-10)
    for whole in (got.joint, *got.maps):
        assert torch.allclose(whole.flatten(1).sum(1), got.score, rtol=1e-6)


def test_random_directions_estimate_the_joint_tensor(make_gap_net, pair):
    net = make_gap_net(2).double()
    exact = similarity(net, *pair, layer="5", joint=2)
    errors = []
    for draws in (4, 256):
        got = similarity(net, *pair, layer="5", joint=2, draws=draws, seed=1)
        assert got.backwards == 1 + draws
        assert torch.equal(got.maps[0], exact.maps[0])
        errors.append(float((got.joint - exact.joint).norm() / exact.joint.norm()))
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.2
    again = similarity(net, *pair, layer="5", joint=2, draws=4, seed=1)
    assert torch.equal(again.joint, similarity(net, *pair, layer="5", joint=2, draws=4, seed=1).joint)


def test_features_value_by_value(make_gap_net, pair):
    net = make_gap_net(2).double()
    got = similarity(net, *pair, layer="5", pool=False, composite="epsilon")
    phi, psi = (net[:6](x).detach().flatten(1) for x in pair)
    assert torch.allclose(got.score, (phi * psi).sum(1))
    leaf = pair[0].clone().requires_grad_()
    ((net[:6](leaf).flatten(1) * psi).sum()).backward()  # LRP-0 is gradient x input on a ReLU net
    assert torch.allclose(got.maps[0], leaf.grad * pair[0], rtol=1e-4, atol=1e-9)
    assert got.joint is None


def test_bad_input_is_named(make_gap_net, pair):
    net = make_gap_net(2).double()
    for options, error, words in (
        ({"joint": 12}, MethodError, r"no grid over an input of \(9, 8\)"),
        ({"draws": 3}, MethodError, "joint= as well"),
        ({"joint": 2, "draws": 0}, MethodError, "1 or more"), ({"layer": "55"}, LayerError, "55"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            similarity(net, *pair, **options)
    with pytest.raises(MethodError, match="they need one shape"):
        similarity(net, pair[0], pair[1][..., 1:])
