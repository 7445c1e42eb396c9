"""Mask and ask again in one call: closed forms, the same class, the same changed signal, regions apart and together."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import ask_again, class_scores, perturb, united
from matxai.errors import Cancelled, RegionError
from matxai.explanation import provenance
from matxai.regions import Region, disc
from matxai.signals import labelled

SHAPE = (40, 48)


class Net(nn.Module):
    """A bright window at the left is class 1, the rest of the image class 0."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.features(x)
        left = seen[:, 0, 3:6, 2:5].mean((1, 2)) + 5 * x[:, 0, 12:24, 8:20].mean((1, 2))
        return torch.stack([torch.full_like(left, 2.0), left], dim=1)


class Dense(nn.Module):
    """Two classes for every pixel: bright, and not."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.features.weight[:] = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)
            self.features.bias[:] = torch.tensor([0.5, -0.5])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


def model(net: nn.Module | None = None, **card):
    card = {"task": "classification", "kind": "2d", "classes": ["rest", "window"], **card}
    return matxai.load_model(net or Net(), **card)


def picture():
    values = np.random.default_rng(1).normal(60, 4, SHAPE)
    values[12:24, 8:20] = 230
    return labelled(np.clip(values, 0, 255).astype(np.uint8), ("y", "x"))


def window(rows=slice(11, 25), columns=slice(7, 21), kind="drawn"):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return Region(mask, kind, "drawn", evidence={"number": 3})


def test_one_call_does_what_its_parts_do() -> None:
    net, given = model(), picture()
    before = matxai.explain(net, given, methods=["saliency", "grad_cam"], layers="features.0")
    assert provenance(before)["target"]["class"] == "window"
    found = ask_again(
        net,
        given,
        window(),
        before=before,
        methods=["saliency", "grad_cam"],
        layers="features.0",
        fills=["noisy_linear", "local_mean"],
        controls=5,
    )
    plain = perturb(net, given, window(), target=1, fills=["noisy_linear", "local_mean"], controls=5)
    np.testing.assert_allclose(found.change.effects, plain[0].effects)
    np.testing.assert_allclose(found.change.control_effect, plain[0].control_effect)
    assert found.change.flips.all()
    assert found.fill == "noisy_linear"
    # the signal that is shown is the one that was judged
    np.testing.assert_allclose(class_scores(net, [found.signal]).scores[0], found.change.after.scores[0], rtol=1e-5)
    assert (np.asarray(found.signal) != np.asarray(given))[~window().mask].sum() == 0
    # its maps are of the class that was explained, not of the one on top now
    assert found.explanation is not None
    assert provenance(found.explanation)["target"]["class"] == "window"
    again = matxai.explain(net, found.signal, methods=["saliency"], target="window")
    np.testing.assert_allclose(found.explanation["saliency"], again["saliency"], rtol=1e-5)
    assert list(found.explanation.data_vars) == list(before.data_vars)
    assert found.unresolved == ((),)


def test_regions_are_masked_together_or_one_by_one() -> None:
    net, given = model(), picture()
    other = disc(SHAPE, (32, 38), 4.0)
    both = ask_again(net, given, [other, window()], fills=["local_mean"], controls=0)
    assert len(both.perturbation) == 1
    assert both.regions[0].area == other.area + window().area
    apart = ask_again(net, given, [other, window()], fills=["local_mean"], controls=0, together=False)
    assert len(apart.perturbation) == 2
    assert apart.shown == 1  # the one that matters
    assert apart.perturbation[0].effect == pytest.approx(0, abs=1e-6)
    assert both.change.effect == pytest.approx(apart.change.effect)
    assert both.explanation is None


def test_kept_alone_the_region_makes_the_class() -> None:
    found = ask_again(model(), picture(), window(), action="keep", fills=["local_mean"], controls=0)
    assert not found.change.flips.any()
    changed = np.asarray(found.signal) != np.asarray(picture())
    assert changed.any()
    assert not changed[window().mask].any()


def test_of_a_dense_output_the_class_is_read_where_it_was() -> None:
    net = model(Dense(), task="segmentation")
    before = matxai.explain(net, picture(), methods=["saliency"], target="window")
    found = ask_again(net, picture(), window(), before=before, methods=["saliency"], fills=["local_mean"], controls=0)
    assert found.change.iou is not None
    assert found.change.iou[0] == 0.0  # the object is gone, and its maps are there all the same
    assert found.explanation is not None
    assert np.isfinite(found.explanation["saliency"]).all()
    np.testing.assert_allclose(found.explanation["saliency"].values[12:24, 8:20], before["saliency"][12:24, 8:20])


def test_a_region_finer_than_the_map_is_told_of() -> None:
    net, given = model(), picture()
    before = matxai.explain(net, given, methods=["grad_cam"], target="window", layers="features.2")
    found = ask_again(net, given, [window(slice(14, 16), slice(9, 11)), window()], before=before, controls=0)
    assert [len(u) for u in found.unresolved] == [1, 0]
    assert found.unresolved[0][0].sentence == (
        "The region 3 measures 2 x 2 pixels, less than a cell of grad_cam at the layer 'features.2', 4 x 4 pixels: "
        "this map cannot resolve it. A map of the layer 'features.1' could; its cells are 1 x 1 pixels."
    )


class Boxes(nn.Module):
    """A detector of what is bright: one box around it, none in the dark."""

    def forward(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = []
        for one in x[:, 0]:
            rows, columns = (one > 0.6).nonzero(as_tuple=True)
            if not len(rows):
                none = torch.zeros(0)
                found.append({"boxes": torch.zeros(0, 4), "labels": none.long(), "scores": none})
                continue
            box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
            found.append({"boxes": box[None], "labels": torch.ones(1).long(), "scores": one[12:24, 8:20].mean()[None]})
        return found


def test_a_box_that_goes_with_the_region_is_an_answer_and_no_fault() -> None:
    net = model(Boxes(), task="detection", scale="dtype")
    kept = ask_again(net, picture(), disc(SHAPE, (32, 38), 4.0), methods=["saliency"], fills=["local_mean"], controls=0)
    assert kept.explanation is not None
    assert kept.notes == ()
    gone = ask_again(net, picture(), window(), methods=["saliency"], fills=["local_mean"], controls=0)
    assert gone.change.iou is not None
    assert gone.change.iou[0] == 0
    assert gone.explanation is None
    assert gone.notes[0].startswith("There is no new map: ")


def test_effects_may_be_of_another_class_than_the_one_that_is_explained() -> None:
    from matxai.engine import targets

    both = targets.contrast("window", "rest")
    found = ask_again(
        model(),
        picture(),
        window(),
        target=both,
        score="window",
        methods=["saliency"],
        fills=["local_mean"],
        controls=0,
    )
    assert found.perturbation.target == 1
    assert found.explanation is not None
    assert "against" in provenance(found.explanation)["target"]["class"]


def test_bad_questions_are_a_sentence() -> None:
    net, given = model(), picture()
    with pytest.raises(RegionError, match="There is no region to mask"):
        ask_again(net, given, [])
    with pytest.raises(RegionError, match="'remove' or 'keep', not by 'insert'"):
        ask_again(net, given, window(), action="insert")
    top, rest = window(slice(0, 20), slice(None)), window(slice(20, 40), slice(None))
    with pytest.raises(RegionError, match="mask them one by one"):
        united([top, rest])
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        ask_again(net, given, window(), cancel=stop)
