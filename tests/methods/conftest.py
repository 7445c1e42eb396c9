"""Small networks that the tests of the methods share, in one, two and three dimensions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
GAP = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
SIZE = {1: (64,), 2: (32, 24), 3: (16, 12, 14)}


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random batch-norm statistics, evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if hasattr(part, "running_mean") and part.running_mean is not None:
            part.running_mean.copy_(0.2 * torch.randn(part.running_mean.shape, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.running_var.shape, generator=generator))
            part.weight.data.copy_(0.5 + torch.rand(part.weight.shape, generator=generator))
            part.bias.data.copy_(0.2 * torch.randn(part.bias.shape, generator=generator))
    return module.eval()


def gap_net(axes: int, channels: int = 2, classes: int = 4, *, bias: bool = True) -> nn.Sequential:
    """conv-BN-ReLU-pool-conv-ReLU, global average pooling, one linear layer."""
    torch.manual_seed(axes)
    return randomised(
        nn.Sequential(
            CONV[axes](channels, 6, 3, padding=1, stride=2, bias=bias),
            NORM[axes](6),
            nn.ReLU(),
            POOL[axes](3, 2, 1),
            CONV[axes](6, 8, 3, padding=1, bias=bias),
            nn.ReLU(),
            GAP[axes](1),
            nn.Flatten(),
            nn.Linear(8, classes, bias=bias),
        )
    )


@pytest.fixture
def make_gap_net():
    return gap_net


@pytest.fixture
def make_input():
    def make(axes: int, batch: int = 3, channels: int = 2, seed: int = 5) -> torch.Tensor:
        return torch.randn(batch, channels, *SIZE[axes], generator=torch.Generator().manual_seed(seed))

    return make
