"""Operations without a rule that relevance passes by their plain gradient: the notes say what truly happened there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import composite, run
from matxai.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
PASSING = composite("epsilon", unknown="gradient")


class Between(nn.Module):
    """An operation between two linear ones without biases: the score is its only loss or gain of relevance."""

    def __init__(self, op: Callable[[Tensor], Tensor], to: int = 64) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 4, 1, bias=False).double()
        self.op = op
        self.fc = nn.Linear(to, 2, bias=False).double()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.op(self.conv(x)).flatten(1))
        return scores


def _written(h: Tensor) -> Tensor:
    h = h.contiguous()
    h.mul_(0.1)
    h[:, :2].erfinv_()
    return h


def _out(h: Tensor) -> Tensor:
    made = torch.empty_like(h)
    torch.erfinv(h * 0.1, out=made)
    return made


@pytest.mark.parametrize(
    ("op", "plain", "name"),
    [
        (lambda h: h.softmax(1), None, "softmax"),
        (lambda h: h.log_softmax(1), None, "log_softmax"),
        (lambda h: F.softmin(h, 1), None, "softmin"),
        (lambda h: (h * 0.1).erfinv_(), lambda h: (h * 0.1).erfinv(), "erfinv_"),
        (_written, lambda h: torch.cat([(h[:, :2] * 0.1).erfinv(), h[:, 2:] * 0.1], 1), "erfinv_"),
        (_out, lambda h: (h * 0.1).erfinv(), "erfinv"),
        (lambda h: torch.clamp(h, min=h.mean()), None, "clamp"),
        (lambda h: torch.zeros_like(h).index_reduce_(1, torch.tensor([0, 1, 0, 1]), h, "mean"), None, "index_reduce_"),
    ],
)
def test_what_an_operation_did_to_the_sum_is_in_the_notes(
    plan_of: Any, op: Any, plain: Any, name: str, untouched: Any
) -> None:
    net, reference = Between(op), Between(plain or op)
    with untouched(net):
        got = run(net, X, plan_of(PASSING), target=0)
    leaf = X.clone().requires_grad_()
    reference(leaf)[:, 0].sum().backward()
    expected = leaf * leaf.grad  # everything but the operation is linear: relevance is gradient times input
    assert torch.allclose(got.relevance(PASSING, "input"), expected, rtol=1e-5, atol=1e-8)
    (note,) = got.notes
    share = 100 * float((expected.detach().flatten(1).sum(1) - got.scores).abs().sum() / got.scores.abs().sum())
    found = re.search(rf"'{name}' .* relevance changed by (\S+) % of the score there", note)
    assert found is not None, note
    if name != "clamp":  # its bound is one number for all samples: what they hold of it is nobody's own
        assert float(found[1]) == pytest.approx(share, rel=6e-3, abs=1e-6)


@pytest.mark.parametrize("op", [lambda h: torch.fft.fft2(h).real, lambda h: torch.fft.fft2(h).abs()])
def test_complex_values_hold_what_they_hand_on(plan_of: Any, op: Any) -> None:
    got = run(Between(op), X, plan_of(PASSING), target=0)
    (note,) = got.notes
    found = re.search(r"relevance changed by (\S+) % of the score there", note)
    assert found is not None
    assert float(found[1]) < 1e-6
    assert torch.allclose(got.ledger["epsilon"].total, got.scores, rtol=1e-5)


def test_a_live_denominator_is_said_to_be_a_constant(plan_of: Any) -> None:
    got = run(Between(lambda h: h / (h.roll(1, 1) + 10)), X, plan_of(PASSING), target=0)
    (note,) = got.notes
    assert "with its denominator for a constant" in note
    assert "the numerator gets all relevance" in note
    assert torch.allclose(got.ledger["epsilon"].total, got.scores, rtol=1e-5)


def test_what_is_hidden_is_refused_all_the_same(plan_of: Any, untouched: Any) -> None:
    net = Between(torch.jit.script(nn.Sequential(nn.Tanh(), nn.Softmax(1))))
    with pytest.raises(OperationError, match="is hidden from the engine"), untouched(net):
        run(net, X, plan_of(PASSING), target=0)


def test_a_refusal_names_the_option_that_passes(plan_of: Any) -> None:
    with pytest.raises(OperationError, match=r"fft_fft2.*unknown='gradient'"):
        run(Between(lambda h: torch.fft.fft2(h).real), X, plan_of(composite("epsilon")), target=0)
