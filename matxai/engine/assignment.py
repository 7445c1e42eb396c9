"""Which operation of a network gets which rule of a table: worked out on the trace, once for each composite."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matxai.engine.ruletable import KINDS
from matxai.errors import MethodError, OperationError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from matxai.engine.ruletable import Composite, LinearRule
    from matxai.engine.trace import Operation, Trace

FOLDED = "folded_into"
"""Parameter of a recorded batch norm that a linear operation took in: that operation's index."""


@dataclass(frozen=True)
class Row:
    """One entry of a table, met with a network.

    Attributes
    ----------
    address, rule
        The entry in words.
    operations
        The names of the layers of the operations that it addresses, in the order of calls; an operation in the model's
        own forward has none.
    shadowed
        How many operations it fits that an earlier entry took.
    """

    address: str
    rule: str
    operations: tuple[str, ...]
    shadowed: int = 0


@dataclass(frozen=True)
class Assignment:
    """A composite's rules for one network.

    Attributes
    ----------
    composite
        The table.
    rules
        Index of an operation in the trace -> its rule.
    rows
        One for each entry, the default last.
    """

    composite: Composite
    rules: dict[int, LinearRule] = field(repr=False)
    rows: tuple[Row, ...]

    def describe(self) -> str:
        """Return which entry addresses which operations, one line for each entry."""
        lines = []
        for row in self.rows:
            count = len(row.operations)
            names = [name or "the model's own forward" for name in row.operations]
            shown = names if count <= 4 else [*names[:2], "...", names[-1]]
            lines.append(f"{row.address}: {row.rule} for {count or 'no'} operation{'s' * (count != 1)}"
                         + (f" ({', '.join(shown)})" if count else ""))  # fmt: skip
        return "\n".join(lines)

    def notes(self) -> list[str]:
        """Return a sentence for each entry that addresses nothing here."""
        return [
            f"the entry '{row.address}: {row.rule}' of the composite '{self.composite.name}' addresses nothing in this"
            f" network" + (f": entries before it took all {row.shadowed} that it fits" if row.shadowed else "")
            for row in self.rows
            if not row.operations and row.address != _REST
        ]  # fmt: skip


_REST = "everything else"


def assign(
    composite: Composite, trace: Trace, start: int, first: Collection[int], wanted: Collection[int]
) -> Assignment:
    """Give every linear operation between the input and ``start`` its rule.

    Parameters
    ----------
    composite
        The table.
    trace
        Of a forward that was captured for relevance.
    start
        The value where relevance starts.
    first
        Indices of the operations that the input reaches first.
    wanted
        The values that relevance reaches: operations that made a constant gate are not addressed.

    Raises
    ------
    MethodError
        If an entry names a layer or a depth that is not there, or a rule that belongs to the first operation is given
        to another one.
    OperationError
        If no entry fits an operation and the table has no default.
    """
    ops = [op for op in trace if op.kind in KINDS and not op.refused and FOLDED not in op.params
           and any(v in wanted for v in op.outputs)]  # fmt: skip
    linear = [op for op in ops if op.kind != "batch_norm"]
    last = _last(trace, start, linear)
    rules: dict[int, LinearRule] = {}
    taken: dict[int | None, list[str]] = {}
    fits: Counter[int] = Counter()
    number, count = 0, max(len(linear), 1)
    for op in ops:
        at = min(number, count - 1)
        where = {"first": op.index in first, "last": op.index in last}
        entry = composite.entry_for(op.kind, op.module, at, count, **where)
        rule = composite.default if entry is None else composite.rules[entry][1]
        if rule is None:
            msg = (
                f"The composite '{composite.name}' has no rule for the operation {op.where()}: none of its entries"
                f" fits this {op.kind}. Add one, or a default=."
            )
            raise OperationError(msg)
        _fit(composite, rule, op, first)
        rules[op.index] = rule
        taken.setdefault(entry, []).append(op.module)
        fits.update(
            i
            for i, (a, _) in enumerate(composite.rules)
            if i != entry and a.fits(op.kind, op.module, at, count, **where)
        )
        number += op.kind != "batch_norm"
    _refuse_unused(composite, taken, fits, [op.module for op in ops], count)
    rows = [Row(a.text, r.label, tuple(taken.get(i, ())), fits[i]) for i, (a, r) in enumerate(composite.rules)]
    if composite.default is not None:
        rows.append(Row(_REST, composite.default.label, tuple(taken.get(None, ()))))
    return Assignment(composite, rules, tuple(rows))


def uses(assignments: Iterable[Assignment], trace: Trace, targets: int) -> Counter[int]:
    """Return, for each operation that makes an output, how many of the planned backwards need its parts by sign."""
    from matxai.engine.rules import BY_SIGN

    needed = Counter(i for found in assignments for i, rule in found.rules.items() if rule.name in BY_SIGN)
    makers = {op.index: op.params.get(FOLDED, op.index) for op in trace}
    return Counter({index: needed[entry] * targets for index, entry in makers.items() if needed[entry]})


def _last(trace: Trace, start: int, linear: Sequence[Operation]) -> set[int]:
    """Return the indices of the linear operations after which no other one comes before ``start``."""
    indices = {op.index for op in linear}
    behind, last = {start}, set()
    for op in reversed(trace):
        if behind.intersection(op.outputs):
            if op.index in indices:
                last.add(op.index)
            else:
                behind.update(op.inputs)
    return last


def _fit(composite: Composite, rule: LinearRule, op: Operation, first: Collection[int]) -> None:
    from matxai.engine.rules import DIRECT, rule_function

    rule_function(rule)
    if rule.name in DIRECT and op.index not in first:
        msg = (
            f"The composite '{composite.name}' gives {rule.label} to {op.where()}, but this rule belongs to the"
            " operation that the input reaches first: At(depth='first')."
        )
        raise MethodError(msg)


def _refuse_unused(
    composite: Composite, taken: dict[int | None, list[str]], fits: Counter[int], layers: list[str], count: int
) -> None:
    """Raise for an entry that names what is not there: that is a slip of the pen."""
    for i, (at, rule) in enumerate(composite.rules):
        if i in taken or fits[i]:
            continue
        if at.layer is not None and not any(at.names(layer) for layer in layers):
            msg = (
                f"The entry '{at.text}: {rule.label}' of the composite '{composite.name}' fits no layer with a linear"
                f" operation. {nearest(at.layer, sorted(set(layers)))}"
            )
            raise MethodError(msg)
        if isinstance(at.depth, int) and not -count <= at.depth < count:
            msg = (
                f"The entry '{at.text}: {rule.label}' of the composite '{composite.name}' is too deep: this network has"
                f" {count} linear operations, 0 to {count - 1}."
            )
            raise MethodError(msg)
