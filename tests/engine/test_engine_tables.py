"""Composites as tables: which entry addresses which operation, and what is said of entries that address none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import At, Composite, LinearRule, composite, explained_rules, run
from matxai.engine.rules import RULES
from matxai.errors import MethodError, OperationError

KINDS = ["convolution", "transposed_convolution", "linear", "batch_norm"]


class Net(nn.Module):
    """Four convolutions (one called twice), a norm in front and one that stands alone, and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm2d(2)
        self.features = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
        self.alone = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.classifier = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
        for m in (self.norm, self.features[1], self.alone):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(self.norm(x))
        y = torch.relu(self.up(self.alone(torch.relu(self.features[3](y)))))
        return self.classifier(y.mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    return Net().double().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def addressed(net: nn.Module, x: Tensor, *entries: Any, default: Any = "epsilon") -> dict[str, tuple[str, ...]]:
    found = explained_rules(net, x, Composite("table", entries, default))
    return {row.rule: row.operations for row in found.rows}


CONVOLUTIONS = ("features.0", "features.3", "features.3")
DENSE = ("classifier.0", "classifier.2")


@pytest.mark.parametrize(
    ("at", "layers"),
    [
        (At("convolution"), CONVOLUTIONS),
        (At(("convolution", "transposed_convolution")), (*CONVOLUTIONS, "up")),
        (At("batch_norm"), ("norm", "alone")),  # the other one is folded
        (At(layer="features.*"), CONVOLUTIONS),
        (At(layer="features.[3-9]"), CONVOLUTIONS[1:]),
        (At(layer="re:(up|classifier\\.\\d)"), ("up", *DENSE)),
        (At(depth="first"), ("features.0",)),
        (At(depth="last"), ("classifier.2",)),
        (At(depth=1), ("features.3",)),
        (At(depth=-2), ("classifier.0",)),
        (At(depth=(1, 3)), ("features.3", "features.3")),
        (At(depth=(-2, 6)), DENSE),
        (At(depth=(0.0, 0.5)), ("norm", *CONVOLUTIONS)),
        (At(depth=(0.5, 1.0)), ("alone", "up", *DENSE)),
        (At("linear", "classifier.*", (0.0, 0.9)), ("classifier.0", "classifier.2")),
        (At(), ("norm", *CONVOLUTIONS, "alone", "up", *DENSE)),
    ],
)
def test_an_address_means_what_it_says(net: nn.Module, x: Tensor, at: At, layers: tuple[str, ...]) -> None:
    assert addressed(net, x, (at, "gamma"))["gamma"] == layers


def test_the_first_entry_that_fits_is_taken(net: nn.Module, x: Tensor) -> None:
    entries = [(At(depth="first"), "w_square"), ("convolution", "gamma"), (At(depth=(0.0, 0.6)), "z_plus")]
    found = explained_rules(net, x, Composite("mine", entries, "epsilon"))
    assert found.describe().splitlines() == [
        "depth first: w_square for 1 operation (features.0)",
        "convolution: gamma for 2 operations (features.3, features.3)",
        "depth 0.0 to 0.6: z_plus for 3 operations (norm, alone, up)",
        "everything else: epsilon for 2 operations (classifier.0, classifier.2)",
    ]
    assert found.notes() == []


def test_a_table_is_what_runs(net: nn.Module, x: Tensor, relevance: Any) -> None:
    """A table that spells a named composite out gives its map, and is the same backward."""
    named = composite("epsilon_plus_flat")
    convs = [(layer, "z_plus") for layer in ("features.*", "up")]
    spelt = Composite("spelt", [(At(depth="first"), "flat"), *((At(layer=n), r) for n, r in convs)], "epsilon")
    assert spelt != named
    by_norm = Composite("by norm", [(At(depth="first"), "flat"), *((At(k), "z_plus") for k in KINDS[:2])], "epsilon")
    want = relevance(net, x, named, target=1)
    assert torch.equal(relevance(net, x, by_norm, target=1), want)
    assert not torch.equal(relevance(net, x, Composite("all", [], "z_plus"), target=1), want)
    assert spelt.rules[1][1] == LinearRule("z_plus")
    norm = run(net, x, _plan(spelt), target=1)
    assert torch.equal(norm.relevance(spelt, "input"), want)
    assert len({named, composite("epsilon_plus_flat"), Composite("other name", named.rules, named.default)}) == 1


def _plan(*rules: Composite) -> Any:
    from matxai.engine import Backward, Needs, merge

    return merge([Needs(backwards=tuple(Backward(r, at_input=True) for r in rules))])


@pytest.mark.parametrize("rule", ["epsilon", "z_plus", "gamma", "alpha_beta"])
def test_a_norm_that_stands_alone_goes_by_any_rule(x: Tensor, rule: str, relevance: Any) -> None:
    """It is a 1x1 convolution with one group for each channel, and goes as that does."""
    torch.manual_seed(2)
    norm, conv = nn.BatchNorm2d(2).double(), nn.Conv2d(2, 2, 1, groups=2).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_(0, 0.5)
    scale = norm.weight.data / (norm.running_var + norm.eps).sqrt()
    conv.weight.data, conv.bias.data = scale.view(2, 1, 1, 1), norm.bias.data - norm.running_mean * scale
    tail = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)).double()
    a, b = (nn.Sequential(m, nn.Tanh(), tail).double().eval() for m in (norm, conv))
    table = Composite("all", [], LinearRule(rule))
    assert torch.allclose(relevance(a, x, table, target=0), relevance(b, x, table, target=0), rtol=1e-6, atol=1e-12)


def magnitude(step: Any) -> Tensor:
    """R_i = sum_j |x_i w_ij| / sum_i |x_i w_ij| R_j: the example of :mod:`matxai.engine.rules`."""
    weight = step.weight.abs()
    z = step.map.apply(step.x.abs(), weight)
    return step.x.sign() * step.back(step.divided(step.handed, z), weight)


def test_a_rule_of_ones_own(plan_of: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    mine = Composite("mine", [(At(depth="first"), magnitude)], "epsilon")
    got = run(net, x, plan_of(mine), target=1)
    W, V = net[1].weight.detach(), net[3].weight.detach()
    a = (x @ W.T + net[1].bias.detach()).clamp(min=0)
    R = a * V[1] * (got.scores / (a @ V[1] + net[3].bias[1].detach()))[:, None]
    c = (W * x[:, None]).abs()
    want = (c / c.sum(2, keepdim=True) * R[..., None]).sum(1)
    assert torch.allclose(got.relevance(mine, "input"), want, rtol=1e-6)
    assert "magnitude" in str(got.ledger["mine"])  # it conserves, and the ledger has measured it
    (row,) = [r for r in got.ledger["mine"].operations if r.rule == "magnitude"]
    assert torch.allclose(row.before, row.after)
    RULES.register("magnitude of the tests")(magnitude)
    named = Composite("named", [(At(depth="first"), "magnitude of the tests")], "epsilon")
    assert torch.equal(run(net, x, plan_of(named), target=1).relevance(named, "input"), want) or torch.allclose(
        run(net, x, plan_of(named), target=1).relevance(named, "input"), want, rtol=1e-6
    )


def test_a_rule_that_gives_what_it_may_not(plan_of: Any, net: nn.Module, x: Tensor) -> None:
    for function, words in (
        (lambda step: step.z[:, :3], r"must give one value for each of the input's \(2, 4, 4, 4\)"),
        (lambda step: step.lay_down(step.x), "belongs to the operation that the input reaches first"),
    ):
        rule = Composite("bad", [(At(depth=1), function)], "epsilon")
        with pytest.raises(MethodError, match=words):
            run(net, x, plan_of(rule), target=0)


def test_entries_that_address_nothing(plan_of: Any, net: nn.Module, x: Tensor) -> None:
    def table(*entries: Any, default: Any = "epsilon") -> Composite:
        return Composite("mine", entries, default)

    for rule, words in (
        (table((At(layer="feature.*"), "gamma")), r"'layer 'feature.\*': gamma' .* fits no layer .* Did you mean"),
        (table((At(depth=9), "gamma")), "has 6 linear operations, 0 to 5"),
        (table((At(layer="up"), "flat")), "gives flat to 'conv_transpose2d' in layer 'up'"),
        (table(("convolution", "gama")), "no LRP rule 'gama'. Did you mean 'gamma'"),
    ):
        with pytest.raises(MethodError, match=words):
            run(net, x, plan_of(rule), target=0)
    with pytest.raises(OperationError, match="no rule for the operation 'batch_norm' in layer 'norm'"):
        run(net, x, plan_of(table((At(("convolution", "linear")), "epsilon"), default=None)), target=0)
    shadowed = table(("convolution", "gamma"), (At(layer="features.3"), "z_plus"), (At(depth="last"), "z_plus"))
    (note,) = run(net, x, plan_of(shadowed), target=0).notes
    assert note == (
        "the entry 'layer 'features.3': z_plus' of the composite 'mine' addresses nothing in this network: entries"
        " before it took all 2 that it fits"
    )
    flat = nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).double()
    (note,) = run(flat, x, plan_of(composite("epsilon_plus")), target=0).notes
    assert "z_plus' of the composite 'epsilon_plus' addresses nothing in this network" in note


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: At("conv"), "no operations of kind 'conv'. Known: convolution"),
        (lambda: At(layer="re:("), "is no regular expression"),
        (lambda: At(depth="middle"), "depth='middle' is none"),
        (lambda: At(depth=(0.5, 1.5)), "fractions between 0 and 1"),
        (lambda: Composite("bad", [("linear", 3)]), "has 3 for a rule"),
    ],
)
def test_addresses_and_rules_are_checked_when_they_are_made(made: Any, words: str) -> None:
    with pytest.raises(MethodError, match=words):
        made()
