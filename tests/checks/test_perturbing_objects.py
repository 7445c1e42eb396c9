"""What is read of dense outputs, of detectors and of a lone output when a region is replaced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

import matxai
from matxai.checks import class_scores, perturb
from matxai.errors import TargetError
from matxai.signals import labelled

RNG = np.random.default_rng


class Bright(nn.Module):
    """Dense: class 1 where a pixel is brighter than 100."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([100 - x, x - 100], dim=1) / 50


class Boxes(nn.Module):
    """A detector of bright columns: one box around them, its score their brightness; none in the dark."""

    def forward(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        found = []
        for one in x[:, 0]:
            columns = (one.max(0).values > 150).nonzero().flatten()
            rows = (one.max(1).values > 150).nonzero().flatten()
            if not len(columns):
                none = torch.zeros(0)
                found.append({"boxes": torch.zeros(0, 4), "labels": none.long(), "scores": none})
                continue
            box = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
            found.append({"boxes": box[None], "labels": torch.ones(1).long(), "scores": one.max()[None] / 255})
        return found


def loaded(module: nn.Module, **options):
    given = {"kind": "2d", "channels": 1, "scale": "none", "classes": ["no", "yes"], **options}
    return matxai.load_model(module, **given)


def mask_of(rows: slice, columns: slice, shape=(40, 50)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


OBJECT = mask_of(slice(10, 20), slice(30, 42))


def test_a_dense_model_is_asked_about_its_object() -> None:
    values = np.full((40, 50), 40, np.uint8)
    values[10:20, 30:42] = 160
    scene = labelled(values, ("y", "x"))
    half = mask_of(slice(10, 20), slice(30, 36))
    change = perturb(loaded(Bright()), scene, half, target="yes", fills=["local_mean"], controls=0)[0]
    np.testing.assert_allclose(change.before.scores[0], [-1.2, 1.2], atol=1e-6)
    # 3 pixels around, the mean of what is dark and what is bright there
    ring = ndimage.binary_dilation(half, iterations=3) & ~half
    level = np.rint(values[ring].mean())
    assert level < 100
    assert change.after.scores[0, 1] == pytest.approx((1.2 + (level - 100) / 50) / 2, abs=1e-6)
    assert change.before.iou[0] == 1.0
    assert change.iou[0] == 0.5
    assert "IoU of 0.50" in change.sentence
    with pytest.raises(TargetError, match="predicts class 'yes' nowhere"):
        perturb(loaded(Bright()), scene.copy(data=np.zeros_like(values)), half, target=1)


def test_a_detected_box_is_followed() -> None:
    values = np.full((40, 50), 40, np.uint8)
    values[10:20, 30:42] = 200
    scene = labelled(values, ("y", "x"))
    detector = loaded(Boxes(), task="detection", classes=["background", "bar"])
    half = perturb(detector, scene, mask_of(slice(10, 20), slice(30, 33)), fills=["donor"], donors=[scene * 0 + 40],
                   controls=0)[0]  # fmt: skip
    assert half.before.scores[0, 1] == pytest.approx(200 / 255)
    assert half.iou[0] == pytest.approx(9 / 12)
    assert half.after.scores[0, 1] == pytest.approx(9 / 12 * 200 / 255)
    assert half.after.probabilities[0, 1] == pytest.approx(200 / 255)
    gone = perturb(detector, scene, OBJECT, fills=["local_mean"], controls=2)[0]
    assert gone.iou[0] == 0.0
    assert gone.effect == pytest.approx(200 / 255)
    with pytest.raises(TargetError, match="there is no box 4"):
        perturb(detector, scene, OBJECT, target=4)


def test_a_lone_output_has_a_sigmoid_for_its_probability() -> None:
    class Lone(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0].mean((1, 2))[:, None] / 100 - 1

    signal = labelled(RNG(0).integers(60, 160, (40, 50)).astype(np.uint8), ("y", "x"))
    model = loaded(Lone(), classes=["defect"])
    found = perturb(model, signal, OBJECT, target="defect", fills=["blur"], controls=0)
    np.testing.assert_allclose(class_scores(model, [signal]).probabilities, found.before.probabilities, rtol=1e-6)
    score = signal.values.mean() / 100 - 1
    assert found.target == 1
    np.testing.assert_allclose(found.before.scores[0], [-score, score], rtol=1e-5)
    np.testing.assert_allclose(found.before.probabilities[0, 1], 1 / (1 + np.exp(-score)), rtol=1e-5)
