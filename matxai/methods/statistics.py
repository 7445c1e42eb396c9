"""Mean, spread and standard error of a stream of maps, in memory that does not grow with their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def accumulating(tensor: Tensor) -> Tensor:
    """Return a tensor in the type that sums are kept in: float64, or float32 where the device has no other."""
    plain = tensor.detach()
    return plain.float() if plain.device.type == "mps" else plain.double()


@dataclass
class Stream:
    """What was seen of a stream of maps so far: number, mean and sums of powers of the deviations from it.

    Blocks are merged by Chan, Golub and LeVeque (1979), for third and fourth powers by Pebay (2008), so that results do
    not depend on how a stream was cut. Maps that have settled take in nothing more, so that they do not depend on what
    other samples the batch holds either.

    Attributes
    ----------
    order
        The highest power that is kept: 2, or 4 for the standard error of the variance.
    count
        How many maps were taken in, by those that are still open.
    mean, sums
        The mean and the sums of second (third, fourth) powers of the deviations, in float64.
    """

    order: int = 2
    count: int = 0
    mean: Tensor | None = None
    sums: list[Tensor] = field(default_factory=list)
    _settled: Tensor | None = None
    _counts: Tensor | None = None

    def add(self, block: Tensor, axis: int) -> None:
        """Take in a block of maps that lie along ``axis``."""
        new = accumulating(block)
        number = new.shape[axis]
        if number == 0:
            return
        mean = new.mean(axis)
        apart = new - mean.unsqueeze(axis)
        self.merge(number, mean, [apart.pow(power).sum(axis) for power in range(2, self.order + 1)])

    def merge(self, number: int, mean: Tensor, sums: list[Tensor]) -> None:
        """Take in ``number`` maps of which mean and sums of powers of the deviations are known, as :meth:`add` does."""
        import torch

        total = self.count + number
        if self.mean is not None:
            step = mean - self.mean
            merged = self.mean + step * (number / total)
            sums = _merged(self.sums, sums, step, self.count, number)
            if self._settled is not None and self._counts is not None:
                stays = self._over(self._settled)
                merged = torch.where(stays, self.mean, merged)
                sums = [torch.where(stays, old, now) for old, now in zip(self.sums, sums, strict=True)]
                self._counts = torch.where(self._settled, self._counts, total)
            mean = merged
        self.count, self.mean, self.sums = total, mean, sums

    @property
    def number(self) -> Tensor | int:
        """How many maps each map was made of, shaped to broadcast over them."""
        return self.count if self._counts is None else self._over(self._counts)

    def variance(self) -> Tensor:
        """Return the variance of the stream about its mean, with n - 1 degrees of freedom; 0 for a single map."""
        spread = self.sums[0]
        return spread / max(self.count - 1, 1) if self._counts is None else spread / (self.number - 1)

    def standard_error(self) -> Tensor:
        """Return the standard error of the mean; infinite for a single map."""
        if self.count < 2:
            return self.variance() + float("inf")
        return (self.variance() / self.number).sqrt()

    def variance_error(self) -> Tensor:
        """Return the standard error of the variance, sqrt((m4 - s^4 (n - 3) / (n - 1)) / n); infinite below 4 maps."""
        spread = self.variance()
        if self.count < 4:
            return spread + float("inf")
        n = self.number
        return ((self.sums[2] / n - spread.square() * (n - 3) / (n - 1)).clamp(min=0) / n).sqrt()

    def settle(self, tolerance: float | None, value: Tensor, error: Tensor, axes: int) -> bool:
        """Close the maps whose largest error is below ``tolerance`` times their largest magnitude; say if all are.

        Parameters
        ----------
        tolerance
            ``None``: none is ever closed.
        value, error
            The maps and their standard errors as they are now.
        axes
            How many trailing axes make one map.
        """
        import torch

        if tolerance is None or self.count < 2:
            return False
        now = error.flatten(-axes).amax(-1) <= tolerance * value.abs().flatten(-axes).amax(-1)
        if self._counts is None:
            self._counts = torch.full_like(now, self.count, dtype=torch.int64)
        self._settled = now if self._settled is None else self._settled | now
        return bool(self._settled.all())

    def settled(self, tolerance: float | None, axes: int) -> bool:
        """Close the maps whose mean is known well enough (see :meth:`settle`); say whether all are."""
        if tolerance is None or self.mean is None:
            return False
        return self.settle(tolerance, self.mean, self.standard_error(), axes)

    def _over(self, of_maps: Tensor) -> Tensor:
        """Return one entry for each map, shaped to broadcast over the maps."""
        assert self.mean is not None  # noqa: S101 - something was added: says so to the type checker
        return of_maps.view(*of_maps.shape, *(1,) * (self.mean.ndim - of_maps.ndim))


def _merged(a: list[Tensor], b: list[Tensor], step: Tensor, na: int, nb: int) -> list[Tensor]:
    """Return the sums of powers of two blocks together; ``step`` is the second mean minus the first."""
    n = na + nb
    found = [a[0] + b[0] + step.square() * (na * nb / n)]
    if len(a) > 2:
        third = step.pow(3) * (na * nb * (na - nb) / n**2) + 3 * step * (na * b[0] - nb * a[0]) / n
        fourth = (
            step.pow(4) * (na * nb * (na**2 - na * nb + nb**2) / n**3)
            + 6 * step.square() * (na**2 * b[0] + nb**2 * a[0]) / n**2
            + 4 * step * (na * b[1] - nb * a[1]) / n
        )
        found += [a[1] + b[1] + third, a[2] + b[2] + fourth]
    return found
