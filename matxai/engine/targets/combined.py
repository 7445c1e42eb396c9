"""Targets made of targets: differences, sums, multiples, and scores as probabilities at a temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from matxai.engine.targets.classes import is_binary, positive
from matxai.engine.targets.protocol import Part, Target, fixed

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Contrast(Part):
    """The score of one target minus that of another. See :func:`matxai.targets.contrast`."""

    a: Target
    b: Target

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return self.a.score(output) - self.b.score(output)

    def parts(self) -> tuple[Target, ...]:
        """Return both."""
        return (self.a, self.b)

    def over(self, change: Callable[[Target], Target]) -> Self:
        """Return the contrast of changed parts."""
        return type(self)(change(self.a), change(self.b))

    def describe(self) -> str:
        """Return ``"class 3 against class 5"``."""
        return f"{self.a.describe()} against {self.b.describe()}"


@dataclass(frozen=True)
class Sum(Part):
    """The sum of the scores of several targets. See :func:`matxai.targets.sum`."""

    terms: tuple[Target, ...]

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return torch.stack([t.score(output) for t in self.terms]).sum(0)

    def parts(self) -> tuple[Target, ...]:
        """Return the terms."""
        return self.terms

    def over(self, change: Callable[[Target], Target]) -> Self:
        """Return the sum of changed terms."""
        return type(self)(tuple(change(t) for t in self.terms))

    def describe(self) -> str:
        """Return ``"class 3 + class 5"``."""
        return " + ".join(t.describe() for t in self.terms)


@dataclass(frozen=True)
class Scaled(Part):
    """A multiple of a target's score: ``2 * target``, ``-target``."""

    inner: Target
    factor: float

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return self.inner.score(output) * self.factor

    def parts(self) -> tuple[Target, ...]:
        """Return what is multiplied."""
        return (self.inner,)

    def over(self, change: Callable[[Target], Target]) -> Self:
        """Return the multiple of a changed part."""
        return type(self)(change(self.inner), self.factor)

    def describe(self) -> str:
        """Return ``"2 x class 3"``."""
        several = len(self.inner.parts()) > 1 if isinstance(self.inner, Part) else False
        inner = f"({self.inner.describe()})" if several else self.inner.describe()
        return f"-{inner}" if self.factor == -1 else f"{self.factor:g} x {inner}"


@dataclass(frozen=True)
class Tempered(Part):
    """A target of the probabilities in the place of the logits. See :func:`matxai.targets.probability`."""

    inner: Target
    temperature: float
    log: bool
    linear = False

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return self.inner.score(self.of(output))

    def of(self, output: Tensor) -> Tensor:
        """Return probabilities or their logarithms: (B, K, *spatial), K = 2 for a binary output."""
        if is_binary(output):
            z = positive(output) / self.temperature
            logs = torch.nn.functional.logsigmoid(torch.stack([-z, z], 1))
        else:
            logs = torch.log_softmax(output / self.temperature, 1)
        return logs if self.log else logs.exp()

    def parts(self) -> tuple[Target, ...]:
        """Return the target of the logits."""
        return (self.inner,)

    def over(self, change: Callable[[Target], Target]) -> Self:
        """Return the same of a changed part."""
        return type(self)(change(self.inner), self.temperature, self.log)

    def fixed(self, output: Tensor) -> Target:
        """Return the same with areas as they are at this output."""
        return type(self)(fixed(self.inner, self.of(output)), self.temperature, self.log)

    def describe(self) -> str:
        """Return ``"log-probability of class 3 at temperature 2"``."""
        at = "" if self.temperature == 1 else f" at temperature {self.temperature:g}"
        return f"{'log-' if self.log else ''}probability of {self.inner.describe()}{at}"
