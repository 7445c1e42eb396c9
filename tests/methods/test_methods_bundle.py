"""What a user calls "all the methods" in one call: exact counts at ResNet-50 and 224, F the FLOPs of one forward."""

from __future__ import annotations

import pytest
import torch

from matxai.methods import attribution

torchvision = pytest.importorskip("torchvision")
BUNDLE = [
    "saliency", "input_x_gradient", "grad_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "full_grad", "guided_backprop",
    "guided_grad_cam", "lrp:epsilon", "lrp:epsilon_plus", "lrp:epsilon_gamma", "lrp:epsilon_alpha2_beta1",
]  # fmt: skip


def test_the_bundle_of_13_costs_less_than_9_5_forwards(flops):
    torch.manual_seed(0)
    net = torchvision.models.resnet50(weights=None).eval().requires_grad_(False)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    layers = ["layer1", "layer2", "layer3", "layer4"]
    attribution(net, x[..., :32, :32], BUNDLE, 3, layers)  # the first call looks at the model
    with torch.no_grad(), flops() as forward:
        net(x)
    with flops() as count:
        result = attribution(net, x, BUNDLE, 3, layers)
    assert list(result.maps) == BUNDLE
    assert result.maps["grad_cam"].shape == (1, 4, 224, 224)
    assert (result.forwards, result.backwards) == (1, 6)  # plain, guided, four rules
    assert count.calls["convolution"] == 53 + 53  # the forward, and z+ once for three rules
    assert 9 < count.total / forward.total <= 9.5
