"""Factors over sets of files made by hand: told from the label or not, moving the model or not, each of the four."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

import matxai
from matxai.checks import LabelledSet, Perturbed, class_scores
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.choosing import spread
from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import alike
from matxai.signals import labelled

N, SIZE = 48, 64


class Blockiness(nn.Module):
    """Two scores from the steps over the borders of 8 x 8 blocks, beside steps elsewhere: JPEG or not."""

    def __init__(self, limit: float = 1.2) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        step = (x[..., 1:] - x[..., :-1]).abs().mean((1, 2))
        at = torch.arange(step.shape[-1]) % 8 == 7
        ratio = step[:, at].mean(1) / step[:, ~at].mean(1).clamp_min(1e-6)
        return torch.stack([self.limit - ratio, ratio - self.limit], 1) * 10


class Mean(nn.Module):
    """Two scores from the mean of all values, against a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2, 3))
        return torch.stack([self.limit - mean, mean - self.limit], 1) * 10


def _texture(rng: np.random.Generator, size: int = SIZE) -> np.ndarray:
    soft = ndimage.gaussian_filter(rng.normal(size=(size, size)), 2.0)
    return 120 + 30 * soft / soft.std()


def _case(data: LabelledSet, module: nn.Module, **more: Any) -> Case:
    model = matxai.load_model(
        module, task="classification", classes=data.classes, kind="2d", channels=1, scale="dtype", **more
    )
    units = np.arange(len(data))
    signals = Signals(data)
    groups = units if data.groups is None else data.groups
    chosen = spread(data.labels, groups, 48, np.random.default_rng(0))
    asked = [class_scores(model, [signals[i]]) for i in chosen]
    clean = Perturbed(np.concatenate([a.scores for a in asked]), np.concatenate([a.top for a in asked]))
    return Case(model, data, chosen, chosen, clean, groups, data.groups is not None, signals, draws=400)


def _files(folder: Any, suffix: Any) -> LabelledSet:
    """Textures of no class, written as ``suffix(number, label)`` says."""
    rng = np.random.default_rng(5)
    labels = np.arange(N) % 2
    paths = []
    for k, y in enumerate(labels):
        name = suffix(k, int(y))
        path = folder / f"{k:02}{name}"
        options = {"quality": 40} if name == ".jpg" else {}
        Image.fromarray(np.clip(_texture(rng), 0, 255).astype(np.uint8)).save(path, **options)
        paths.append(path)
    return LabelledSet(
        tuple(p.name for p in paths), labels, ("a", "b"), lambda i: matxai.read(paths[i]), None, tuple(paths)
    )


def test_a_file_type_that_tells_the_class_moves_the_net_that_sees_blocks(tmp_path) -> None:
    data = _files(tmp_path, lambda k, y: (".png", ".jpg")[y])
    found = factors["file_type"](_case(data, Blockiness()))
    assert found is not None
    assert (found.predicts, found.specimen) == (1.0, False)
    assert found.chance is not None
    assert found.chance < 0.8
    assert found.moves is not None
    assert found.moves.effect == pytest.approx(1.0)  # every PNG becomes class b once it is a JPEG
    assert found.moves.n == N // 2  # the JPEGs cannot be made PNGs again
    assert found.moves.p is not None
    assert found.moves.p <= 0.01
    assert found.detail["by_class"] == {"a": {"png, lossless": 24}, "b": {"jpeg, quality 40": 24}}
    assert "File type alone tells the class" in found.sentence


def test_it_does_not_move_the_net_that_sees_none(tmp_path) -> None:
    data = _files(tmp_path, lambda k, y: (".png", ".jpg")[y])
    found = factors["file_type"](_case(data, Mean(0.47)))
    assert found is not None
    assert found.predicts == 1.0
    assert found.moves is not None
    assert found.moves.effect == pytest.approx(0.0, abs=0.05)
    assert found.moves.p is not None
    assert found.moves.p > 0.05


def test_a_file_type_shared_by_the_classes_tells_nothing(tmp_path) -> None:
    data = _files(tmp_path, lambda k, y: (".png", ".jpg")[k // 2 % 2])
    found = factors["file_type"](_case(data, Blockiness()))
    assert found is not None
    assert found.predicts is not None
    assert found.chance is not None
    assert found.predicts <= found.chance
    assert found.moves is not None
    assert abs(found.moves.effect) < 0.2  # it moves the net, and never towards a class


def test_what_does_not_vary_is_none(tmp_path) -> None:
    case = _case(_files(tmp_path, lambda k, y: ".png"), Mean(0.5))
    assert factors["file_type"](case) is None
    assert factors["compression"](case) is None
    assert factors["size"](case) is None
    assert factors["pixel_size"](case) is None


def _stored(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _signals(make: Any, classes: int = 2, **options: Any) -> LabelledSet:
    rng = np.random.default_rng(9)
    labels = np.arange(N) % classes
    made = [make(rng, int(y)) for y in labels]
    signals = [
        m if hasattr(m, "dims") else labelled(np.clip(np.rint(m), 0, 255).astype(np.uint8), ("y", "x")) for m in made
    ]
    names = tuple(f"s{k}" for k in range(N))
    return LabelledSet(names, labels, tuple("abcdefg"[:classes]), lambda i: signals[i], **options)


def test_brightness_moves_the_net_that_reads_the_mean() -> None:
    data = _signals(lambda rng, y: _texture(rng) + 40 * y)
    found = factors["brightness"](_case(data, Mean(140 / 255)))
    assert found is not None
    assert found.specimen
    assert found.predicts == 1.0
    assert found.moves is not None
    assert found.moves.effect == pytest.approx(1.0)
    contrast = factors["contrast"](_case(data, Mean(140 / 255)))
    assert contrast is not None
    assert contrast.moves is not None
    assert contrast.moves.effect == pytest.approx(0.0, abs=0.02)  # stretched about the mean, which stays


@pytest.mark.parametrize(("name", "make"), [
    ("focus", lambda rng, y: ndimage.gaussian_filter(rng.normal(120, 60, (SIZE, SIZE)), 0.8 + 0.8 * y) ),
    ("noise", lambda rng, y: _texture(rng) + rng.normal(0, 2 + 8 * y, (SIZE, SIZE))),
])  # fmt: skip
def test_what_can_be_added_or_blurred_moves_the_net_that_sees_detail(name, make) -> None:
    class Detail(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            fine = (x[..., 1:] - x[..., :-1]).std((1, 2, 3)) / x.std((1, 2, 3))
            limit = {"focus": 0.6, "noise": 0.4}[name]
            high = torch.stack([limit - fine, fine - limit], 1)
            return high.flip(1) if name == "focus" else high

    found = factors[name](_case(_signals(make), Detail()))
    assert found is not None
    assert found.predicts == 1.0
    assert found.moves is not None
    assert found.moves.n == N // 2  # the soft cannot be made sharp, nor the noisy quiet
    assert found.moves.effect > 0.95


def test_size_and_pixel_size_move_the_net_that_counts_detail() -> None:
    def make(rng: np.random.Generator, y: int) -> Any:
        image = _texture(rng, 96 if y else 48)
        step = 10.0 if y else 20.0
        values = np.clip(image, 0, 255).astype(np.uint8)
        return labelled(values, ("y", "x"), spacing=dict.fromkeys("yx", step), units=dict.fromkeys("yx", "nm"))

    class Coarse(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            fine = (x[..., 1:] - x[..., :-1]).std((1, 2, 3)) / x.std((1, 2, 3))
            return torch.stack([fine - 0.22, 0.22 - fine], 1)

    data = _signals(make)
    pixel = factors["pixel_size"](_case(data, Coarse()))
    assert pixel is not None
    assert pixel.predicts == 1.0
    assert set(pixel.detail["by_class"]["a"]) == {"20"}
    size = factors["size"](_case(data, Coarse()))
    assert size is not None
    assert size.predicts == 1.0
    assert size.moves is not None
    assert size.moves.n == N
    assert size.moves.effect > 0.4  # a large picture made small loses its detail; a small one has none to gain
    assert size.detail["by_class"] == {"a": {"48 x 48": 24}, "b": {"96 x 96": 24}}


def test_classes_with_the_same_files_count_as_one() -> None:
    labels = np.repeat(np.arange(4), 20)
    levels = np.where((labels == 2) & (np.arange(80) % 4 > 0), 1, 0)
    merged, names = alike(levels, labels, ("a", "b", "c", "d", "e"))
    assert names == ("a or b or d", "c")
    assert merged[[0, 1, 3]].tolist() == [0, 0, 0]
    assert merged[2] == 1
    assert merged[4] not in (0, 1)
    apart, names = alike(np.zeros(80, np.int64), labels, ("a", "b", "c", "d"))
    assert apart.tolist() == [0, 1, 2, 3]
    assert names == ("a", "b", "c", "d")


@pytest.mark.data
def test_steel_strip_tells_a_class_by_its_files_and_moves_only_who_sees_blocks(data_dir) -> None:
    """X-SDD: 115 of 162 images of one class are PNG, everything else is JPEG with one table."""
    folder = data_dir / "xsdd_steel_strip" / "images"
    classes = tuple(sorted(p.name for p in folder.iterdir()))
    paths = [p for c in classes for p in sorted((folder / c).iterdir())]
    labels = np.array([classes.index(p.parent.name) for p in paths])
    names = tuple(f"{p.parent.name}/{p.name}" for p in paths)
    data = LabelledSet(names, labels, classes, lambda i: matxai.read(paths[i]), None, tuple(paths))

    class Seven(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            two = self.inner(x)  # the first class, the one with PNGs, or the fifth
            rest = torch.full((len(x), 3), -100.0)
            return torch.cat([two[:, :1], rest, two[:, 1:], rest[:, :2]], 1)

    sees = factors["file_type"](_case(data, Seven(Blockiness(1.05)), steps=["grey"]))
    blind = factors["file_type"](_case(data, Seven(Mean(0.5)), steps=["grey"]))
    for found in (sees, blind):
        assert found is not None
        assert found.chance is not None
        assert found.predicts is not None
        assert found.predicts > found.chance
        assert found.predicts == pytest.approx((115 / 162 + 6 * (1 / 6)) / 7, abs=0.02)
        assert found.detail["by_class"]["finishing_roll_printing"] == {
            "png, lossless": 115, "jpeg, quality 90, 4:2:0": 47,
        }  # fmt: skip
        assert found.moves is not None
        assert found.moves.n == 80
    assert sees.moves.interval[0] > 0.15
    assert blind.moves.interval[1] < 0.15
    assert blind.moves.p > 0.05
    assert factors["compression"](_case(data, Seven(Mean(0.5)), steps=["grey"])) is None
