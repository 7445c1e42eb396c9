"""What LRP needs of the whole forward before its backwards run, and what is said of it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from matxai.engine.assignment import assign, uses
from matxai.engine.facts import passage, rectified, refuse_what_has_no_rule
from matxai.engine.flow import Flow
from matxai.engine.gates import PRODUCTS, gates
from matxai.engine.ruletable import Composite
from matxai.engine.skips import skips, without_sums
from matxai.engine.step import Parts
from matxai.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine.capture import Capture
    from matxai.engine.captured import Captured
    from matxai.engine.gates import Gate
    from matxai.engine.plan import Backward, Plan
    from matxai.engine.trace import Operation, Trace


def prepared(
    plan: Plan, captured: Captured, capture: Capture, start: int | None, layers: Sequence[int], *, leave_out: bool
) -> tuple[Backward, ...]:
    """Work out what rules must know of the whole graph, and give every linear operation its rule.

    Parameters
    ----------
    plan, captured, capture
        Of the run; assignments and notes go into ``captured``, facts into the capture's switch.
    start
        The value where relevance starts, None where the capture did not see it made.
    layers
        Values of the layers that are read: backwards that do not go to the input stop there.
    leave_out
        Leave out what this network does not allow, instead of raising.

    Returns
    -------
    tuple
        The backwards that can run.

    Raises
    ------
    OperationError, MethodError
        Where LRP cannot pass, or a table of rules does not fit the network.
    """
    switch, trace = capture.switch, capture.trace
    switch.first = frozenset(capture.entries)
    switch.rectified = rectified(trace)
    switch.gates = gates(trace)
    switch.skips = skips(trace)
    found = []
    for b in plan.passes:
        try:
            if isinstance(b.rule, Composite):
                _give_rules(b.rule, captured, capture, start, () if b.at_input else layers)
        except OperationError as error:
            if not leave_out:
                raise
            captured.refused[b.rule] = str(error)
        else:
            found.append(b)
    for made in captured.assignments.values():
        captured.notes += [note for note in made.notes() if note not in captured.notes]
    switch.parts = Parts(uses(captured.assignments.values(), trace, len(captured.target)))
    return tuple(found)


def _give_rules(rule: Composite, captured: Captured, capture: Capture, start: int | None, stop: Sequence[int]) -> None:
    """Raise where relevance cannot come from the scores to where it is read; else give rules to the operations."""
    if start is None:
        raise OperationError("LRP needs an output that comes from the input through operations it can see.")
    refuse_what_has_no_rule(capture.trace, start, stop, capture.switch.gates, rule)
    wanted = reached(capture.trace, start, rule, capture.switch.gates)
    captured.assignments[rule] = assign(rule, capture.trace, start, capture.switch.first, wanted)
    captured.notes += without_sums(capture.trace, wanted, rule)


def flow_of(capture: Capture, start: int, score: Tensor) -> Flow:
    """Return how relevance went from operation to operation in the backward that ran last; ``score`` (B,)."""
    switch = capture.switch
    rule = cast("Composite", switch.rule)
    words = {index: given.label for index, given in switch.rules.items()}
    shares = {i: gate.shares(rule) for i, gate in switch.gates.items()}
    constant = {i: share.index(0.0) for i, share in shares.items() if share is not None and 0.0 in share}
    open_ = {op.index for op in _open_products(capture, rule)}
    wanted = reached(capture.trace, start, rule, switch.gates)
    return Flow(capture.trace, start, score, switch.book, words, constant, wanted, open_)


def reached(trace: Trace, start: int, rule: Composite, known: Mapping[int, Gate]) -> set[int]:
    """Return the values that relevance from ``start`` can reach: none is behind what is a constant."""
    values = {start}
    for op in reversed(trace):
        if values.intersection(op.outputs):
            values.update(passage(op, known, rule)[1])
    return values


def _open_products(capture: Capture, rule: Composite) -> list[Operation]:
    """Return products of two live tensors of which neither is a gate; they hand all that they hold to each."""
    known = capture.switch.gates
    return [
        op for op in capture.trace if op.kind in PRODUCTS and op.index in known and not known[op.index].shares(rule)
    ]


def defects(capture: Capture, score: Tensor) -> list[str]:
    """Return a note for each operation that the last backward passed by its plain gradient: what it did to the sum."""
    rule = capture.switch.rule
    if not isinstance(rule, Composite) or rule.unknown == "refuse":
        return []
    book = capture.switch.book
    notes = []
    for op in _open_products(capture, rule):
        if capture.switch.gates[op.index].quotient:
            done = "with its denominator for a constant, for it depends on the input and is no statistic of it"
            notes.append(f"lrp:{rule.name} passed the operation {op.where()} {done}: the numerator gets all relevance")
            continue
        notes.append(
            f"lrp:{rule.name} passed the operation {op.where()} by its plain gradient, for neither of the two tensors"
            " that it multiplies is a gate: relevance is doubled there"
        )
    size = float(score.abs().sum())
    for op in capture.trace:
        handed = [book.after[op.index, i] for i in range(len(op.inputs)) if (op.index, i) in book.after]
        reason = "" if op.kind in PRODUCTS else passage(op, capture.switch.gates, rule)[0]
        if not reason or op.index not in book.before or not handed:
            continue
        defect = float((sum(handed[1:], handed[0]) - book.before[op.index]).abs().sum())
        share = f"{100 * defect / size:.3g} % of the score" if size else f"{defect:.3g}"
        notes.append(
            f"lrp:{rule.name} passed the operation {op.where()} by its plain gradient, for it {reason}: relevance"
            f" changed by {share} there"
        )
    return notes
