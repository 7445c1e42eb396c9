"""Sentences on what does not fit, and the stages of the preprocessing as signals in their true place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matxai.modelcard import load_model, suits, what_is_seen
from matxai.signals import labelled


def model(**fields):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return load_model(net, name="net", **{"kind": "2d", "channels": 1, "classes": ["a", "b"], **fields})


def image(shape=(40, 60), dtype=np.uint8, top=250, spacing=(0.5, 0.5)):
    values = np.random.default_rng(0).integers(0, top, shape).astype(dtype)
    return labelled(values, ("y", "x"), spacing=dict(zip("yx", spacing, strict=True)), units={"y": "um", "x": "um"})


def test_what_fits_raises_no_doubt():
    found = suits(model(mean=[0.49], std=[0.28]), image())
    assert (found.why_not, found.doubts) == ("", ())
    assert tuple(found.prepared.tensor.shape) == (1, 1, 40, 60)


def test_what_does_not_fit_is_one_sentence():
    stack = labelled(np.zeros((3, 8, 8)), ("z", "y", "x"))
    assert "choose a slice" in suits(model(), stack).why_not
    assert suits(model(), stack).prepared is None


@pytest.mark.parametrize(
    ("fields", "signal", "words"),
    [
        ({}, image(dtype=np.uint16, top=4000), "the network receives 6.1 % of its range"),
        ({}, labelled(np.linspace(0, 255, 64).reshape(8, 8), ("y", "x")), "where 0 to 1 is expected"),
        ({}, image(top=1), "All values that the network receives are the same"),
        ({"mean": [0.9], "std": [0.02]}, image(), "another than it knows"),
        ({"steps": [{"centre_crop": {"size": [20, 20]}}]}, image(), "The network sees 17 % of the image"),
        ({"size": [4, 6]}, image(), "stands for 10 x 10 of the image"),
        ({"size": [40, 40]}, image(), "1.5 times as long along one axis"),
        ({}, image(spacing=(0.5, 1.0)), "2 times as long along one axis"),
        ({"size": [160, 240]}, image(), "became 4 x 4 of the network's"),
    ],
)
def test_doubts_name_what_is_off(fields, signal, words):
    found = suits(model(**fields), signal)
    assert not found.why_not
    assert any(words in doubt for doubt in found.doubts), found.doubts


def test_every_step_is_seen_behind_the_one_before_and_lies_where_it_lies():
    net = model(steps=[{"centre_crop": {"size": [20, 30]}}], size=[10, 10], mean=[0.5], std=[0.25])
    signal = image()
    seen = what_is_seen(net, signal)
    assert [s.step for s in seen] == ["", "scale_dtype", "channels", "centre_crop", "resize", "normalise"]
    np.testing.assert_array_equal(seen[0].signal, signal)
    np.testing.assert_allclose(seen[1].signal, signal.values / 255)
    np.testing.assert_allclose(seen[3].signal, signal.values[10:30, 15:45] / 255)
    np.testing.assert_allclose(seen[3].signal.y, signal.y[10:30])
    np.testing.assert_allclose(seen[3].signal.x, signal.x[15:45])
    assert seen[3].signal.x.attrs["units"] == signal.x.attrs["units"]
    # ten pixels where there were thirty: the centre of the first is that of the first three
    assert float(seen[4].signal.x[0]) == pytest.approx(float(signal.x[15:18].mean()))
    assert float(seen[4].signal.x[1] - seen[4].signal.x[0]) == pytest.approx(1.5)
    np.testing.assert_allclose(seen[-1].signal, net.preprocessing.prepare(signal).tensor[0, 0], rtol=1e-5, atol=1e-6)
