"""The whole check on models whose truth is known by construction: one reads a bar alone, one all but the bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks.labelled import LabelledSet
from matxai.checks.leak import examine
from matxai.checks.leak.records import Artefact
from matxai.errors import ModelError, SignalError
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR = 64, slice(56, 64)


class Bright(nn.Module):
    """Two classes by the mean of a window, bright ones the second."""

    def __init__(self, rows: slice, cut: float, columns: slice = slice(None)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.rows, self.columns, self.cut = rows, columns, cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x[:, 0, self.rows, self.columns].mean((1, 2)) - self.cut) * self.weight
        return torch.stack([-score, score], dim=1)


READS_BAR, READS_PICTURE = Bright(BAR, 0.5), Bright(slice(0, 56), 0.47)


def model_of(module: nn.Module, **more):
    return matxai.load_model(module, kind="2d", channels=1, classes=["dark", "bright"], scale="dtype", **more)


@dataclass
class Made:
    data: LabelledSet
    bar: Artefact


def made(groups: int = 10, each: int = 6, *, bar: str = "by class", named: bool = True, seed: int = 0) -> Made:
    """Pictures of two classes, told by their mean; the bar goes by class, by nothing, or never changes."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(groups), each)
    labels = number % 2
    images = []
    for y in labels:
        values = rng.normal(90 + 60 * y + rng.normal(0, 10), 20, (SIZE, SIZE))
        white = {"by class": 0.2 + 0.6 * y, "by nothing": rng.choice([0.2, 0.8]), "constant": 0.5}[bar]
        drawn = np.random.default_rng(1 if bar == "constant" else rng.integers(1 << 30)).random((8, SIZE)) < white
        values[BAR] = np.where(drawn, 255, 0)
        images.append(labelled(values.clip(0, 255).astype(np.uint8), ("y", "x"), attrs={"info_bar": [56, 63]}))
    names = tuple(f"{k}.png" for k in range(len(labels)))
    data = LabelledSet(names, labels, ("dark", "bright"), lambda i: images[i], number if named else None)
    region = Boxed((SIZE, SIZE), (BAR, slice(0, SIZE)), np.ones((8, SIZE), bool))
    return Made(data, Artefact("info_bar", "info_bar", (region,) * len(labels), "drawn", constant=bar == "constant"))


def ask(module: nn.Module, what: Made, **more):
    options = {"supporting": False, "factors": False, "artefacts": [what.bar], **more}
    return examine(model_of(module), what.data, **options)


def test_a_model_that_reads_nothing_but_the_bar_leaks() -> None:
    found = ask(READS_BAR, made())
    (one,) = found.findings
    assert found.answer == one.verdict.answer == "leak"
    assert one.test.effect == pytest.approx(1.0)
    assert one.test.corrected < 0.01
    assert one.test.interval[0] > 0.9
    assert one.reach == pytest.approx(1.0)
    assert "reads the info bar" in one.verdict.sentence
    assert one.examples


def test_a_model_that_reads_the_picture_is_not_seen_to_leak_on_confounded_data() -> None:
    found = ask(READS_PICTURE, made())
    (one,) = found.findings
    assert found.answer == "not seen"
    assert one.test.effect == 0.0
    assert one.test.interval[1] == pytest.approx(1 - 0.05 ** (1 / 60))
    assert one.test.power == 1.0
    assert found.accuracy[0] == 1.0


@pytest.mark.parametrize(("groups", "each"), [(3, 20), (12, 1), (2, 6)])
@pytest.mark.parametrize("module", [READS_BAR, READS_PICTURE])
def test_too_few_groups_or_images_decide_nothing(groups, each, module) -> None:
    found = ask(module, made(groups, each))
    assert found.answer == "cannot tell"
    assert "it takes at least" in found.findings[0].verdict.sentence


def test_an_artefact_that_never_changes_tells_no_class() -> None:
    found = ask(READS_BAR, made(bar="constant"))
    assert found.answer == "not seen"
    assert "the same in all 60 images" in found.sentence + found.findings[0].verdict.sentence


def test_what_is_cropped_away_is_unreachable() -> None:
    what = made()
    steps = [{"crop_rows": {"bottom": 8}}]
    found = examine(
        model_of(Bright(slice(0, 56), 0.47), steps=steps),
        what.data,
        artefacts=[what.bar],
        supporting=False,
        factors=False,
    )
    assert found.findings[0].reach == 0.0
    assert found.answer == "unreachable"


def test_without_groups_the_sentence_says_so() -> None:
    found = ask(READS_PICTURE, made(named=False))
    assert "treated as independent" in found.findings[0].verdict.sentence
    assert found.findings[0].test.groups is None


def test_bad_input_is_one_sentence() -> None:
    what = made()
    one = LabelledSet(what.data.names, np.zeros(60, int), ("dark", "bright"), what.data.read)
    with pytest.raises(SignalError, match="All 60 images are of one class, 'dark'"):
        examine(model_of(READS_BAR), one)
    three = LabelledSet(what.data.names, what.data.labels, ("dark", "bright", "grey"), what.data.read)
    with pytest.raises(ModelError, match="The data have 3 classes"):
        examine(model_of(READS_BAR), three)
