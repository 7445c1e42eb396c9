"""Bias gradients: what each bias of the network adds to the score to first order, read while the plain gradient runs.

A tap behind every operation with a bias b sees the gradient g that flows to its output; g b is the bias gradient of
Srinivas and Fleuret (2019, arXiv:1905.00780, eq. 3). Of a batch norm b is beta - mu gamma / sigma. A tap keeps sums
over the channels alone, so that memory does not grow with the width of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.assignment import FOLDED
from matxai.engine.plan import GRADIENT
from matxai.engine.standins.call import put

if TYPE_CHECKING:
    from matxai.engine.capture import Capture
    from matxai.engine.nodes import Switch
    from matxai.engine.standins.call import Call

_LINEAR = frozenset({"convolution", "transposed_convolution", "linear"})
_LAST = frozenset({"linear", "layer_norm", "native_layer_norm"})


@dataclass(frozen=True)
class BiasGradient:
    """The gradients g b of one bias at its operation's output (B, K, *spatial), reduced over the channels.

    Attributes
    ----------
    index
        The operation's place in the trace.
    total
        The sum over everything, (B,): what the bias adds to the score.
    magnitude
        The sum of |g b| over the channels, (B, *spatial); ``None`` where the output has no spatial axes.
    low, high
        The smallest and largest |g b| of each sample, (B,).
    channels
        Their number.
    """

    index: int
    total: Tensor
    magnitude: Tensor | None
    low: Tensor
    high: Tensor
    channels: int


@dataclass(eq=False)
class BiasTap:
    """A place in the graph behind an operation with biases; everything passes.

    Attributes
    ----------
    biases
        Of the operation, and of a convolution that is folded into it; each broadcasts over the output.
    axis
        Of the channels.
    """

    switch: Switch
    index: int
    biases: tuple[Tensor, ...]
    axis: int
    spatial: bool
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Put the bias gradients down, and pass."""
        if self.switch.biases is not None and self.switch.rule is GRADIENT:
            self.switch.biases += [self._reduced(g, b) for b in self.biases]
        return (g,)

    def _reduced(self, g: Tensor, bias: Tensor) -> BiasGradient:
        wide = torch.promote_types(g.dtype, torch.float32)
        each = g.to(wide) * bias.to(wide)
        sizes = each.abs()
        flat = sizes.flatten(1)
        return BiasGradient(
            self.index, each.flatten(1).sum(1), sizes.sum(self.axis) if self.spatial else None,
            flat.amin(1), flat.amax(1), each.shape[self.axis],
        )  # fmt: skip


def tapped(run: Capture, call: Call, result: Any) -> Any:
    """Return an operation's result behind a tap, where the operation has a bias and nothing is written in place."""
    if not isinstance(result, Tensor) or call.op.in_place or not result.requires_grad:
        return result
    last = call.row.base in _LAST
    shape = (-1,) if last else (1, -1, *(1,) * (result.ndim - 2))
    biases = tuple(b.detach().reshape(shape) for b in _biases(run, call))
    if not biases or result.ndim < 2:
        return result
    axis = -1 if last else 1
    spatial = run.input is not None and result.ndim == run.input.cell.tensor.ndim > 2
    out = put(BiasTap(run.switch, call.op.index, biases, axis, spatial, result.detach()), result)
    if run.pending is not None and run.pending[0] is result:
        run.pending = (out, *run.pending[1:])
    return out


def _biases(run: Capture, call: Call) -> list[Tensor]:
    """Return what an operation adds, (K,) each."""
    given = call.read()
    if call.op.kind in _LINEAR or call.op.kind == "norm":
        bias = given.get("bias")
        return [bias] if isinstance(bias, Tensor) and run.value(bias) is None else []
    if call.op.kind != "batch_norm":
        return []
    scale = torch.rsqrt(given["running_var"] + given["eps"])
    scale = scale if given["weight"] is None else scale * given["weight"]
    shift = -given["running_mean"] * scale
    found = [shift if given["bias"] is None else shift + given["bias"]]
    made = run.value(call.x)
    if FOLDED in call.op.params and made is not None and made.spot is None and made.node is not None:
        # a convolution folded into this norm: the gradient does not come by its own output
        own = made.node.bias
        found += [] if own is None else [own * scale]
    return found
