"""Facts that need the whole forward: gates, what only ReLUs use, and where LRP cannot pass. Each in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.engine.trace import INPUT, Operation, Trace
from matxai.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_THROUGH = frozenset({"view", "select", "identity", "scale", "interpolate", "cat"})
_GATE_RANK = {
    "softmax": 3,
    "sigmoid": 3,
    "_softmax": 3,
    "hardsigmoid": 3,
    "relu6": 2,
    "clamp": 2,
    "hardtanh": 2,
    "tanh": 1,
}


def rectified(trace: Trace) -> frozenset[int]:
    """Return the indices of the operations whose every use is a ReLU: no relevance is where they are negative."""
    consumers = trace.consumers()
    return frozenset(
        op.index
        for op in trace
        if (used := [c for v in op.outputs for c in consumers.get(v, ())]) and all(c.kind == "relu" for c in used)
    )


def gates(trace: Trace) -> dict[int, int]:
    """Return, for each product of two live tensors, which operand (0 or 1) is the gate; none where that is open.

    The gate is the operand that a sigmoid, a softmax or another bounded function made, directly or behind views.
    """
    producers = trace.producers()
    found: dict[int, int] = {}
    for op in trace:
        if op.kind == "gate" and len(op.inputs) == 2:
            ranks = [_rank(v, producers) for v in op.inputs]
            if ranks[0] != ranks[1]:
                found[op.index] = 0 if ranks[0] > ranks[1] else 1
    return found


def _rank(value: int, producers: dict[int, Operation]) -> int:
    op = producers.get(value)
    while op is not None and op.kind in _THROUGH:
        op = producers.get(op.inputs[0])
    return 0 if op is None else _GATE_RANK.get(op.name, 0)


def refuse_what_has_no_rule(trace: Trace, start: int, stop: Iterable[int], constant: dict[int, int]) -> None:
    """Raise where relevance from ``start`` would meet an operation that LRP has no rule for.

    Raises
    ------
    OperationError
        With the operation, its layer, and what can be done.
    """
    wanted, ends = {start} - set(stop), {INPUT, *stop}
    for op in reversed(trace):
        if not wanted.intersection(op.outputs):
            continue
        reason = op.refused
        inputs = op.inputs
        if op.kind == "gate":
            if op.index in constant:
                inputs = (op.inputs[1 - constant[op.index]],)
            else:
                reason = "multiplies two tensors of which neither is a gate (sigmoid, softmax)"
        if reason:
            msg = (
                f"LRP cannot pass the operation {op.where()}: it {reason}. Use a gradient or CAM method, or LRP down"
                f" to a layer behind it."
            )
            raise OperationError(msg)
        wanted.update(v for v in inputs if v not in ends)
