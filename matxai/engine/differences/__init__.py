"""Differences in the place of slopes: DeepLift's rule, for inputs and baselines that run in one batch.

The first half of the batch holds the inputs, the second their baselines. A linear operation passes the gradient; the
others pass multipliers m with sum_i m_i (x_i - b_i) = f(x) - f(b): DeepLift's rescale rule for functions of one value
(Shrikumar et al., arXiv:1704.02685, section 3.5.1), its extension to maxima as in the authors' and in SHAP's
implementations, the product at the middle of both for products, and what follows from these for softmax and norms.
So multipliers chain, and relevance (x - b) m sums to the difference of the scores.

A new rule is one function, registered under the kind or the name of an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.engine.differences import composed, elementwise, selecting  # noqa: F401 - they register their rules
from matxai.engine.differences.pairs import RULES
from matxai.engine.standins.call import WRITTEN_OUT_FOR_PAIRS
from matxai.errors import OperationError

if TYPE_CHECKING:
    from matxai.engine.standins.call import Call
    from matxai.engine.trace import Trace

#: Kinds of operations that are linear in what depends on the input, or only move values: their gradient is the rule.
LINEAR = frozenset({
    "convolution", "transposed_convolution", "linear", "batch_norm", "average_pool", "adaptive_pool", "interpolate",
    "mean", "sum", "add", "cat", "pad", "view", "view_as", "identity", "select", "write", "scale", "constant",
})  # fmt: skip
#: Selections whose places depend on the values.
_NOT_LINEAR = frozenset({
    "sort", "msort", "topk", "masked_select", "masked_scatter", "fractional_max_pool2d", "fractional_max_pool3d",
    "fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices",
})  # fmt: skip


def difference(call: Call) -> Any:
    """Stand in for an operation that is not linear; ``NotImplemented`` leaves it to its gradient.

    An operation without a rule is noted in ``call.run.stuck`` and refused if the scores come through it.
    """
    rule = next((RULES[name] for name in (call.row.base, call.row.kind) if name in RULES), None)
    result = NotImplemented if rule is None else rule(call)
    if result is not NotImplemented:
        return result
    if call.row.kind in WRITTEN_OUT_FOR_PAIRS:
        return NotImplemented  # its stand-in writes it out in steps that have rules
    linear = call.row.kind in LINEAR and call.row.base not in _NOT_LINEAR
    if rule is None and not linear:
        call.run.stuck[call.op.index] = "has no rule for differences"
    return NotImplemented


def refuse_what_has_no_difference(trace: Trace, stuck: dict[int, str], start: int | None) -> None:
    """Raise where multipliers from the scores would meet an operation that has no rule.

    Raises
    ------
    OperationError
        With the operation, its layer, and what can be done.
    """
    if start is None:
        raise OperationError("DeepLift needs an output that comes from the input through operations it can see.")
    reached = trace.leading_to([start])
    for op in reversed(trace):
        why = stuck.get(op.index, "is hidden from the engine" if op.kind == "unseen" else "")
        if why and reached.intersection(op.outputs):
            msg = (
                f"DeepLift cannot pass the operation {op.where()}: it {why}. Use integrated_gradients, which asks for"
                " the same difference and needs gradients alone."
            )
            raise OperationError(msg)
