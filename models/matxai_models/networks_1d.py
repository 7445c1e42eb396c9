"""Networks for spectra and waveforms: plain and residual convolutions, inception modules, a transformer of patches.

All end in the mean over the axis and a linear head, so that a class activation map is exact and any length fits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


def _unit(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch normalisation and ReLU; an odd kernel keeps peaks in their place."""
    conv = nn.Conv1d(inside, outside, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(outside), nn.ReLU())


class _Classifier(nn.Module):
    """Features ``(B, K, cells)``, their mean, a linear head."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, L)`` to scores ``(B, classes)``."""
        return torch.as_tensor(self.head(torch.flatten(self.pool(self.features(x)), 1)))


def _odd(kernels: Sequence[int]) -> None:
    if not kernels or any(k < 1 or k % 2 == 0 for k in kernels):
        msg = f"kernels must be odd and positive, and are {list(kernels)}"
        raise ValueError(msg)


def _paired(widths: Sequence[int], strides: Sequence[int]) -> None:
    if not widths or len(strides) != len(widths):
        msg = f"there are {len(widths)} widths and {len(strides)} strides; each convolution has one of both"
        raise ValueError(msg)


class PositionWeights(nn.Module):
    """A learned factor for each channel at each place, ``(1, K, cells)``: features learn where on the axis they count.

    Convolutions and a mean over the axis alone know no place: they would tell one phase's peak from another's by its
    distance to a neighbour. Behind this layer the mean and the head are a linear layer on places and channels, and a
    class activation map of it is exact.
    """

    def __init__(self, width: int, cells: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width, cells))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, K, cells)`` to the same shape."""
        if x.shape[-1] != self.weight.shape[-1]:
            msg = f"this network takes spectra that leave {self.weight.shape[-1]} cells, and got {x.shape[-1]}"
            raise ValueError(msg)
        return x * self.weight


class CNN1d(_Classifier):
    """Strided convolutions, with batch normalisation and ReLU.

    Parameters
    ----------
    classes, channels
        Scores, input channels.
    widths, strides
        Channels and steps of each convolution; the product of the steps is the number of points in a cell of the last
        map.
    kernel
        Points of the first convolution, odd; the others have three, so that what is seen stays near its cell.
    points
        Of the spectra: with them, :class:`PositionWeights` stand behind the first and the last convolution; 0 takes
        spectra of any length.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 1,
        *,
        widths: Sequence[int] = (12, 16, 24, 32),
        strides: Sequence[int] = (4, 2, 2, 1),
        kernel: int = 7,
        points: int = 0,
    ) -> None:
        _odd([kernel])
        _paired(widths, strides)
        levels: list[nn.Module] = []
        cells = points
        for number, (inside, outside, stride) in enumerate(zip((channels, *widths), widths, strides, strict=False)):
            levels.append(_unit(inside, outside, 3 if number else kernel, stride))
            cells = -(-cells // stride)
            if points and number in {0, len(widths) - 1}:
                levels.append(PositionWeights(outside, cells))
        super().__init__(nn.Sequential(*levels), widths[-1], classes)


class _Residual(nn.Module):
    """Two convolutions with batch normalisation, added to their input (He et al. 2016, arXiv:1512.03385, Fig. 2)."""

    def __init__(self, inside: int, outside: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.first = _unit(inside, outside, kernel, stride)
        self.second = nn.Sequential(
            nn.Conv1d(outside, outside, kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(outside)
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.skip = nn.Sequential(nn.Conv1d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm1d(outside))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.skip(x))


class ResNet1d(_Classifier):
    """A strided stem and one residual block for each further width.

    Parameters
    ----------
    classes, channels
        Scores, input channels.
    widths
        Channels of stem and blocks.
    strides
        Of stem and blocks; their product is the number of points in a cell of the last map (32 by default).
    kernel
        Points of each convolution, odd.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 1,
        *,
        widths: Sequence[int] = (12, 16, 24, 32, 48),
        strides: Sequence[int] = (2, 2, 2, 2, 2),
        kernel: int = 5,
    ) -> None:
        _odd([kernel])
        _paired(widths, strides)
        levels: list[nn.Module] = [_unit(channels, widths[0], kernel, strides[0])]
        for inside, outside, stride in zip(widths, widths[1:], strides[1:], strict=False):
            levels.append(_Residual(inside, outside, stride, kernel))
        super().__init__(nn.Sequential(*levels), widths[-1], classes)


class _Inception(nn.Module):
    """A 1x1 bottleneck, convolutions of several lengths and a pooled branch, side by side."""

    def __init__(self, inside: int, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(inside, width, 1, bias=False)
        self.branches = nn.ModuleList(nn.Conv1d(width, width, k, padding=k // 2, bias=False) for k in kernels)
        self.pooled = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(inside, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(width * (len(kernels) + 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bottleneck(x)
        return torch.relu(self.norm(torch.cat([*(branch(y) for branch in self.branches), self.pooled(x)], dim=1)))


class _InceptionGroup(nn.Module):
    """Modules in a row with a shortcut around them."""

    def __init__(self, inside: int, width: int, kernels: Sequence[int], modules: int) -> None:
        super().__init__()
        outside = width * (len(kernels) + 1)
        self.body = nn.Sequential(*(_Inception(outside if k else inside, width, kernels) for k in range(modules)))
        self.skip = nn.Sequential(nn.Conv1d(inside, outside, 1, bias=False), nn.BatchNorm1d(outside))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


class Inception1d(_Classifier):
    """Groups of inception modules with shortcuts, behind a strided stem (Ismail Fawaz et al. 2020, arXiv:1909.04939).

    Parameters
    ----------
    classes, channels
        Scores, input channels.
    width
        Channels of each branch; there is one more branch than kernels.
    kernels
        Points of the branches, odd (the paper's 10, 20 and 40 would move peaks by half a point).
    groups, depth
        How many groups, and of how many modules each.
    stride
        Of the stem, which the paper has not: spectra have more points than its series.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 1,
        *,
        width: int = 8,
        kernels: Sequence[int] = (9, 19, 39),
        groups: int = 2,
        depth: int = 3,
        stride: int = 4,
    ) -> None:
        _odd(kernels)
        inside, outside = 2 * width, width * (len(kernels) + 1)
        levels: list[nn.Module] = [_unit(channels, inside, 2 * stride + 1, stride)]
        levels += [_InceptionGroup(outside if number else inside, width, kernels, depth) for number in range(groups)]
        super().__init__(nn.Sequential(*levels), outside, classes)


class _Block(nn.Module):
    """Attention and a two-layer network, each behind a layer norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.before_attention(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return torch.as_tensor(x + self.mlp(self.before_mlp(x)))


class Transformer1d(nn.Module):
    """Patches of a spectrum as tokens (Dosovitskiy et al. 2021, arXiv:2010.11929, on one axis), their mean, a head.

    A short convolution comes first, so that a token knows the shape of a peak and not only its points; positions are
    the sines and cosines of Vaswani et al. 2017 (arXiv:1706.03762), which fit any length.

    Parameters
    ----------
    classes, channels
        Scores, input channels.
    width, heads, depth
        Of the tokens, of the attention, and how many blocks.
    patch
        Points of one token, a multiple of 4.
    """

    def __init__(
        self, classes: int, channels: int = 1, *, width: int = 48, heads: int = 4, depth: int = 3, patch: int = 16
    ) -> None:
        super().__init__()
        if patch < 4 or patch % 4:
            msg = f"a patch is a multiple of 4 points, and is {patch}"
            raise ValueError(msg)
        if width % (2 * heads):
            msg = f"the width, {width}, must be a multiple of twice the heads, {heads}"
            raise ValueError(msg)
        self.stem = nn.Sequential(nn.Conv1d(channels, width // 2, 9, stride=4, padding=4), nn.ReLU())
        self.patches = nn.Conv1d(width // 2, width, patch // 4, stride=patch // 4)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, L)`` to scores ``(B, classes)``."""
        tokens = self.patches(self.stem(x)).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens + _positions(tokens)))
        return torch.as_tensor(self.head(tokens.mean(dim=1)))


def _positions(tokens: Tensor) -> Tensor:
    """Return sines and cosines of the tokens' numbers, ``(N, D)``; slow ones in the last columns."""
    count, width = tokens.shape[1:]
    rates = torch.exp(torch.arange(width // 2, device=tokens.device) * (-math.log(1e4) / (width // 2)))
    angles = torch.arange(count, device=tokens.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(tokens.dtype)
