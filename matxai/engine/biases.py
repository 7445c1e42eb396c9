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
from matxai.engine.batches import Samples
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
        The sum over everything, (B,): what the bias adds to the score; ``None`` where it cannot be told which of the
        output is whose sample's.
    magnitude
        The sum of |g b| over the channels, (B, *spatial); ``None`` where the output has no spatial axes, as where
        windows or frames are folded into the batch.
    low, high
        The smallest and largest |g b| of each sample, (B,), where there is a magnitude.
    channels
        Their number.
    last
        Whether the channels are on the output's last axis.
    """

    index: int
    total: Tensor | None
    magnitude: Tensor | None
    low: Tensor | None
    high: Tensor | None
    channels: int
    last: bool


@dataclass(eq=False)
class BiasTap:
    """A place in the graph behind an operation with biases; everything passes.

    Attributes
    ----------
    biases
        Of the operation, and of a convolution that is folded into it; each broadcasts over the output.
    axis
        Of the channels.
    samples
        Where the samples of the ``count`` of the batch are; ``None`` where that cannot be told.
    """

    switch: Switch
    index: int
    biases: tuple[Tensor, ...]
    axis: int
    samples: Samples | None
    count: int
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
        last = self.axis == -1
        if self.samples is None:
            return BiasGradient(self.index, None, None, None, None, each.shape[self.axis], last)
        total = self.samples.rows(each, self.count).sum(1)
        if not self.spatial:
            return BiasGradient(self.index, total, None, None, None, each.shape[self.axis], last)
        sizes = each.abs()
        flat = sizes.flatten(1)
        return BiasGradient(
            self.index, total, sizes.sum(self.axis), flat.amin(1), flat.amax(1), each.shape[self.axis], last
        )


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
    made, count, value = tuple(result.shape), run.batches.count, run.value(call.x)
    samples = None if value is None else run.batches.same_axis(value.id, tuple(call.x.shape), made)
    first = samples is not None and samples == Samples(0) and made[0] == count  # one sample may be folded as well
    spatial = first and run.input is not None and result.ndim == run.input.cell.tensor.ndim > 2
    node = BiasTap(run.switch, call.op.index, biases, axis, samples, count, spatial, result.detach())
    out = put(node, result)
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
