"""Targets in sequences, whose output has its classes on the last axis: (B, N, K). One token, and a whole answer.

A dense output (B, K, N) has its classes on the second axis: :func:`matxai.targets.point` and
:func:`matxai.targets.box` are for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.targets.classes import check, nameless, shape
from matxai.engine.targets.protocol import Part, Target
from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Token(Part):
    """The score of one token at one position of an output (B, *positions, K). See :func:`matxai.targets.token`.

    ``index`` is one token for all samples, one for each, or None: the one that is on top.
    """

    position: tuple[int, ...]
    index: tuple[int, ...] | str | None

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        rows = self._rows(output)
        return rows.gather(1, self._tokens(rows)[:, None])[:, 0]

    def _rows(self, output: Tensor) -> Tensor:
        if output.ndim != len(self.position) + 2:
            axes = ", ".join(["B", *("N" for _ in self.position), "K"])
            raise TargetError(f"The {self.describe()} needs an output ({axes}); this one is {shape(output)}.")
        for axis, p in enumerate(self.position):
            check(p, output.shape[axis + 1], "positions", "position")
        places: tuple[slice | int, ...] = (slice(None), *self.position)
        return output[places]

    def _tokens(self, rows: Tensor) -> Tensor:
        if isinstance(self.index, str):
            raise TargetError(nameless(self.index))
        if self.index is None:
            return rows.detach().argmax(1)
        if len(self.index) not in (1, len(rows)):
            msg = f"There are {len(self.index)} tokens for {len(rows)} samples; give one for all, or one for each."
            raise TargetError(msg)
        for k in self.index:
            check(k, rows.shape[1], "tokens", "token")
        return torch.tensor(self.index, device=rows.device).expand(len(rows)) % rows.shape[1]

    def fixed(self, output: Tensor) -> Target:
        """Return the token that is on top now."""
        if self.index is not None:
            return self
        return replace(self, index=tuple(self._rows(output).argmax(1).tolist()))

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch."""
        several = isinstance(self.index, tuple) and len(self.index) > 1
        return replace(self, index=self.index * count) if several and isinstance(self.index, tuple) else self

    def with_names(self, index: Callable[[str], int]) -> Target:
        """Return the same with the index of a token that is given by name."""
        return replace(self, index=(index(self.index),)) if isinstance(self.index, str) else self

    def describe(self) -> str:
        """Return ``"token 17 at position 3"``."""
        at = self.position[0] if len(self.position) == 1 else self.position
        if self.index is None:
            return f"top token at position {at}"
        given = self.index if isinstance(self.index, str) else ", ".join(map(str, dict.fromkeys(self.index)))
        return f"token {given} at position {at}"


@dataclass(frozen=True)
class Answer(Part):
    """A sequence of tokens as the model's answer: see :func:`matxai.targets.answer`.

    ``tokens`` has one row for all samples, or one for each.
    """

    tokens: tuple[tuple[int, ...], ...]
    start: int | None
    logits: bool

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether logits are summed, and not their log-probabilities."""
        return self.logits

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        if output.ndim != 3:
            raise TargetError(f"An answer needs an output (B, N, K); this one is {shape(output)}.")
        length = len(self.tokens[0])
        start = output.shape[1] - length if self.start is None else self.start % max(output.shape[1], 1)
        if start < 0 or start + length > output.shape[1] or (self.start or 0) < -output.shape[1]:
            given = "the end" if self.start is None else f"position {self.start}"
            msg = f"An answer of {length} tokens at {given} does not fit into an output of {output.shape[1]} positions."
            raise TargetError(msg)
        if len(self.tokens) not in (1, len(output)):
            msg = f"There are {len(self.tokens)} answers for {len(output)} samples; give one for all, or one for each."
            raise TargetError(msg)
        for row in self.tokens:
            for k in row:
                check(k, output.shape[2], "tokens", "token")
        rows = output[:, start : start + length]
        rows = rows if self.logits else rows.log_softmax(2)
        tokens = torch.tensor(self.tokens, device=output.device).expand(len(output), -1) % output.shape[2]
        return rows.gather(2, tokens[:, :, None])[:, :, 0].sum(1)

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch."""
        return self if len(self.tokens) == 1 else replace(self, tokens=self.tokens * count)

    def describe(self) -> str:
        """Return ``"the answer 5, 7, 2"``."""
        many = len(set(self.tokens)) > 1
        words = f"answers of {len(self.tokens[0])} tokens" if many else f"the answer {str(self.tokens[0])[1:-1]}"
        return f"logits of {words}" if self.logits else f"log-probability of {words}"


def token(position: int | tuple[int, ...], index: int | str | list[int] | None = None) -> Token:
    """Explain the score of a token, or class, at one position of a sequence: outputs ``(B, N, K)``.

    Parameters
    ----------
    position
        Counted from 0, or from the end below 0; a tuple for outputs with several such axes, ``(B, H, W, K)``.
    index
        The token: an index or a name for all samples, a list with one for each, or None for the one on top.
    """
    several = position if isinstance(position, tuple) else (position,)
    if isinstance(index, int):
        return Token(several, (index,))
    return Token(several, index if index is None or isinstance(index, str) else tuple(int(i) for i in index))


def answer(tokens: list[int] | list[list[int]] | Tensor, start: int | None = None, *, logits: bool = False) -> Answer:
    """Explain a sequence of tokens: the sum of their log-probabilities in an output ``(B, N, K)``.

    Parameters
    ----------
    tokens
        Indices, one row for all samples or one for each, all of one length.
    start
        The position whose scores are those of the first token; by default the answer ends the sequence. A causal
        language model's scores at position p are those of the token at p + 1.
    logits
        Sum the logits instead, which LRP passes without a remainder.

    Raises
    ------
    TargetError
        If there are no tokens, or rows differ in length.
    """
    given: list[Any] = tokens.tolist() if isinstance(tokens, Tensor) else list(tokens)
    rows: list[Any] = given if given and isinstance(given[0], list | tuple) else [given]
    if not rows[0] or len({len(r) for r in rows}) > 1:
        raise TargetError(f"An answer is a list of token indices, or one such list for each sample, not {given!r}.")
    return Answer(tuple(tuple(int(t) for t in r) for r in rows), start, logits)
