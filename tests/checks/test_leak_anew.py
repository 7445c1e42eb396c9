"""What is fitted anew is judged by what never saw the group; what a network trained again sees and cuts off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import beta
from torch import nn

import matxai
from matxai.checks import LabelledSet, class_scores
from matxai.checks.leak import Artefact, examine
from matxai.checks.leak.anew import groups_of, held_out, interval_of
from matxai.checks.leak.case import said_by
from matxai.checks.leak.remedy import plan_remedy
from matxai.checks.leak.retrained import VERSIONS, lessons_of, with_crop
from matxai.checks.leak.retraining import Head, with_head
from matxai.errors import MatxaiError, SignalError
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR, N = 16, slice(12, 16), 24


def _set(box: tuple[slice, slice] = (BAR, slice(0, SIZE)), kind: str = "info_bar") -> tuple[LabelledSet, Artefact]:
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    images = rng.integers(80, 120, (N, SIZE, SIZE)).astype(np.uint8)
    for image, y in zip(images, labels, strict=True):
        image[box] = 40 + 160 * y + rng.integers(0, 9, image[box].shape)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[box] = True
    data = LabelledSet(
        tuple(f"image {i}" for i in range(N)), labels, ("a", "b"), lambda i: labelled(images[i], ("y", "x")),
        np.arange(N) % 8,
    )  # fmt: skip
    return data, Artefact(kind, kind, tuple(Boxed.of(mask) for _ in labels), "pixels")


class Reader(nn.Module):
    """Dark or bright in some rows; or one class for all."""

    def __init__(self, always: int | None = None) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = x[:, 0, BAR].mean((1, 2)) - 0.47
        if self.always is not None:
            level = torch.full_like(level, 2.0 * self.always - 1)
        return torch.stack([-level, level], 1)


def _model(module: nn.Module | None = None, **more: Any) -> Any:
    fields: dict[str, Any] = {"classes": ["a", "b"], "kind": "2d", "channels": 1, "scale": "dtype", **more}
    return matxai.load_model(module or Reader(), task="classification", name="reader", **fields)


def test_each_signal_is_judged_by_its_own_judge() -> None:
    data, bar = _set()
    reader, first, second = _model(), _model(Reader(0)), _model(Reader(1))
    options: dict[str, Any] = {"artefacts": [bar], "supporting": False, "factors": False, "draws": 200}
    alone = examine(reader, data, **options)
    same = examine(first, data, judges=dict.fromkeys(range(N), reader), **options)
    assert same.findings[0].test == alone.findings[0].test
    assert alone.findings[0].test.effect == 1.0
    # half the groups judged by one who reads the bar, half by one who never does
    blind = {i: reader if i % 8 < 4 else (first, second)[i % 2] for i in range(N)}
    half = examine(reader, data, judges=blind, **options)
    assert half.findings[0].test.effect == pytest.approx(0.5)
    assert half.accuracy[0] == 1.0
    with pytest.raises(MatxaiError, match="give supporting=False and factors=False with judges="):
        examine(reader, data, judges=blind, artefacts=[bar])


def test_runs_of_judges_keep_the_order() -> None:
    data, _ = _set()
    models = [_model(Reader(0)), _model(Reader(1)), _model()]
    numbers = np.array([5, 0, 1, 2, 9, 3, 4])
    found = said_by(lambda i: models[i % 3], numbers, (data.read(i) for i in numbers), None)
    expected = [int(class_scores(models[i % 3], [data.read(i)]).top[0]) for i in numbers]
    assert found.top.tolist() == expected


def test_the_interval_of_a_share_is_never_narrower_than_the_exact_one() -> None:
    right = np.arange(40) % 10 > 0
    alone = interval_of(right, np.arange(40))
    exact = beta.ppf(0.025, 36, 5), beta.ppf(0.975, 37, 4)
    assert alone[0] <= exact[0] + 1e-9
    assert alone[1] >= exact[1] - 1e-9
    grouped = interval_of(np.repeat([True, False], [36, 4]), np.repeat(np.arange(10), 4))
    assert grouped[0] < alone[0] - 0.03  # one group of ten is wrong: (0.9)**k, not (0.9)**4k
    assert interval_of(np.ones(5, bool), np.arange(5)) == (pytest.approx(0.025 ** (1 / 5)), 1.0)


def test_near_duplicates_are_never_on_both_sides() -> None:
    data, bar = _set()
    twins = replace(data, read=lambda i: data.read({9: 0}.get(i, i)))
    groups = groups_of(twins, [bar])
    assert groups[9] == groups[0]
    assert len(np.unique(groups)) == 7
    fold = held_out(data.labels, groups, 0, 3)
    assert all(len(set(fold[groups == g])) == 1 for g in groups)
    classes = np.repeat(np.arange(3), 20)
    even = held_out(classes, np.arange(60) // 5, 0, 5)  # four groups of each class
    assert np.unique(np.stack([even, classes], 1), axis=0, return_counts=True)[1].tolist() == [5] * 12
    with pytest.raises(SignalError, match="only one class is left"):
        held_out(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3]), 0, 4)


def test_cropped_rows_are_cut_off_by_the_new_model_itself() -> None:
    data, bar = _set()
    plan = plan_remedy(data, [bar])
    assert plan.margins == ((0, 4), (0, 0))
    for scale in ("dtype", "image"):
        fresh = with_crop(_model(scale=scale), plan.margins)
        assert fresh is not None
        assert fresh.card.input.steps[0] == {"crop_rows": {"bottom": 4}}
        x = fresh.preprocessing.prepare(data.read(1)).tensor[0, 0].numpy()
        kept = data.read(1).values[:12].astype(float)
        by_image = (kept - kept.min()) / np.ptp(kept)
        np.testing.assert_allclose(x, kept / 255 if scale == "dtype" else by_image, atol=1e-6)
    assert with_crop(_model(), ((0, 0), (3, 0))) is None
    assert with_crop(_model(steps=[{"crop_rows": {"top": 1}}]), plan.margins) is None


def test_lessons_are_cleaned_versions_in_one_group() -> None:
    data, bar = _set()
    label = replace(_set((slice(2, 5), slice(3, 9)), "label")[1], name="label")
    plan = replace(plan_remedy(data, [bar, label]), margins=())
    assert plan.hows == ("crop", "inpaint")
    lessons, about = lessons_of(data, plan, np.arange(N) % 8, 0)
    assert len(lessons) == VERSIONS * N
    assert (lessons.labels == data.labels[about]).all()
    assert (lessons.groups == (about % 8)).all()
    bottom = [lessons.read(k).values[BAR] for k in (5, N + 5)]
    assert all(np.array_equal(b, data.read(5).values[BAR]) for b in bottom)  # the preprocessing's to cut off
    inside = lessons.read(N + 5).values[2:5, 3:9]
    assert any(np.array_equal(inside, data.read(i).values[2:5, 3:9]) for i in range(N) if i != 5)
    alone, _ = lessons_of(data, replace(plan_remedy(data, [bar]), margins=()), np.arange(N) % 8, 0)
    assert len(alone) == N


def test_a_shared_body_is_no_copy_and_the_head_is() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 3), nn.ReLU(), nn.Linear(3, 2))
    model, head = _model(net), Head(np.ones((2, 3)), np.zeros(2), 0.1, 1.0)
    shared, copied = with_head(model, "3", head, shared=True), with_head(model, "3", head)
    assert shared.module[1].weight is net[1].weight
    assert copied.module[1].weight is not net[1].weight
    for new in (shared, copied):
        assert (new.module[3].weight == 1).all()
    assert not (net[3].weight == 1).all()
