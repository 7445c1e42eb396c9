"""The ledger: relevance before and after every operation and layer, and who absorbed what was lost."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import Backward, Composite, Needs, composite, merge, run, targets
from matxai.engine.ledger import ACCOUNTS

COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_gamma", "epsilon_alpha2_beta1", "epsilon_plus_flat")


class Chain(nn.Sequential):
    """Convolution, norm, ReLU, pool, convolution, ReLU, mean, dense: one way only."""

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__(
            nn.Conv2d(2, 4, 3, bias=bias), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, padding=1, bias=bias), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, 3, bias=bias),
        )  # fmt: skip
        if bias:
            nn.init.normal_(self[1].bias, 0, 0.2)
            nn.init.normal_(self[1].running_mean, 0, 0.2)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 2, 10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def chain(*, bias: bool = True) -> nn.Module:
    torch.manual_seed(1)
    return Chain(bias=bias).double().eval()


@pytest.mark.parametrize("name", COMPOSITES)
def test_rows_chain_from_the_score_to_the_input(name: str, x: Tensor, plan_of: Any) -> None:
    rule = composite(name)
    got = run(chain(), x, plan_of(rule), target=1)
    account = got.ledger[name]
    rows = account.layers
    assert [r.layer for r in rows] == ["8", "7", "6", "5", "4", "3", "2", "1", "0"]
    assert torch.allclose(rows[0].before, got.scores)
    for one, following in itertools.pairwise(rows):
        assert torch.allclose(one.after, following.before, rtol=1e-9)
    assert torch.allclose(rows[-1].after, got.relevance(rule, "input").flatten(1).sum(1))
    for part in ACCOUNTS:
        assert torch.allclose(sum(getattr(r, part) for r in rows), getattr(account, part), atol=1e-12)
    for row in rows:  # what was measured at the input of an operation is what its book leaves
        assert (row.other.abs() <= 1e-9 * got.scores.abs()).all(), row.layer


def test_what_the_biases_absorbed_is_what_they_contribute(x: Tensor, plan_of: Any) -> None:
    """At the first dense layer from the top: b / z of the score, and of the rest what the gradient says."""
    net = chain()
    account = run(net, x, plan_of(composite("epsilon")), target=2).ledger["epsilon"]
    dense = account.layers[0]
    assert torch.allclose(dense.biases, net[8].bias[2].expand(2), rtol=1e-6)
    leaf = x.clone().requires_grad_()  # LRP-0 = gradient x input: the biases have the rest
    net(leaf)[:, 2].sum().backward()
    assert torch.allclose(account.biases, account.score - (x * leaf.grad).flatten(1).sum(1), rtol=1e-6)


@pytest.mark.parametrize("name", ["epsilon_plus", "epsilon_alpha2_beta1"])
def test_with_the_literal_rules_sum_and_loss_make_the_score(name: str, plan_of: Any) -> None:
    """A depthwise convolution without a ReLU behind it: many outputs have contributions of one sign alone."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, bias=False), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6, bias=False),
        nn.Conv2d(6, 4, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 2, bias=False),
    ).double()  # fmt: skip
    for group in net[2].weight.data[::2]:
        group.abs_().neg_()
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    rule = composite(name, no_positive="drop")
    account = run(net, x, plan_of(rule), target=0).ledger[name]
    assert (account.missing.abs() > 0.01 * account.score.abs()).all()
    assert torch.allclose(account.total + account.missing + account.stabilisers, account.score, rtol=1e-8)
    (row,) = [r for r in account.layers if r.layer == "2"]
    assert torch.allclose(row.before - row.after, row.missing + row.stabilisers)
    kept = run(net, x, plan_of(composite(name)), target=0).ledger[name]
    assert torch.allclose(kept.total, kept.score, rtol=1e-6)
    assert not kept.missing.any()


class Branches(nn.Module):
    """A residual sum, a gate, a concatenation, a constant that is added."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem, self.a, self.b = (nn.Conv1d(i, 4, 3, padding=1) for i in (2, 4, 4))
        self.gate = nn.Linear(4, 4)
        self.head = nn.Linear(8, 3)

    def body(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.relu(self.stem(x))
        return y, F.relu(self.b(F.relu(self.a(y))) + y)

    def top(self, z: Tensor, gate: Tensor) -> Tensor:
        return self.head(torch.cat([z * gate, z], 1).mean(2) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        z = self.body(x)[1]
        return self.top(z, torch.sigmoid(self.gate(z.mean(2)))[..., None])


def test_rows_of_branches_follow_from_their_neighbours(plan_of: Any) -> None:
    x = torch.randn(3, 2, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    net, rule = Branches().double(), composite("epsilon")
    plan = merge([Needs(True, (Backward(rule, at_input=True, at_layers=True),))])
    got = run(net, x, plan, target=1, layers=["stem", "a", "b"])
    account = got.ledger["epsilon"]
    rows = {f"{r.operation}:{r.layer}": r for r in account.operations}
    for layer in ("stem", "a", "b"):  # relevance that was read at the layer itself
        assert torch.allclose(rows[f"conv1d:{layer}"].before, got.relevance(rule, layer).flatten(1).sum(1))
    leaf = x.clone().requires_grad_()
    _, z = net.body(leaf)
    out = net.top(z, torch.sigmoid(net.gate(z.mean(2))).detach()[..., None])
    (g,) = torch.autograd.grad(out[:, 1].sum(), z)
    shift, block = (r for r in account.operations if r.operation == "add")
    assert torch.allclose(block.before, (z * g).flatten(1).sum(1), rtol=1e-6)
    assert torch.allclose(block.before, block.after)
    assert torch.allclose(shift.biases, 0.5 * net.head.weight[1].sum().expand(3), rtol=1e-6)
    assert torch.allclose(shift.before - shift.after, shift.biases)
    assert account.other.abs().max() < 1e-8 * account.score.abs().max()
    assert "gate" not in {r.layer for r in account.layers}  # a constant: no relevance goes there


def test_the_table_and_the_record(x: Tensor, plan_of: Any) -> None:
    got = run(chain(), x, plan_of(composite("epsilon_plus")), target=targets.each(0, 2))
    account = got.ledger["epsilon_plus"]
    assert account.layers[0].before.shape == (2, 2)
    assert torch.allclose(account.layers[0].before, got.scores)
    lines = account.table(sample=1, target=1).splitlines()
    assert lines[0].split() == ["layer", "operation", "rule", "before", "after", *ACCOUNTS, "other"]
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["8", "linear", "epsilon"], ["4", "conv2d", "z_plus"], ["0", "conv2d", "z_plus"]
    ]  # fmt: skip
    assert float(lines[1].split()[3]) == pytest.approx(float(got.scores[1, 1]), rel=1e-4)
    assert lines[4].startswith("in all")
    assert lines[5].startswith("sum |R| / |score| = ")
    assert str(account) == account.table()
    record = json.loads(json.dumps(account.record()))
    assert len(record["operations"]) == 3
    assert record["operations"][0]["before"] == [
        [pytest.approx(v, rel=1e-5) for v in row] for row in got.scores.tolist()
    ]
    assert "missing" not in record["operations"][0]


def test_samples_keep_books_of_their_own(x: Tensor, plan_of: Any) -> None:
    rule = composite("epsilon_gamma")
    both = run(chain(), x, plan_of(rule), target=1).ledger["epsilon_gamma"]
    for i in range(2):
        one = run(chain(), x[i : i + 1], plan_of(rule), target=1).ledger["epsilon_gamma"]
        for a, b in zip(both.operations, one.operations, strict=True):
            assert torch.allclose(a.before[i : i + 1], b.before)
            assert torch.allclose(a.biases[i : i + 1], b.biases)


def test_windows_in_the_batch_are_summed_by_sample(plan_of: Any) -> None:
    """Tokens that a layer sees as a larger batch, and tokens in front of the batch."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.one, self.two, self.head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(self.one(x.flatten(0, 1))).view(2, 5, 4)
            y = self.two(y.transpose(0, 1)).transpose(0, 1)
            return self.head(y.mean(1))

    x = torch.randn(2, 5, 3, dtype=torch.float64)
    rule = Composite("mine", [], "epsilon")
    account = run(Tokens().double(), x, plan_of(rule), target=0).ledger["mine"]
    rows = {r.layer: r for r in account.layers if r.layer}
    assert torch.allclose(rows["two"].after, rows["one"].before)
    assert torch.allclose(sum(r.biases for r in rows.values()), account.biases)
    assert account.other.abs().max() < 1e-8


@pytest.mark.parametrize("how", ["cat", "stack"])
def test_tokens_and_embeddings_are_biases(how: str, plan_of: Any) -> None:
    """What a class token and position embeddings add to the score of a linear network is its slope times each."""

    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.token, self.place = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 6, 4))
            self.embed, self.head = nn.Linear(3, 4, bias=False), nn.Linear(24, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            token = self.token.expand(len(x), -1, -1).clone()
            tokens = self.embed(x)
            if how == "cat":
                tokens = torch.cat([token, tokens], dim=-2)
            else:
                tokens = torch.stack([token[:, 0], *tokens.unbind(1)], 1)
            token.fill_(7.0)  # what was joined counts, not what the model writes there later
            tokens += self.place
            return self.head(tokens.flatten(1))

    net, rule = Embedded().double(), composite("epsilon", epsilon=0)
    token, place = net.token.detach().clone(), net.place.detach().clone()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    account = run(net, x, plan_of(rule), target=1).ledger[rule.name]
    slope = net.head.weight.detach()[1].view(6, 4)
    rows = {r.operation: r for r in account.operations}
    assert torch.allclose(rows["add"].biases, (slope * place).sum().expand(2))
    assert torch.allclose(rows[how].biases, (slope[:1] * token).sum().expand(2))
    assert torch.allclose(rows[how].before - rows[how].after, rows[how].biases)
    assert account.other.abs().max() < 1e-12 * account.score.abs().max()
    assert torch.equal(net.token, token)
