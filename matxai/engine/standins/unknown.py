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


def metered(call: Call, target: Tensor | None = None) -> Any:
    """Call the function between meters, one for each live tensor that goes in and each tensor that comes out.

    Where it writes into ``target`` it computes apart, on a copy, and the result is written there.
    """
    run, operand = call.run, 0

    def enter(arg: Any) -> Any:
        nonlocal operand
        if isinstance(arg, list | tuple):
            return type(arg)(*map(enter, arg)) if hasattr(arg, "_fields") else type(arg)(map(enter, arg))
        if not isinstance(arg, Tensor) or run.value(arg) is None:
            return arg
        value = arg.detach().clone() if arg is target else arg.detach()
        node = MeterNode(run.switch, call.op.index, run.store.keep(arg), operand, value)
        operand += 1
        return put(node, arg)

    def leave(out: Any) -> Any:
        if not isinstance(out, Tensor) or not out.requires_grad:
            return out
        return put(MeterNode(run.switch, call.op.index, run.store.keep(out), None, out.detach()), out)

    kwargs = {k: v for k, v in call.kwargs.items() if k != "out" or v is not target}  # autograd refuses out=
    result = call.function(*map(enter, call.args), **{k: enter(v) for k, v in kwargs.items()})
    if target is not None:
        result = leave(result[0] if isinstance(result, tuple) else result)
        run.store.before_write(target)
        return target.copy_(result)
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
            held = (self.cell.tensor.conj() * g).real if g.is_complex() else self.cell.tensor * g
            if self.operand is None:
                self.switch.book.flow(self.index, before=held)
            else:
                self.switch.book.flow(self.index, after=held, operand=self.operand)
        return (g,)
