"""Products: with a constant, or of two live tensors of which one is a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def product(call: Call) -> Any:
    """A product with a constant is plain; of two live tensors one is a gate."""
    run, quotient = call.run, call.row.kind == "quotient"
    a, b = (*call.args, None)[:2]
    if len(call.op.inputs) > 1:
        if quotient or a is b:
            return call.refuse("combines two tensors that both depend on the input")
        call.op.kind = "gate"
        if not call.ruled:
            return NotImplemented
        with torch.no_grad():
            value = torch.mul(a, b)
        return put(GateNode(run.switch, call.op.index, (run.store.keep(a), run.store.keep(b)), value), a, b)
    if (quotient and run.value(a) is None) or call.kwargs.get("rounding_mode") is not None:
        return call.refuse("has no LRP rule")
    call.op.kind = "scale"
    if not call.ruled or call.kwargs.get("out") is not None:
        return NotImplemented
    x, other = (a, b) if run.value(a) is not None else (b, a)
    with torch.no_grad():
        value = torch.div(x, other) if quotient else torch.mul(x, other)
        factor = 1 / other if quotient else other
    return put(ScaleNode(run.switch, factor, x.shape, value), x)


@dataclass(eq=False)
class ScaleNode:
    """A product of a live tensor with a constant; relevance itself passes it unchanged."""

    switch: Switch
    factor: Tensor | float
    shape: torch.Size
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Multiply, and sum over what was broadcast."""
        back = g if self.switch.passing else g * self.factor
        return (back.sum_to_size(self.shape),)


@dataclass(eq=False)
class GateNode:
    """A product of two live tensors; LRP takes the gate for a constant."""

    switch: Switch
    index: int
    operands: tuple[Cell, Cell]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Multiply with the other operand; nothing flows to a gate under LRP."""
        a, b = (c.tensor for c in self.operands)
        gate = self.switch.constant.get(self.index) if isinstance(self.switch.rule, Composite) else None
        to_a = None if gate == 0 else (g * b).sum_to_size(a.shape)
        to_b = None if gate == 1 else (g * a).sum_to_size(b.shape)
        return to_a, to_b
