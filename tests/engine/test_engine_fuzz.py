"""Random small networks from a seed: whatever they are put together of, the engine gives what PyTorch gives."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import GRADIENT, composite, run
from matxai.errors import OperationError

CHANNELS = 4
LRP_0 = composite("epsilon", epsilon=0)
State = dict[str, Any]
Step = Callable[[Tensor, Tensor, State], Tensor]


def residual(y: Tensor, x: Tensor, s: State) -> Tensor:
    return y + torch.relu(s["conv"](y))


def added_in_place(y: Tensor, x: Tensor, s: State) -> Tensor:
    z = s["conv"](y)
    z += y
    return z


def early(y: Tensor, x: Tensor, s: State) -> Tensor:
    return torch.cat([y[:, :2], x[:, :2]], 1)


def reused(y: Tensor, x: Tensor, s: State) -> Tensor:
    for _ in range(2):
        y = s["act"](s["conv"](y))
    return y


def normed(y: Tensor, x: Tensor, s: State) -> Tensor:
    return s["norm"](s["conv"](y))


def norm_alone(y: Tensor, x: Tensor, s: State) -> Tensor:
    return s["act"](s["norm"](y + x))


def written_on_views(y: Tensor, x: Tensor, s: State) -> Tensor:
    y = s["conv"](y)
    y[:, 1:3].relu_()
    y[:, 0] += x[:, 1]
    y[:, :, ::2].mul_(0.5)
    return y


def buffer(y: Tensor, x: Tensor, s: State) -> Tensor:
    z = torch.zeros_like(y)
    for i in range(CHANNELS):
        z[:, i] = y[:, CHANNELS - 1 - i] - 0.5 * x[:, i]
    return z


def statement(y: Tensor, x: Tensor, s: State) -> Tensor:
    y = s["conv"](y)
    s["act"](y)
    return y


def gate(y: Tensor, x: Tensor, s: State) -> Tensor:
    return y * torch.sigmoid(s["point"](y.mean(-1, keepdim=True)))


def gate_written(y: Tensor, x: Tensor, s: State) -> Tensor:
    g = torch.sigmoid(s["point"](y))
    return y.clone().mul_(g)


def pooled(y: Tensor, x: Tensor, s: State) -> Tensor:
    z = F.max_pool1d(y, 3, 1, 1)
    z.add_(F.avg_pool1d(y, 3, 1, 1))
    return z


def resized(y: Tensor, x: Tensor, s: State) -> Tensor:
    return F.interpolate(F.max_pool1d(y, 2), scale_factor=2, mode="linear")


def pieces(y: Tensor, x: Tensor, s: State) -> Tensor:
    a, b = y.chunk(2, 1)
    return torch.cat([torch.relu(b), a + b], 1)


def turned(y: Tensor, x: Tensor, s: State) -> Tensor:
    return s["linear"](y.transpose(1, 2)).transpose(1, 2).flip(-1)


def masked(y: Tensor, x: Tensor, s: State) -> Tensor:
    y = y.clone()
    y[y < 0] = 0
    return y


def overwritten(y: Tensor, x: Tensor, s: State) -> Tensor:
    z = torch.tanh(y)
    z.mul_(2).add_(y)
    return z


def smooth(y: Tensor, x: Tensor, s: State) -> Tensor:
    return F.gelu(s["conv"](y)) + F.silu(y, inplace=False)


def layer_normed(y: Tensor, x: Tensor, s: State) -> Tensor:
    return F.layer_norm(y, y.shape[-1:]) + y


PIECEWISE: tuple[Step, ...] = (
    residual, added_in_place, early, reused, normed, norm_alone, written_on_views, buffer, statement, pooled, resized,
    pieces, turned, masked,
)  # fmt: skip
OTHERS: tuple[Step, ...] = (gate, gate_written, overwritten, smooth, layer_normed)


class Random(nn.Module):
    """Some steps of those above, drawn from a seed; ``biases=False``: none, and batch norms without shift."""

    def __init__(self, seed: int, steps: tuple[Step, ...], *, biases: bool = True) -> None:
        super().__init__()
        draw = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        self.steps = draw.choices(steps, k=draw.randint(3, 6))
        self.parts = nn.ModuleList(
            nn.ModuleDict({
                "conv": nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1, groups=draw.choice((1, 2)), bias=biases),
                "point": nn.Conv1d(CHANNELS, CHANNELS, 1, bias=biases),
                "linear": nn.Linear(CHANNELS, CHANNELS, bias=biases),
                "norm": nn.BatchNorm1d(CHANNELS),
                "act": nn.ReLU(inplace=draw.random() < 0.7),
            })
            for _ in self.steps
        )  # fmt: skip
        self.head = nn.Linear(CHANNELS, 3, bias=biases)
        for p in self.parameters():
            p.data = 0.6 * torch.randn(p.shape, generator=generator)
        for part in self.parts:
            part["norm"].running_var.uniform_(0.5, 1.5, generator=generator)
            if biases:
                part["norm"].running_mean.normal_(0, 0.3, generator=generator)
            else:
                part["norm"].bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for step, part in zip(self.steps, self.parts, strict=True):
            y = step(y, x, part)
        return self.head(y.mean(-1))

    def __repr__(self) -> str:
        return " -> ".join(s.__name__ for s in self.steps)


def inputs(seed: int, batch: int = 3) -> Tensor:
    return torch.randn(batch, CHANNELS, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slopes(module: nn.Module, x: Tensor, target: int, h: float = 1e-6) -> Tensor:
    moves = h * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    with torch.no_grad():
        rows = [(module(s + moves)[:, target] - module(s - moves)[:, target]) / (2 * h) for s in x]
    return torch.stack(rows).view_as(x)


@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed: int, plan_of: Any, untouched: Any) -> None:
    net, x = Random(seed, PIECEWISE + OTHERS).double().eval(), inputs(seed)
    with torch.no_grad():
        own = copy.deepcopy(net)(x.clone())
    # PyTorch's linear on a transposed input has other last digits with a graph than without
    with_graph = copy.deepcopy(net).requires_grad_(False)(x.clone().requires_grad_() * 1).detach()
    expected = slopes(net, x, 1)
    with untouched(net):
        exact = run(net, x, plan_of(GRADIENT), target=1, exact=True)
        got = run(net, x, plan_of(GRADIENT), target=1)
        alone = run(net, x[1:2], plan_of(GRADIENT), target=1)
    assert torch.equal(exact.output, own) or torch.equal(exact.output, with_graph), net
    assert (got.output - own).abs().max() <= 1e-12 * own.abs().max(), net
    size = expected.abs().max() + 1e-3
    for found in (exact, got):
        assert (found.gradient(GRADIENT, "input") - expected).abs().max() < 1e-6 * size, net
    assert torch.allclose(exact.gradient(GRADIENT, "input"), got.gradient(GRADIENT, "input"), rtol=1e-9, atol=1e-12)
    difference = (alone.gradient(GRADIENT, "input") - got.gradient(GRADIENT, "input")[1:2]).abs().max()
    assert difference <= 1e-12 * size, net


@pytest.mark.parametrize("seed", range(16))
def test_relevance_of_random_piecewise_linear_networks(seed: int, plan_of: Any, untouched: Any) -> None:
    """Without biases epsilon LRP is gradient x input, its sum the score; z+ keeps the sum too, whatever the sample."""
    net, x = Random(seed, PIECEWISE, biases=False).double().eval(), inputs(seed)
    plus = composite("epsilon_plus")
    with untouched(net):
        got = run(net, x, plan_of(LRP_0, plus, GRADIENT), target=1)
        alone = run(net, x[1:2], plan_of(plus), target=1)
    relevance = got.relevance(LRP_0, "input")
    size = relevance.abs().max()
    assert (relevance - x * got.gradient(GRADIENT, "input")).abs().max() < 1e-7 * size, net
    assert torch.allclose(relevance.flatten(1).sum(1), got.scores, rtol=1e-6, atol=1e-7 * float(size)), net
    balance = got.ledger["epsilon_plus"]
    whole = balance.total + balance.biases + balance.stabilisers + balance.missing + balance.other
    assert torch.allclose(whole, got.scores), net
    one, both = alone.relevance(plus, "input"), got.relevance(plus, "input")[1:2]
    assert (one - both).abs().max() < 1e-9 * both.abs().max(), net


@pytest.mark.parametrize("seed", range(100, 112))
def test_relevance_of_other_random_networks_is_conserved_or_refused(seed: int, plan_of: Any, untouched: Any) -> None:
    net, x = Random(seed, PIECEWISE + OTHERS, biases=False).double().eval(), inputs(seed)
    rule = composite("epsilon")
    with untouched(net):
        try:
            got = run(net, x, plan_of(rule), target=1)
        except OperationError as error:
            assert "LRP cannot pass the operation" in str(error)  # noqa: PT017 - either is right
            return
    balance = got.ledger["epsilon"]
    assert torch.isfinite(got.relevance(rule, "input")).all(), net
    whole = balance.total + balance.biases + balance.stabilisers + balance.missing + balance.other
    assert torch.allclose(whole, got.scores), net
