"""Small networks under the family ``toy``, and what a hostile file would leave behind if it ran."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from matxai.modelcard.architectures import architectures


class Toy(nn.Module):
    """A convolution, a BatchNorm and a linear head, in one, two or three dimensions."""

    def __init__(self, classes: int, channels: int, kind: str, width: int = 4) -> None:
        super().__init__()
        axes = int(kind[0])
        self.conv = getattr(nn, f"Conv{axes}d")(channels, width, 3, padding=1)
        self.norm = getattr(nn, f"BatchNorm{axes}d")(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).flatten(2).mean(-1))


class ToyDense(nn.Module):
    """Scores at every position."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def toy(name: str, *, classes: int, channels: int, kind: str = "2d", **options: int) -> nn.Module:
    return ToyDense(classes, channels) if name == "dense" else Toy(classes, channels, kind, **options)


@pytest.fixture
def toy_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the architectures ``toy:net`` and ``toy:dense`` for one test."""
    list(architectures)
    monkeypatch.setitem(architectures._members, "toy", toy)


@pytest.fixture
def network() -> nn.Module:
    """``toy:net`` with 3 classes and 2 channels and statistics other than those it starts with."""
    torch.manual_seed(3)
    net = Toy(3, 2, "2d")
    net(torch.rand(8, 2, 9, 9))
    return net.eval()


class Shell:
    """Runs a shell command when it is unpickled without care."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that must not appear: the hostile files of these tests would make it."""
    return tmp_path / "canary.txt"


@pytest.fixture
def shell(canary: Path) -> Shell:
    return Shell(f"touch '{canary}'" if os.name != "nt" else f'type nul > "{canary}"')
