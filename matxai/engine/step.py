"""What a rule of LRP has in hand: one linear operation on the way back, and the arithmetic that all rules share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from matxai.errors import MethodError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matxai.engine.ledger import Book
    from matxai.engine.ruletable import LinearRule


class Map(Protocol):
    """A linear map by its weights: :class:`~matxai.engine.linear.LinearMap`, or a factor for each channel."""

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the map of ``x``."""

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the transposed map of ``s``, of the input's ``shape``."""

    def remember(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return what ``make`` gives, a weight that follows from the operation's own; held until that changes."""

    @property
    def joins(self) -> bool:
        """Whether inputs (B, C, ...) may lie side by side in one map, with their weights joined along axis 1."""

    def per_channel(self, values: Tensor, ndim: int) -> Tensor:
        """Return ``values`` (K,) shaped to broadcast over an output with ``ndim`` axes."""


class Parts:
    """What several backwards of one run share of each operation: z+ and the weights by sign.

    A part is held only as long as a later planned backward needs it.

    Parameters
    ----------
    uses
        Index of an operation -> how many of the planned backwards need its parts.
    """

    def __init__(self, uses: Mapping[int, int] | None = None) -> None:
        self._uses = dict(uses or {})
        self._held: dict[int, dict[str, Tensor]] = {}

    def begin(self, index: int) -> None:
        """Count one backward that was planned for this operation."""
        self._uses[index] = self._uses.get(index, 0) - 1

    def end(self, index: int) -> None:
        """Let go of the parts that no later backward needs."""
        if self._uses.get(index, 0) <= 0:
            self._held.pop(index, None)

    def share(self, index: int, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return the part of this name, made where it is not there yet."""
        held = self._held.get(index, {})
        if name in held:
            return held[name]
        part = make()
        if self._uses.get(index, 0) > 0:
            self._held.setdefault(index, {})[name] = part
        return part

    def nbytes(self) -> int:
        """Return the bytes of z+ held now."""
        return sum(part["z+"].untyped_storage().nbytes() for part in self._held.values() if "z+" in part)


@dataclass
class Step:
    """One linear operation z = W x + b on the way back: what a rule has in hand, and what it can ask for.

    Attributes
    ----------
    rule
        The entry of the table, with its options.
    map, weight, bias
        The operation, with a batch norm folded in.
    x, z, g
        Its input, its output, and relevance divided by the output; of float32 at least.
    nonnegative
        Whether x is known to be non-negative.
    rectified
        Whether only ReLUs use z, so that no relevance is where z is negative.
    fallback
        What happens where an output has no contribution of the sign that a rule asks for.
    book
        Where losses are written.
    index
        Of the operation that made z, in the trace.
    parts
        What backwards share.
    direct
        Set by :meth:`lay_down`.
    """

    rule: LinearRule
    map: Map
    x: Tensor
    z: Tensor
    g: Tensor
    weight: Tensor
    bias: Tensor | None
    nonnegative: bool
    rectified: bool
    fallback: bool
    book: Book
    index: int = -1
    parts: Parts | None = None
    direct: bool = False
    _handed: Tensor | None = None

    def widen(self) -> None:
        """Compute in float32 at least."""
        wide = torch.promote_types(self.x.dtype, torch.float32)
        self.x, self.z, self.g, self.weight = (t.to(wide) for t in (self.x, self.z, self.g, self.weight))
        self.bias = None if self.bias is None else self.bias.to(wide)

    @property
    def handed(self) -> Tensor:
        """The relevance at the output, z * g."""
        if self._handed is None:
            self._handed = self.z * self.g
        return self._handed

    @property
    def plus(self) -> Tensor:
        """W+, the positive part of the weights."""
        return self._shared("W+", lambda: self.map.remember("W+", lambda: self.weight.clamp(min=0)))

    @property
    def minus(self) -> Tensor:
        """W-, the negative part of the weights."""
        return self._shared("W-", lambda: self.map.remember("W-", lambda: self.weight.clamp(max=0)))

    def back(self, s: Tensor, weight: Tensor) -> Tensor:
        """Return the adjoint map of ``s`` with other weights."""
        return self.map.adjoint(s, weight, self.x.shape)

    def signed_back(self, s: Tensor, plus: Tensor, minus: Tensor) -> Tensor:
        """Return the adjoint that goes by ``plus`` where x is positive and by ``minus`` where it is negative."""
        if self.nonnegative:
            return self.back(s, plus)
        if not self.map.joins:
            return torch.where(self.x > 0, self.back(s, plus), self.back(s, minus))
        own = plus is self.plus and minus is self.minus
        joint = self._joint if own else torch.cat([plus, minus], 1)
        channels = self.x.shape[1]
        back = self.map.adjoint(s, joint, (self.x.shape[0], 2 * channels, *self.x.shape[2:]))
        return torch.where(self.x > 0, back[:, :channels], back[:, channels:])

    def positive_part(self) -> Tensor:
        """Return z+ = W+ x+ + W- x- + b+: the sum of the contributions that are positive."""
        return self._shared("z+", self._positive_part)

    def _positive_part(self) -> Tensor:
        bias = None if self.bias is None else self.bias.clamp(min=0)
        if self.nonnegative:
            return self.map.apply(self.x, self.plus, bias)
        if self.map.joins:
            # one convolution of both signs: its output, much larger than a first layer's input, is written once
            return self.map.apply(torch.cat([self.x.clamp(min=0), self.x.clamp(max=0)], 1), self._joint, bias)
        z = self.map.apply(self.x.clamp(min=0), self.plus, bias)
        return z + self.map.apply(self.x.clamp(max=0), self.minus)

    @property
    def _joint(self) -> Tensor:
        """W+ and W- side by side."""
        return self._shared("W+W-", lambda: self.map.remember("W+W-", lambda: torch.cat([self.plus, self.minus], 1)))

    def _shared(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        return make() if self.parts is None else self.parts.share(self.index, name, make)

    def divided(self, numerator: Tensor, z: Tensor) -> Tensor:
        """Return numerator / z with the rule's stabiliser; 0/0 is 0."""
        return divided(numerator, z, margin(z, self.rule.epsilon))

    def lay_down(self, relevance: Tensor) -> Tensor:
        """Mark what a rule returns as relevance itself, not divided by the input; for the first operation alone."""
        self.direct = True
        return relevance

    def refuse_within(self, at_first: bool) -> None:
        """Raise where relevance was laid down at an operation that is not the first.

        Raises
        ------
        MethodError
            Naming the rule.
        """
        if not at_first:
            msg = (
                f"The rule {self.rule.label} lays relevance itself down, so it belongs to the operation that the input"
                " reaches first: At(depth='first')."
            )
            raise MethodError(msg)

    def write(self, account: str, amount: Tensor) -> None:
        """Write down relevance (B, ...) that this operation absorbed."""
        self.book.write(account, amount, self.index)

    def book_losses(self, s: Tensor, denominator: Tensor, handed: Tensor, bias: Tensor | None) -> None:
        """Write down what biases and the stabiliser took of the relevance ``handed`` to this step."""
        if bias is not None:
            spatial = tuple(range(2, s.ndim))
            if spatial and bias.ndim == 1 and self.map.per_channel(bias, s.ndim).ndim == s.ndim:
                self.write("biases", s.sum(spatial) * bias)  # a sum, and no product of the output's size
            else:
                self.write("biases", s * self.map.per_channel(bias, s.ndim))
        self.write("stabilisers", torch.addcmul(handed, s, denominator, value=-1))


def default_epsilon(dtype: torch.dtype) -> float:
    """Return the stabiliser in units of the root mean square: 1e-9 in float64, else 1e-6."""
    return 1e-9 if dtype == torch.float64 else 1e-6


def margin(z: Tensor, epsilon: float | None = None) -> Tensor:
    """Return epsilon times the root mean square of z over each sample, shaped to broadcast over z."""
    size = default_epsilon(z.dtype) if epsilon is None else epsilon
    root_mean_square: Tensor = torch.linalg.vector_norm(rows(z), dim=1) * z[0].numel() ** -0.5
    return size * root_mean_square.view(-1, *(1,) * (z.ndim - 1))


def rows(t: Tensor) -> Tensor:
    """Return each sample (B, ...) as one row, in the order of memory: no copy where channels are last in memory."""
    return t.flatten(1) if t.ndim < 4 or t.is_contiguous() else t.movedim(1, -1).flatten(1)


def divided(numerator: Tensor, z: Tensor, guard: Tensor) -> Tensor:
    """Return numerator / (z + sign(z) * guard), and 0 where the denominator is 0."""
    denominator = torch.copysign(guard, z).add_(z)
    if z.device.type == "cpu" and bool((guard > 0).all()):  # the denominator is 0 nowhere, and asking costs nothing
        return numerator / denominator
    return (numerator / denominator).masked_fill_(denominator == 0, 0)


def where_true(mask: Tensor, values: Tensor) -> Tensor:
    """Return finite values where the mask is true, else 0: a CPU multiplies ten times as fast as it chooses."""
    return values * mask.view(torch.uint8) if values.device.type == "cpu" else torch.where(mask, values, 0)


class ChannelMap:
    """A factor for each channel: the map of a batch norm that no linear operation takes in."""

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return weight * x + bias."""
        return x * weight if bias is None else x * weight + bias

    def adjoint(self, s: Tensor, weight: Tensor, _shape: Sequence[int]) -> Tensor:
        """Return weight * s."""
        return s * weight

    def remember(self, _name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return what ``make`` gives."""
        return make()

    @property
    def joins(self) -> bool:
        """A factor is no sum: never."""
        return False

    def per_channel(self, values: Tensor, _ndim: int) -> Tensor:
        """Return the values as they are: they have the shape (1, K, ...) already."""
        return values
