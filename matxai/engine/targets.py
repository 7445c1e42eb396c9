"""Targets: what is explained, as values that compose. Each turns a model's output into one score for every sample.

Scores are logits. An output ``(B, K)`` has one score for each class; ``(B,)`` and ``(B, 1)`` hold the score of the
positive class, whose negation is the negative class's; ``(B, K, *spatial)`` is dense: a class's score is its sum over
the positions where it is on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor

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
        chosen = _per_sample(self.index, output)
        if _is_binary(output):
            score, sign = _positive(output), _signs(chosen, output)
            if output.ndim <= 2:
                return score * sign
            return _sum_on_top(score, score * sign.view(-1, *(1,) * (score.ndim - 1)) > 0, chosen, sign)
        for k in chosen:
            _check(k, output.shape[1])
        rows = output[torch.arange(len(output), device=output.device), torch.tensor(chosen, device=output.device)]
        if output.ndim == 2:
            return rows
        top = output.detach().argmax(1)
        where = top == torch.tensor(chosen, device=output.device).view(-1, *(1,) * (top.ndim - 1))
        return _sum_on_top(rows, where, chosen, None)

    def describe(self) -> str:
        """Return ``"class 3"`` or ``"classes 3, 5"``."""
        many = len(set(self.index)) > 1
        return f"classes {', '.join(map(str, self.index))}" if many else f"class {self.index[0]}"


@dataclass(frozen=True)
class Contrast:
    """The score of one target minus that of another. See :func:`contrast`."""

    a: Target
    b: Target

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return self.a.score(output) - self.b.score(output)

    def describe(self) -> str:
        """Return ``"class 3 against class 5"``."""
        return f"{self.a.describe()} against {self.b.describe()}"


@dataclass(frozen=True)
class Sum:
    """The sum of the scores of several targets. See :func:`total`."""

    parts: tuple[Target, ...]

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        return torch.stack([p.score(output) for p in self.parts]).sum(0)

    def describe(self) -> str:
        """Return ``"class 3 + class 5"``."""
        return " + ".join(p.describe() for p in self.parts)


@dataclass(frozen=True, eq=False)
class Over:
    """The mean or sum of one class's score over a mask of positions. See :func:`mean`, :func:`point`, :func:`box`.

    ``mask`` is ``(*spatial)`` or ``(B, *spatial)`` at the output's size or at any other: it is brought to the output's.
    """

    mask: Tensor
    index: int
    words: str
    reduce: str = "mean"

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        if output.ndim < 3:
            msg = f"The target '{self.words}' needs an output with spatial axes; this one is {_shape(output)}."
            raise TargetError(msg)
        if _is_binary(output):
            plane = _positive(output) * _signs([self.index] * len(output), output).view(-1, *(1,) * (output.ndim - 2))
        else:
            _check(self.index, output.shape[1])
            plane = output[:, self.index]
        weights = self._weights(plane)
        area = weights.flatten(1).sum(1)
        if bool((area == 0).any()):
            raise TargetError(f"The target '{self.words}' covers no position of the output {_shape(output)}.")
        sums = (plane * weights).flatten(1).sum(1)
        return sums / area if self.reduce == "mean" else sums

    def _weights(self, plane: Tensor) -> Tensor:
        mask = self.mask.to(plane.device)
        axes = plane.ndim - 1
        if mask.ndim not in (axes, axes + 1) or (mask.ndim == axes + 1 and len(mask) not in (1, len(plane))):
            msg = (
                f"The target '{self.words}' has a mask {tuple(mask.shape)}; the output {tuple(plane.shape)} needs "
                f"{axes} spatial axes, with or without one for the samples."
            )
            raise TargetError(msg)
        mask = mask if mask.ndim == axes + 1 else mask[None]
        if mask.shape[1:] != plane.shape[1:]:
            mask = torch.nn.functional.interpolate(
                mask[:, None].float(), plane.shape[1:], mode="area" if _shrinks(mask, plane) else "nearest"
            )[:, 0]
        return mask.to(plane.dtype).expand_as(plane)

    def describe(self) -> str:
        """Return the words given when it was made."""
        return self.words


@dataclass(frozen=True)
class Output:
    """One number of a regression output, as it is. See :func:`output`."""

    index: int

    def score(self, output: Tensor) -> Tensor:
        """Return (B,)."""
        flat = output.flatten(1) if output.ndim > 1 else output[:, None]
        _check(self.index, flat.shape[1])
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


def total(*targets: AnyTarget) -> Sum:
    """Explain the sum of several targets' scores."""
    return Sum(tuple(_one(t) for t in targets))


def mean(mask: Any, index: int = 1) -> Over:
    """Explain a class's mean score over a mask: ``(*spatial)``, or ``(B, *spatial)`` for one mask a sample."""
    return Over(_tensor(mask), index, f"class {index} over a mask")


def region(mask: Any, index: int = 1) -> Over:
    """Explain a class's summed score over a region."""
    return Over(_tensor(mask), index, f"class {index} in a region", "sum")


def border(mask: Any, index: int = 1, width: int = 1) -> Over:
    """Explain a class's mean score over the border of a mask, ``width`` positions inside and outside of its edge."""
    m = _tensor(mask).float()[None, None]
    axes = m.ndim - 2
    pool = (torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d)[axes - 1]
    size = 2 * width + 1
    grown, shrunk = pool(m, size, 1, width), 1 - pool(1 - m, size, 1, width)
    return Over((grown - shrunk)[0, 0], index, f"class {index} at the border of a mask")


def point(*place: int, index: int = 1) -> Over:
    """Explain a class's score at one position of a dense output, given by its indices."""
    return _Place(torch.empty(0), index, f"class {index} at {place}", "sum", tuple(slice(p, p + 1) for p in place))


def box(*ranges: tuple[int, int], index: int = 1) -> Over:
    """Explain a class's mean score over a box of a dense output: one ``(start, stop)`` for each spatial axis."""
    return _Place(torch.empty(0), index, f"class {index} in the box {ranges}", "mean", tuple(slice(*r) for r in ranges))


def output(index: int = 0) -> Output:
    """Explain one number of a regression output."""
    return Output(index)


@dataclass(frozen=True, eq=False)
class _Place(Over):
    slices: tuple[slice, ...] = ()

    def _weights(self, plane: Tensor) -> Tensor:
        if len(self.slices) != plane.ndim - 1:
            msg = (
                f"The target '{self.words}' has {len(self.slices)} spatial axes, the output has {plane.ndim - 1}: "
                f"{tuple(plane.shape)}."
            )
            raise TargetError(msg)
        weights = torch.zeros_like(plane)
        for axis, s in enumerate(self.slices):
            if s.start < -plane.shape[axis + 1] or s.start >= plane.shape[axis + 1]:
                raise TargetError(f"The target '{self.words}' lies outside of the output {tuple(plane.shape[1:])}.")
        weights[(slice(None), *(slice(s.start, s.stop or None) for s in self.slices))] = 1
        return weights


def with_names(target: Any, classes: Sequence[str]) -> Any:
    """Return the target with class names replaced by their indices.

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


def top(scores: Any) -> Index:
    """Return each sample's top class; on dense outputs the class that is on top in most positions."""
    if not isinstance(scores, Tensor):
        raise TargetError(f"An output of type {type(scores).__name__} has no top class; give target= as a function.")
    out = scores.detach()
    if out.ndim == 0:
        raise TargetError("The output is a single number for the whole batch; it needs one for each sample.")
    if _is_binary(out):
        positive = _positive(out) > 0
        return Index(tuple(int(p) for p in (positive.flatten(1).any(1) if out.ndim > 2 else positive).tolist()))
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
        raise TargetError(f"The target '{target}' is a name, but the model comes without class names: give an index.")
    as_list = getattr(target, "tolist", None)  # a tensor or an array
    if callable(as_list):
        return _one(as_list())
    if isinstance(target, list | tuple):
        if not target or not all(isinstance(t, int) and not isinstance(t, bool) for t in target):
            raise TargetError(f"The target {target!r} is no list of class indices, one for each sample.")
        return Index(tuple(cast("Sequence[int]", target)))
    if isinstance(target, Target):
        return target
    if callable(target):
        return Scorer(target)
    raise TargetError(f"A target cannot be a {type(target).__name__}: give an index, a name, or an object of targets.")


def _per_sample(index: Sequence[int], output: Tensor) -> list[int]:
    if len(index) == 1:
        return [index[0]] * len(output)
    if len(index) != len(output):
        msg = f"There are {len(index)} targets for {len(output)} samples; give one for all, or one for each."
        raise TargetError(msg)
    return list(index)


def _is_binary(output: Tensor) -> bool:
    return output.ndim == 1 or output.shape[1] == 1


def _positive(output: Tensor) -> Tensor:
    return output if output.ndim == 1 else output[:, 0]


def _signs(chosen: Sequence[int], output: Tensor) -> Tensor:
    for k in chosen:
        if k not in (0, 1):
            msg = f"The output {_shape(output)} is binary: its classes are 0 and 1, there is no class {k}."
            raise TargetError(msg)
    return torch.tensor([1.0 if k else -1.0 for k in chosen], dtype=output.dtype, device=output.device)


def _check(index: int, count: int) -> None:
    if not -count <= index < count:
        raise TargetError(f"The model has {count} classes, 0 to {count - 1}; there is no class {index}.")


def _sum_on_top(score: Tensor, where: Tensor, chosen: Sequence[int], sign: Tensor | None) -> Tensor:
    covered = where.flatten(1).any(1).tolist()
    for sample, (k, found) in enumerate(zip(chosen, covered, strict=True)):
        if not found:
            msg = (
                f"Class {k} is on top nowhere in sample {sample}, so its score over such positions is empty; "
                f"choose another class, or a region with matxai.targets.mean(mask, {k})."
            )
            raise TargetError(msg)
    sums = (score * where).flatten(1).sum(1)
    return sums if sign is None else sums * sign


def _shrinks(mask: Tensor, plane: Tensor) -> bool:
    return all(a >= b for a, b in zip(mask.shape[1:], plane.shape[1:], strict=True))


def _tensor(mask: Any) -> Tensor:
    return mask if isinstance(mask, Tensor) else torch.as_tensor(mask)


def _shape(output: Tensor) -> str:
    return "(" + ", ".join(str(s) for s in output.shape) + ")"
