"""Targets that are classes: one, one for each sample, the top ones, by index or by name; and single numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.targets.classes import (
    check,
    is_binary,
    nameless,
    per_sample,
    positive,
    shape,
    signs,
    sum_on_top,
)
from matxai.engine.targets.protocol import Part, Target
from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Index(Part):
    """One class, or one class for each sample."""

    index: tuple[int, ...]

    def score(self, output: Tensor) -> Tensor:
        """Return (B,): the class's logit; on dense outputs its sum over the positions where it is on top."""
        chosen = per_sample(self.index, output)
        if is_binary(output):
            score, sign = positive(output), signs(chosen, output)
            if output.ndim <= 2:
                return score * sign
            return sum_on_top(score, score * sign.view(-1, *(1,) * (score.ndim - 1)) > 0, chosen, sign)
        for k in chosen:
            check(k, output.shape[1])
        rows = output[torch.arange(len(output), device=output.device), torch.tensor(chosen, device=output.device)]
        if output.ndim == 2:
            return rows
        return sum_on_top(rows, self._on_top(output, chosen), chosen, None)

    @staticmethod
    def _on_top(output: Tensor, chosen: list[int]) -> Tensor:
        top = output.detach().argmax(1)
        classes = torch.tensor(chosen, device=output.device) % output.shape[1]
        return top == classes.view(-1, *(1,) * (top.ndim - 1))

    def fixed(self, output: Any) -> Target:
        """Return this class over the positions of a dense output where it is on top now."""
        if not isinstance(output, Tensor) or output.ndim < 3:
            return self
        chosen = per_sample(self.index, output)
        if is_binary(output):
            score, sign = positive(output.detach()), signs(chosen, output)
            where = score * sign.view(-1, *(1,) * (score.ndim - 1)) > 0
        else:
            where = self._on_top(output, chosen)
        return OnTop(tuple(chosen), where, self.describe())

    def repeated(self, count: int) -> Index:
        """Return the same for so many copies of the batch, one after the other."""
        return self if len(self.index) == 1 else Index(self.index * count)

    def describe(self) -> str:
        """Return ``"class 3"`` or ``"classes 3, 5"``."""
        many = len(set(self.index)) > 1
        return f"classes {', '.join(map(str, self.index))}" if many else f"class {self.index[0]}"


@dataclass(frozen=True, eq=False)
class OnTop(Part):
    """The sum of each sample's class over positions (B, *spatial) that stay the same whatever the output becomes."""

    index: tuple[int, ...]
    where: Tensor
    words: str

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        if is_binary(output):
            sign = signs(self.index, output)
            return sum_on_top(positive(output), self.where, self.index, sign)
        classes = torch.tensor(self.index, device=output.device)
        rows = output[torch.arange(len(output), device=output.device), classes]
        return sum_on_top(rows, self.where, self.index, None)

    def repeated(self, count: int) -> OnTop:
        """Return the same for so many copies of the batch."""
        return OnTop(self.index * count, self.where.repeat(count, *(1,) * (self.where.ndim - 1)), self.words)

    def describe(self) -> str:
        """Return the words of the class that it was made from."""
        return self.words


@dataclass(frozen=True)
class Named(Part):
    """One class by its name, or one for each sample, until it is known which index that is."""

    names: tuple[str, ...]

    def score(self, _output: Tensor) -> Tensor:
        """Raise: without the model's class names it is not known which score is meant."""
        raise TargetError(nameless(self.names[0]))

    def fixed(self, _output: Any) -> Target:
        """Raise likewise."""
        raise TargetError(nameless(self.names[0]))

    def with_names(self, index: Callable[[str], int]) -> Target:
        """Return the class or classes by index."""
        return Index(tuple(index(name) for name in self.names))

    def describe(self) -> str:
        """Return ``"class crack"``."""
        return f"class {', '.join(dict.fromkeys(self.names))}"


@dataclass(frozen=True)
class TopK(Part):
    """The sum of each sample's ``k`` largest logits. See :func:`matxai.targets.topk`."""

    k: int

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return output.gather(1, self._places(output)).sum(1)

    def _places(self, output: Tensor) -> Tensor:
        if output.ndim != 2 or output.shape[1] < 2:
            msg = f"The top {self.k} classes need an output (B, K) with K of 2 or more; this one is {shape(output)}."
            raise TargetError(msg)
        if self.k > output.shape[1]:
            raise TargetError(f"The model has {output.shape[1]} classes; there are no top {self.k}.")
        return output.detach().topk(self.k, 1).indices

    def fixed(self, output: Tensor) -> Target:
        """Return the classes that are on top now, whatever the output becomes."""
        return Places(self._places(output), self.describe())

    def describe(self) -> str:
        """Return ``"the top 3 classes"``."""
        return f"the top {self.k} classes"


@dataclass(frozen=True, eq=False)
class Places(Part):
    """The sum over chosen places of each sample's output, counted in its flat order: indices (B, n)."""

    index: Tensor
    words: str

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return output.flatten(1).gather(1, self.index.to(output.device)).sum(1)

    def repeated(self, count: int) -> Places:
        """Return the same for so many copies of the batch."""
        return Places(self.index.repeat(count, 1), self.words)

    def describe(self) -> str:
        """Return the words of what it was made from."""
        return self.words


@dataclass(frozen=True)
class Output(Part):
    """One number of a regression output, as it is. See :func:`matxai.targets.output`."""

    index: int

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        flat = output.flatten(1) if output.ndim > 1 else output[:, None]
        check(self.index, flat.shape[1], "numbers", "number")
        return flat[:, self.index]

    def describe(self) -> str:
        """Return ``"output 0"``."""
        return f"output {self.index}"


@dataclass(frozen=True)
class Action(Part):
    """The value of an action in a policy's or Q-network's output (B, A). See :func:`matxai.targets.action`."""

    index: tuple[int, ...] | None

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        if output.ndim != 2:
            raise TargetError(f"An action needs an output (B, actions); this one is {shape(output)}.")
        if self.index is None:
            return output.gather(1, output.detach().argmax(1, keepdim=True))[:, 0]
        chosen = per_sample(self.index, output)
        for a in chosen:
            check(a, output.shape[1], "actions", "action")
        return output.gather(1, torch.tensor(chosen, device=output.device)[:, None] % output.shape[1])[:, 0]

    def fixed(self, output: Tensor) -> Target:
        """Return the action that is best now."""
        return self if self.index is not None else Action(tuple(output.argmax(1).tolist()))

    def repeated(self, count: int) -> Action:
        """Return the same for so many copies of the batch."""
        return self if self.index is None or len(self.index) == 1 else Action(self.index * count)

    def describe(self) -> str:
        """Return ``"action 2"`` or ``"the best action"``."""
        if self.index is None:
            return "the best action"
        several = len(set(self.index)) > 1
        return f"actions {', '.join(map(str, self.index))}" if several else f"action {self.index[0]}"


@dataclass(frozen=True)
class Scorer(Part):
    """The caller's own function from output to one score for each sample."""

    function: Callable[[Any], Tensor]
    whole = True
    linear = False

    def score(self, output: Any) -> Tensor:
        """Return (B,)."""
        return self.function(output)

    def describe(self) -> str:
        """Return the function's name."""
        return f"function {getattr(self.function, '__name__', type(self.function).__name__)}"
