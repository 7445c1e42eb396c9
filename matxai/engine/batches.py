"""Where the samples of a batch are in each value of a forward: on which axis, and what is folded into that axis.

Windows, frames and heads are folded into the batch, sequences have their time in front. Where the samples went is
followed operation by operation from the input: by the order of elements through reshapes, by strides through other
views. A shape alone says nothing where another axis is as long as the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from matxai.engine.nested import mapped, tensors_in
from matxai.engine.trace import INPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.standins.call import Call
    from matxai.engine.trace import Operation, Trace

Shape: TypeAlias = tuple[int, ...]

_IN_ROWS = frozenset({
    "view", "reshape", "flatten", "unflatten", "ravel", "view_as", "reshape_as", "squeeze", "unsqueeze", "unsafe_view",
    "_unsafe_view", "atleast_1d", "contiguous", "clone",
})  # fmt: skip
_MOVING = frozenset({
    "roll", "flip", "fliplr", "flipud", "rot90", "getitem", "index", "index_select", "gather", "take_along_dim",
    "repeat", "repeat_interleave", "tile", "_unsafe_index", "stack", "hstack", "vstack", "dstack", "unfold",
    "masked_select", "take", "diag", "diag_embed", "permute", "transpose", "t", "movedim", "moveaxis", "swapaxes",
    "swapdims", "adjoint", "T", "mT", "H", "mH", "atleast_2d", "atleast_3d",
})  # fmt: skip
_PRODUCTS = frozenset({"tensordot", "inner", "mv", "dot", "addbmm", "addmv"})


@dataclass(frozen=True)
class Samples:
    """The samples of B lie on one axis of ``outer * B * inner`` places: place (o, b, i) is sample b's.

    Attributes
    ----------
    axis
        Counted from the front.
    outer, inner
        What is folded into the axis in front of the samples and behind them, such as the frames of a film.
    """

    axis: int
    outer: int = 1
    inner: int = 1

    @property
    def plain(self) -> bool:
        """Whether nothing is folded into the axis."""
        return self.outer == self.inner == 1

    def rows(self, tensor: Tensor, count: int) -> Tensor:
        """Return what each of ``count`` samples holds of a tensor, (B, everything)."""
        if self == Samples(0) or count == 1:
            return tensor.reshape(count, -1)
        first = tensor.movedim(self.axis, 0)
        return first.reshape(self.outer, count, -1).transpose(0, 1).reshape(count, -1)


class Batches:
    """Follows the samples of one forward from value to value.

    Parameters
    ----------
    trace
        Which is being written.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.count = 1
        self._known: dict[int, Samples | None] = {}
        self._done = 0

    def begin(self, shape: Shape, value: int = INPUT) -> None:
        """Take up an input, whose samples are on its first axis."""
        if value == INPUT:
            self.count = shape[0]
        self._known[value] = Samples(0) if shape and shape[0] == self.count else None

    def of(self, value: int) -> Samples | None:
        """Return where the samples are in a value; ``None`` where that cannot be told. One sample has everything."""
        if self.count == 1:
            return Samples(0)
        self._catch_up()
        return self._known.get(value)

    def same_axis(self, value: int, shape: Shape, made: Shape) -> Samples | None:
        """Return where the samples are in a result of shape ``made`` whose axes are those of its operand."""
        return _aligned(self.of(value), shape, made)

    def follow(self, call: Call) -> None:
        """Take up the results of a call that was recorded last."""
        if self.count == 1:
            return
        at = call.op.index
        while self._done < at:
            self._by_shape(self.trace[self._done])
        if self._done == at < len(self.trace):
            for value, found in zip(call.op.outputs, self._through(call), strict=True):
                self._known[value] = found
            self._done += 1
        self._catch_up()

    def _catch_up(self) -> None:
        while self._done < len(self.trace):
            self._by_shape(self.trace[self._done])

    def _by_shape(self, op: Operation) -> None:
        self._done += 1
        if op.kind == "unseen":  # nothing is known of the way there; its output is a batch where one axis alone fits
            shape = op.output_shapes[0]
            fits = bool(shape) and shape[0] == self.count and self.count not in shape[1:]
            self._known[op.output] = Samples(0) if fits else None
            return
        for value, found in zip(op.outputs, self._met(op), strict=True):
            self._known[value] = found

    def _through(self, call: Call) -> list[Samples | None]:
        op, name = call.op, call.op.name
        first = self._known.get(op.inputs[0])
        if first is None:
            return [None] * len(op.outputs)
        own, made = op.input_shapes[0], op.output_shapes[0]
        if name in _IN_ROWS and len(op.outputs) == 1:
            return [_in_rows(first, own, made, self.count)]
        if name == "einsum":
            return [self._einsum(call)]
        if name == "multi_head_attention_forward":  # (L, B, E), and weights (B, L, S)
            return [*self._met(op)[:1], *[Samples(0)] * (len(op.outputs) - 1)]
        if op.kind == "recurrent":  # the states behind the sequence are (layers, B, H)
            return [*self._met(op)[:1], *[Samples(len(s) - 2) for s in op.output_shapes[1:]]]
        if op.kind in ("view", "view_as", "select", "cat") or name in _MOVING:
            moved = self._by_strides(call)
            if moved is not None:
                return moved
            if name in _MOVING:
                return self._by_number(call)
        if len(made) < len(own) and len(op.inputs) == 1:
            return self._reduced(call, first)
        if name in _PRODUCTS or (op.kind == "write" and any(len(s) != len(made) for s in op.input_shapes)):
            return [None] * len(op.outputs)
        return self._met(op)

    def _met(self, op: Operation) -> list[Samples | None]:
        """Operands meet place by place, aligned at their last axes; one that nobody knows makes the result unknown."""
        found: list[Samples | None] = []
        for made in op.output_shapes:
            ways = {
                _aligned(self._known.get(value), own, made)
                for value, own in zip(op.inputs, op.input_shapes, strict=True)
            }
            found.append(ways.pop() if len(ways) == 1 else None)
        return found

    def _by_strides(self, call: Call) -> list[Samples | None] | None:
        """Return where a view puts the axis of the samples; ``None`` where the results are no views."""

        def probe(i: int) -> Tensor:
            known, shape = self._known.get(call.op.inputs[i]), call.op.input_shapes[i]
            strides = [int(known is not None and axis == known.axis) for axis in range(len(shape))]
            return torch.empty_strided(shape, strides, device="meta")

        ran = _ran(self._replaced(call, probe))
        first = self._known[call.op.inputs[0]]
        if first is None or len(ran) != len(call.op.outputs) or not all(t._is_view() for t in ran):
            return None
        size = call.op.input_shapes[0][first.axis]
        found: list[Samples | None] = []
        for t in ran:
            axes = [i for i, (n, s) in enumerate(zip(t.shape, t.stride(), strict=True)) if s == 1 and n == size]
            found.append(Samples(axes[0], first.outer, first.inner) if len(axes) == 1 else None)
        return found

    def _by_number(self, call: Call) -> list[Samples | None]:
        """Let the call move numbers of samples in the place of values, and look where they came to lie."""
        device = call.x.device if isinstance(call.x, Tensor) else None

        def probe(i: int) -> Tensor:
            known, shape = self._known.get(call.op.inputs[i]), call.op.input_shapes[i]
            if known is None:
                return torch.zeros(shape, device=device)
            return self._numbers(known, shape, device).expand(shape).contiguous()

        ran = _ran(self._replaced(call, probe))
        if len(ran) != len(call.op.outputs):
            return [None] * len(call.op.outputs)
        return [next((w for w in self._ways(tuple(t.shape)) if self._fits(t, w)), None) for t in ran]

    def _numbers(self, known: Samples, shape: Shape, device: torch.device | None) -> Tensor:
        one = torch.arange(1, self.count + 1, dtype=torch.float32, device=device).view(1, -1, 1)
        line = one.expand(known.outer, self.count, known.inner).reshape(-1)
        return line.view(*(-1 if i == known.axis else 1 for i in range(len(shape))))

    def _ways(self, shape: Shape) -> list[Samples]:
        found = []
        for axis, size in enumerate(shape):
            folded = size // self.count if size % self.count == 0 else 0
            found += [Samples(axis, o, folded // o) for o in range(1, folded + 1) if folded % o == 0]
        return found

    def _fits(self, moved: Tensor, way: Samples) -> bool:
        return bool((moved == self._numbers(way, tuple(moved.shape), moved.device)).all())

    def _reduced(self, call: Call, known: Samples) -> list[Samples | None]:
        """Let the call reduce a tensor in which the samples' axis alone is longer than one."""
        shape = call.op.input_shapes[0]
        ran = _ran(
            self._replaced(call, lambda _: torch.ones([n if i == known.axis else 1 for i, n in enumerate(shape)]))
        )
        if len(ran) < len(call.op.outputs):
            return [None] * len(call.op.outputs)
        found: list[Samples | None] = []
        for t, made in zip(ran, call.op.output_shapes, strict=False):
            axes = [i for i, n in enumerate(t.shape) if len(t.shape) == len(made) and n == shape[known.axis] == made[i]]
            found.append(Samples(axes[0], known.outer, known.inner) if len(axes) == 1 else None)
        return found

    def _einsum(self, call: Call) -> Samples | None:
        """Read the samples' letter in the equation."""
        equation = str(call.args[0]).replace(" ", "")
        if "..." in equation or "->" not in equation:
            return None
        terms, made = equation.split("->")
        operands = tensors_in(list(call.args[1:]))
        live = [term for term, t in zip(terms.split(","), operands, strict=False) if call.run.value(t) is not None]
        known = [self._known.get(value) for value in call.op.inputs]
        if None in known or len(live) != len(known):
            return None
        letters = {term[k.axis] for term, k in zip(live, known, strict=True) if k is not None}
        folds = {(k.outer, k.inner) for k in known if k is not None}
        if len(letters) != 1 or len(folds) != 1 or (letter := letters.pop()) not in made:
            return None
        return Samples(made.index(letter), *folds.pop())

    def _replaced(self, call: Call, probe: Callable[[int], Tensor]) -> Callable[[], Any]:
        """Return the call with other tensors in the place of those that depend on the input."""

        def run() -> Any:
            numbers = iter(range(len(call.op.inputs)))
            args, kwargs = (
                mapped(part, lambda t: t if call.run.value(t) is None else probe(next(numbers)))
                for part in (list(call.args), dict(call.kwargs))
            )
            return call.function(*args, **kwargs)

        return run


def _ran(function: Callable[[], Any]) -> list[Tensor]:
    """Return the tensors that a call on stand-ins gives; none where it takes no such tensors."""
    try:
        with torch.no_grad():
            return [t for t in tensors_in(function()) if t.is_floating_point()]
    except (RuntimeError, TypeError, ValueError, IndexError, StopIteration):
        return []


def _aligned(known: Samples | None, own: Shape, made: Shape) -> Samples | None:
    if known is None:
        return None
    axis = known.axis - len(own) + len(made)
    return Samples(axis, known.outer, known.inner) if axis >= 0 and made[axis] == own[known.axis] else None


def _in_rows(known: Samples, own: Shape, made: Shape, count: int) -> Samples | None:
    """Follow a reshape, which keeps the order of elements: what lies in front of the samples, and what behind."""
    if math.prod(own) != math.prod(made):
        return None
    outer, front = math.prod(own[: known.axis]) * known.outer, 1
    for axis, size in enumerate(made):
        folded = outer // front
        if outer % front == 0 and size % (folded * count) == 0:
            return Samples(axis, folded, size // (folded * count))
        front *= size
    return None


def of_relevance(amount: Tensor, count: int) -> Tensor | None:
    """Return rows (B, everything) of a tensor of which nothing but its shape is known, ``None`` where no axis fits."""
    if amount.shape[0] % count == 0:
        return Samples(0, 1, amount.shape[0] // count).rows(amount, count)
    if count == 1 or (amount.ndim > 1 and amount.shape[1] == count):
        return Samples(min(1, amount.ndim - 1)).rows(amount, count)
    return None
