"""Every rule against a dense matrix of the same operation, with signed inputs; and what must hold of all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import GRADIENT, At, Composite, LinearRule, composite, run
from matxai.engine.activations import FUNCTIONS, ratio
from matxai.engine.linear import linear_map

OPERATIONS = {
    "linear": (nn.Linear(6, 5), (2, 6)),
    "linear on tokens": (nn.Linear(4, 3), (2, 3, 4)),
    "conv1d same, even kernel": (nn.Conv1d(2, 3, 4, padding="same"), (2, 2, 7)),
    "conv2d stride groups": (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 5, 6)),
    "conv2d dilation": (nn.Conv2d(2, 3, 3, dilation=2, padding=2), (2, 2, 5, 5)),
    "conv3d": (nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
    "transposed 1d": (nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 2, 4)),
    "transposed 2d groups": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (2, 4, 3, 3)
    ),
    "transposed 3d": (nn.ConvTranspose3d(1, 2, 2, stride=2), (2, 1, 2, 2, 2)),
}  # fmt: skip


def rules_of(rule: LinearRule, no_positive: Any = "drop", first: LinearRule | None = None) -> Composite:
    return Composite("test", [] if first is None else [(At(depth="first"), first)], rule, no_positive=no_positive)


def dense(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return W (outputs, inputs) and b (outputs,) of an affine layer for one sample."""
    flat = torch.eye(int(torch.Size(shape[1:]).numel()), dtype=torch.float64)
    with torch.no_grad():
        b = layer(torch.zeros(1, *shape[1:], dtype=torch.float64)).flatten()
        return (layer(flat.view(-1, *shape[1:])).flatten(1) - b).T, b


def guarded(z: Tensor, epsilon: float = 1e-9) -> Tensor:
    return z + torch.copysign(epsilon * z.pow(2).mean().sqrt(), z)


def oracle(name: str, x: Tensor, W: Tensor, b: Tensor, R: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return relevance at x (n,) from relevance R (m,) by the rule's definition on matrices."""
    c = W * x  # contributions (m, n)
    z, zp, zn = c.sum(1) + b, c.clamp(min=0).sum(1) + b.clamp(min=0), c.clamp(max=0).sum(1) + b.clamp(max=0)
    if name == "epsilon":
        return (c * (R / guarded(z))[:, None]).sum(0)
    if name == "z_plus":
        return (c.clamp(min=0) * (R / guarded(zp))[:, None]).sum(0)
    if name == "alpha_beta":
        plus, minus = c.clamp(min=0) * (R / guarded(zp))[:, None], c.clamp(max=0) * (R / guarded(zn))[:, None]
        return (2 * plus - minus).sum(0)
    if name == "gamma":
        positive = (c + 0.25 * c.clamp(min=0)) * (R * (z > 0) / guarded(z + 0.25 * zp))[:, None]
        negative = (c + 0.25 * c.clamp(max=0)) * (R * (z < 0) / guarded(z + 0.25 * zn))[:, None]
        return (positive + negative).sum(0)
    if name == "flat":
        used = (W != 0).to(W)
        return (used * (R / guarded(used.sum(1)))[:, None]).sum(0)
    if name == "w_square":
        return (W**2 * (R / guarded((W**2).sum(1)))[:, None]).sum(0)
    box = c - W.clamp(min=0) * low - W.clamp(max=0) * high
    return (box * (R / guarded(box.sum(1)))[:, None]).sum(0)


@pytest.mark.parametrize("rule", ["epsilon", "z_plus", "gamma", "alpha_beta", "flat", "w_square", "z_box"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_rule_equals_its_definition_on_matrices(name: str, rule: str, relevance: Any) -> None:
    layer, shape = OPERATIONS[name]
    torch.manual_seed(len(name))
    for p in layer.parameters():
        nn.init.normal_(p)
    layer = layer.double()
    x = torch.randn(shape, dtype=torch.float64)
    W, b = dense(layer, shape)
    head = nn.Sequential(layer, nn.Flatten())
    seed = torch.randn(W.shape[0], dtype=torch.float64)
    first = LinearRule(rule, low=-4.0, high=4.0) if rule in ("flat", "w_square", "z_box") else None
    table = rules_of(LinearRule("epsilon" if first else rule), first=first)
    ours = relevance(head, x, table, target=lambda out: out @ seed)
    low, high = (torch.full_like(x[0].flatten(), v) for v in (-4.0, 4.0))
    for sample in range(len(x)):
        flat = x[sample].flatten()
        theirs = oracle(rule, flat, W, b, (W @ flat + b) * seed, low, high)
        assert torch.allclose(ours[sample].flatten(), theirs, rtol=1e-6, atol=1e-9 * theirs.abs().max())


@pytest.mark.parametrize("name", OPERATIONS)
def test_adjoint_is_the_transpose(name: str) -> None:
    layer, shape = OPERATIONS[name]
    layer = layer.double()
    kind = {True: "transposed_convolution", False: "convolution"}["transposed" in name]
    call = {
        k: getattr(layer, k) for k in ("stride", "padding", "dilation", "output_padding", "groups") if hasattr(layer, k)
    }
    map_ = linear_map("linear" if "linear" in name else kind, layer.weight, call)
    x = torch.randn(shape, dtype=torch.float64)
    y = map_.apply(x, layer.weight, layer.bias)
    assert torch.equal(y, layer(x))
    s = torch.randn_like(y)
    back = map_.adjoint(s, layer.weight, x.shape)
    zero = map_.apply(torch.zeros_like(x), layer.weight, layer.bias)
    assert torch.allclose((back * x).sum(), (s * (y - zero)).sum())


def test_lrp_0_is_input_times_gradient_on_bias_free_relu_nets(small_net: nn.Module, plan_of: Any) -> None:
    for m in small_net.modules():
        if getattr(m, "bias", None) is not None:
            nn.init.zeros_(m.bias)
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.zero_()
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    rule = composite("epsilon", epsilon=0)
    got = run(small_net, x, plan_of(rule, GRADIENT), target=[0, 1, 2])
    expected = x * got.gradient(GRADIENT, "input")
    assert (got.relevance(rule, "input") - expected).norm() <= 1e-5 * expected.norm()
    assert torch.allclose(expected.flatten(1).sum(1), got.scores)  # and it sums to the score


@pytest.mark.parametrize(
    "name", ["epsilon", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma", "epsilon_plus_flat"]
)
def test_relevance_sums_to_the_score_without_biases(name: str, relevance: Any, wild_net: Any) -> None:
    net = wild_net(bias=False)
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    total = relevance(net, x, composite(name), target=1).flatten(1).sum(1)
    assert torch.allclose(total, net(x)[:, 1].detach(), rtol=1e-4)


def test_fallback_keeps_what_the_literal_rule_loses(plan_of: Any) -> None:
    """A thin convolution whose outputs are all negative: z+ finds nothing to give relevance to."""
    net = nn.Sequential(nn.Conv1d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2, bias=False)).double()
    nn.init.constant_(net[0].weight, -1.0)
    x = torch.rand(1, 1, 4, dtype=torch.float64) + 0.1
    kept, lost = composite("epsilon_plus"), composite("epsilon_plus", no_positive="drop")
    got = run(net, x, plan_of(kept, lost), target=0)
    score = got.scores
    assert torch.allclose(got.relevance(kept, "input").sum(), score.sum())
    assert got.relevance(lost, "input").abs().sum() == 0
    both = {(r.no_positive): v[0] for r, v in got.balances.items()}
    assert torch.allclose(both["drop"].missing, score)
    assert torch.allclose(both["fallback"].total, score)


def test_the_ledger_adds_up(small_net: nn.Module, plan_of: Any) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    for name in ("epsilon", "epsilon_plus", "epsilon_gamma", "epsilon_alpha2_beta1", "epsilon_plus_flat"):
        rule = composite(name)
        account = run(small_net, x, plan_of(rule), target=1).ledger[name]
        parts = account.total + account.biases + account.stabilisers + account.missing + account.other
        assert torch.allclose(parts, account.score)
        assert account.other.abs().max() < 1e-9 * account.score.abs().max() + 1e-12, name
        assert (account.magnitude >= (account.total / account.score).abs() - 1e-12).all()


def test_dead_units_have_no_relevance(relevance: Any) -> None:
    net = nn.Sequential(nn.Conv1d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4, 1)).double()
    nn.init.ones_(net[0].weight)
    x = torch.tensor([[[3.0, 1.0, -2.0, -4.0]]], dtype=torch.float64)
    nn.init.ones_(net[3].weight)
    nn.init.zeros_(net[3].bias)
    for name in ("epsilon", "epsilon_plus", "epsilon_gamma"):
        assert torch.allclose(relevance(net, x, composite(name), target=1), x.clamp(min=0), atol=1e-6)


def test_one_net_embedded_in_1d_2d_3d_gives_one_map(relevance: Any, embedded: Any) -> None:
    x = torch.randn(2, 3, 16, dtype=torch.float64)
    for name, options in (("epsilon_plus", {}), ("epsilon_gamma_box", {"low": -4.0, "high": 4.0}), ("epsilon", {})):
        maps = []
        for axes in (1, 2, 3):
            wide = x.view(2, 3, *(1,) * (axes - 1), 16)
            maps.append(relevance(embedded(axes), wide, composite(name, **options), target=1).view_as(x))
        assert torch.allclose(maps[0], maps[1], rtol=1e-9)
        assert torch.allclose(maps[0], maps[2], rtol=1e-9)


@pytest.mark.parametrize("base", FUNCTIONS)
def test_ratios_of_activations(base: str) -> None:
    call = {"beta": 1.5, "threshold": 20.0, "min_val": -1.0, "max_val": 1.0, "alpha": 1.0, "scale": 1.0,
            "input_scale": 1.0, "approximate": "none", "min": -0.5, "max": 2.0, "lambd": 0.5, "value": 0.1,
            "exponent": 3.0, "base": 1.5}  # fmt: skip
    x = torch.tensor([-50.0, -4.0, -1.3, -1e-3, -1e-9, 0.0, 1e-12, 1e-4, 0.7, 3.5, 60.0], dtype=torch.float64)
    f = FUNCTIONS[base]
    x = x[f(x, call).isfinite()]  # where the function is defined
    zero = f(torch.zeros(1, dtype=torch.float64), call)
    got = ratio(base, x, call)
    assert torch.isfinite(got).all()
    assert torch.allclose(got * x, f(x, call) - zero, rtol=1e-9, atol=1e-14)
    tiny = ratio(base, torch.tensor([1e-5, 0.0], dtype=torch.float64), call)  # no jump at 0
    assert base == "sqrt" or abs(tiny[0] - tiny[1]) < 1e-4
    assert torch.isfinite(ratio(base, x.float(), call)).all()


def test_gates_are_constants(relevance: Any) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate, self.head = (
                nn.Conv2d(2, 4, 3, bias=False),
                nn.Linear(4, 4),
                nn.Linear(4, 3, bias=False),
            )

        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(self.conv(x))
            y = y * torch.sigmoid(self.gate(y.mean((2, 3))))[:, :, None, None]
            return self.head(y.mean((2, 3)))

    net = Gated().double()
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64)
    for name in ("epsilon", "epsilon_plus"):
        total = relevance(net, x, composite(name), target=0).flatten(1).sum(1)
        assert torch.allclose(total, net(x)[:, 0].detach(), rtol=1e-4)


def test_first_layer_rules_reach_through_normalisation_inside_the_model(relevance: Any, embedded: Any) -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = embedded(2)
            self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]).double().view(1, 3, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(F.pad((x - self.mean) / 0.5, (1, 1)))

    x = torch.randn(2, 3, 1, 16, dtype=torch.float64)
    model = Normalised()
    inner = F.pad((x - model.mean) / 0.5, (1, 1))
    rule = composite("epsilon_plus_flat")
    expected = relevance(model.net, inner, rule, target=1)[..., 1:-1]
    assert torch.allclose(relevance(model, x, rule, target=1), expected)
