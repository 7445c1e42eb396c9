"""Elementwise functions: their slope for gradients, the ratio (f(x) - f(0)) / x for relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.activations import offset, ratio, slope
from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def activation(call: Call) -> Any:
    """Stand in for an elementwise function."""
    given, x = call.read(), call.x
    if any(isinstance(v, Tensor) for v in given.values()):
        return call.refuse("has bounds that are tensors, and no rule")
    return _node(call, x, call.row.base, given, None) if call.ruled else NotImplemented


def power(call: Call) -> Any:
    """X to a constant power, or a constant to the power of x."""
    run, x, base = call.run, call.x, call.row.base
    (number,) = call.read().values()
    if len(call.op.inputs) > 1:
        return call.refuse("has an exponent and a base that depend on the input, and no rule")
    if run.value(x) is None:  # torch.pow(2, x)
        x, number, base = number, x, "rpow"
    lowest = float(number.min()) if isinstance(number, Tensor) else float(number)
    if lowest <= 0:
        what = "a power of 0 or below" if base == "pow" else "no positive base"
        return call.refuse(f"has {what}, and so no value at 0 to measure from and no rule")
    if not call.ruled:
        return NotImplemented
    given = {"exponent" if base == "pow" else "base": number}
    return _node(call, x, base, given, call.value() if not call.op.in_place else None)


def singular(call: Call) -> Any:
    """Logarithms and reciprocals: they have no value at 0."""
    return call.refuse("has no value at 0 to measure from, and so no rule")


def statistic(call: Call) -> Any:
    """Variances, products and the like: right as a denominator alone, where relevance does not come."""
    return call.refuse("is a statistic that is not linear in its input, and has no rule but as a denominator or gate")


def gated_linear_unit(call: Call) -> Any:
    """``glu``, written out: half of the channels times the sigmoid of the others."""
    if not call.ruled:
        return NotImplemented

    def written(x: Tensor) -> Tensor:
        signal, gate = x.chunk(2, call.read()["dim"])
        return torch.mul(signal, torch.sigmoid(gate))

    return call.written_out(written, call.x)


def _node(call: Call, x: Tensor, base: str, given: dict[str, Any], value: Tensor | None) -> Tensor:
    with torch.no_grad():
        if value is None:
            apart = x.detach().clone() if call.op.in_place else x.detach()
            value = call.function(apart, *call.args[1:], **{k: v for k, v in call.kwargs.items() if k != "input"})
        at_zero = offset(base, x, given)
    run = call.run
    return put(ActivationNode(run.switch, call.op.index, base, given, run.store.keep(x), value, at_zero), x)


@dataclass(eq=False)
class ActivationNode:
    """An elementwise function: its slope for gradients, (f(x) - f(0)) / x for relevance divided by input.

    ``at_zero`` is f(0) where it is not 0: a bias.
    """

    switch: Switch
    index: int
    base: str
    call: dict[str, Any]
    x: Cell
    value: Tensor | None
    at_zero: Tensor | None = None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Multiply with slope or ratio."""
        if self.switch.passing:
            return (g,)
        x = self.x.tensor
        if not isinstance(self.switch.rule, Composite):
            return ((g * slope(self.base, x, self.call)),)
        if self.at_zero is not None:
            self.switch.book.write("biases", g * self.at_zero, self.index)
        return (g * ratio(self.base, x, self.call),)
