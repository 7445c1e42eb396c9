"""Methods that a model does not allow: an error by default, left out with the reason where that is asked for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from matxai.errors import LayerError, MethodError, OperationError
from matxai.methods import attribution


class Mixing(nn.Module):
    """A product of two plain signals, which LRP refuses, behind a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 3, 3, padding=1)
        self.b = nn.Conv2d(1, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.a(x) * self.b(x)).mean((2, 3)))


def test_a_refused_composite_is_left_out_and_the_others_are_done() -> None:
    torch.manual_seed(0)
    net, x = Mixing().eval(), torch.randn(2, 1, 8, 8)
    asked = ["grad_cam", "lrp", "saliency", "lrp:epsilon_gamma_box"]
    with pytest.raises((OperationError, MethodError)):
        attribution(net, x, asked, 1)
    done = attribution(net, x, asked, 1, leave_out=True)
    assert list(done.maps) == ["grad_cam", "saliency"] == list(done.methods)
    assert "'mul'" in done.left_out["lrp"] or "mul" in done.left_out["lrp"]
    assert "low=" in done.left_out["lrp:epsilon_gamma_box"]
    assert done.backwards == 1
    alone = attribution(net, x, ["grad_cam", "saliency"], 1)
    assert all(torch.equal(done.maps[k], alone.maps[k]) for k in alone.maps)


def test_methods_of_layers_are_left_out_where_there_is_no_layer() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    x = torch.randn(1, 1, 8)
    with pytest.raises(MethodError):
        attribution(net, x, ["grad_cam", "saliency"])
    done = attribution(net, x, ["grad_cam", "saliency", "hires_cam"], leave_out=True)
    assert list(done.maps) == ["saliency"]
    assert "feature map" in done.left_out["grad_cam"]
    assert set(done.left_out) == {"grad_cam", "hires_cam"}


def test_a_layer_that_the_caller_named_is_an_error_all_the_same() -> None:
    net = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)).eval()
    with pytest.raises(LayerError, match="no layer 'nowhere'"):
        attribution(net, torch.randn(1, 1, 8), ["grad_cam"], layers=["nowhere"], leave_out=True)
