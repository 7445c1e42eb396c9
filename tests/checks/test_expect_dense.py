"""Expectations of models that draw or box: what the object's score loses, and what has no object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from matxai.checks import LabelledSet
from matxai.checks.expect.asking import Asked
from matxai.checks.expect.document import expectations_of
from matxai.checks.expect.judging import judge
from matxai.checks.expect.measures.of_maps import _twins
from matxai.checks.expect.sample import Sample
from matxai.checks.perturbation import filled_signal
from matxai.modelcard import load_model
from matxai.regions import Region

SHAPE = (24, 24)
SETS = 20


class Bright(nn.Module):
    """Dense: class 1 where a pixel is brighter than a half."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([0.5 - x, x - 0.5], dim=1)


class Boxes(nn.Module):
    """A detector: a box of class 2 at the whole image, surer than all, and one of class 1 around what is bright."""

    def forward(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = []
        for one in x[:, 0]:
            bright = one > 0.6
            boxes, labels, scores = [[0.0, 0.0, 24.0, 24.0]], [2], [0.99]
            if bright.any():
                rows, columns = (bright.any(d).nonzero().flatten() for d in (1, 0))
                boxes.append([float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)])
                labels.append(1)
                scores.append(float(one[bright].mean()))
            found.append({"boxes": torch.tensor(boxes), "labels": torch.tensor(labels), "scores": torch.tensor(scores)})
        return found


def patch(i: int) -> tuple[slice, slice]:
    return slice(6 + i % 4, 11 + i % 4), slice(5 + i % 5, 10 + i % 5)


def read(i: int) -> xr.DataArray:
    values = 0.2 + 0.05 * np.random.default_rng(i).random(SHAPE)
    if i % 2:  # every other one has no object, so that a picture without one is none that nobody has seen
        values[patch(i)] = 0.7 + 0.02 * i
    return xr.DataArray(values.astype(np.float32), dims=("y", "x"), coords={"y": range(24), "x": range(24)})


def mask(i: int) -> np.ndarray:
    found = np.zeros(SHAPE, np.int64)
    found[patch(i)] = 1
    return found


def data(*classes: str, first: int = 0) -> LabelledSet:
    names = tuple(f"s{i}.tif" for i in range(SETS))
    return LabelledSet(names, (np.arange(SETS) + first) % 2, classes, read, np.arange(SETS), mask=mask)


def judged(model: Any, labelled: LabelledSet, line: str, about: str = "pore") -> Any:
    fields = f"name: x, classes: [{about}], region: {{mask: any}}, measure: score_drop, {line}"
    return judge(
        expectations_of(f"version: 1\nexpectations:\n  - {{{fields}}}\n"), model, labelled, draws=200
    ).findings[0]


def test_a_segmented_object_loses_what_the_fill_took() -> None:
    model = load_model(Bright(), kind="2d", channels=1, classes=["ground", "pore"], task="segmentation", scale="none")
    found = judged(model, data("ground", "pore"), "fills: local_mean, above: 0.2")
    first = found.samples[0]
    assert first.name == "s1.tif"
    where = mask(1) == 1
    after = np.asarray(filled_signal(read(1), where, "local_mean", 0).values)
    expected = float(np.asarray(read(1).values)[where].mean() - after[where].mean())
    assert first.value == pytest.approx(expected, rel=1e-5)
    assert found.verdict.answer == "holds" and found.verdict.n == SETS // 2
    against = judged(model, data("ground", "pore"), "fills: local_mean, above: controls")
    assert against.verdict.answer == "holds" and {s.rank for s in against.samples} == {1}
    nowhere = judged(model, data("ground", "pore", first=1), "fills: local_mean, above: 0.2")
    assert nowhere.verdict.answer == "inconclusive" and "predicts class 'pore' nowhere" in nowhere.missing


def test_a_detector_is_asked_about_the_surest_box_of_the_own_class() -> None:
    classes = ("background", "pore", "whole")
    model = load_model(Boxes(), kind="2d", channels=1, classes=list(classes), task="detection", scale="none")
    found = judged(model, data(*classes), "fills: local_mean, above: 0.2")
    # the box is gone with its object: what it loses is its own score times an overlap of 1, not that of the surer box
    expected = [0.7 + 0.02 * i for i in range(1, SETS, 2)]
    assert [s.value for s in found.samples] == pytest.approx(expected, rel=1e-5)
    assert found.verdict.answer == "holds"
    missing = judged(model, data(*classes), "fills: local_mean, above: 0.2", about="background")
    assert missing.verdict.answer == "inconclusive" and "finds no 'background' in s0.tif" in missing.missing


def test_twins_of_maps_keep_off_what_the_instrument_wrote() -> None:
    rng = np.random.default_rng(0)
    picture = rng.normal(120, 6, (96, 96)).clip(0, 255)
    picture[80:] = 0
    picture[85:91, 10:40:3] = 255
    rows, columns = np.ogrid[:96, :96]  # a dark grain, whose likes are nowhere but in the bar
    picture[(rows - 63) ** 2 + (columns - 43) ** 2 <= 81 + 9 * np.sin(rows) + 9 * np.cos(columns)] *= 0.05
    signal = xr.DataArray(picture.astype(np.uint8), dims=("y", "x"), coords={"y": range(96), "x": range(96)})
    model = load_model(Bright(), kind="2d", channels=1, classes=["a", "b"], task="segmentation", scale="none")
    asked = Asked(model, Sample(0, "s.tif", "a", signal, None), 0)  # type: ignore[arg-type]
    inside = np.zeros((96, 96), bool)
    inside[60:66, 40:46] = True
    assert not asked.free[80:].any() and asked.free[inside].all()
    twins = _twins(asked, Region(inside, "drawn", "hand"), np.ones((96, 96)), 60)
    assert len(twins) == 60 and not any(t.mask[80:].any() for t in twins)
