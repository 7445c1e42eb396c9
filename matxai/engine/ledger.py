"""Where relevance went: what biases, stabilisers and missing signs absorbed on the way from the score to the input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class Book:
    """What the rules of one backward wrote down, per sample; it adds up without waiting for the device."""

    def __init__(self) -> None:
        self.entries: dict[str, Tensor] = {}

    def write(self, account: str, amount: Tensor) -> None:
        """Add relevance (B, ...) that one operation absorbed to an account; it is summed over all but the batch."""
        total = amount.detach().flatten(1).sum(1) if amount.ndim > 1 else amount.detach()
        held = self.entries.get(account)
        self.entries[account] = total if held is None else held + total


@dataclass(frozen=True)
class Balance:
    """The account of one LRP backward; every tensor is (B,), or (T, B) for several targets.

    Attributes
    ----------
    score
        What was handed out: the target's own score.
    total
        The sum of relevance at the input.
    magnitude
        The sum of its absolute values over ``|score|``: far above 1, large terms cancel and the map is unstable.
    biases, stabilisers, missing
        What biases and stabilisers absorbed, and what was lost where an output had no contribution of the sign that a
        rule asks for (only with ``no_positive="drop"``).
    other
        What is left of ``score - total``: constants that were added, f(0) of activations, first-layer rules on inputs
        that nothing reaches.
    """

    score: Tensor
    total: Tensor
    magnitude: Tensor
    biases: Tensor
    stabilisers: Tensor
    missing: Tensor
    other: Tensor


def balance(score: Tensor, relevance: Tensor, book: Book) -> Balance:
    """Close the book of one backward: ``score`` (B,), ``relevance`` at the input (B, ...)."""
    flat = relevance.flatten(1)
    total = flat.sum(1)
    zero = torch.zeros_like(total)
    biases, stabilisers, missing = (book.entries.get(k, zero) for k in ("biases", "stabilisers", "missing"))
    size = score.abs().clamp(min=torch.finfo(score.dtype).tiny)
    return Balance(
        score, total, flat.abs().sum(1) / size, biases, stabilisers, missing,
        score - total - biases - stabilisers - missing,
    )  # fmt: skip


def stack(balances: list[Balance]) -> Balance:
    """Put the accounts of several targets side by side: (T, B)."""
    fields = Balance.__dataclass_fields__
    return Balance(**{name: torch.stack([getattr(b, name) for b in balances]) for name in fields})
