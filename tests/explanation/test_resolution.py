"""What a map cannot tell of a region, and which layer could: cells worked out by hand, sentences word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.errors import RegionError
from matxai.explanation import layer_cells, unresolved
from matxai.regions import disc
from matxai.signals import labelled


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def model(**card):
    return matxai.load_model(network(), task="classification", kind="2d", classes=["a", "b"], scale="dtype", **card)


def signal():
    values = np.random.default_rng(0).integers(0, 255, (64, 48), dtype=np.uint8)
    return labelled(values, ("y", "x"), spacing={"y": 0.5, "x": 0.5}, units={"y": "um", "x": "um"})


def test_the_cells_of_all_layers_follow_from_the_strides() -> None:
    cells = {name: [e.pixels for e in extents] for name, extents in layer_cells(model(), signal()).items()}
    assert cells == {
        "0": [1.0, 1.0],
        "1": [1.0, 1.0],
        "2": [2.0, 2.0],
        "3": [4.0, 4.0],
        "4": [4.0, 4.0],
        "5": [16.0, 16.0],
    }
    first = layer_cells(model(), signal())["3"][0]
    assert (first.size, first.units) == (2.0, "um")


def test_a_region_smaller_than_the_cell_gets_the_sentence_that_names_the_layer() -> None:
    net, given = model(), signal()
    explanation = matxai.explain(net, given, methods=["grad_cam", "saliency"], layers="5")
    region = disc((64, 48), (30, 20), 3.0)  # 7 x 7 pixels
    [found] = unresolved(explanation, region, cells=layer_cells(net, given), name="pore")
    assert (found.map, found.layer, found.finer) == ("grad_cam", "5", "4")
    assert found.region == (7.0, 7.0)
    assert found.cell == (16.0, 16.0)
    assert found.sentence == (
        "The pore measures 3.5 x 3.5 um (7 x 7 pixels), less than a cell of grad_cam at the layer '5', 8 x 8 um "
        "(16 x 16 pixels): this map cannot resolve it. A map of the layer '4' could; its cells are 4 x 4 pixels."
    )
    # of a saved explanation alone, without the network, no layer is named
    [found] = unresolved(explanation, region)
    assert found.finer is None
    assert found.sentence.endswith("this map cannot resolve it.")
    # a long thin region is too thin, and a large one is not
    thin = np.zeros((64, 48), bool)
    thin[20:23] = True
    assert unresolved(explanation, thin)[0].region == (3.0, 48.0)
    assert unresolved(explanation, disc((64, 48), (30, 20), 8.0)) == []
    # a crack that runs aslant, or branches, is as wide as it is at its widest place, wherever it leads
    crack = np.abs(np.subtract.outer(np.arange(64), np.arange(48))) < 3
    [found] = unresolved(explanation, crack | crack[:, ::-1])
    assert 3.5 < found.region[0] < 6.5
    assert f"The region is nowhere wider than {found.region[0] / 2:.3g} x" in found.sentence
    # two specks far apart are two specks
    specks = np.zeros((64, 48), bool)
    specks[2:4, 2:4] = specks[50:53, 40:43] = True
    assert unresolved(explanation, specks)[0].region == (3.0, 3.0)


def test_where_no_layer_is_fine_enough_it_is_said() -> None:
    net = model(steps=[{"resize": {"size": [32, 24]}}])
    given = signal()
    explanation = matxai.explain(net, given, methods=["grad_cam"], layers="5")
    speck = np.zeros((64, 48), bool)
    speck[30, 30] = True
    [found] = unresolved(explanation, speck, cells=layer_cells(net, given))
    assert found.finer is None
    assert "No layer of this network has cells so small" in found.sentence
    assert found.cell == (32.0, 32.0)


def test_a_region_of_another_signal_is_refused() -> None:
    explanation = matxai.explain(model(), signal(), methods=["grad_cam"], layers="5")
    with pytest.raises(RegionError, match="none of a signal of"):
        unresolved(explanation, np.ones((3, 3), bool))
