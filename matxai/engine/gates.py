"""Products and quotients of two live tensors: which operand is the gate, and what share of relevance each gets.

Worked out on the recorded operations after the forward, in nearly linear time. A gate is what a sigmoid, a softmax or
another bounded function made; else what reaches the input only through its sibling, and is a statistic or an
elementwise function of it (``x * tanh(softplus(x))``, ``x * rsqrt(mean(x^2))``). A denominator is a constant where it
is a statistic: a normalisation written by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.engine.trace import INPUT, Operation, Trace

if TYPE_CHECKING:
    from matxai.engine.composites import Composite

PRODUCTS = frozenset({"gate", "quotient"})
"""Kinds of operations in which two live tensors meet as factors."""

_THROUGH = frozenset({"view", "select", "identity", "scale", "interpolate", "cat", "add", "pad", "mean"})
_RANK = {
    **dict.fromkeys(("softmax", "_softmax", "_safe_softmax", "softmin", "sigmoid", "hardsigmoid", "sign"), 3),
    **dict.fromkeys(("relu6", "clamp", "hardtanh"), 2),
    "tanh": 1,
}
_SOFTMAX = frozenset({"softmax", "_softmax", "_safe_softmax", "softmin"})
_STATISTICS = frozenset(
    {"mean", "sum", "adaptive_pool", "average_pool", "statistic", "norm_of", "softmax", "log_softmax"}
)
_SHAPED_BY = frozenset({"view", "select", "identity", "scale", "add", "activation", "power", "singular", "clamp",
                        "piecewise", "cat", "gate", "quotient", "relu", "interpolate"})  # fmt: skip
_BY_ITSELF = frozenset({"identity", "scale", "add", "activation", "power", "singular", "clamp", "piecewise", "gate",
                        "quotient", "relu", "softmax"})  # fmt: skip
_REDUCING = frozenset({"amax", "amin", "max", "min", "logsumexp"})


@dataclass(frozen=True)
class Gate:
    """What is known of one product or quotient.

    Attributes
    ----------
    constant
        Which operand (0 or 1) is taken for a constant; ``None`` where that is open.
    attention
        Whether a softmax made that operand.
    matrix
        Whether it is a matrix product.
    quotient
        Whether the second operand divides.
    """

    constant: int | None
    attention: bool = False
    matrix: bool = False
    quotient: bool = False

    def shares(self, composite: Composite) -> tuple[float, float] | None:
        """Return what share of the relevance each operand gets under a composite; ``None``: it must be refused."""
        if self.quotient:
            return None if self.constant is None else (1.0, 0.0)
        live = composite.softmax == "attnlrp"
        if composite.gate == "half" or (live and (self.attention or (self.matrix and self.constant is None))):
            return 0.5, 0.5
        if self.constant is None:
            return None
        return (0.0, 1.0) if self.constant == 0 else (1.0, 0.0)

    @property
    def reason(self) -> str:
        """Why LRP refuses it."""
        if self.quotient:
            return (
                "divides by a tensor that depends on the input and is no statistic (mean, norm, sum) of it, which has"
                " no rule"
            )
        return (
            "multiplies two tensors of which neither is a gate (sigmoid, softmax); the composite's option gate='half'"
            " gives half to each"
        )


def gates(trace: Trace) -> dict[int, Gate]:
    """Return what is known of each product and quotient of two live tensors, by the operation's index."""
    producers = trace.producers()
    found: dict[int, Gate] = {}
    tree: _Dominators | None = None
    for op in trace:
        if op.kind not in PRODUCTS or len(op.inputs) != 2:
            continue
        quotient, matrix = op.kind == "quotient", bool(op.params.get("matrix"))
        a, b = op.inputs
        made: tuple[Operation | None, ...] = (None, None) if quotient else (_maker(a, producers), _maker(b, producers))
        if matrix:
            made = tuple(_softmax_behind(m, producers) for m in made)
        ranks = [0 if m is None else _rank(m, producers) for m in made]
        constant: int | None = None
        if (quotient and _is_statistic(b, producers)) or (a == b and not matrix):  # x * x: x times itself
            constant = 1
        elif ranks[0] != ranks[1]:
            constant = 0 if ranks[0] > ranks[1] else 1
        elif not matrix:
            tree = tree or _Dominators(trace)
            if tree.dominates(a, b) and _modulates(b, a, op, producers):
                constant = 1
            elif not quotient and tree.dominates(b, a) and _modulates(a, b, op, producers):
                constant = 0
            elif op.input_shapes[0] == op.input_shapes[1]:
                constant = _gated_unit(made)
        maker = None if constant is None else made[constant]
        attention = maker is not None and maker.name in _SOFTMAX
        found[op.index] = Gate(constant, attention, matrix, quotient)
    return found


def _maker(value: int, producers: dict[int, Operation]) -> Operation | None:
    """Return the operation behind the views, offsets and factors that shaped a value."""
    op = producers.get(value)
    while op is not None and op.kind in _THROUGH and (op.kind == "cat" or len(op.inputs) == 1):
        op = producers.get(op.inputs[0])
    return op


def _softmax_behind(op: Operation | None, producers: dict[int, Operation]) -> Operation | None:
    """Return the softmax of which an operation mixes the heads (talking heads), else the operation itself."""
    behind = op
    for _ in range(2):
        if behind is not None and behind.kind in ("linear", "convolution"):
            behind = _maker(behind.inputs[0], producers)
    return behind if behind is not None and behind.name in _SOFTMAX else op


def _gated_unit(made: tuple[Operation | None, ...]) -> int | None:
    """Return which operand is the gate of a gated linear unit, silu(a) b or gelu(a) b: Shazeer 2020, 2002.05202."""
    smooth = [m is not None and m.name in ("silu", "gelu") for m in made]
    return smooth.index(True) if smooth[0] != smooth[1] else None


def _rank(op: Operation, producers: dict[int, Operation]) -> int:
    """Return how much of a gate the output of an operation is: 3 for weights between 0 and 1, 0 for a signal."""
    if op.kind == "quotient" and len(op.inputs) == 2:  # a / a.sum(): a softmax written by hand
        total = _maker(op.inputs[1], producers)
        return 3 if total is not None and total.kind == "sum" and total.inputs[0] == op.inputs[0] else 0
    return _RANK.get(op.name, 0)


def _is_statistic(value: int, producers: dict[int, Operation]) -> bool:
    """Whether everything that leads to a value passes a mean, a sum, a norm or the like."""
    todo, seen = [value], {value}
    while todo:
        op = producers.get(todo.pop())
        if op is None:
            return False
        if op.kind in _STATISTICS or (op.name in _REDUCING and op.output_shapes[0] != op.input_shapes[0]):
            continue
        if op.kind not in _SHAPED_BY:
            return False
        todo += [v for v in op.inputs if v not in seen]
        seen.update(op.inputs)
    return True


def _modulates(gate: int, signal: int, product: Operation, producers: dict[int, Operation]) -> bool:
    """Whether a function of the signal is a gate: it has fewer values, or is a function of each value by itself."""
    shape = dict(zip(product.inputs, product.input_shapes, strict=True))
    if math.prod(shape[gate]) < math.prod(shape[signal]):
        return True
    todo, seen = [gate], {gate, signal}
    while todo:
        op = producers.get(todo.pop())
        if op is None:
            continue
        if op.kind not in _BY_ITSELF:
            return False
        todo += [v for v in op.inputs if v not in seen]
        seen.update(op.inputs)
    return True


class _Dominators:
    """For each value, the nearest value through which everything of it that comes from the input has passed.

    Cooper, Harvey and Kennedy, A simple, fast dominance algorithm, 2001; one sweep, since a trace has no loops.
    """

    def __init__(self, trace: Trace) -> None:
        self._parent: dict[int, int] = {INPUT: INPUT}
        self._depth: dict[int, int] = {INPUT: 0}
        for op in trace:
            inputs = [v for v in op.inputs if v in self._depth]
            above = inputs[0] if inputs else INPUT
            for value in inputs[1:]:
                above = self._common(above, value)
            for value in op.outputs:
                self._parent[value], self._depth[value] = above, self._depth[above] + 1

    def _common(self, a: int, b: int) -> int:
        while a != b:
            if self._depth[a] >= self._depth[b]:
                a = self._parent[a]
            else:
                b = self._parent[b]
        return a

    def dominates(self, a: int, b: int) -> bool:
        """Whether ``b`` depends on the input through ``a`` alone."""
        if a not in self._depth or b not in self._depth:
            return False
        while self._depth[b] > self._depth[a]:
            b = self._parent[b]
        return a == b
