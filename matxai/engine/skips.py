"""Which operand of a sum is the skip of a residual block: a fact of the whole forward, in linear time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matxai.engine.ruletable import Composite
    from matxai.engine.trace import Trace


def skips(trace: Trace) -> dict[int, int]:
    """Return, for each sum of two live tensors, which operand (0 or 1) is the skip; none where that is open.

    The skip is the operand that passed fewer operations since the two ways parted, counted along the longest way.
    """
    depth: dict[int, int] = {}
    found: dict[int, int] = {}
    for op in trace:
        passed = [depth.get(v, 0) for v in op.inputs]
        if op.kind == "add" and len(passed) == 2 and passed[0] != passed[1]:
            found[op.index] = 0 if passed[0] < passed[1] else 1
        for v in op.outputs:
            depth[v] = 1 + max(passed, default=0)
    return found


def without_sums(trace: Trace, wanted: set[int], composite: Composite) -> list[str]:
    """Return a sentence for each sum that the option ``residual`` does not see: of tensors that were stacked first."""
    if composite.residual == "contribution":
        return []
    producers, notes = trace.producers(), []
    for op in trace:
        if op.kind not in ("sum", "mean") or not wanted.intersection(op.outputs):
            continue
        made = producers.get(op.inputs[0])
        if made is not None and made.name == "stack" and len(made.inputs) > 1:
            notes.append(
                f"lrp:{composite.name}: residual='{composite.residual}' does not reach the operation {op.where()}, a"
                f" sum of stacked tensors; write it as a + b"
            )
    return notes
