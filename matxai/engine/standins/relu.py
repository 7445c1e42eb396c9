"""ReLU: plain, guided and deconvnet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.plan import DECONVNET, GUIDED, Rule
from matxai.engine.standins.call import Call, put
from matxai.engine.standins.prepared import pass_relu

if TYPE_CHECKING:
    from matxai.engine.nodes import Switch


def relu(call: Call) -> Any:
    """ReLU, in place where the model asked for that."""
    x, keep = call.x, call.run.keep
    if (made := call.run.value(x)) is not None and made.passing is not None:
        return pass_relu(call, made.passing)
    if not call.graph or (keep.exact and not keep.rectified):
        return NotImplemented
    if call.op.in_place and x._base is None and not x.is_leaf:
        return InPlaceReLU.apply(x, call.run.switch)
    with torch.no_grad():
        value = torch.relu(x)
        node = ReLUNode(call.run.switch, value, (positive_of(value),))
    return put(node, x)


@dataclass(eq=False)
class ReLUNode:
    """ReLU; keeps one byte for each value."""

    switch: Switch
    value: Tensor | None
    saved: tuple[Tensor, ...]

    def pull(self, g: Tensor, positive: Tensor) -> tuple[Tensor]:
        """See :func:`rectified_gradient`."""
        return (rectified_gradient(g, positive, self.switch.rule),)


class InPlaceReLU(torch.autograd.Function):
    """ReLU that writes into its input, as the model asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, switch: Switch) -> Tensor:
        """Return ``x``, rectified."""
        ctx.switch = switch
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(positive_of(x))
        ctx.mark_dirty(x)
        return x.relu_()

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, None]:
        """Pass ``g`` where the input was positive."""
        return (None if g is None else rectified_gradient(g, ctx.saved_tensors[0], ctx.switch.rule)), None


def positive_of(x: Tensor) -> Tensor:
    """Return 1 where x is positive, else 0, as bytes: a CPU multiplies by them in a sixth of what booleans take."""
    return (x > 0).view(torch.uint8)


def rectified_gradient(g: Tensor, positive: Tensor, rule: Rule) -> Tensor:
    """Return what a ReLU passes back: where its input was positive; guided: and ``g`` is; deconvnet: where ``g`` is."""
    if rule is DECONVNET:
        return g.clamp(min=0)
    if rule is GUIDED:
        g = g.clamp(min=0)
    return g * positive
