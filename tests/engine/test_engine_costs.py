"""What the engine costs, in exact counts at ResNet-50 and 224: F is the FLOPs of one forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, Backward, Needs, composite, merge, run, targets

torchvision = pytest.importorskip("torchvision")
CAM = Needs(True, (Backward(GRADIENT, at_layers=True),))
SALIENCY = Needs(backwards=(Backward(GRADIENT, at_input=True),))
LRP = Needs(backwards=(Backward(composite("epsilon_plus"), at_input=True),))
STAGES = ["layer1", "layer2", "layer3", "layer4"]


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet50(weights=None).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def forward_flops(resnet50: nn.Module, image: Tensor, flops: Any) -> int:
    with torch.no_grad(), flops() as count:
        resnet50(image)
    return int(count.total)


@pytest.mark.parametrize(
    ("needs", "layers", "allowed"),
    [(CAM, ["layer4"], 1.05), (CAM, STAGES, 1.85), (SALIENCY, [], 2.05)],
    ids=["grad_cam", "grad_cam_at_4_layers", "input_gradient"],
)
def test_flops_of_gradients_and_cams(
    needs: Needs, layers: list[str], allowed: float, resnet50: nn.Module, image: Tensor, forward_flops: int, flops: Any
) -> None:
    plan = merge([needs])
    run(resnet50, image, plan, target=3, layers=layers)  # the first call looks at the model
    with flops() as count:
        got = run(resnet50, image, plan, target=3, layers=layers)
    assert (got.forwards, got.backwards) == (1, 1)
    assert count.calls["convolution"] == 53
    assert 1 < count.total / forward_flops <= allowed


def test_several_targets_cost_one_forward(resnet50: nn.Module, flops: Any) -> None:
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    plan = merge([CAM])
    many = targets.each(1, 2, 3)
    run(resnet50, x, plan, target=1, layers=["layer3"])
    counts = []
    for target in (1, many):
        with flops() as count:
            got = run(resnet50, x, plan, target=target, layers=["layer3"])
        counts.append(count.total)
    with torch.no_grad(), flops() as forward:
        resnet50(x)
    assert (got.forwards, got.backwards) == (1, 3)
    assert counts[1] - forward.total == 3 * (counts[0] - forward.total) > 0


@pytest.mark.parametrize(
    ("needs", "layers", "mebibytes"),
    [(CAM, ["layer4"], 1), (SALIENCY, [], 16), (LRP, [], 100)],
    ids=["grad_cam", "input_gradient", "lrp_epsilon_plus"],
)
def test_bytes_kept_for_the_backwards(
    needs: Needs, layers: list[str], mebibytes: int, resnet50: nn.Module, image: Tensor, kept: Any
) -> None:
    plan = merge([needs])
    run(resnet50, image, plan, target=3, layers=layers)
    with kept((*resnet50.parameters(), *resnet50.buffers())) as bag:
        got = run(resnet50, image, plan, target=3, layers=layers)
    assert 0 < (bag.nbytes + got.kept_bytes) / 2**20 <= mebibytes
