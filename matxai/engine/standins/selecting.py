"""Pieces of one tensor."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matxai.engine.standins.call import Call

_STRICT = frozenset({"view", "_unsafe_view", "unsafe_view"})
_DIM_AT = {"chunk": 2, "split": 2, "split_with_sizes": 2, "tensor_split": 2, "unbind": 1}


def select(call: Call) -> Any:
    """Pieces of one tensor, each a view of its own: autograd refuses writes into views that were made together."""
    place = _DIM_AT.get(call.row.base)
    if place is None or not call.graph or len(call.op.inputs) != 1:
        return NotImplemented
    x = call.x
    dim = call.kwargs.get("dim", call.args[place] if len(call.args) > place else 0)
    pieces = call.value()
    if call.row.base == "unbind":
        return tuple(x.select(dim, i) for i in range(len(pieces)))
    starts = itertools.accumulate((p.shape[dim] for p in pieces), initial=0)
    return type(pieces)(x.narrow(dim, start, p.shape[dim]) for start, p in zip(starts, pieces, strict=False))


def view(call: Call) -> Any:
    """A view of a tensor whose memory the engine laid out otherwise than the model does: a copy where none is possible.

    What stands in for attention, and channels-last forwards, give the model's values in another order of memory.
    """
    if call.row.base not in _STRICT or not (call.graph or call.run.ready is not None):
        return NotImplemented
    try:
        return call.function(*call.args, **call.kwargs)
    except RuntimeError:
        x = call.x.contiguous()
        if not call.args or x is call.x:
            raise
        return call.function(x, *call.args[1:], **call.kwargs)


def view_as(call: Call) -> Any:
    """A view in the shape of another tensor, whose values it does not depend on."""
    call.op.kind = "view"
    if call.run.value(call.x) is None:
        call.op.kind = "constant"
    call.op.inputs, call.op.input_shapes = call.op.inputs[:1], call.op.input_shapes[:1]
    return NotImplemented
