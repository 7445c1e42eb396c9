"""Where relevance went: what biases, stabilisers and missing signs absorbed on the way from the score to the input.

A :class:`Book` is written while a backward runs: a few sums for each linear operation, no pass of its own. A
:class:`Balance` closes it; what every other operation and layer held follows from the trace when it is asked for
(:mod:`.flow`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.batches import of_relevance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.engine.flow import Flow, Row

ACCOUNTS = ("biases", "stabilisers", "missing")


class Book:
    """What the rules of one backward wrote down, per sample; it adds up without waiting for the device.

    Parameters
    ----------
    samples
        The batch size; by default the first axis of what is written.

    Attributes
    ----------
    entries
        Account -> (B,), over all operations.
    lost
        Index of an operation -> account -> (B,).
    before
        Index of an operation -> relevance at its outputs.
    after
        (Index of an operation, number of its operand) -> relevance that it handed on.
    """

    def __init__(self, samples: int | None = None) -> None:
        self.samples = samples
        self.entries: dict[str, Tensor] = {}
        self.lost: dict[int, dict[str, Tensor]] = {}
        self.before: dict[int, Tensor] = {}
        self.after: dict[tuple[int, int], Tensor] = {}

    def write(self, account: str, amount: Tensor, index: int = -1) -> None:
        """Add relevance (B, ...) that operation ``index`` absorbed to an account, summed over all but the batch."""
        total = self._summed(amount)
        for book in (self.entries, self.lost.setdefault(index, {})):
            held = book.get(account)
            book[account] = total if held is None else held + total

    def flow(
        self, index: int, *, before: Tensor | None = None, after: Tensor | None = None, operand: int = 0,
        times: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Write down the relevance (B, ...) at an operation's output or what it handed to one of its operands.

        ``times``: a factor of ``after``, whose product is not made where a sum of products will do.
        """
        if before is not None:
            self.before[index] = self._summed(before) + self.before.get(index, 0)
        if after is not None:
            total = self._summed(after) if times is None else self._summed_product(after, times)
            self.after[index, operand] = total + self.after.get((index, operand), 0)

    def _summed_product(self, a: Tensor, b: Tensor) -> Tensor:
        if a.device.type != "cpu" or a.ndim != 4 or a.shape[0] != self.samples or a.stride() != b.stride():
            return self._summed(a * b)
        if not a.is_contiguous():  # channels last in memory: rows are views then
            a, b = a.movedim(1, -1), b.movedim(1, -1)
        return torch.stack([torch.dot(p, q) for p, q in zip(a.detach().flatten(1), b.detach().flatten(1), strict=True)])

    def _summed(self, amount: Tensor) -> Tensor:
        """Return sums per sample: also of windows or heads that were folded into the batch, and of (N, B, C)."""
        amount = amount.detach()
        count = self.samples
        if amount.ndim == 0 and count is not None:  # one number for all samples: nobody's share is known
            return amount.expand(count) / count
        if count is None or amount.shape[0] == count:
            return amount.sum(tuple(range(1, amount.ndim))) if amount.ndim > 1 else amount
        rows = of_relevance(amount, count)
        if rows is not None:
            return rows.sum(1)
        return amount.sum().expand(count) / count  # no axis is the batch's: nobody's share is known


@dataclass(frozen=True)
class Balance:
    """The account of one LRP backward; every tensor is (B,), or (T, B) for several targets.

    ``print(balance)`` shows it layer by layer for the first sample.

    Attributes
    ----------
    score
        What was handed out: the target's own score.
    total
        The sum of relevance at the input.
    magnitude
        The sum of its absolute values over ``|score|``: far above 1, large terms cancel and the map is unstable.
    biases, stabilisers, missing
        What biases (constants that were added, joined or written and f(0) of activations among them) and stabilisers
        absorbed, and what was lost where an output had no contribution of the sign that a rule asks for (only with
        ``no_positive="drop"``).
    other
        What is left of ``score - total``: first-layer rules on inputs that nothing reaches, constants that were padded
        or filled in by ``where`` and ``masked_fill``, operations that were passed by their plain gradient.
    flows
        One for each target: where :attr:`operations` and :attr:`layers` come from.
    """

    score: Tensor
    total: Tensor
    magnitude: Tensor
    biases: Tensor
    stabilisers: Tensor
    missing: Tensor
    other: Tensor
    flows: tuple[Flow, ...] = field(default=(), repr=False, compare=False)

    @property
    def operations(self) -> tuple[Row, ...]:
        """Relevance before and after every operation, from the score to the input."""
        return self._rows([flow.operations for flow in self.flows])

    @property
    def layers(self) -> tuple[Row, ...]:
        """Relevance before and after every named layer, from the score to the input."""
        return self._rows([flow.layers for flow in self.flows])

    def _rows(self, several: list[tuple[Row, ...]]) -> tuple[Row, ...]:
        if not several or self.score.ndim == 1:
            return several[0] if several else ()
        return tuple(type(rows[0]).stack(rows) for rows in zip(*several, strict=True))

    def table(self, sample: int = 0, target: int = 0) -> str:
        """Return the account as text: a line for each operation with a rule or that absorbed relevance.

        Parameters
        ----------
        sample, target
            Which sample of the batch, and which of several targets.
        """
        at = (target, sample) if self.score.ndim == 2 else (sample,)
        head = ("layer", "operation", "rule", "before", "after", *ACCOUNTS, "other")
        lines: list[tuple[str, ...]] = [head]
        for row in self.operations:
            if row.rule or row.absorbs(at):
                numbers = (row.before, row.after, row.biases, row.stabilisers, row.missing, row.other)
                words = (row.layer or "-", row.operation, row.rule or "-")
                lines.append((*words, *(f"{float(n[at]):.5g}" for n in numbers)))
        totals = (self.score, self.total, self.biases, self.stabilisers, self.missing, self.other)
        lines.append(("in all", "", "", *(f"{float(n[at]):.5g}" for n in totals)))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        text.append(f"sum |R| / |score| = {float(self.magnitude[at]):.5g}")
        return "\n".join(line.rstrip() for line in text)

    def __str__(self) -> str:
        return self.table()

    def record(self) -> dict[str, Any]:
        """Return the account as JSON holds it: totals, and under ``operations`` the rows of :meth:`table`."""
        names = ("score", "total", "magnitude", *ACCOUNTS, "other")
        rows = [row.record() for row in self.operations if row.rule or row.absorbs()]
        return {name: getattr(self, name).tolist() for name in names} | {"operations": rows}


def balance(
    score: Tensor, relevance: Tensor, book: Book, flow: Flow | None = None, size: Tensor | None = None
) -> Balance:
    """Close the book of one backward: ``score`` (B,), ``relevance`` at the input (B, ...).

    ``size``: what magnitudes are held against where relevance begins with another sum, as in contrastive LRP.
    """
    flat = relevance.flatten(1)
    total = flat.sum(1)
    zero = torch.zeros_like(total)
    biases, stabilisers, missing = (book.entries.get(k, zero) for k in ACCOUNTS)
    size = (score if size is None else size).abs().clamp(min=torch.finfo(score.dtype).tiny)
    return Balance(
        score, total, flat.abs().sum(1) / size, biases, stabilisers, missing,
        score - total - biases - stabilisers - missing, () if flow is None else (flow,),
    )  # fmt: skip


def stack(balances: Sequence[Balance]) -> Balance:
    """Put the accounts of several targets side by side: (T, B)."""
    names = [name for name in Balance.__dataclass_fields__ if name != "flows"]
    stacked: dict[str, Any] = {name: torch.stack([getattr(b, name) for b in balances]) for name in names}
    return Balance(**stacked, flows=tuple(f for b in balances for f in b.flows))
