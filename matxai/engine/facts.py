"""Facts that need the whole forward: what only ReLUs use, and where LRP cannot pass. Each in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.engine.gates import PRODUCTS, Gate
from matxai.engine.trace import INPUT, Operation, Trace
from matxai.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matxai.engine.composites import Composite

SOFTMAXES = frozenset({"softmax", "log_softmax"})
UNSEEN = "unseen"
"""The kind of what the capture cannot see into: neither what goes in nor what it holds can be measured."""


def rectified(trace: Trace) -> frozenset[int]:
    """Return the indices of the operations whose every use is a ReLU: no relevance is where they are negative."""
    consumers = trace.consumers()
    return frozenset(
        op.index
        for op in trace
        if (used := [c for v in op.outputs for c in consumers.get(v, ())]) and all(c.kind == "relu" for c in used)
    )


def refuse_what_has_no_rule(
    trace: Trace, start: int, stop: Iterable[int], gates: Mapping[int, Gate], composite: Composite
) -> None:
    """Raise where relevance from ``start`` would meet an operation that LRP has no rule for, and may not pass without.

    With ``unknown="gradient"`` that is one which hides its input from the engine.

    Raises
    ------
    OperationError
        With the operation, its layer, and what can be done.
    """
    wanted, ends = {start} - set(stop), {INPUT, *stop}
    for op in reversed(trace):
        if not wanted.intersection(op.outputs):
            continue
        reason, inputs = passage(op, gates, composite)
        if reason and (composite.unknown == "refuse" or op.kind == UNSEEN):
            pass_by = "" if op.kind == UNSEEN else ", or the composite's option unknown='gradient'"
            msg = (
                f"LRP cannot pass the operation {op.where()}: it {reason}. Use a gradient or CAM method, or LRP down"
                f" to a layer behind it{pass_by}."
            )
            raise OperationError(msg)
        wanted.update(v for v in inputs if v not in ends)


def passage(op: Operation, gates: Mapping[int, Gate], composite: Composite) -> tuple[str, tuple[int, ...]]:
    """Return why LRP cannot pass an operation (empty where it can), and the inputs that get relevance."""
    if op.refused:
        return op.refused, op.inputs
    if op.kind in SOFTMAXES and composite.softmax == "constant":
        return (
            "is no gate or attention weight here, and mixes what it normalises; the composite's option"
            " softmax='attnlrp' has a rule for it"
        ), op.inputs
    if op.kind in PRODUCTS and op.index in gates:
        gate = gates[op.index]
        shares = gate.shares(composite)
        if shares is None:
            return gate.reason, op.inputs[:1] if gate.quotient else op.inputs
        return "", tuple(v for v, share in zip(op.inputs, shares, strict=True) if share)
    return "", op.inputs
