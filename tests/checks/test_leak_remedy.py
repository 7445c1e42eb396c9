"""Cleaning and fitting anew: exact outside of artefacts, alike for all classes, and a net that no longer follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import LabelledSet
from matxai.checks.leak import Artefact, examine
from matxai.checks.leak.remedy import cleaned, margins_without, plan_remedy
from matxai.checks.leak.retraining import features_of, fitted_head, folds_of, head_of, solved, with_head
from matxai.errors import MatxaiError, ModelError
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR = 40, slice(34, 40)


def _set(n: int = 60, kind: str = "info_bar", box: tuple[slice, slice] | None = None) -> tuple[LabelledSet, Artefact]:
    rng = np.random.default_rng(3)
    labels, groups = np.arange(n) % 2, np.arange(n) % 12
    where = box or (BAR, slice(0, SIZE))
    images = []
    for y in labels:
        image = rng.normal(100 + 25 * y, 25, (SIZE, SIZE))
        shape = image[where].shape
        image[where] = rng.normal(60 + 120 * y, 10, shape)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    mask = np.zeros((SIZE, SIZE), bool)
    mask[where] = True
    data = LabelledSet(
        tuple(f"image {k}" for k in range(n)),
        labels,
        ("dark", "bright"),
        lambda i: labelled(
            images[i], ("y", "x"), spacing=dict.fromkeys("yx", 2.5), units=dict.fromkeys("yx", "nm"),
            attrs={"info_bar": [34, 39], "metadata": {"kV": 5}},
        ),
        groups,
    )  # fmt: skip
    return data, Artefact(kind, kind, tuple(Boxed.of(mask) for _ in labels), "pixels")


def test_a_crop_is_the_same_for_all_and_keeps_the_place() -> None:
    data, bar = _set()
    plan = plan_remedy(data, [bar])
    assert plan.hows == ("crop",)
    assert plan.margins == ((0, 6), (0, 0))
    for i in (0, 7):
        found, done = cleaned(plan, i, data.read)
        before = data.read(i)
        np.testing.assert_array_equal(found.values, before.values[:34])
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found.y, before.y[:34])
        assert found.y.attrs == before.y.attrs
        assert found.attrs == {k: v for k, v in before.attrs.items() if k != "info_bar"}
        assert "info_bar" in before.attrs
        assert [d.how for d in done] == ["cropped"]


def test_in_painting_changes_nothing_outside() -> None:
    data, label = _set(kind="label", box=(slice(4, 10), slice(5, 20)))
    plan = plan_remedy(data, [label])
    assert plan.hows == ("inpaint",)
    found, _ = cleaned(plan, 3, data.read)
    before = data.read(3).values
    outside = np.ones((SIZE, SIZE), bool)
    outside[2:12, 3:22] = False  # the label and two pixels around it
    np.testing.assert_array_equal(found.values[outside], before[outside])
    assert abs(float(found.values[4:10, 5:20].mean()) - 125) < 25
    assert abs(float(before[4:10, 5:20].mean()) - 125) > 50
    again, _ = cleaned(plan, 3, data.read)
    np.testing.assert_array_equal(again.values, found.values)


def test_exchanged_artefacts_tell_no_class() -> None:
    data, bar = _set()
    plan = plan_remedy(data, [bar], how="exchange")
    donors = []
    for i in range(len(data)):
        found, (done,) = cleaned(plan, i, data.read)
        np.testing.assert_array_equal(found.values[:34], data.read(i).values[:34])
        assert done.donor is not None
        np.testing.assert_array_equal(found.values[BAR], data.read(done.donor).values[BAR])
        donors.append(done.donor)
    table = np.zeros((2, 2), int)
    np.add.at(table, (data.labels, data.labels[donors]), 1)
    assert table.tolist() == [[15, 15], [15, 15]]


def test_margins_by_hand() -> None:
    def box(*slices: slice) -> Boxed:
        mask = np.zeros((100, 80), bool)
        mask[slices] = True
        return Boxed.of(mask)

    assert margins_without([box(slice(90, 100), slice(0, 80))]) == ((0, 10), (0, 0))
    assert margins_without([box(slice(0, 5), slice(0, 80)), box(slice(88, 95), slice(0, 80))]) == ((5, 12), (0, 0))
    assert margins_without([box(slice(0, 100), slice(76, 80)), box(slice(95, 100), slice(77, 80))]) == ((0, 0), (0, 4))
    assert margins_without([]) == ()


def test_what_cannot_be_done_is_said() -> None:
    data, bar = _set()
    with pytest.raises(MatxaiError, match=r"no way 'inpant' to clean a set\. Did you mean 'inpaint'"):
        plan_remedy(data, [bar], how="inpant")
    with pytest.raises(MatxaiError, match="no artefact to free the set of"):
        plan_remedy(data, [])
    _, middle = _set(kind="label", box=(slice(6, 34), slice(6, 34)))
    with pytest.raises(MatxaiError, match="use how='inpaint' or how='exchange'"):
        plan_remedy(data, [middle], how="crop")


class Net(nn.Module):
    """Means of the four quarters and of the bar, mixed, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = nn.Linear(5, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top = x[:, 0, :34]
        parts = [top[:, :17, :20], top[:, :17, 20:], top[:, 17:, :20], top[:, 17:, 20:], x[:, 0, BAR]]
        means = torch.stack([p.mean((1, 2)) for p in parts], 1)
        return self.head(torch.relu(self.mix(4 * means - 2)))


def _leaky(data: LabelledSet) -> Any:
    net = Net()
    model = matxai.load_model(net, task="classification", classes=data.classes, kind="2d", channels=1, scale="dtype")
    x = torch.cat([model.preprocessing.prepare(data.read(i)).tensor for i in range(len(data))])
    y = torch.from_numpy(data.labels)
    best = torch.optim.Adam(net.parameters(), 0.02)
    net.train()
    for _ in range(150):
        loss = nn.functional.cross_entropy(net(x), y)
        best.zero_grad()
        loss.backward()
        best.step()
    net.eval()
    return model


def test_a_head_fitted_anew_no_longer_follows_the_bar() -> None:
    data, bar = _set()
    model = _leaky(data)
    before = {k: v.clone() for k, v in model.module.state_dict().items()}
    options: dict[str, Any] = {"artefacts": [bar], "supporting": False, "factors": False, "draws": 300}
    old = examine(model, data, **options)
    assert old.findings[0].verdict.answer == "leak"
    name = head_of(model, data.read(0))
    assert name == "head"
    plans = [plan_remedy(data, [bar], how="exchange", seed=s) for s in range(4)]
    versions = [features_of(model, name, (cleaned(p, i, data.read)[0] for i in range(len(data)))) for p in plans]
    assert data.groups is not None
    head = fitted_head(np.stack(versions, axis=1), data.labels, data.groups, 2)
    new = with_head(model, name, head)
    after = examine(new, data, **options)
    effect, was = after.findings[0].test, old.findings[0].test
    assert effect is not None
    assert was is not None
    assert effect.effect < 0.2 * was.effect
    assert after.accuracy[0] > 0.9
    assert all(torch.equal(v, model.module.state_dict()[k]) for k, v in before.items())
    assert not model.module.head._forward_pre_hooks
    assert not model.module.head._forward_hooks


def test_the_solution_is_where_the_gradient_vanishes() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 50, p=[0.6, 0.3, 0.1])
    features = rng.normal(size=(50, 2, 4)) + 0.5 * np.eye(4)[labels][:, None]
    head = solved(features, labels, 3, ridge=0.05, nuisance=2.0)

    mean, scale = features.mean((0, 1)), features.std((0, 1))
    z = torch.from_numpy((features - mean) / scale)
    w = torch.from_numpy(head.weight * scale).requires_grad_()
    b = torch.from_numpy(head.bias + head.weight @ mean).requires_grad_()
    spread = (z - z.mean(1, keepdim=True)).flatten(0, 1)
    cover = spread.T @ spread / len(spread)
    y = torch.from_numpy(labels).repeat_interleave(2)
    alike = torch.from_numpy(50 / (3 * np.bincount(labels)))  # every class weighs a third
    loss = nn.functional.cross_entropy(z.flatten(0, 1) @ w.T + b, y, weight=alike)
    loss = loss + 0.025 * w.square().sum() + 1.0 * ((w @ cover) * w).sum()
    loss.backward()
    assert float(w.grad.abs().max()) < 1e-4
    assert float(b.grad.abs().max()) < 1e-4


def test_a_group_is_in_one_fold() -> None:
    groups = np.random.default_rng(0).integers(0, 9, 100)
    fold = folds_of(groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(9))
    assert set(fold) == set(range(5))


def test_a_head_that_is_no_linear_layer_is_refused() -> None:
    data, _ = _set()
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = matxai.load_model(net, task="classification", classes=data.classes, kind="2d", channels=1, name="cells")
    with pytest.raises(ModelError, match="'cells' cannot be fitted anew: its scores are not those of a last linear"):
        head_of(model, data.read(0))


def test_one_score_for_two_classes_is_fitted_too() -> None:
    data, _ = _set()
    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 1))
    model = matxai.load_model(net, task="classification", classes=data.classes, kind="2d", channels=1)
    features = features_of(model, "2", (data.read(i) for i in range(len(data))))
    head = fitted_head(features[:, None], data.labels, np.arange(len(data)), 2)
    new = with_head(model, "2", head)
    x = model.preprocessing.prepare(data.read(1)).tensor
    scores = head.scores(features[1:2])[0]
    assert float(new.module(x).detach()) == pytest.approx(scores[1] - scores[0], rel=1e-4)
