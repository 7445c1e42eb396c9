"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from matxai.engine.linear import linear_map
from matxai.engine.standins.linear import LinearNode, linear_node

if TYPE_CHECKING:
    from matxai.engine.standins.call import Call


def matmul(call: Call) -> Any:
    """A product with a constant matrix is a dense layer."""
    run, base = call.run, call.row.base
    if len(call.op.inputs) > 1:
        return call.refuse("multiplies two tensors that both depend on the input")
    operands = call.args[:3] if base == "addmm" else (None, *call.args[:2])
    if base not in ("matmul", "mm", "addmm") or len(operands) != 3 or call.kwargs:
        return NotImplemented
    bias, x, weight = operands
    reflected = getattr(call.function, "__name__", "") == "__rmatmul__"
    if reflected or run.value(x) is None or not isinstance(weight, Tensor) or weight.ndim != 2:
        return NotImplemented
    call.op.kind = "linear"
    if not call.ruled:
        return NotImplemented
    map_ = linear_map("linear", weight, {})
    return linear_node(call, LinearNode(run.switch, map_, weight.t(), bias, x.shape, call.value()), x)
