"""Softmax and its relatives: a constant where they make weights, else the rule of AttnLRP on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, put

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch


def softmax(call: Call) -> Any:
    """``softmax``, ``softmin`` and ``log_softmax``, over the axis that they are told."""
    keep, x, given = call.run.keep, call.x, call.read()
    if not call.ruled or not keep.live_softmax:
        return NotImplemented
    base, dtype = call.row.base, given.get("dtype")
    if base == "softmin" or isinstance(dtype, torch.dtype):
        return call.written_out(_plainly, x, given["dim"], base, dtype)
    dim = given["dim"]
    if dim is None:  # what PyTorch takes in silence
        dim = 0 if x.ndim in (0, 1, 3) else 1
    node = SoftmaxNode(call.run.switch, call.op.index, dim, "log" in base, call.run.store.keep(x), None)
    value = call.value()
    node.value, node.saved = value, (value.detach(),)
    return put(node, x)


def _plainly(x: Tensor, dim: int, base: str, dtype: torch.dtype | None) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    if base == "softmin":
        return torch.softmax(torch.neg(x), dim)
    return torch.log_softmax(x, dim) if "log" in base else torch.softmax(x, dim)


@dataclass(eq=False)
class SoftmaxNode:
    """Softmax s, or its logarithm, with its own gradient.

    In the form relevance divided by input the rule R_i = x_i (R_i - s_i sum_j R_j) is that gradient: Achtibat et al.
    2024, arXiv:2402.05602, eq. 13. It does not conserve; the ledger has what it held and what it handed on.
    """

    switch: Switch
    index: int
    dim: int
    log: bool
    x: Cell
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor, value: Tensor) -> tuple[Tensor]:
        """Return the gradient; relevance itself passes unchanged."""
        if self.switch.passing:
            return (g,)
        x = self.x.tensor
        backward = torch.ops.aten._log_softmax_backward_data if self.log else torch.ops.aten._softmax_backward_data
        back: Tensor = backward(g, value, self.dim, x.dtype)
        if isinstance(self.switch.rule, Composite):
            held = (value * g).masked_fill(g == 0, 0)
            handed = (x * back).masked_fill(back == 0, 0)  # behind a mask of -inf nothing arrives
            self.switch.book.flow(self.index, before=held, after=handed)
        return (back,)
