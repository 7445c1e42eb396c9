"""Batch norm in evaluation mode: folded into the linear operation that made its input, else an affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.assignment import FOLDED
from matxai.engine.composites import Composite
from matxai.engine.edges import edge_of
from matxai.engine.folds import Norm
from matxai.engine.rules import apply_rule
from matxai.engine.standins.call import Call, put
from matxai.engine.standins.linear import LinearNode
from matxai.engine.standins.norms import norm
from matxai.engine.standins.prepared import pass_norm
from matxai.engine.step import ChannelMap, Step

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def batch_norm(call: Call) -> Any:
    """Batch norm in evaluation mode: folded into the linear operation that made its input, else an affine map."""
    run, x, given = call.run, call.x, call.read()
    mean, var = given["running_mean"], given["running_var"]
    if given.get("training") or mean is None or var is None:
        call.op.kind = "norm"
        return norm(call)
    if run.noted is not None:
        weight, bias = (None if t is None else run.origin(t) for t in (given["weight"], given["bias"]))
        run.noted[call.op.index] = Norm(run.origin(mean), run.origin(var), weight, bias, given["eps"])
    if (made := run.value(x)) is not None and made.passing is not None:
        passed = pass_norm(call, made.passing)
        return (passed, *(x.new_empty(0),) * 2) if "native" in call.row.base else passed
    if not call.lean:
        return NotImplemented
    result = call.value()
    value, rest = (result[0], result[1:]) if isinstance(result, tuple) else (result, None)
    with torch.no_grad():
        scale = torch.rsqrt(var + given["eps"])
        if given["weight"] is not None:
            scale = scale * given["weight"]
        shift = -mean * scale
        if given["bias"] is not None:
            shift = shift + given["bias"]
    out = _folded(call, x, value, scale, shift) if run.keep.relevance else None
    if out is None:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        node = AffineNode(run.switch, scale.view(shape), value)
        if run.keep.relevance:
            node.z, node.shift, node.index = run.store.keep(value), shift.view(shape), call.op.index
        out = put(node, x)
    return out if rest is None else (out, *rest)


def _folded(call: Call, x: Tensor, value: Tensor, scale: Tensor, shift: Tensor) -> Tensor | None:
    """Return the batch norm as one operation with the linear one before it, or None where nothing made its input."""
    run = call.run
    made = run.value(x)
    if made is None or made.node is None or made.source is None or made.version != x._version:
        return None
    before, source = made.node, made.source
    if before.scale is not None or before.x is None or (before.map.kind == "linear" and x.ndim != 2):
        return None
    spot = made.spot
    node = LinearNode(run.switch, before.map, before.weight, before.bias, before.shape, value)
    node.index, node.entry = call.op.index, before.entry
    call.op.params[FOLDED] = before.entry
    node.scale, node.shift, node.x, node.z = scale, shift, before.x, run.store.keep(value)
    node.nonnegative, node.split = before.nonnegative, spot is not None
    if spot is None:
        return put(node, source)
    spot.fused = node.z
    out = put(node, source, x)
    spot.fused_edge = edge_of(out)
    return out


@dataclass(eq=False)
class AffineNode:
    """A batch norm that no linear operation made the input of: z = scale * x + shift, for each channel."""

    switch: Switch
    scale: Tensor
    value: Tensor | None
    shift: Tensor | None = None
    z: Cell | None = None
    index: int = -1
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Follow the composite, or the plain gradient."""
        if self.switch.passing:
            return (g,)
        if isinstance(self.switch.rule, Composite) and self.z is not None:
            return (self._relevance(g, self.switch.rule, self.z.tensor),)
        return (g * self.scale,)

    def _relevance(self, g: Tensor, composite: Composite, z: Tensor) -> Tensor:
        """Follow the rule; the input comes from the output, and where the scale is 0 none is needed."""
        above = z if self.shift is None else z - self.shift
        x = torch.where(self.scale == 0, 0, above / self.scale)
        step = Step(
            self.switch.rules[self.index], ChannelMap(), x, z, g, self.scale, self.shift,
            nonnegative=False,
            rectified=self.index in self.switch.rectified,
            fallback=composite.no_positive == "fallback",
            book=self.switch.book,
            index=self.index,
            parts=self.switch.parts,
        )  # fmt: skip
        back = apply_rule(step)
        step.refuse_within(not step.direct)
        return back
