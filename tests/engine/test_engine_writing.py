"""Constants that a model writes into its feature maps are biases of the ledger, and gradients are autograd's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, composite, run

if TYPE_CHECKING:
    from collections.abc import Callable

X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()


class Net(nn.Module):
    """Something between two linear operations without biases."""

    def __init__(self, op: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.op = nn.Conv2d(3, 4, 1, bias=False).double(), op
        self.fc = nn.Linear(64, 2, bias=False).double()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.op(self.conv(x)).flatten(1))
        return scores


def masked(h: Tensor) -> Tensor:
    h[h > 0.5] = 0.1
    return h


def sliced(h: Tensor) -> Tensor:
    h[:, 1] = torch.linspace(0, 1, 16).double().view(4, 4)
    return h


def filled(h: Tensor) -> Tensor:
    h[:, :2].fill_(0.3)
    return h


def into(h: Tensor) -> Tensor:
    made = torch.full((2, 4, 4, 4), 0.2).double()
    made[:, 1:] = h[:, 1:]
    return made


def apart(h: Tensor) -> Tensor:
    return h.index_copy(1, torch.tensor([0]), torch.ones(2, 1, 4, 4).double())


@pytest.mark.parametrize("op", [masked, sliced, filled, into, apart])
def test_what_is_written_is_a_bias(plan_of: Any, op: Callable[[Tensor], Tensor]) -> None:
    net, rule = Net(op), composite("epsilon")
    got = run(net, X, plan_of(rule, GRADIENT), target=0)
    leaf = X.clone().requires_grad_()
    (native,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    assert torch.allclose(got.gradient(GRADIENT, "input"), native, atol=1e-12)
    account, through = got.ledger["epsilon"], (X * native).flatten(1).sum(1)  # all but the constants is linear
    assert torch.allclose(account.total, through, rtol=1e-5)
    assert torch.allclose(account.biases, got.scores - through, rtol=1e-5)
    assert torch.allclose(account.other, torch.zeros_like(account.other), atol=1e-9)


def test_a_sum_that_the_option_does_not_reach_is_named(plan_of: Any) -> None:
    rule = composite("epsilon", residual="magnitude")
    got = run(Net(lambda h: torch.stack([h, h.tanh()]).sum(0)), X, plan_of(rule), target=0)
    (note,) = [n for n in got.notes if "residual='magnitude' does not reach the operation 'sum'" in n]
    assert note.endswith("write it as a + b")
    assert not run(Net(lambda h: h + h.tanh()), X, plan_of(rule), target=0).notes
