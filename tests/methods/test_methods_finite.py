"""Maps that are not finite although the model's output is: said, with the method's name."""

import pytest
import torch
from torch import nn

import matxai
from matxai.engine import Composite
from matxai.errors import MatxaiWarning
from matxai.methods import LRP, attribution


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, x):
        return self.net(x.abs().sqrt())


def test_a_map_that_is_not_finite_is_said():
    x = torch.rand(2, 2, 8, 8) + 0.1
    assert not any("NaN" in note for note in attribution(Root(), x, ["saliency", "grad_cam"], 1).notes)
    x[1, 0, 2, 3] = 0
    result = attribution(Root(), x, ["saliency", "grad_cam"], 1)
    said = [note for note in result.notes if "NaN" in note]
    assert len(said) == 1
    assert said[0].startswith("saliency: 1 of the map's 256 values are NaN or infinite although the model's output is")
    assert bool(torch.isfinite(result.maps["grad_cam"]).all())
    with pytest.warns(MatxaiWarning, match="saliency: 1 of the map's 256 values are NaN or infinite"):
        matxai.attribute(Root(), x, ["saliency"], 1)


def test_a_rule_that_divides_by_zero_is_said():
    rule = Composite("mine", [], lambda step: step.x / 0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
    with pytest.warns(MatxaiWarning, match="NaN or infinite"):
        matxai.attribute(net, torch.randn(1, 2, 2, 2), [LRP(composite=rule)], 1)
