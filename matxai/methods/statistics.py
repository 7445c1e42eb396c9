"""Mean, spread and standard error of a stream of maps, in memory that does not grow with their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Stream:
    """What was seen of a stream of maps so far: number, mean and sum of squared deviations, in float64.

    Blocks are merged by Chan, Golub and LeVeque (1979), so that results do not depend on how a stream was cut.
    """

    count: int = 0
    mean: Tensor | None = None
    squares: Tensor | None = None

    def add(self, block: Tensor, axis: int) -> None:
        """Take in a block of maps that lie along ``axis``."""
        new = block.detach().double()
        number = new.shape[axis]
        if number == 0:
            return
        mean = new.mean(axis)
        squares = (new - mean.unsqueeze(axis)).square().sum(axis)
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = number, mean, squares
            return
        total = self.count + number
        step = mean - self.mean
        self.mean = self.mean + step * (number / total)
        self.squares = self.squares + squares + step.square() * (self.count * number / total)
        self.count = total

    def variance(self) -> Tensor:
        """Return the variance of the stream about its mean, with n - 1 degrees of freedom; 0 for a single map."""
        assert self.squares is not None  # noqa: S101 - something was added: says so to the type checker
        return self.squares / max(self.count - 1, 1)

    def standard_error(self) -> Tensor:
        """Return the standard error of the mean; infinite for a single map."""
        if self.count < 2:
            return self.variance() + float("inf")
        return (self.variance() / self.count).sqrt()

    def settled(self, tolerance: float | None, axes: int) -> bool:
        """Whether the largest standard error is below ``tolerance`` times the map's largest magnitude, in each map.

        Parameters
        ----------
        tolerance
            ``None``: never.
        axes
            How many trailing axes make one map.
        """
        if tolerance is None or self.count < 2 or self.mean is None:
            return False
        error = self.standard_error().flatten(-axes).amax(-1)
        largest = self.mean.abs().flatten(-axes).amax(-1)
        return bool((error <= tolerance * largest).all())
