"""Two inputs and how much alike a layer finds them: what LRP starts from for the relevance of a similarity (BiLRP)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matxai.engine.targets import Part
from matxai.errors import TargetError


def embedding(features: Tensor, *, pool: bool) -> Tensor:
    """Return features (B, K, *spatial) as vectors (B, M): means over space, or everything."""
    if features.ndim < 2:
        raise TargetError(f"A similarity needs features (B, K, *spatial); the layer gives {tuple(features.shape)}.")
    return features.flatten(2).mean(2) if pool and features.ndim > 2 else features.flatten(1)


@dataclass(frozen=True)
class Paired(Part):
    """The dot product of each sample's features with those of its partner, half a batch away.

    Relevance then starts as phi_m(x) phi_m(x') at each feature m of either input.
    """

    layer: str
    pool: bool

    @property
    def at_layer(self) -> str | None:
        """The layer whose features are compared."""
        return self.layer

    def score(self, output: Tensor) -> Tensor:
        """Return (2B,), the same for both halves; the partner is a constant."""
        features = embedding(output, pool=self.pool)
        return (features * features.detach().roll(len(features) // 2, 0)).sum(1)

    def describe(self) -> str:
        """Return ``"similarity in layer4"``."""
        return f"similarity in {self.layer}"


@dataclass(frozen=True, eq=False)
class Direction(Part):
    """The features' component along one direction (M,)."""

    layer: str
    pool: bool
    direction: Tensor

    @property
    def at_layer(self) -> str | None:
        """The layer whose features are read."""
        return self.layer

    def score(self, output: Tensor) -> Tensor:
        """Return (2B,)."""
        features = embedding(output, pool=self.pool)
        return features @ self.direction.to(features)

    def describe(self) -> str:
        """Return ``"a direction in layer4"``."""
        return f"a direction in {self.layer}"


def summed_in_cells(relevance: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Return relevance (B, C, *spatial) summed over channels and over the cells of a grid: (B, *grid).

    Pixel i of n belongs to cell floor(i g / n): every pixel to one cell.
    """
    cells = relevance.sum(1)
    for axis, count in enumerate(grid, start=1):
        size = cells.shape[axis]
        belongs = torch.div(torch.arange(size, device=cells.device) * count, size, rounding_mode="floor")
        shape = (*cells.shape[:axis], count, *cells.shape[axis + 1 :])
        cells = cells.new_zeros(shape).index_add_(axis, belongs, cells)
    return cells
