"""What LRP costs, in exact counts at ResNet-50 and 224: F is the FLOPs of one forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from matxai.engine import Backward, Needs, composite, merge, run, targets

torchvision = pytest.importorskip("torchvision")
BOX = {"low": -3.0, "high": 3.0}


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet50(weights=None).eval().requires_grad_(False)


def at_input(*names: str) -> list[Needs]:
    return [
        Needs(backwards=(Backward(composite(n, **(BOX if n.endswith("box") else {})), at_input=True),)) for n in names
    ]


@pytest.mark.parametrize(
    ("needs", "convolutions", "allowed"),
    [
        (at_input("epsilon"), 53, 2.1),
        (at_input("epsilon_plus"), 53 + 53, 3.1),  # the first one takes both signs of its input side by side
        (at_input("epsilon_alpha2_beta1"), 53 + 53, 4.2),
        (at_input("epsilon_gamma_box"), 53 + 52 + 2, 4.2),
    ],
    ids=["epsilon", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box"],
)
def test_flops(needs: list[Needs], convolutions: int, allowed: float, resnet50: nn.Module, flops: Any) -> None:
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    plan = merge(needs)
    run(resnet50, x[..., :32, :32], plan, target=3)  # the first call looks at the model
    with torch.no_grad(), flops() as forward:
        resnet50(x)
    with flops() as count:
        got = run(resnet50, x, plan, target=3)
    assert (got.forwards, got.backwards) == (1, len(needs))
    assert count.calls["convolution"] == convolutions
    assert 1 < count.total / forward.total <= allowed


def test_targets_share_what_depends_on_the_forward_alone(resnet50: nn.Module, flops: Any) -> None:
    """F + z+ + T B, not T (F + z+ + B); and what is shared is given back."""
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plan = merge(at_input("epsilon_plus"))
    rule = plan.composites[0]
    run(resnet50, x, plan, target=1)
    calls = []
    for target in (1, targets.each(1, 2, 3)):
        with flops() as count:
            got = run(resnet50, x, plan, target=target)
        calls.append(count.calls)
    assert calls[1]["convolution"] == calls[0]["convolution"] == 106
    assert calls[1]["convolution_backward"] == 3 * calls[0]["convolution_backward"]
    alone = run(resnet50, x, plan, target=3).relevance(rule, "input")
    assert torch.equal(got.relevance(rule, "input")[2], alone)
