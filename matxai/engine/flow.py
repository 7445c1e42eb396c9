"""Relevance at every operation and layer, from what the linear operations wrote down and from the trace.

Nothing is measured here. Between linear operations relevance divided by input passes by the plain gradient, so what a
sum, a pool or a view holds follows from its neighbours: relevance at a value is what its users hand to it, and an
operation without constants hands on what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.assignment import FOLDED
from matxai.engine.ledger import ACCOUNTS, Book

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from matxai.engine.trace import Operation, Trace

CONSERVING = frozenset({"relu", "max_pool", "average_pool", "adaptive_pool", "interpolate", "mean", "sum", "view",
                        "identity", "cat", "pad", "scale", "piecewise", "gate"})  # fmt: skip
"""Kinds that hand on all the relevance that they hold."""
_WITH_CONSTANTS = frozenset({"where", "masked_fill", "clamp"})


@dataclass(frozen=True)
class Row:
    """One operation or layer: every tensor is (B,), or (T, B) for several targets.

    Attributes
    ----------
    layer, operation, rule
        Its layer, the function's own name (empty for a layer), and its rule (empty without one).
    before, after
        Relevance at its output, and what it handed to its inputs.
    biases, stabilisers, missing, other
        Where the difference went.
    """

    layer: str
    operation: str
    rule: str
    before: Tensor
    after: Tensor
    biases: Tensor
    stabilisers: Tensor
    missing: Tensor
    other: Tensor

    @staticmethod
    def stack(rows: Sequence[Row]) -> Row:
        """Put the rows of several targets side by side."""

        def side_by_side(number: str) -> Tensor:
            return torch.stack([getattr(r, number) for r in rows])

        return Row(
            rows[0].layer, rows[0].operation, rows[0].rule, side_by_side("before"), side_by_side("after"),
            *map(side_by_side, ("biases", "stabilisers", "missing", "other")),
        )  # fmt: skip

    def absorbs(self, at: tuple[int, ...] = ()) -> bool:
        """Whether more than rounding of what it held stayed here."""
        kept, held = (self.before - self.after).abs(), self.before.abs()
        return bool((kept[at] > 1e-5 * held[at]).any())

    def record(self) -> dict[str, Any]:
        """Return the row as JSON holds it; what is 0 is left out."""
        found: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, str):
                found[f.name] = value
            elif f.name in ("before", "after") or bool((value != 0).any()):
                found[f.name] = _rounded(value.tolist())
        return found


def _rounded(value: Any) -> Any:
    return [_rounded(v) for v in value] if isinstance(value, list) else float(f"{value:.6g}")


class Flow:
    """Relevance of one backward, operation by operation; worked out when it is asked for.

    Parameters
    ----------
    trace
        The operations of the forward.
    start
        The value where relevance started.
    score
        (B,), what started there.
    book
        What the linear operations wrote down.
    rules
        Index of an operation -> the words for its rule.
    constant
        For products: index -> which operand is a gate, which gets nothing.
    wanted
        The values that relevance reaches.
    open_
        Indices of operations that do not conserve although their kind does.
    """

    def __init__(
        self, trace: Trace, start: int, score: Tensor, book: Book, rules: Mapping[int, str],
        constant: Mapping[int, int], wanted: set[int], open_: Collection[int] = (),
    ) -> None:  # fmt: skip
        self.trace, self.start, self.score, self.book, self.rules = trace, start, score, book, rules
        self._wanted = wanted
        self._ops = [op for op in trace if self._wanted.intersection(op.outputs)]
        self._constant, self._open = constant, open_
        self._at: dict[int, Tensor] = {}
        self._to: dict[tuple[int, int], Tensor] = {}
        self._users: dict[int, list[tuple[int, int]]] = {}
        self._solved = False

    @cached_property
    def operations(self) -> tuple[Row, ...]:
        """A row for each operation of which both sides are known, from the score to the input."""
        self._solve()
        return tuple(row for op in reversed(self._ops) if (row := self._row(op)) is not None)

    @cached_property
    def layers(self) -> tuple[Row, ...]:
        """A row for each named layer, containers included, from the score to the input."""
        self._solve()
        members: dict[str, list[Operation]] = {}
        for op in reversed(self._ops):
            parts = op.module.split(".") if op.module else []
            for depth in range(1, len(parts) + 1):
                members.setdefault(".".join(parts[:depth]), []).append(op)
        return tuple(row for name, ops in members.items() if (row := self._layer(name, ops)) is not None)

    def _row(self, op: Operation) -> Row | None:
        before, after = self._held(op), self._handed(op)
        if before is None or after is None:
            return None
        lost = self._lost([op])
        rule = self.rules.get(op.index, "")
        return Row(op.module, op.name, rule, before, after, *lost, before - after - lost[0] - lost[1] - lost[2])

    def _layer(self, name: str, ops: Sequence[Operation]) -> Row | None:
        inside = {v for op in ops for v in op.outputs}
        own = {op.index for op in ops}
        entering = [self._to.get((op.index, i)) for op in ops for i, v in enumerate(op.inputs) if v not in inside]
        leaving = [part for v in inside for part in self._leaving(v, own)]
        out, back = _total(leaving), _total(entering)
        if (
            out is None or back is None
        ):  # shared out among several layers in ways unknown; what stayed here may be known
            kept = _total([row.before - row.after if (row := self._row(op)) is not None else None for op in ops])
            if kept is None:
                return None
            out, back = _either(out, back, kept)
            if out is None or back is None:
                return None
        lost = self._lost(ops)
        rules = dict.fromkeys(self.rules[op.index] for op in ops if op.index in self.rules)
        return Row(name, "", ", ".join(rules), out, back, *lost, out - back - lost[0] - lost[1] - lost[2])

    def _leaving(self, value: int, own: set[int]) -> list[Tensor | None]:
        """Return the parts of relevance that come to a value from outside of these operations."""
        users = self._users.get(value, [])
        parts: list[Tensor | None] = [self.score] if value == self.start else []
        if parts or any(user in own for user, _ in users):
            return parts + [self._to.get(use) for use in users if use[0] not in own]
        return [self._at.get(value)] if users else []

    def _lost(self, ops: Iterable[Operation]) -> tuple[Tensor, Tensor, Tensor]:
        zero = torch.zeros_like(self.score)
        sums = dict.fromkeys(ACCOUNTS, zero)
        for op in ops:
            own = () if FOLDED in op.params else (op.index, *self._folds.get(op.index, ()))
            for index in own:
                for account, amount in self.book.lost.get(index, {}).items():
                    sums[account] = sums[account] + amount
        return sums["biases"], sums["stabilisers"], sums["missing"]

    @cached_property
    def _folds(self) -> dict[int, list[int]]:
        """For each linear operation the batch norms folded into it: they wrote the book for both."""
        found: dict[int, list[int]] = {}
        for op in self._ops:
            if FOLDED in op.params:
                found.setdefault(op.params[FOLDED], []).append(op.index)
        return found

    def _held(self, op: Operation) -> Tensor | None:
        """Return relevance at an operation's outputs."""
        return _total([self._at.get(v) for v in op.outputs if v in self._wanted])

    def _handed(self, op: Operation) -> Tensor | None:
        """Return what an operation handed to all of its operands together."""
        parts = _total([self._to.get((op.index, i)) for i in range(len(op.inputs))])
        if parts is None and self._conserves(op):
            return self._left(op)
        return parts

    def _left(self, op: Operation) -> Tensor | None:
        """Return relevance at an operation's outputs less what is booked."""
        held = self._held(op)
        booked = self.book.lost.get(op.index) if FOLDED not in op.params else None
        if held is None or not booked:
            return held
        return held - sum(booked.values(), torch.zeros_like(held))

    def _conserves(self, op: Operation) -> bool:
        """Whether an operation hands on all that it holds, but for what is booked."""
        if op.index in self._open:
            return False
        return _conserves(op) or (op.kind == "add" and op.index in self.book.lost)

    # -- what follows from what ----------------------------------------------------------------------------------------

    def _solve(self) -> None:
        """Fill in relevance at values and what operations hand on, until nothing more follows."""
        if self._solved:
            return
        self._solved = True
        zero = torch.zeros_like(self.score)
        for op in self._ops:
            for i, v in enumerate(op.inputs):
                self._users.setdefault(v, []).append((op.index, i))
            if op.index in self._constant and len(op.inputs) == 2:
                self._to[op.index, self._constant[op.index]] = zero
        self._read_book()
        known = -1
        while known != len(self._at) + len(self._to):
            known = len(self._at) + len(self._to)
            for op in reversed(self._ops):
                self._from_users(op)
                self._through(op)
            for op in self._ops:
                self._through(op)
                self._to_last_user(op)

    def _read_book(self) -> None:
        owner = {bn: index for index, several in self._folds.items() for bn in several}
        for op in self._ops:
            if op.index in self.book.before and len(op.outputs) == 1:
                self._at[op.output] = self.book.before[op.index]
            for i in range(len(op.inputs)):
                if (op.index, i) in self.book.after:
                    self._to[owner.get(op.index, op.index), i] = self.book.after[op.index, i]

    def _from_users(self, op: Operation) -> None:
        """Relevance at a value is what its users hand to it."""
        for v in op.outputs:
            if v in self._at or v not in self._wanted:
                continue
            parts = [self._to.get(use) for use in self._users.get(v, ())]
            total = _total([*parts, self.score] if v == self.start else parts)
            if total is not None:
                self._at[v] = total

    def _to_last_user(self, op: Operation) -> None:
        """What one user hands to a value is what the others leave."""
        for v in op.outputs:
            open_ = [use for use in self._users.get(v, ()) if use not in self._to]
            if v in self._at and v != self.start and len(open_) == 1:
                rest = [self._to[use] for use in self._users[v] if use in self._to]
                self._to[open_[0]] = self._at[v] - sum(rest, torch.zeros_like(self.score))

    def _through(self, op: Operation) -> None:
        """An operation that conserves hands on what it holds, but for what is booked."""
        if not self._conserves(op):
            return
        held, booked = self._left(op), self.book.lost.get(op.index)
        slots = [(op.index, i) for i in range(len(op.inputs))]
        open_ = [s for s in slots if s not in self._to]
        given = sum((self._to[s] for s in slots if s in self._to), torch.zeros_like(self.score))
        if held is not None and len(open_) == 1:
            self._to[open_[0]] = held - given
        elif held is None and not open_ and not booked and len(op.outputs) == 1:
            self._at[op.output] = given


def _conserves(op: Operation) -> bool:
    if op.refused or op.name.strip("_") in _WITH_CONSTANTS:
        return False
    if op.kind in ("add", "write"):
        return len(op.inputs) > 1  # with one live operand the other is a constant
    if op.kind == "pad" and op.params.get("value"):
        return False
    return op.kind in CONSERVING or op.kind == "select" or FOLDED in op.params


def _either(out: Tensor | None, back: Tensor | None, kept: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return both sides where one is known, and what stayed between them."""
    if out is not None:
        return out, out - kept
    return (None, None) if back is None else (back + kept, back)


def _total(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the sum, or None where a part is unknown or there is none."""
    if not parts or any(p is None for p in parts):
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part  # type: ignore[operator]
    return total
