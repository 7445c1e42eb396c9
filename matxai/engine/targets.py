"""Targets: what is explained, as values that compose. Each turns a model's output into one score for every sample.

Scores are logits. An output ``(B, K)`` has one score for each class; ``(B,)`` and ``(B, 1)`` hold the score of the
positive class, whose negation is the negative class's; ``(B, K, *spatial)`` is dense: a class's score is its sum over
the positions where it is on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor

from matxai.engine.areas import Over, border, box, mean, point, region
from matxai.engine.classes import check, is_binary, nameless, per_sample, positive, signs, sum_on_top
from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@runtime_checkable
class Target(Protocol):
    """Anything that can say its score: ``score(output) -> (B,)``, differentiable; and how it is called."""

    def score(self, output: Tensor) -> Tensor:
        """Return one score for each sample."""

    def describe(self) -> str:
        """Return what is explained, in a few words."""


__all__ = [
    "AnyTarget", "Contrast", "Each", "Index", "Named", "Output", "Over", "Scorer", "Sum", "Target", "border", "box",
    "contrast", "each", "fixed", "mean", "output", "point", "region", "repeated", "resolve", "sum", "top", "total",
    "with_names",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


AnyTarget: TypeAlias = "int | str | Sequence[int] | Sequence[str] | Tensor | Callable[[Any], Tensor] | Target | None"


@dataclass(frozen=True)
class Each:
    """Several targets for every sample: maps get a leading axis for them. See :func:`each`."""

    targets: tuple[AnyTarget, ...]


def each(*targets: AnyTarget) -> Each:
    """Explain several targets from one forward; every map then has a leading axis ``T``.

    Examples
    --------
    >>> len(each(3, 5).targets)
    2
    """
    if not targets:
        raise TargetError("each() needs at least one target.")
    return Each(targets)


@dataclass(frozen=True)
class Index:
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
        top = output.detach().argmax(1)
        where = top == torch.tensor(chosen, device=output.device).view(-1, *(1,) * (top.ndim - 1))
        return sum_on_top(rows, where, chosen, None)

    def fixed(self, output: Tensor) -> Target:
        """Return this class over the positions of a dense output where it is on top now."""
        if output.ndim < 3:
            return self
        chosen = per_sample(self.index, output)
        if is_binary(output):
            score, sign = positive(output.detach()), signs(chosen, output)
            where = score * sign.view(-1, *(1,) * (score.ndim - 1)) > 0
        else:
            top = output.detach().argmax(1)
            where = top == torch.tensor(chosen, device=output.device).view(-1, *(1,) * (top.ndim - 1))
        return OnTop(tuple(chosen), where, self.describe())

    def repeated(self, count: int) -> Index:
        """Return the same for so many copies of the batch, one after the other."""
        return self if len(self.index) == 1 else Index(self.index * count)

    def describe(self) -> str:
        """Return ``"class 3"`` or ``"classes 3, 5"``."""
        many = len(set(self.index)) > 1
        return f"classes {', '.join(map(str, self.index))}" if many else f"class {self.index[0]}"


@dataclass(frozen=True, eq=False)
class OnTop:
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
class Named:
    """One class by its name, or one for each sample, until :func:`with_names` knows which index that is."""

    names: tuple[str, ...]

    def score(self, _output: Tensor) -> Tensor:
        """Raise: without the model's class names it is not known which score is meant."""
        raise TargetError(nameless(self.names[0]))

    def describe(self) -> str:
        """Return ``"class crack"``."""
        return f"class {', '.join(dict.fromkeys(self.names))}"


@dataclass(frozen=True)
class Contrast:
    """The score of one target minus that of another. See :func:`contrast`."""

    a: Target
    b: Target

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return self.a.score(output) - self.b.score(output)

    def fixed(self, output: Tensor) -> Contrast:
        """Return the contrast of what both are at this output."""
        return Contrast(fixed(self.a, output), fixed(self.b, output))

    def repeated(self, count: int) -> Contrast:
        """Return the same for so many copies of the batch."""
        return Contrast(repeated(self.a, count), repeated(self.b, count))

    def describe(self) -> str:
        """Return ``"class 3 against class 5"``."""
        return f"{self.a.describe()} against {self.b.describe()}"


@dataclass(frozen=True)
class Sum:
    """The sum of the scores of several targets. See :func:`sum`."""

    parts: tuple[Target, ...]

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return torch.stack([p.score(output) for p in self.parts]).sum(0)

    def fixed(self, output: Tensor) -> Sum:
        """Return the sum of what the parts are at this output."""
        return Sum(tuple(fixed(p, output) for p in self.parts))

    def repeated(self, count: int) -> Sum:
        """Return the same for so many copies of the batch."""
        return Sum(tuple(repeated(p, count) for p in self.parts))

    def describe(self) -> str:
        """Return ``"class 3 + class 5"``."""
        return " + ".join(p.describe() for p in self.parts)


@dataclass(frozen=True)
class Output:
    """One number of a regression output, as it is. See :func:`output`."""

    index: int

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        flat = output.flatten(1) if output.ndim > 1 else output[:, None]
        check(self.index, flat.shape[1])
        return flat[:, self.index]

    def describe(self) -> str:
        """Return ``"output 0"``."""
        return f"output {self.index}"


@dataclass(frozen=True)
class Scorer:
    """The caller's own function from output to one score for each sample."""

    function: Callable[[Any], Tensor]

    def score(self, output: Any) -> Tensor:
        """Return (B,)."""
        return self.function(output)

    def describe(self) -> str:
        """Return the function's name."""
        return f"function {getattr(self.function, '__name__', type(self.function).__name__)}"


def contrast(a: AnyTarget, b: AnyTarget) -> Contrast:
    """Explain what speaks for ``a`` rather than for ``b``: the difference of their scores."""
    return Contrast(_one(a), _one(b))


def sum(*targets: AnyTarget) -> Sum:  # noqa: A001 - read as ``targets.sum``, beside ``targets.mean``
    """Explain the sum of several targets' scores; ``total`` is the same function for ``from ... import``."""
    if not targets:
        raise TargetError("sum() needs at least one target.")
    return Sum(tuple(_one(t) for t in targets))


total = sum


def output(index: int = 0) -> Output:
    """Explain one number of a regression output."""
    return Output(index)


def with_names(target: Any, classes: Sequence[str]) -> Any:
    """Return the target with class names replaced by their indices, in nested targets as well.

    Raises
    ------
    TargetError
        For an unknown name, with the nearest ones.
    """
    if isinstance(target, str):
        if target not in classes:
            raise TargetError(f"The model has no class '{target}'. {nearest(target, classes, label='Classes')}")
        return list(classes).index(target)
    if isinstance(target, Each):
        return Each(tuple(with_names(t, classes) for t in target.targets))
    if isinstance(target, Named):
        return Index(tuple(with_names(name, classes) for name in target.names))
    if isinstance(target, Contrast):
        return Contrast(with_names(target.a, classes), with_names(target.b, classes))
    if isinstance(target, Sum):
        return Sum(tuple(with_names(t, classes) for t in target.parts))
    if isinstance(target, Over) and isinstance(target.index, str):
        return replace(target, index=with_names(target.index, classes))
    if isinstance(target, list | tuple) and any(isinstance(t, str) for t in target):
        return [with_names(t, classes) for t in target]
    return target


def resolve(target: AnyTarget | Each, scores: Any) -> tuple[Target, ...]:
    """Return the targets that a user's word means for these outputs: one, or several for :func:`each`."""
    if isinstance(target, Each):
        return tuple(t for inner in target.targets for t in resolve(inner, scores))
    if target is None:
        return (top(scores),)
    return (_one(target),)


def fixed(target: Target, output: Any) -> Target:
    """Return a target that means at every other output what it means at this one: areas keep their positions."""
    of_this = getattr(target, "fixed", None)
    found: Target = of_this(output) if callable(of_this) and isinstance(output, Tensor) else target
    return found


def repeated(target: Target, count: int) -> Target:
    """Return a target for ``count`` copies of its batch, one after the other."""
    of_copies = getattr(target, "repeated", None)
    found: Target = of_copies(count) if callable(of_copies) else target
    return found


def top(scores: Any) -> Index:
    """Return each sample's top class; on dense outputs the class that is on top in most positions."""
    if not isinstance(scores, Tensor):
        raise TargetError(f"An output of type {type(scores).__name__} has no top class; give target= as a function.")
    out = scores.detach()
    if out.ndim == 0:
        raise TargetError("The output is a single number for the whole batch; it needs one for each sample.")
    if is_binary(out):
        on = positive(out) > 0
        return Index(tuple(int(p) for p in (on.flatten(1).any(1) if out.ndim > 2 else on).tolist()))
    best = out.argmax(1)
    if out.ndim > 2:
        best = torch.stack([b.flatten().bincount(minlength=out.shape[1]).argmax() for b in best])
    return Index(tuple(best.tolist()))


def _one(target: AnyTarget) -> Target:
    if isinstance(target, bool):
        raise TargetError(f"The target is {target}; a class is an index, a name or an object of matxai.targets.")
    if isinstance(target, int):
        return Index((target,))
    if isinstance(target, str):
        return Named((target,))
    as_list = getattr(target, "tolist", None)  # a tensor or an array
    if callable(as_list):
        return _one(as_list())
    if isinstance(target, list | tuple):
        if target and all(isinstance(t, str) for t in target):
            return Named(tuple(cast("Sequence[str]", target)))
        if not target or not all(isinstance(t, int) and not isinstance(t, bool) for t in target):
            raise TargetError(f"The target {target!r} is no list of class indices, one for each sample.")
        return Index(tuple(cast("Sequence[int]", target)))
    if isinstance(target, Target):
        return target
    if callable(target):
        return Scorer(target)
    raise TargetError(f"A target cannot be a {type(target).__name__}: give an index, a name, or an object of targets.")
