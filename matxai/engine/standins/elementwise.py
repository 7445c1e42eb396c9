"""Elementwise functions: their slope for gradients, the ratio (f(x) - f(0)) / x for relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.activations import ratio, slope
from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def activation(call: Call) -> Any:
    """Stand in for an elementwise function."""
    given, x = call.read(), call.x
    if any(isinstance(v, Tensor) for v in given.values()):
        return call.refuse("has bounds that are tensors")
    if not call.ruled:
        return NotImplemented
    with torch.no_grad():
        apart = x.detach().clone() if call.op.in_place else x.detach()
        value = call.function(apart, *call.args[1:], **{k: v for k, v in call.kwargs.items() if k != "input"})
    return put(ActivationNode(call.run.switch, call.row.base, given, call.run.store.keep(x), value), x)


@dataclass(eq=False)
class ActivationNode:
    """An elementwise function: its slope for gradients, (f(x) - f(0)) / x for relevance divided by input."""

    switch: Switch
    base: str
    call: dict[str, Any]
    x: Cell
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Multiply with slope or ratio."""
        if self.switch.passing:
            return (g,)
        f = ratio if isinstance(self.switch.rule, Composite) else slope
        return (g * f(self.base, self.x.tensor, self.call),)
