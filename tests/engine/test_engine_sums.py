"""Sums of two live tensors and operations without a rule: what the options of a composite do with them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import Composite, composite, run
from matxai.errors import MethodError, OperationError

X = torch.tensor([[1.0, 2.0, -3.0, 0.5], [0.3, -1.0, 2.0, 4.0]], dtype=torch.float64)


class Residual(nn.Module):
    """w . (x + f * (W x)), by whatever spelling; W and w are fixed."""

    def __init__(self, spelling: str = "a + b") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.branch, self.head = nn.Linear(4, 4, bias=False).double(), nn.Linear(4, 3, bias=False).double()
        for p in self.parameters():
            p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        self.spelling = spelling

    def forward(self, x: Tensor) -> Tensor:
        a, b = x, self.branch(x)
        if self.spelling == "iadd":
            b += a
            return self.head(b)
        made = {"a + b": a + b, "b + a": b + a, "alpha": torch.add(a, b, alpha=0.5), "a - b": a - b,
                "rsub": torch.rsub(b, a, alpha=2)}  # fmt: skip
        return self.head(made[self.spelling])


FACTORS = {"a + b": (1, 1), "b + a": (1, 1), "iadd": (1, 1), "alpha": (1, 0.5), "a - b": (1, -1), "rsub": (1, -2)}


def by_hand(net: Residual, residual: str, target: int) -> Tensor:
    """Relevance of the input, with the sum's share of each operand written out."""
    one, two = FACTORS[net.spelling]
    a, b = one * X, two * (X @ net.branch.weight.T).detach()
    z, V = a + b, net.head.weight.detach()[target]
    R = z * V  # epsilon at the head
    size = z.pow(2).mean(1, keepdim=True).sqrt()
    if residual == "contribution":
        to_a, to_b = a / z * R, b / z * R
    elif residual == "epsilon":
        to_a, to_b = (t / (z + 0.25 * size * z.sign()) * R for t in (a, b))
    elif residual == "magnitude":
        to_a, to_b = (t.abs() / (a.abs() + b.abs()) * R for t in (a, b))
    else:
        to_a, to_b = torch.zeros_like(R), R
    c = two * net.branch.weight.detach() * X[:, None]  # contributions to b, (B, out, in)
    return to_a + (c / b[..., None] * to_b[..., None]).sum(1)


@pytest.mark.parametrize("residual", ["contribution", "epsilon", "magnitude", "skip_out"])
@pytest.mark.parametrize("spelling", FACTORS)
def test_sums_go_by_their_definition(residual: Any, spelling: str, relevance: Any) -> None:
    net = Residual(spelling)
    got = relevance(net, X, composite("epsilon", residual=residual), target=1)
    assert torch.allclose(got, by_hand(net, residual, 1), rtol=1e-6)


def test_the_stabiliser_of_sums_is_in_the_ledger_and_can_be_set(plan_of: Any) -> None:
    net = Residual()
    for size in (None, 0.01):
        rule = composite("epsilon", residual="epsilon", residual_epsilon=size)
        account = run(net, X, plan_of(rule), target=0).ledger["epsilon"]
        (row,) = [r for r in account.operations if r.operation == "add"]
        assert torch.allclose(row.before - row.after, row.stabilisers)
        assert (row.stabilisers.abs() > 1e-3 * row.before.abs()).all()
        assert torch.allclose(account.total + account.stabilisers, account.score)
    assert composite("epsilon", residual="epsilon") != composite("epsilon")


def test_one_forward_serves_composites_that_differ_in_their_sums(plan_of: Any, relevance: Any) -> None:
    rules = [composite("epsilon", residual=r) for r in ("contribution", "magnitude", "skip_out")]
    got = run(Residual(), X, plan_of(*rules), target=2)
    assert (got.forwards, got.backwards) == (1, 3)
    for rule in rules:
        assert torch.equal(got.relevance(rule, "input"), relevance(Residual(), X, rule, target=2))


def test_a_sum_of_equally_long_ways_has_no_skip(relevance: Any) -> None:
    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(4, 3, bias=False).double(), nn.Linear(4, 3, bias=False).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + self.b(x)

    net = Parallel()
    plain = relevance(net, X, composite("epsilon"), target=0)
    assert torch.allclose(relevance(net, X, composite("epsilon", residual="skip_out"), target=0), plain)


def test_options_of_sums_that_make_no_sense() -> None:
    for options, words in (
        ({"residual": "skip"}, "Did you mean 'skip_out'"), ({"residual_epsilon": 0.1}, "no effect with residual="),
        ({"residual": "epsilon", "residual_epsilon": 0}, "more than 0"), ({"unknown": "grad"}, "unknown is 'grad'"),
    ):  # fmt: skip
        with pytest.raises(MethodError, match=words):
            composite("epsilon", **options)


class Strange(nn.Module):
    """A cumulative product between two linear layers: no rule of LRP passes it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.one, self.two = nn.Linear(4, 3, bias=False).double(), nn.Linear(3, 2, bias=False).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.cumprod(self.one(x), 1))


def test_an_operation_without_a_rule_is_refused_or_reported(plan_of: Any, untouched: Any) -> None:
    net, x = Strange().eval(), X
    refused, passed = composite("epsilon"), composite("epsilon", unknown="gradient")
    with pytest.raises(OperationError, match="cannot pass the operation 'cumprod'"), untouched(net):
        run(net, x, plan_of(refused), target=0)
    with untouched(net):
        got = run(net, x, plan_of(passed), target=0)
    leaf = x.clone().requires_grad_()
    net(leaf)[:, 0].sum().backward()
    assert torch.allclose(got.relevance(passed, "input"), x * leaf.grad, rtol=1e-6)  # all linear but for it
    y = net.one(x).detach()
    into = torch.autograd.functional.jvp(lambda v: torch.cumprod(v, 1) @ net.two.weight[0], y, y)[1]
    account = got.ledger["epsilon"]
    (row,) = [r for r in account.operations if r.operation == "cumprod"]
    assert torch.allclose(row.before, got.scores)
    assert torch.allclose(row.after, into.detach())
    assert torch.allclose(row.other, account.other, atol=1e-7)
    share = 100 * (into - got.scores).abs().sum() / got.scores.abs().sum()
    (note,) = got.notes
    assert "'cumprod' in the model's own forward by its plain gradient" in note
    assert f"{share:.3g} % of the score" in note


def test_a_product_of_two_signals_is_reported(plan_of: Any) -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Strange()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner.two(self.inner.one(x) * self.inner.one(2 * x))

    rule = Composite("mine", [], "epsilon", unknown="gradient")
    got = run(Product().eval(), X, plan_of(rule), target=0)
    assert torch.allclose(got.ledger["mine"].total, 2 * got.scores)
    assert any("relevance is doubled there" in note for note in got.notes)
