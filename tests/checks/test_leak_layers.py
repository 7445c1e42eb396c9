"""The layers that CAMs of the leakage check are read at: they count, and an unknown one is said before all else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import LabelledSet
from matxai.checks.leak import Artefact, examine
from matxai.errors import LayerError, MethodError
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR = 32, slice(24, 32)


class Inside(nn.Module):
    """Nothing is left but the bar."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = torch.zeros(SIZE, SIZE)
        kept[BAR] = 1.0
        return x * kept


class Reader(nn.Module):
    """Two scores from the bar's mean: everything is in the first layer's map, the bar alone in the second's."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.Conv2d(1, 1, 1)
        self.bar = Inside()
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.all.weight.fill_(1.0)
            self.all.bias.fill_(0.0)
            self.head.weight.copy_(torch.tensor([[-8.0], [8.0]]))
            self.head.bias.copy_(torch.tensor([1.0, -1.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.bar(self.all(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def made():
    """Sixty pictures of ten groups, with a bar that is dark in one class and bright in the other."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 6)
    labels = groups % 2
    pictures = rng.integers(90, 110, (60, SIZE, SIZE)).astype(np.uint8)
    pictures[:, BAR] = rng.integers(0, 40, (60, 8, SIZE)) + 200 * labels[:, None, None].astype(np.uint8)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[BAR] = True
    names = tuple(map(str, range(60)))
    data = LabelledSet(names, labels, ("dark", "bright"), lambda i: labelled(pictures[i], ("y", "x")), groups)
    return data, Artefact("info_bar", "info_bar", (Boxed.of(mask),) * 60, "drawn")


def _asked(made, **more):
    model = matxai.load_model(Reader(), kind="2d", channels=1, classes=["dark", "bright"], scale="dtype")
    return examine(model, made[0], artefacts=[made[1]], factors=False, draws=200, **more)


def _share(made, layer: str | int) -> float:
    found = _asked(made, methods=("grad_cam",), layers=(layer,)).findings[0]
    assert found.verdict.answer == "leak"
    (one,) = (s for s in found.support if s.name.startswith("share"))
    return one.value


def test_a_cam_is_read_at_the_layer_that_was_asked_for(made) -> None:
    assert _share(made, "bar") == pytest.approx(1.0)
    assert _share(made, "all") < 0.6  # a quarter of the rows, at most 2.4 times as bright as the rest


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layers": ("al",)}, LayerError, "The model has no layer 'al'"),
        ({"layers": (-2,)}, LayerError, "Layer index -2 is out of range"),
        ({"layers": ("head",)}, LayerError, "without spatial axes"),
        ({"layers": ("all",), "methods": ("lrp",)}, MethodError, "none is among the methods"),
        ({"layers": ("all",), "supporting": False}, MethodError, "these are switched off"),
    ],
)
def test_layers_that_cannot_be_read_are_one_sentence_before_anything_is_computed(made, options, error, words) -> None:
    seen: list[object] = []
    with pytest.raises(error, match=words):
        _asked(made, progress=lambda *said: seen.append(said), **options)
    assert not seen
