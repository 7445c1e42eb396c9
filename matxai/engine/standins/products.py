"""Products and quotients: with a constant, or of two live tensors of which one is a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.nodes import Cell, Switch


def product(call: Call) -> Any:
    """A product with a constant is plain; of two live tensors one is a gate."""
    run = call.run
    a, b = _operands(call)
    if len(call.op.inputs) > 1:
        call.op.kind = "gate"
        if not call.ruled:
            return NotImplemented
        with torch.no_grad():
            value = torch.mul(a, b)
        return put(GateNode(run.switch, call.op.index, (run.store.keep(a), run.store.keep(b)), value), a, b)
    x, other = (a, b) if run.value(a) is not None else (b, a)
    return _scaled(call, x, other, torch.mul)


def quotient(call: Call) -> Any:
    """Divided by a constant it is a factor; by a live tensor, which is a constant where it is a statistic."""
    run = call.run
    a, b = _operands(call)
    if call.kwargs.get("rounding_mode") is not None:
        return call.refuse("rounds, and has no rule")
    if run.value(a) is None:
        return call.refuse("divides a constant by what depends on the input, which has no value at 0 and no rule")
    if len(call.op.inputs) == 1:
        return _scaled(call, a, b, torch.div)
    if not call.ruled:
        return NotImplemented
    with torch.no_grad():
        value = torch.div(a, b)
    return put(QuotientNode(run.switch, (run.store.keep(a), run.store.keep(b)), value), a, b)


def _operands(call: Call) -> tuple[Any, Any]:
    given = (*call.args, call.kwargs.get("other"))
    if not call.args:
        given = (call.kwargs.get("input"), call.kwargs.get("other"))
    return given[0], given[1]


def _scaled(call: Call, x: Tensor, other: Any, function: Callable[[Any, Any], Tensor]) -> Any:
    call.op.kind = "scale"
    if not call.ruled or call.kwargs.get("out") is not None:
        return NotImplemented
    with torch.no_grad():
        value = function(x, other)
        factor = 1 / other if function is torch.div else other
    return put(ScaleNode(call.run.switch, factor, x.shape, value), x)


def multiply_add(call: Call) -> Any:
    """``addcmul``, ``addcdiv`` and ``lerp``: written out."""
    if not call.ruled:
        return NotImplemented
    base = call.row.base
    x, a, b = (*call.args, *(call.kwargs[k] for k in ("tensor1", "tensor2", "end", "weight") if k in call.kwargs))[:3]
    factor = call.kwargs.get("value", 1)

    def written() -> Any:
        if base == "lerp":
            return torch.add(x, torch.mul(torch.sub(a, x), b))
        between = torch.mul(a, b) if base == "addcmul" else torch.div(a, b)
        return torch.add(x, between if factor == 1 else torch.mul(between, factor))

    return call.written_out(written)


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
    """A product of two live tensors; LRP takes the gate for a constant, or gives half to each operand."""

    switch: Switch
    index: int
    operands: tuple[Cell, Cell]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Multiply with the other operand, times the share; nothing flows to a gate under LRP."""
        a, b = (c.tensor for c in self.operands)
        to_a, to_b = shares(self.switch, self.index)
        if self.switch.passing:
            return _weighted(g, to_a, a), _weighted(g, to_b, b)
        return (
            _weighted(g * b, to_a, a) if to_a else None,
            _weighted(g * a, to_b, b) if to_b else None,
        )


@dataclass(eq=False)
class QuotientNode:
    """A quotient of two live tensors; LRP takes the denominator for a constant."""

    switch: Switch
    operands: tuple[Cell, Cell]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor, Tensor | None]:
        """Divide by the denominator."""
        a, b = (c.tensor for c in self.operands)
        if self.switch.passing:
            return g.sum_to_size(a.shape), None
        to_a = (g / b).sum_to_size(a.shape)
        if isinstance(self.switch.rule, Composite):
            return to_a, None
        return to_a, (-g * ((a / b) / b)).sum_to_size(b.shape)


def shares(switch: Switch, index: int) -> tuple[float, float]:
    """Return the share of each operand: one each for gradients, which is the product rule."""
    if not isinstance(switch.rule, Composite):
        return 1.0, 1.0
    found = switch.gates[index].shares(switch.rule)
    if found is None:  # refused where relevance comes here, unless it goes on by the plain gradient
        return (1.0, 1.0) if switch.rule.unknown == "gradient" else (0.0, 0.0)
    return found


def _weighted(flow: Tensor, share: float, operand: Tensor) -> Tensor | None:
    if not share:
        return None
    back = flow.sum_to_size(operand.shape)
    return back if share == 1 else back * share
