"""Supporting tests on models that can be worked out by hand: one that reads the bar alone, one that never sees it."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import LabelledSet, Reference, class_scores
from matxai.checks.leak import Artefact
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.knowing_nothing import weight_randomised
from matxai.checks.leak.placing import arriving, shares_inside
from matxai.checks.leak.supporting import supporting
from matxai.checks.leak.supporting.insertion import drawn_to_own, towards
from matxai.checks.leak.supporting.removal import limit_by_place
from matxai.checks.leak.supporting.share import common_limits
from matxai.errors import Cancelled, ModelError
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR = 32, slice(26, 32)


class Reader(nn.Module):
    """Two scores: minus and plus the mean of some rows, less a half."""

    def __init__(self, rows: slice) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.head = nn.Linear(SIZE * SIZE, 2)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.conv.bias.fill_(0.0)
            weight = torch.zeros(SIZE, SIZE)
            weight[rows] = 1.0 / weight[rows].numel()
            self.head.weight.copy_(torch.stack([-weight, weight]).flatten(1))
            self.head.bias.copy_(torch.tensor([0.5, -0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).flatten(1))


def _set(
    n: int = 48, groups: int = 12, *, told: bool = True, some_without: bool = False
) -> tuple[LabelledSet, Artefact]:
    """Specimen and, where ``told``, the bar: dark in class 0 and bright in class 1; else the bar is drawn freely."""
    rng = np.random.default_rng(0)
    group = np.arange(n) % groups
    labels = group % 2
    bars = labels if told else rng.integers(0, 2, n)
    images = []
    for y, b in zip(labels, bars, strict=True):
        image = rng.normal(80 + 90 * y, 15, (SIZE, SIZE))
        image[BAR] = rng.normal(60 + 120 * b, 10, (6, SIZE))
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    mask = np.zeros((SIZE, SIZE), bool)
    mask[BAR] = True
    lacking = [some_without and k >= n - 12 for k in range(n)]
    regions = tuple(None if gone else Boxed.of(mask) for gone in lacking)
    data = LabelledSet(
        names=tuple(f"image {k}" for k in range(n)),
        labels=labels,
        classes=("dark", "bright"),
        read=lambda i: labelled(images[i], ("y", "x")),
        groups=group,
    )
    return data, Artefact("info_bar", "info_bar", regions, "pixels")


def _case(module: nn.Module, data: LabelledSet, artefact: Artefact | None, **more: Any) -> Case:
    model = matxai.load_model(
        module, task="classification", classes=data.classes, kind="2d", channels=1, scale="dtype", name="hand-made"
    )
    units = np.arange(len(data))
    signals = Signals(data)
    clean = class_scores(model, (signals[i] for i in units))
    assert data.groups is not None
    return Case(model, data, units, units, clean, data.groups, True, signals, artefact, **more)


def _all_count(case: Case) -> Case:
    """The case with a reference so wide that every copy counts."""
    reference = Reference.of(case.model, (case.signals[i] for i in case.units))
    return replace(case, kept={"reference": replace(reference, limit=np.inf)})


@pytest.fixture(scope="module")
def reads_bar() -> Case:
    return _case(Reader(BAR), *_set())


@pytest.fixture(scope="module")
def sound() -> Case:
    return _case(Reader(slice(0, 26)), *_set(told=False))


def _one(name: str, case: Case) -> Any:
    (found,) = supporting[name](case)
    assert np.isfinite(found.value)
    assert found.sentence.endswith(".")
    return found


def test_with_nothing_but_the_bar_left_the_reader_of_bars_is_right(reads_bar, sound) -> None:
    found = _one("artefact_only", reads_bar)
    assert (found.value, found.detail["majority"], found.beyond) == (1.0, 0.5, True)
    assert found.detail["interval"][0] == pytest.approx(0.05 ** (1 / 48))  # exact bound of n of n
    other = _one("artefact_only", sound)
    assert other.value == 0.5  # the rest is one mean picture for all, so all get one class
    assert not other.beyond


def test_a_sound_model_does_not_care_for_the_bar(sound) -> None:
    found = _one("removal", _all_count(sound))
    assert found.value == 0.0
    assert not found.beyond
    assert found.limit is not None
    assert "no exact null" in found.sentence


def test_removal_by_a_fill_of_the_specimen_keeps_or_flips_as_the_mean_says(reads_bar) -> None:
    # the specimen is dark in class 0 and bright in class 1, as the bar is: a bar filled from it changes nothing
    assert _one("removal", _all_count(reads_bar)).value == 0.0


def test_removal_flips_what_the_bar_alone_says() -> None:
    data, artefact = _set()
    turned = LabelledSet(data.names, 1 - data.labels, data.classes, lambda i: _bar_turned(data.read(i)), data.groups)
    case = _case(Reader(BAR), turned, artefact)
    found = _one("removal", _all_count(case))
    assert found.value == 1.0  # every fill takes the bar's value from a specimen that says the opposite
    assert found.limit is not None
    assert found.limit < 0.5
    assert found.beyond
    assert found.detail["elsewhere"] == 0.0
    # a bar that agrees with its specimen: no such mean over the picture exists among the real ones
    (uncounted,) = supporting["removal"](case)
    assert uncounted.detail["out_of_distribution"] == 24
    assert (uncounted.detail["n"], uncounted.limit, uncounted.beyond) == (0, None, False)
    assert "looks like no real one to the model" in uncounted.sentence


def test_the_same_elsewhere_keeps_off_what_is_found_in_the_picture(sound) -> None:
    case = replace(sound, kept={f"free ground {i}": np.zeros((SIZE, SIZE), bool) for i in sound.units})
    case = replace(case, kept={**case.kept, **_all_count(sound).kept})
    nowhere = _one("removal", case)
    assert (nowhere.limit, nowhere.detail["controls"]) == (None, 0)
    assert "no room" in nowhere.sentence


def _bar_turned(signal: Any) -> Any:
    values = signal.values.copy()
    values[BAR] = 240 - values[BAR]
    return signal.copy(data=values)


def test_places_are_drawn_by_group() -> None:
    flips = [np.array([1.0, 0.0, 0.0, 0.0])] * 40
    rng = np.random.default_rng(0)
    alone = limit_by_place(flips, np.arange(40), rng)
    grouped = limit_by_place(flips, np.arange(40) // 5, rng)
    assert alone == pytest.approx(15 / 40, abs=0.051)  # binomial n = 40, p = 1/4: 95 % point 15
    assert grouped == pytest.approx(4 / 8, abs=0.13)  # n = 8, p = 1/4: 4
    assert limit_by_place(flips, np.arange(40) // 8, rng) is None  # five groups
    assert limit_by_place([np.array([1.0])] * 40, np.arange(40), rng) is None


def test_relevance_lies_in_the_bar_that_is_read(reads_bar, sound) -> None:
    found = {s.name: s for s in supporting["share"](reads_bar)}
    assert found["share:input_x_gradient"].value == pytest.approx(1.0)
    assert found["share:lrp"].value == pytest.approx(1.0)
    assert found["share:input_x_gradient"].beyond
    others = {s.name: s for s in supporting["share"](sound)}
    assert others["share:input_x_gradient"].value == 0.0
    assert not any(s.beyond for s in others.values())


def test_one_limit_holds_for_all_methods_together() -> None:
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(400):
        nets = rng.normal(0.3, 0.05, (3, 20, 2))  # the last one knows nothing either
        beyond += bool((nets[:, -1, 0] > common_limits(nets[:, -1], nets[:, :-1])[:, 0]).any())
    assert 0.02 < beyond / 400 < 0.085  # 1 in 20; three methods by themselves: 1 in 7


def test_shares_by_hand() -> None:
    relevance = np.array([[3.0, -1.0], [1.0, -3.0]])
    weight = np.array([[1.0, 0.5], [0.0, 0.0]])
    assert shares_inside(relevance, weight) == (0.75, 0.125)
    assert np.isnan(shares_inside(np.abs(relevance), weight)[1])


def test_the_mask_arrives_where_the_pixels_do(reads_bar) -> None:
    data, artefact = _set()
    model = matxai.load_model(
        Reader(BAR), task="classification", classes=data.classes, kind="2d", channels=1, size=[16, 16]
    )
    region = artefact.regions[0]
    assert region is not None
    prepared = model.preprocessing.prepare(data.read(0))
    weight = arriving(prepared.placement, region.mask())
    white = data.read(0).copy(data=np.where(region.mask(), 255, 0).astype(np.uint8))
    np.testing.assert_allclose(weight, model.preprocessing.prepare(white).tensor[0, 0], atol=1e-6)


def test_a_net_that_knows_nothing_has_the_same_numbers_in_another_order() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    x = torch.rand(8, 1, 8, 8)
    other = weight_randomised(net, x)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    assert not other.training
    assert not other[1].training
    for (_, p), (_, q) in zip(net.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(p.flatten().sort().values, q.flatten().sort().values)
    inside = other[1](other[0](x))  # its own statistics: mean 0 and deviation 1 before gain and shift
    gain, shift = other[1].weight, other[1].bias
    torch.testing.assert_close(inside.mean((0, 2, 3)), shift, atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.std((0, 2, 3), unbiased=False), gain.abs(), atol=1e-2, rtol=0)
    assert torch.equal(weight_randomised(net, x)(x), other(x))
    assert not torch.equal(weight_randomised(net, x, 1)(x), other(x))
    with pytest.raises(ModelError, match="has no weights"):
        weight_randomised(nn.ReLU(), x)


def test_inserted_bars_draw_the_reader_of_bars_to_their_class() -> None:
    data, artefact = _set(some_without=True)
    found = _one("insertion", _case(Reader(BAR), data, artefact))
    assert found.value == 1.0
    assert found.detail["n"] == 12
    assert found.limit is not None
    assert found.limit < 1.0
    assert found.beyond
    data, artefact = _set(told=False, some_without=True)
    other = _one("insertion", _case(Reader(slice(0, 26)), data, artefact))
    assert other.value == 0.0
    assert not other.beyond


def test_where_every_image_has_a_bar_there_is_nothing_to_insert_into(reads_bar) -> None:
    assert supporting["insertion"](reads_bar) == []


def test_the_sum_towards_a_class_by_hand() -> None:
    top = np.array([[0, 1, 1], [0, 0, 1]])  # units of class 0 and 1; donors of class 0, 1, 1
    groups, donor_groups = np.array([0, 1]), np.array([2, 3, 0])
    drawn = towards(top, np.array([0, 1]), groups, donor_groups, 2)
    # class 0 among units of class 1; class 1 among units of class 0, of which the last donor shares the group
    np.testing.assert_array_equal(drawn, [[1.0, 0.0], [1.0, 1.0], [0.0, np.nan]])
    assert drawn_to_own(drawn, np.array([0, 1, 1])) == ((1 - 0.5) + (1 - 0)) / 2


def test_randomised_nets_do_not_follow_and_are_no_test(reads_bar) -> None:
    before = {k: v.clone() for k, v in reads_bar.model.module.state_dict().items()}
    found = _one("randomised", reads_bar)
    assert abs(found.value) < 0.5
    assert not found.beyond
    assert found.limit is None
    assert "For comparison" in found.sentence
    assert all(torch.equal(v, reads_bar.model.module.state_dict()[k]) for k, v in before.items())


def test_a_cancelled_test_stops(reads_bar) -> None:
    class Set:
        def is_set(self) -> bool:
            return True

    for name in supporting:
        if name != "insertion":
            with pytest.raises(Cancelled):
                supporting[name](dataclasses.replace(reads_bar, cancel=Set()))
