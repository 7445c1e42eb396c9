"""What a model says of a signal, boxes in the signal's pixels, and classes over a region that was drawn there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import matxai
from matxai.errors import RegionError, TargetError
from matxai.explanation import over, predict, provenance
from matxai.modelcard import load_model
from matxai.signals import labelled


def test_scores_are_those_of_the_explanation_and_no_pass_more(make_model, micrograph):
    model = make_model()
    found = predict(model, micrograph)
    expected = provenance(matxai.explain(model, micrograph, ["saliency"]))["scores"]
    assert [row["class"] for row in found.scores] == [row["class"] for row in expected]
    for row, other in zip(found.scores, expected, strict=True):
        assert row["logit"] == pytest.approx(other["logit"], rel=1e-4, abs=1e-6)
    assert sum(row["probability"] for row in found.scores) == pytest.approx(1.0)
    assert all(p.grad is None for p in model.module.parameters())


def test_all_classes_come_not_the_top_five():
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 9, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model = load_model(net, name="n", kind="2d", channels=1, classes=[f"c{i}" for i in range(9)])
    assert len(predict(model, labelled(np.eye(8), ("y", "x"))).scores) == 9


class Detector(torch.nn.Module):
    """Two boxes at known places of the network's 32 x 32 input; the first is the better one."""

    def forward(self, x):
        boxes = torch.tensor([[8.0, 4.0, 16.0, 12.0], [0.0, 0.0, 32.0, 32.0]])
        scores = torch.tensor([0.9, 0.3]) + 0 * x.mean((1, 2, 3))[:, None]
        return [{"boxes": boxes, "labels": torch.tensor([1, 0]), "scores": s} for s in scores]


def test_boxes_lie_in_the_pixels_of_the_signal():
    model = load_model(
        Detector(), name="d", task="detection", kind="2d", channels=1, classes=["pore", "crack"], size=[32, 32]
    )
    found = predict(model, labelled(np.random.default_rng(0).random((64, 128)), ("y", "x")))
    assert found.scores == ()
    first, second = found.boxes
    assert (first.index, first.name, second.name) == (0, "crack", "pore")
    assert first.score == pytest.approx(0.9)
    # the network's pixel i stands for the signal's 2 i ... 2 i + 1 along y, 4 i ... 4 i + 3 along x: centres 2 i + 0.5
    np.testing.assert_allclose(first.low, [4 * 2 + 0.5, 8 * 4 + 1.5])
    np.testing.assert_allclose(first.high, [11 * 2 + 0.5, 15 * 4 + 1.5])


def dense(size=None):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))
    more = {} if size is None else {"size": size}
    return load_model(net, name="s", task="segmentation", kind="2d", channels=1, classes=["ground", "crack"], **more)


def test_a_class_over_a_region_explains_its_score_there():
    model, signal = dense(), labelled(np.random.default_rng(1).random((16, 20)), ("y", "x"))
    mask = np.zeros((16, 20), bool)
    mask[4:8, 6:12] = True
    target = over(model, signal, mask, "crack")
    found = matxai.explain(model, signal, ["input_x_gradient"], target=target)
    x = model.preprocessing.prepare(signal).tensor
    expected = model.module(x).detach()[0, 1][torch.from_numpy(mask)].mean()
    assert provenance(found)["target"]["score"] == pytest.approx(float(expected), rel=1e-5)
    assert "crack" in provenance(found)["target"]["class"]
    sums = over(model, signal, mask, "crack", reduce="sum")
    assert float(sums.score(model.module(x).detach())[0]) == pytest.approx(float(expected) * mask.sum(), rel=1e-5)


def test_the_region_goes_the_way_of_the_pixels():
    model, signal = dense([32, 40]), labelled(np.random.default_rng(1).random((16, 20)), ("y", "x"))
    mask = np.zeros((16, 20), bool)
    mask[4:8, 6:12] = True
    target = over(model, signal, mask, 1)
    np.testing.assert_array_equal(target.mask.numpy(), np.kron(mask, np.ones((2, 2))))
    thin = np.zeros((16, 20), bool)
    thin[3, 5] = True
    assert over(dense([4, 5]), signal, thin, 1).mask.numpy().sum() == 1


def test_regions_that_cannot_be_are_refused():
    model, signal = dense(), labelled(np.ones((16, 20)), ("y", "x"))
    with pytest.raises(RegionError, match="empty"):
        over(model, signal, np.zeros((16, 20)), "crack")
    with pytest.raises(RegionError, match=r"shape \(4, 4\)"):
        over(model, signal, np.ones((4, 4)), "crack")
    with pytest.raises(TargetError, match="no class 'crak'"):
        over(model, signal, np.ones((16, 20)), "crak")
    with pytest.raises(TargetError, match="'mean' or its 'sum'"):
        over(model, signal, np.ones((16, 20)), "crack", reduce="most")
    cut = load_model(
        model.module, name="s", task="segmentation", kind="2d", channels=1, classes=["a", "b"],
        steps=[{"centre_crop": {"size": [8, 8]}}],
    )  # fmt: skip
    corner = np.zeros((16, 20))
    corner[:2, :2] = 1
    with pytest.raises(RegionError, match="does not look"):
        over(cut, signal, corner, "b")
