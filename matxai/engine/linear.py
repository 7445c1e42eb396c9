"""Linear operations as maps: convolution, transposed convolution and dense layers, in 1-D to 3-D, with their adjoints.

A :class:`LinearMap` holds the geometry only; weights are handed in, so that a rule can apply the same map with positive
or squared weights, and a batch norm can be folded into them at call time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor


@dataclass(frozen=True)
class LinearMap:
    """The geometry of one linear operation.

    Attributes
    ----------
    kind
        ``"convolution"``, ``"transposed_convolution"`` or ``"linear"``.
    stride, padding, dilation, output_padding
        One number for each spatial axis; empty for ``"linear"``.
    groups
        Of a convolution.
    margin
        Zeros put around the input before the convolution, in the order of ``F.pad``, where ``padding="same"`` is not
        the same on both sides.
    """

    kind: str
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    output_padding: tuple[int, ...] = ()
    groups: int = 1
    margin: tuple[int, ...] = ()

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the map of ``x`` (B, C, *spatial) with these weights."""
        if self.kind == "linear":
            return F.linear(x, weight, bias)
        if self.margin:
            x = F.pad(x, self.margin)
        transposed = self.kind == "transposed_convolution"
        return torch.convolution(
            x, weight, bias, self.stride, self.padding, self.dilation, transposed, self.output_padding, self.groups
        )

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the transposed map of ``s``, of the input's ``shape``; the input itself is not needed."""
        weight = weight.to(s.dtype)
        if self.kind == "linear":
            return s @ weight
        padded = list(shape)
        for axis in range(len(self.margin) // 2):
            padded[-1 - axis] += self.margin[2 * axis] + self.margin[2 * axis + 1]
        stand_in = s.new_empty(1).expand(padded)
        back: Tensor = torch.ops.aten.convolution_backward(
            s, stand_in, weight, None, self.stride, self.padding, self.dilation,
            self.kind == "transposed_convolution", self.output_padding, self.groups, (True, False, False),
        )[0]  # fmt: skip
        return F.pad(back, tuple(-m for m in self.margin)) if self.margin else back

    def remember(self, _name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return what ``make`` gives: nothing outlives the call."""
        return make()

    @property
    def joins(self) -> bool:
        """Whether inputs may lie side by side as further channels, with their weights joined along axis 1."""
        return self.kind == "convolution" and self.groups == 1

    def scaled(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Return the weights with each output channel multiplied by its ``scale`` (K,)."""
        if self.kind == "transposed_convolution":  # (in, out / groups, *kernel)
            grouped = weight.view(self.groups, -1, *weight.shape[1:])
            return (grouped * scale.view(self.groups, 1, -1, *(1,) * (weight.ndim - 2))).flatten(0, 1)
        return weight * scale.view(-1, *(1,) * (weight.ndim - 1))

    def per_channel(self, values: Tensor, ndim: int) -> Tensor:
        """Return ``values`` (K,) shaped to broadcast over an output with ``ndim`` axes."""
        return values if self.kind == "linear" else values.view(1, -1, *(1,) * (ndim - 2))


def linear_map(kind: str, weight: Tensor, call: Mapping[str, Any]) -> LinearMap:
    """Read the geometry of a call to a linear function from its arguments by name."""
    if kind == "linear":
        return LinearMap("linear")
    axes = weight.ndim - 2
    transposed = kind == "transposed_convolution"
    dilation = _each(call["dilation"], axes)
    padding, margin = _padding(call["padding"], weight.shape[2:], dilation, axes)
    return LinearMap(
        kind,
        _each(call["stride"], axes),
        padding,
        dilation,
        _each(call.get("output_padding", 0) if transposed else 0, axes),
        int(call["groups"]),
        margin,
    )


def _each(value: Any, axes: int) -> tuple[int, ...]:
    values = tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),)
    return values * axes if len(values) == 1 else values


def _padding(
    padding: Any, kernel: Sequence[int], dilation: Sequence[int], axes: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return padding in numbers, and the margin where ``"same"`` needs more on the right than on the left."""
    if padding == "valid":
        return (0,) * axes, ()
    if padding != "same":
        return _each(padding, axes), ()
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if all(t % 2 == 0 for t in total):
        return tuple(t // 2 for t in total), ()
    margin: list[int] = []
    for t in reversed(total):
        margin += [t // 2, t - t // 2]
    return (0,) * axes, tuple(margin)
