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
from matxai.errors import Cancelled, MatxaiError, ModelError, SignalError
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
    one = found.findings[0]
    assert "it takes at least" in one.verdict.sentence
    takes = one.verdict.evidence["missing"]
    needed = {(3, 20): ["6 groups"], (12, 1): ["59 images"], (2, 6): ["6 groups", "59 images"]}[groups, each]
    assert [words.split("at least ")[1].split(" (")[0] for words in takes] == needed


def test_where_nothing_can_be_decided_no_supporting_test_is_run() -> None:
    asked: list[str] = []
    what = made(3, 4)
    few = examine(
        model_of(READS_BAR),
        what.data,
        artefacts=[what.bar],
        factors=False,
        progress=lambda done, total, label: asked.append(label),
    )
    assert few.answer == "cannot tell"
    assert few.findings[0].support == ()
    assert not [label for label in asked if "only" in label or "removal" in label or "relevance" in label]


def test_an_open_question_always_says_what_is_missing() -> None:
    from matxai.checks.leak.answers import Rules, missing
    from matxai.checks.leak.chance import Accuracy
    from matxai.checks.leak.records import Tested

    good = Accuracy(1.0, (0.9, 1.0), 0.6, 0.001, 0.5, 60, 10)
    rules = Rules("net", good, grouped=True, margin=0.05, alpha=0.05, threshold=0.15, tests=1, classes=("a", "b"))
    bounds = [(-1.0, 0.04), (-0.3, -0.2), (-0.1, 0.2), (0.0, 0.6), (-0.02, 0.02)]
    for low, high in bounds:
        for p in (None, 0.4):
            for power in (0.1, 1.0):
                if (low, p, power) == (-0.02, 0.4, 1.0):
                    continue  # that one is `not seen`
                tested = Tested((low + high) / 2, (low, high), p, p, 60, 10, 30, 0.001, 0.05, power)
                parts = missing(tested, rules, "info bar")
                assert parts
                assert all(m.why and m.takes and "{" not in m.why + m.takes for m in parts)


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
    with pytest.raises(ModelError, match="is no loaded model"):
        examine(READS_BAR, what.data)
    with pytest.raises(MatxaiError, match="A seed is a whole number of 0 or more, not -1"):
        examine(model_of(READS_BAR), what.data, seed=-1)


def test_of_two_artefacts_the_one_that_is_read_is_named() -> None:
    what = made()
    rng = np.random.default_rng(7)
    images = []
    for k in range(60):
        signal = what.data.read(k).copy(deep=True)
        signal.values[2:8, 2:14] = np.where(rng.random((6, 12)) < 0.5, 250, 20 + 200 * what.data.labels[k])
        images.append(signal)
    data = LabelledSet(what.data.names, what.data.labels, what.data.classes, lambda i: images[i], what.data.groups)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[2:8, 2:14] = True
    label = Artefact("label", "label", (Boxed.of(mask),) * 60, "drawn")
    module = Bright(slice(2, 8), 0.7, slice(2, 14))
    found = examine(model_of(module), data, artefacts=[what.bar, label], supporting=False, factors=False)
    assert {f.name: f.verdict.answer for f in found.findings} == {"label": "leak", "info_bar": "not seen"}
    assert found.findings[0].name == "label"
    # two questions: the smallest p of 1 in 252 counts twice
    assert found.findings[0].test.corrected == pytest.approx(2 / 252)
    assert "label" in found.sentence
    assert "info bar" not in found.sentence.split(".")[0]


def test_a_model_at_chance_is_not_acquitted() -> None:
    found = ask(Bright(slice(0, 56), -1.0), made())
    assert found.answer == "cannot tell"
    assert "no better than chance" in found.findings[0].verdict.sentence
    permuted = made()
    shuffled = np.random.default_rng(3).permutation(10)[np.repeat(np.arange(10), 6)] % 2
    data = LabelledSet(permuted.data.names, shuffled, permuted.data.classes, permuted.data.read, permuted.data.groups)
    assert ask(READS_PICTURE, Made(data, permuted.bar)).answer == "cannot tell"


def test_a_bar_that_rescales_the_picture_is_named_as_the_path() -> None:
    # the bar's brightest value sets the scale of the whole picture; the model reads the picture alone
    what = made(bar="by nothing")
    images = []
    for k in range(60):
        signal = what.data.read(k).copy(deep=True)
        signal.values[:56] = np.clip(signal.values[:56] // 2, 20, 110)
        signal.values[BAR] = np.where(signal.values[BAR] > 127, 130 + 125 * (1 - what.data.labels[k]), 0)
        images.append(signal)
    data = LabelledSet(what.data.names, what.data.labels, what.data.classes, lambda i: images[i], what.data.groups)
    model = matxai.load_model(
        Bright(slice(0, 56), 0.33), kind="2d", channels=1, classes=["dark", "bright"], scale="image"
    )
    found = examine(model, data, artefacts=[what.bar], supporting=False, factors=False)
    (one,) = found.findings
    assert one.verdict.answer == "leak"
    assert one.verdict.evidence["elsewhere"] > 0.1
    assert one.verdict.evidence["path"] == ["minmax"]
    assert one.verdict.evidence["answers_by_path"] > 0.3
    assert "through the preprocessing's minmax" in one.verdict.sentence


def test_nothing_found_is_no_error() -> None:
    what = made()
    found = ask(READS_PICTURE, what, artefacts=[])
    assert (found.answer, found.findings) == ("not seen", ())
    assert "No artefact was found" in found.sentence


def test_near_duplicates_are_one_group() -> None:
    what = made(4, 12)  # four groups; each image of them once more with other noise, as a group of its own
    images = [what.data.read(k) for k in range(48)]
    rng = np.random.default_rng(0)
    shapes = [np.kron(rng.normal(0, 25, (8, 8)), np.ones((8, 8)))[:56] for _ in range(48)]
    for signal, shape in zip(images, shapes, strict=True):
        signal.values[:56] = (signal.values[:56] + shape).clip(0, 255)
    again = [
        s.copy(data=np.clip(s.values.astype(int) + rng.integers(-5, 5, s.shape), 0, 255).astype(np.uint8))
        for s in images
    ]
    every = images + again
    data = LabelledSet(
        tuple(f"{k}" for k in range(96)),
        np.tile(what.data.labels, 2),
        what.data.classes,
        lambda i: every[i],
        np.concatenate([what.data.groups, what.data.groups + 4]),
    )
    bar = Artefact("info_bar", "info_bar", what.bar.regions * 2, "drawn")
    found = examine(model_of(READS_BAR), data, artefacts=[bar], supporting=False, factors=False)
    assert (found.facts["groups"], found.facts["near_duplicates"]) == (4, 96)
    assert found.answer == "cannot tell"


def test_images_that_are_not_judged_stay_with_their_group() -> None:
    what = made(10, 6)
    found = examine(model_of(READS_PICTURE), what.data, artefacts=[], supporting=False, max_units=20)
    assert found.facts["units"] == 20
    (brightness,) = [f.factor for f in found.findings if f.name == "brightness"]
    assert brightness.detail["signals"] == 60
    assert brightness.detail["groups"] == 10


def test_results_repeat_and_do_not_depend_on_what_else_runs() -> None:
    first, second = (ask(READS_PICTURE, made(), max_units=40, donors=16, seed=3) for _ in range(2))
    assert first.findings[0].test == second.findings[0].test
    assert first.facts["units"] == 40


def test_the_module_is_as_before_and_the_check_can_be_cancelled() -> None:
    class Soon:
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 40

    module = Bright(BAR, 0.5)
    model, what = model_of(module), made(6, 4)
    module.train()
    options = {"artefacts": [what.bar], "supporting": False, "factors": False}
    with pytest.raises(Cancelled, match="Cancelled while"):
        examine(model, what.data, cancel=Soon(), **options)
    assert module.training
    seen = []
    examine(model, what.data, progress=lambda done, total, label: seen.append((done, total, label)), **options)
    assert module.training
    assert all(0 <= done <= total for done, total, _ in seen)
    assert any("exchange of info_bar" in label for _, _, label in seen)
