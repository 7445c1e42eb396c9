"""Where a head does not suffice the whole network is fitted on, and the reason is said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import LabelledSet
from matxai.checks.leak import Artefact, Leakage, examine
from matxai.checks.leak.anew import Anew, Beside, falls_short
from matxai.checks.leak.retraining import weights_of
from matxai.checks.leak.tuning import fitted_on, tuned
from matxai.errors import Cancelled
from matxai.jobs.remedy import ways_to_retrain, write_remedy
from matxai.modelcard.prepared import Prepared
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR, N = 32, slice(26, 32), 48


class OneFeature(nn.Module):
    """A single feature, brightness of the specimen and of the bar together: no head can tell them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(2, 1, bias=False)
        self.norm = nn.BatchNorm1d(1)
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.mix.weight.copy_(torch.tensor([[0.03, 0.03]]))
            self.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))
            self.head.bias.zero_()
        self.head.weight.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = torch.stack([x[:, 0, : BAR.start].mean((1, 2)), x[:, 0, BAR].mean((1, 2))], 1) - 0.5
        return self.head(self.norm(100 * self.mix(means)))


@pytest.fixture(scope="module")
def leaky() -> tuple[Any, LabelledSet, Artefact, Leakage]:
    rng = np.random.default_rng(1)
    labels, groups = np.arange(N) % 2, np.arange(N) % 12
    images = np.clip(rng.normal(100 + 55 * labels[:, None, None], 20, (N, SIZE, SIZE)), 0, 255).astype(np.uint8)
    images[:, BAR] = np.clip(rng.normal(40 + 175 * labels[:, None, None], 8, (N, 6, SIZE)), 0, 255)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[BAR] = True
    bar = Artefact("info_bar", "info_bar", tuple(Boxed.of(mask) for _ in labels), "pixels")
    data = LabelledSet(
        tuple(f"{k}.tif" for k in range(N)), labels, ("a", "b"), lambda i: labelled(images[i], ("y", "x")), groups
    )
    model = matxai.load_model(
        OneFeature(), task="classification", classes=["a", "b"], kind="2d", channels=1, scale="dtype", name="one"
    )
    before = examine(model, data, artefacts=[bar], supporting=False, factors=False, draws=300)
    assert before.findings[0].verdict.answer == "leak"
    return model, data, bar, before


def test_the_network_follows_a_head_that_does_not_suffice(tmp_path, leaky) -> None:
    model, data, _, before = leaky
    kept = {k: v.clone() for k, v in model.module.state_dict().items()}
    done = write_remedy(model, data, before, tmp_path / "clean")
    head, network = done.anew
    assert (head.way, network.way) == ("head", "network")
    assert falls_short(before, head).startswith("the exchange effect falls by ")
    assert falls_short(before, network) == ""
    assert network.leakage.findings[0].test.effect < 0.2 * before.findings[0].test.effect
    assert network.accuracy["without"].new > 0.95
    assert any(n.startswith("A new head does not suffice: the exchange effect") for n in done.notes)
    assert network.sentence.startswith("With the whole network fitted on from its weights, the exchange effect goes")
    assert "from weights that may have seen it" in network.sentence
    record = json.loads((tmp_path / "clean" / "remedy.json").read_text())
    assert set(record["retrained"]) == {"head", "network"}
    # the model asked about is as it was, and so is what learns in it
    assert all(torch.equal(v, model.module.state_dict()[k]) for k, v in kept.items())
    assert [p.requires_grad for p in network.model.module.parameters()] == [True, True, True, False, True]
    assert torch.equal(network.model.module.norm.running_mean, kept["norm.running_mean"])
    assert not network.model.module.training


def test_a_head_alone_is_left_alone(tmp_path, leaky) -> None:
    model, data, _, before = leaky
    done = write_remedy(model, data, before, tmp_path / "clean", retrain=("head",))
    assert [new.way for new in done.anew] == ["head"]
    assert any(n.startswith("With its head fitted anew, it falls short: the exchange") for n in done.notes)
    assert ways_to_retrain(["network", "auto"]) == ("auto", "network")


def test_fitting_on_is_the_same_twice_and_can_be_cancelled(leaky) -> None:
    model, data, bar, before = leaky
    inputs, rows = Prepared(model, data), np.arange(24)
    state = torch.get_rng_state()
    first, second = (fitted_on(model, inputs, data.labels, rows).module.state_dict() for _ in range(2))
    assert all(torch.equal(v, second[k]) for k, v in first.items())
    assert torch.equal(torch.get_rng_state(), state)

    class Set:
        def is_set(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        fitted_on(model, inputs, data.labels, rows, cancel=Set())
    behind = matxai.load_model(
        nn.Sequential(OneFeature(), nn.Softmax(1)), task="classification", classes=["a", "b"], kind="2d", channels=1,
        scale="dtype", activation="softmax",
    )  # fmt: skip
    refused = tuned(behind, data, [bar], before)
    assert refused.model is None
    assert "that takes logits" in refused.notes[0]


def test_what_falls_short_is_said_in_numbers(leaky) -> None:
    *_, before = leaky
    interval = (0.0, 1.0)

    def told(old: float, new: float, way: str = "network") -> str:
        beside = Beside(old, new, interval, interval, N)
        return falls_short(before, Anew(way, None, {"without": beside}, _quiet(before)))

    assert told(0.9, 0.88) == ""
    assert told(0.9, 0.86) == (
        "accuracy without the artefacts falls by 4 percentage points, and 2 percentage points are allowed"
    )
    assert told(0.9, 0.9, "head") == ""
    assert told(0.9, 0.89, "head") == (
        "accuracy without the artefacts falls by 1 percentage point, and 0 percentage points are allowed"
    )
    assert falls_short(before, Anew("head", None)) == "it could not be fitted"
    same = Anew("head", None, {"without": Beside(0.9, 0.9, interval, interval, N)}, before)
    assert falls_short(before, same) == "the exchange effect falls by 0 %, and 80 % are asked for"


def _quiet(before: Leakage) -> Leakage:
    """The same check without an effect."""
    from dataclasses import replace

    (finding,) = before.findings
    return replace(before, findings=(replace(finding, test=replace(finding.test, effect=0.0)),))


def test_every_class_weighs_alike() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = weights_of(labels, 4)
    assert weights[2] == 0
    sums = np.bincount(labels, weights[labels], 4)
    np.testing.assert_allclose(sums[[0, 1, 3]], 10 / 3)
