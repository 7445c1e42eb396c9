"""Writes into a tensor that depends on the input, or of one into a constant: what is constant afterwards is a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.nested import mapped
from matxai.engine.ruletable import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def write(call: Call) -> Any:
    """Write apart, on a copy, and put a node behind it; where all is live, or zeros are written, autograd is right."""
    run, base = call.run, call.row.base
    target = call.x
    if not call.ruled or not isinstance(target, Tensor) or "out" in call.kwargs or base in ("zero", "masked_scatter"):
        return NotImplemented
    values = call.args[-1] if call.args else None
    if run.value(target) is not None and (run.value(values) is not None or values in _nothing(values)):
        return NotImplemented

    def at_zero(tensor: Tensor) -> Tensor:
        return tensor if run.value(tensor) is None else torch.zeros_like(tensor)

    with torch.no_grad():  # what is left where everything live is 0
        constant = _written(call, mapped(list(call.args), at_zero), mapped(dict(call.kwargs), at_zero))
    made = _written(call, list(call.args), dict(call.kwargs))
    return put(ConstantsNode(run.switch, call.op.index, run.store.keep(constant), made.detach()), made)


def _nothing(values: Any) -> tuple[Any, ...]:
    return (0,) if isinstance(values, int | float) else ()


def _written(call: Call, args: list[Any], kwargs: dict[str, Any]) -> Tensor:
    if not call.op.in_place:
        result: Tensor = call.function(*args, **kwargs)
        return result
    own: Tensor = (args[0] if args else kwargs["input"]).clone()
    if args:
        args[0] = own
    else:
        kwargs["input"] = own
    call.function(*args, **kwargs)
    return own


@dataclass(eq=False)
class ConstantsNode:
    """A tensor of which ``constant`` (as large, 0 where it is live) does not depend on the input."""

    switch: Switch
    index: int
    constant: Cell
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass, and book what the constants took."""
        if isinstance(self.switch.rule, Composite) and not self.switch.passing:
            share = (g * self.constant.tensor).masked_fill(g == 0, 0)  # nothing comes to a mask of -inf
            self.switch.book.write("biases", share, self.index)
        return (g,)
