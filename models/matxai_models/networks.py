"""The small networks that the recipes train: a residual classifier and a U-Net, in one, two or three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONV: dict[str, type[nn.Module]] = {"1d": nn.Conv1d, "2d": nn.Conv2d, "3d": nn.Conv3d}
_UP: dict[str, type[nn.Module]] = {"1d": nn.ConvTranspose1d, "2d": nn.ConvTranspose2d, "3d": nn.ConvTranspose3d}
_NORM: dict[str, type[nn.Module]] = {"1d": nn.BatchNorm1d, "2d": nn.BatchNorm2d, "3d": nn.BatchNorm3d}
_POOL: dict[str, type[nn.Module]] = {"1d": nn.MaxPool1d, "2d": nn.MaxPool2d, "3d": nn.MaxPool3d}
_MEAN: dict[str, type[nn.Module]] = {
    "1d": nn.AdaptiveAvgPool1d,
    "2d": nn.AdaptiveAvgPool2d,
    "3d": nn.AdaptiveAvgPool3d,
}
KINDS = tuple(_CONV)


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalisation, added to their input (He et al. 2016, arXiv:1512.03385, Fig. 2).

    Where the shape changes, the input goes through a strided 1x1 convolution first.
    """

    def __init__(self, inside: int, outside: int, stride: int, kind: str) -> None:
        super().__init__()
        conv, norm = _CONV[kind], _NORM[kind]
        self.conv1 = conv(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm1 = norm(outside)
        self.conv2 = conv(outside, outside, 3, padding=1, bias=False)
        self.norm2 = norm(outside)
        self.relu = nn.ReLU(inplace=True)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.skip = nn.Sequential(conv(inside, outside, 1, stride=stride, bias=False), norm(outside))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inside, *spatial)`` to ``(B, outside, *spatial / stride)``."""
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += self.skip(x)
        return torch.relu(y)


class DefectResNet(nn.Module):
    """A residual classifier: a strided stem, one stage for each width, the mean over space, a linear head.

    The last stage keeps the resolution of the one before it, so that a cell of the last map is 8 input pixels.

    Parameters
    ----------
    classes
        Scores.
    channels
        Input channels.
    kind
        ``"1d"``, ``"2d"`` or ``"3d"``.
    widths
        Channels of stem and stages.
    """

    def __init__(
        self, classes: int, channels: int = 1, kind: str = "2d", *, widths: Sequence[int] = (12, 24, 40, 56)
    ) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = nn.Sequential(
            _CONV[kind](channels, stem, 5, stride=2, padding=2, bias=False), _NORM[kind](stem), nn.ReLU(inplace=True)
        )
        blocks, inside = [], stem
        for number, width in enumerate(stages):
            blocks.append(ResidualBlock(inside, width, 1 if number and number == len(stages) - 1 else 2, kind))
            inside = width
        self.stages = nn.Sequential(*blocks)
        self.pool = _MEAN[kind](1)
        self.head = nn.Linear(inside, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, *spatial)`` to scores ``(B, classes)``."""
        return torch.as_tensor(self.head(torch.flatten(self.pool(self.stages(self.stem(x))), 1)))


def _double(inside: int, outside: int, kind: str) -> nn.Sequential:
    conv, norm = _CONV[kind], _NORM[kind]
    return nn.Sequential(
        conv(inside, outside, 3, padding=1, bias=False),
        norm(outside),
        nn.ReLU(inplace=True),
        conv(outside, outside, 3, padding=1, bias=False),
        norm(outside),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Encoder and decoder with copies across (Ronneberger et al. 2015, arXiv:1505.04597), padded, with batch norm.

    Parameters
    ----------
    classes
        Scores at every position, the background's included.
    channels
        Input channels.
    kind
        ``"1d"``, ``"2d"`` or ``"3d"``.
    widths
        Channels of each level; every spatial size is a multiple of ``2 ** (len(widths) - 1)``.
    """

    def __init__(
        self, classes: int, channels: int = 1, kind: str = "2d", *, widths: Sequence[int] = (8, 16, 32, 48)
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        inside = channels
        for width in widths[:-1]:
            self.down.append(_double(inside, width, kind))
            inside = width
        self.bottleneck = _double(inside, widths[-1], kind)
        self.pool = _POOL[kind](2)
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for below, width in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True):
            self.up.append(_UP[kind](below, width, 2, stride=2))
            self.merge.append(_double(2 * width, width, kind))
        self.head = _CONV[kind](widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, *spatial)`` to scores ``(B, classes, *spatial)``."""
        copies = []
        for level in self.down:
            x = level(x)
            copies.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, merge, copy in zip(self.up, self.merge, reversed(copies), strict=True):
            x = merge(torch.cat([copy, up(x)], dim=1))
        return torch.as_tensor(self.head(x))
