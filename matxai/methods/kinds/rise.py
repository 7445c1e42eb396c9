"""RISE: the score of randomly masked inputs, averaged over the masks that leave a pixel in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.masked import PAUSE, Masked, blended, close_to, filling, over_channels
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import copies_of
from matxai.methods.statistics import Stream, accumulating

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine import Captured
    from matxai.engine.copies import Copies


@methods.register("rise")
@dataclass(frozen=True, kw_only=True)
class RISE(Masked):
    """The mean score of masked inputs, weighted by how much of the pixel each mask leaves in.

    ``S(v) = E[f(x m + b (1 - m)) m(v)] / E[m(v)]``, estimated without bias by the mean over the drawn masks; the
    standard error of that mean stands beside it under ``NAME:standard_error``. A mask is a grid of cells, each left in
    with probability ``p``, interpolated linearly and shifted at random by less than a cell: ``E[m(v)] = p`` everywhere.

    The map is ``S(v) - E[f]``: how much higher the score is with the pixel than without regard to it. The level
    ``E[f]`` says nothing of places, and of logits it is as often negative as large; it stands in the figures.

    Attributes
    ----------
    grid
        Cells along each axis, or one number for each; no more than pixels.
    p
        The probability that a cell is left in.
    level
        Whether ``E[f]`` stays in the map, as the paper has it.

    References
    ----------
    Petsiuk, Das and Saenko, arXiv:1806.07421, equations 6 and 7.
    """

    grid: int | Sequence[int] = 7
    p: float = 0.5
    level: bool = False

    kind: ClassVar[str] = "rise"
    about: ClassVar[About] = About(
        question="How much higher is the score, on average, when this pixel is left in while others are masked?",
        resolution="the cells of the masks: a seventh of each axis",
        guarantee="An unbiased estimate, with its standard error beside it.",
        misleads="Noisy: read it beside its standard error. Masked pictures are strange pictures.",
        paper="Petsiuk et al. 2018, arXiv:1806.07421",
        models="any, black boxes as well",
        cost="512 forwards by default, fewer with a tolerance",
        verified="the closed form on linear models, within its standard error",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.p < 1:
            raise MethodError(f"p of {self.key} is {self.p}; it is the probability that a cell is left in, as 0.5.")
        if any(isinstance(g, bool) or not isinstance(g, int) or g < 1 for g in self._grid(1)):
            raise MethodError(f"The grid of {self.key} is {self.grid!r}; give cells along an axis, 1 or more, as 7.")

    def reduce(self, _: Captured, setting: Setting) -> Reduced:
        """Return the weighted mean score, (..., B, C, *spatial), and its standard error."""
        copies = copies_of(setting)
        fill = filling(self, setting)
        tolerance = self.enough(setting)
        seen, levels, without = Stream(), Stream(), 0.0 if self.level else 1.0
        for block in copies.blocks(self.most(setting), self.key, pause=None if tolerance is None else PAUSE):
            masks = self.masks(block, setting.size, copies)
            scores = copies.score(blended(copies, fill, masks))
            _take(seen, accumulating(scores), masks.flatten(1) / self.p - without)
            levels.add(scores, 1)
            if tolerance is not None and block.stop % PAUSE == 0 and seen.settled(tolerance, 1):
                break
        assert seen.mean is not None  # noqa: S101 - a budget is 1 or more: says so to the type checker
        assert levels.mean is not None  # noqa: S101 - the same
        grid = self._grid(len(setting.size))
        cell = tuple(n / min(g, n) for g, n in zip(grid, setting.size, strict=True))
        level = levels.mean if copies.clean.targets is not None else levels.mean[0]
        shape = (*seen.mean.shape[:2], *setting.size)
        error = seen.standard_error() if seen.count > 1 else seen.mean.new_full(seen.mean.shape, float("nan"))
        return Reduced(
            over_channels(seen.mean.view(shape), copies),
            {"standard_error": over_channels(error.view(shape), copies)},
            cell=cell,
            figures={"copies": seen.count, "level": level},
            warnings=close_to(self, copies, fill, math.prod(cell) / math.prod(setting.size)),
        )

    def masks(self, numbers: Sequence[int], size: Sequence[int], copies: Copies) -> Tensor:
        """Return the masks of some copies, (n, *spatial) from 0 to 1 in float64: each from the seed and its number."""
        import torch

        grid = self._grid(len(size))
        cells = [-(-pixels // min(g, pixels)) for g, pixels in zip(grid, size, strict=True)]
        nodes = [(n + c - 2) // c + 2 for n, c in zip(size, cells, strict=True)]
        draws, shifts = [], []
        for number in numbers:
            generator = copies.generator(number, purpose="rise")
            draws.append(torch.rand(nodes, generator=generator) < self.p)
            shifts.append([int(torch.randint(c, (), generator=generator)) for c in cells])
        masks = torch.stack(draws).to(accumulating(copies.x))
        for axis, (pixels, cell, n) in enumerate(zip(size, cells, nodes, strict=True), start=1):
            shift = torch.tensor([s[axis - 1] for s in shifts]).to(masks)
            at = (torch.arange(pixels).to(masks) + shift[:, None]) / cell
            place = torch.arange(n).to(masks)
            weights = (1 - (at[..., None] - place).abs()).clamp_min(0)  # linear interpolation: (n, pixels, nodes)
            moved = masks.movedim(axis, -1)
            rows = moved.reshape(len(moved), -1, n) @ weights.transpose(1, 2)
            masks = rows.view(*moved.shape[:-1], pixels).movedim(-1, axis)
        return masks

    def _grid(self, axes: int) -> tuple[int, ...]:
        """Return the cells along each axis."""
        if isinstance(self.grid, Sequence):
            if axes > 1 and len(self.grid) != axes:
                raise MethodError(f"The grid of {self.key} is {self.grid!r}; the input has {axes} axes.")
            return tuple(self.grid)
        return (self.grid,) * axes


def _take(seen: Stream, scores: Tensor, masks: Tensor) -> None:
    """Take in the maps score x mask, (T, n, B) and (n, pixels), by their moments: they are never held one by one."""
    n = len(masks)
    of_each = scores.transpose(1, 2)  # (T, B, n)
    mean = of_each @ masks / n
    squares = (of_each.square() @ masks.square() - n * mean.square()).clamp_min(0)
    seen.merge(n, mean, [squares])
