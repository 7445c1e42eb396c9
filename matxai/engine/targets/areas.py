"""Targets over positions of a dense output: masks and their borders, regions, points, boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.targets.classes import check, is_binary, nameless, positive, shape, signs
from matxai.engine.targets.protocol import Part
from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class Over(Part):
    """The mean or sum of one class's score over a mask of positions. See :func:`mean`, :func:`point`, :func:`box`.

    ``mask`` is ``(*spatial)`` or ``(B, *spatial)`` at the output's size or at any other: it is brought to the output's.
    ``copies`` is how many copies of its batch of samples an output holds.
    """

    mask: Tensor
    index: int | str
    words: str
    reduce: str = "mean"
    copies: int = 1

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        if output.ndim < 3:
            msg = f"The target '{self.words}' needs an output with spatial axes; this one is {shape(output)}."
            raise TargetError(msg)
        if isinstance(self.index, str):
            raise TargetError(nameless(self.index))
        if is_binary(output):
            plane = positive(output) * signs([self.index] * len(output), output).view(-1, *(1,) * (output.ndim - 2))
        else:
            check(self.index, output.shape[1])
            plane = output[:, self.index]
        weights = self._weights(plane)
        area = weights.flatten(1).sum(1)
        if bool((area == 0).any()):
            raise TargetError(f"The target '{self.words}' covers no position of the output {shape(output)}.")
        sums = (plane * weights).flatten(1).sum(1)
        return sums / area if self.reduce == "mean" else sums

    def repeated(self, count: int) -> Over:
        """Return the same for so many copies of the batch: a mask for each sample is repeated."""
        return replace(self, copies=self.copies * count)

    def with_names(self, index: Callable[[str], int]) -> Over:
        """Return the same with the index of a class that is given by name."""
        return replace(self, index=index(self.index)) if isinstance(self.index, str) else self

    def _weights(self, plane: Tensor) -> Tensor:
        mask = self._masks(plane)
        if len(mask) > 1:
            mask = mask.repeat(self.copies, *(1,) * (plane.ndim - 1))
        if mask.shape[1:] != plane.shape[1:]:
            mask = torch.nn.functional.interpolate(
                mask[:, None].float(), plane.shape[1:], mode="area" if _shrinks(mask, plane) else "nearest"
            )[:, 0]
        return mask.to(plane.dtype).expand_as(plane)

    def _masks(self, plane: Tensor) -> Tensor:
        """Return the masks with an axis for the samples: one for all, or one for each sample before it is repeated."""
        mask = self.mask.to(plane.device)
        axes = plane.ndim - 1
        samples = len(plane) // self.copies
        if mask.ndim not in (axes, axes + 1) or (mask.ndim == axes + 1 and len(mask) not in (1, samples)):
            msg = (
                f"The target '{self.words}' has a mask {tuple(mask.shape)}; the output {tuple(plane.shape)} needs "
                f"{axes} spatial axes, with or without one for the samples."
            )
            raise TargetError(msg)
        return mask if mask.ndim == axes + 1 else mask[None]

    def describe(self) -> str:
        """Return the words given when it was made."""
        return self.words


def mean(mask: Any, index: int | str = 1) -> Over:
    """Explain a class's mean score over a mask: ``(*spatial)``, or ``(B, *spatial)`` for one mask a sample."""
    return Over(_tensor(mask), index, f"class {index} over a mask")


def region(mask: Any, index: int | str = 1) -> Over:
    """Explain a class's summed score over a region."""
    return Over(_tensor(mask), index, f"class {index} in a region", "sum")


def border(mask: Any, index: int | str = 1, width: int = 1) -> Over:
    """Explain a class's mean score over the border of a mask, ``width`` positions inside and outside of its edge."""
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise TargetError(f"The width of a border is a number of positions, 1 or more; it cannot be {width!r}.")
    return _Border(_tensor(mask), index, f"class {index} at the border of a mask", width=width)


def point(*place: int, index: int | str = 1) -> Over:
    """Explain a class's score at one position of a dense output, given by its indices."""
    return _Place(
        torch.empty(0), index, f"class {index} at {place}", "sum", slices=tuple(slice(p, p + 1) for p in place)
    )


def box(*ranges: tuple[int, int], index: int | str = 1) -> Over:
    """Explain a class's mean score over a box of a dense output: one ``(start, stop)`` for each spatial axis."""
    return _Place(
        torch.empty(0), index, f"class {index} in the box {ranges}", "mean", slices=tuple(slice(*r) for r in ranges)
    )


@dataclass(frozen=True, eq=False)
class _Border(Over):
    width: int = 1

    def _masks(self, plane: Tensor) -> Tensor:
        m = super()._masks(plane).float()[:, None]
        pools = (torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d)
        pool, size = pools[plane.ndim - 2], 2 * self.width + 1
        grown, shrunk = pool(m, size, 1, self.width), 1 - pool(1 - m, size, 1, self.width)
        return (grown - shrunk)[:, 0]


@dataclass(frozen=True, eq=False)
class _Place(Over):
    slices: tuple[slice, ...] = ()

    def _weights(self, plane: Tensor) -> Tensor:
        if len(self.slices) != plane.ndim - 1:
            msg = (
                f"The target '{self.words}' has {len(self.slices)} spatial axes, the output has {plane.ndim - 1}: "
                f"{tuple(plane.shape)}."
            )
            raise TargetError(msg)
        weights = torch.zeros_like(plane)
        for axis, s in enumerate(self.slices):
            if s.start < -plane.shape[axis + 1] or s.start >= plane.shape[axis + 1]:
                raise TargetError(f"The target '{self.words}' lies outside of the output {tuple(plane.shape[1:])}.")
        weights[(slice(None), *(slice(s.start, s.stop or None) for s in self.slices))] = 1
        return weights


def _shrinks(mask: Tensor, plane: Tensor) -> bool:
    return all(a >= b for a, b in zip(mask.shape[1:], plane.shape[1:], strict=True))


def _tensor(mask: Any) -> Tensor:
    return mask if isinstance(mask, Tensor) else torch.as_tensor(mask)
