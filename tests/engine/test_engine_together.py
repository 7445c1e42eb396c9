"""Several targets from one forward, pulled back at once: the same as one by one, counted as that many backwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import DECONVNET, GRADIENT, GUIDED, Backward, Needs, composite, merge, run, targets, together
from matxai.errors import LayerError

RULES = (GRADIENT, GUIDED, DECONVNET)
PLAN = merge([Needs(True, tuple(Backward(r, at_input=True, at_layers=True) for r in RULES))], targets=3)
LRP = composite("epsilon_plus")


@pytest.fixture
def grads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call of autograd was for several targets."""
    seen: list[bool] = []
    grad = torch.autograd.grad

    def counted(*args: Any, **options: Any) -> Any:
        seen.append(torch._C._functorch.is_batchedtensor(args[2]))
        return grad(*args, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return seen


def close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= 1e-12 * b.abs().max())


class Strict(torch.autograd.Function):
    """A function of the model's own whose backward asks for a value, which no backward for several can tell."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 2 if float(g.abs().sum()) >= 0 else g


class WithStrict(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return Strict.apply(self.body(x))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_together_is_the_same_as_one_by_one(
    small_net: nn.Module, grads: list[bool], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(3)).double()
    three = targets.each(1, [0, 3], targets.contrast(2, 0))
    monkeypatch.setattr(together, "at_once", lambda _x, count: min(size, count))
    grads.clear()
    got = run(small_net, x, PLAN, target=three, layers=["pool", "conv2"])
    assert grads == ([True] * 3 * (2 if size == 2 else 1) if size > 1 else [False] * 9)
    assert (got.forwards, got.backwards) == (1, 9)
    for i, target in enumerate(three.targets):
        alone = run(small_net, x, PLAN, target=target, layers=["pool", "conv2"])
        assert torch.equal(got.scores[i], alone.scores)
        for rule in RULES:
            for place in ("input", "pool", "conv2"):
                assert close(got.gradient(rule, place)[i], alone.gradient(rule, place))


@pytest.mark.parametrize("wild", [False, True])
def test_every_way_of_writing_goes_together(wild_net: Any, embedded: Any, grads: list[bool], wild: bool) -> None:
    net = wild_net() if wild else embedded(3)
    x = torch.randn(2, 3, *(8,) * (2 if wild else 3), generator=torch.Generator().manual_seed(3)).double()
    plan = merge([Needs(backwards=(Backward(GRADIENT, at_input=True),))], targets=2)
    if not wild:
        x = x[..., :1, :1, :].expand(2, 3, 1, 1, 8).contiguous()
    grads.clear()
    both = run(net, x, plan, target=targets.each(0, 2))
    assert grads == [True]
    for i, target in enumerate((0, 2)):
        assert close(both.gradient(GRADIENT, "input")[i], run(net, x, plan, target=target).gradient(GRADIENT, "input"))


def test_what_cannot_go_together_goes_one_by_one(small_net: nn.Module, grads: list[bool]) -> None:
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(3)).double()
    net = WithStrict(small_net)
    plan = merge([Needs(backwards=(Backward(GRADIENT, at_input=True),))], targets=2)
    told: list[tuple[int, int, str]] = []
    for tried in (1, 0):  # the second call knows
        grads.clear()
        told.clear()
        both = run(net, x, plan, target=targets.each(0, 2), progress=lambda *a: told.append(a))
        assert grads == [True] * tried + [False] * 2
        assert (both.forwards, both.backwards) == (1, 2)
        assert told[-1] == (3, 3, "done")
    expected = run(small_net, x, plan, target=targets.each(0, 2))
    assert close(both.gradient(GRADIENT, "input"), 2 * expected.gradient(GRADIENT, "input"))


def test_relevance_and_exact_gradients_go_one_by_one(small_net: nn.Module, grads: list[bool]) -> None:
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(3)).double()
    lrp = merge([Needs(backwards=(Backward(LRP, at_input=True),))], targets=2)
    run(small_net, x, lrp, target=targets.each(0, 2))
    run(small_net, x, PLAN, target=targets.each(0, 2, 1), layers=["pool"], exact=True)
    assert True not in grads


def test_a_layer_behind_the_scores_is_an_error(grads: list[bool]) -> None:
    class Side(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(1, 2, 3), nn.Conv1d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x).mean(-1) + 0 * self.b(x).detach().sum()

    plan = merge([Needs(True, (Backward(GRADIENT, at_input=True, at_layers=True),))], targets=2)
    with pytest.raises(LayerError, match="does not depend on layer 'b'"):
        run(Side(), torch.randn(1, 1, 8), plan, target=targets.each(0, 1), layers=["b"])
    assert grads == [True]


def test_no_more_go_together_than_memory_takes() -> None:
    assert together.at_once(torch.zeros(1, 3, 8, 8), 5) == 5
    assert together.at_once(torch.zeros(16, 3, 8, 8), 5) == 2
    assert together.at_once(torch.zeros(100, 3, 8, 8), 5) == 1
