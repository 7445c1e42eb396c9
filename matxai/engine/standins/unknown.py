"""Operations without a rule that relevance passes by their plain gradient: what they hold and hand on is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from matxai.engine.nested import mapped
from matxai.engine.ruletable import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def metered(call: Call) -> Any:
    """Call the function between meters, one for each live tensor that goes in and each tensor that comes out."""
    run, operand = call.run, 0

    def enter(arg: Any) -> Any:
        nonlocal operand
        if isinstance(arg, list | tuple):
            return type(arg)(*map(enter, arg)) if hasattr(arg, "_fields") else type(arg)(map(enter, arg))
        if not isinstance(arg, Tensor) or run.value(arg) is None:
            return arg
        node = MeterNode(run.switch, call.op.index, run.store.keep(arg), operand, arg.detach())
        operand += 1
        return put(node, arg)

    def leave(out: Any) -> Any:
        if not isinstance(out, Tensor) or not out.requires_grad:
            return out
        return put(MeterNode(run.switch, call.op.index, run.store.keep(out), None, out.detach()), out)

    result = call.function(*map(enter, call.args), **{k: enter(v) for k, v in call.kwargs.items()})
    if isinstance(result, tuple) and type(result) is not tuple and not hasattr(result, "_fields"):
        return type(result)([leave(r) for r in result])  # PyTorch's own: torch.return_types.median
    return mapped(result, leave)


@dataclass(eq=False)
class MeterNode:
    """Nothing but a place in the graph where relevance is read: of an operand, or of an output."""

    switch: Switch
    index: int
    cell: Cell
    operand: int | None
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Write down value times gradient, and pass."""
        if isinstance(self.switch.rule, Composite) and not self.switch.passing:
            held = self.cell.tensor * g
            if self.operand is None:
                self.switch.book.flow(self.index, before=held)
            else:
                self.switch.book.flow(self.index, after=held, operand=self.operand)
        return (g,)
