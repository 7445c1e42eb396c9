"""Conservation is not correctness: epsilon maps of ReLU nets are gradient x input, whatever the batch norms hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import At, Composite, LinearRule, composite, run

torchvision = pytest.importorskip("torchvision")


def random_norms(name: str, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None).eval()
    generator = torch.Generator().manual_seed(1)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
            m.weight.data.uniform_(0.5, 1.5, generator=generator)
            m.bias.data.normal_(0, 0.1, generator=generator)
    return net.to(dtype).requires_grad_(False)


@pytest.mark.parametrize(
    ("dtype", "epsilon"),
    # the stabiliser of float32, 1e-6, takes relevance from outputs near 0: about its root for each layer without a ReLU
    [(torch.float64, None), (torch.float32, 0)],
    ids=["float64", "float32, LRP-0"],
)
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_epsilon_maps_are_gradient_times_input(
    name: str, dtype: torch.dtype, epsilon: float | None, plan_of: Any
) -> None:
    net = random_norms(name, dtype)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)).to(dtype)
    rule = composite("epsilon", epsilon=epsilon)
    got = run(net, x, plan_of(rule), target=3)
    leaf = x.clone().requires_grad_()
    net(leaf)[:, 3].sum().backward()
    expected = x * leaf.grad
    assert (got.relevance(rule, "input") - expected).norm() <= 1e-3 * expected.norm()
    account = got.ledger["epsilon"]
    size = expected.abs().sum() / account.score.abs()
    assert torch.allclose(account.magnitude, size, rtol=1e-2)


@pytest.mark.parametrize("rule", ["epsilon", "z_plus", "gamma", "alpha_beta"])
def test_units_that_are_off_have_no_relevance_in_any_layer(rule: str, plan_of: Any) -> None:
    from matxai.engine import Backward, Needs, merge

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 6, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(24, 3),
    ).double().eval()  # fmt: skip
    table = Composite("all", [], LinearRule(rule))
    plan = merge([Needs(True, (Backward(table, at_input=True, at_layers=True),))])
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    x[:, :, :, :3] = 0
    got = run(net, x, plan, target=0, layers=["2", "4"])
    for place in ("2", "4"):
        off = got.activation(place) == 0
        assert off.any()
        assert not got.relevance(table, place)[off].any()
    assert not got.relevance(table, "input")[x == 0].any()


def toy(*, changed: bool) -> nn.Module:
    """captum's toy, 3-3-1 with weights 2 and 3; at (1, 2, 3) its units hold 36 each, the changed one 24."""
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU(), nn.Linear(3, 1, bias=False)).double()
    nn.init.constant_(net[0].weight, 2.0)
    nn.init.constant_(net[2].weight, 3.0)
    if changed:
        net[0].weight.data[0, 0] = -2
    return net


def identity(step: Any) -> Tensor:
    """Relevance of unit j goes to input j."""
    return step.lay_down(step.handed)


@pytest.mark.parametrize(
    ("changed", "table", "expected"),
    [
        (False, Composite("toy", [], "epsilon"), (18, 36, 54)),
        (True, Composite("toy", [], LinearRule("gamma", gamma=1.0)), (28 / 3, 104 / 3, 52)),
        (True, Composite("toy", [], "z_plus"), (12, 33.6, 50.4)),
        (True, Composite("toy", [(At(depth="first"), identity)], "epsilon"), (24, 36, 36)),
    ],
    ids=["epsilon", "gamma", "z_plus", "identity"],
)
def test_the_toy_model_of_captum(changed: bool, table: Composite, expected: tuple[float, ...], relevance: Any) -> None:
    got = relevance(toy(changed=changed), torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64), table, target=1)
    assert torch.allclose(got, torch.tensor([expected], dtype=torch.float64), rtol=1e-6)
