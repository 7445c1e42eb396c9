"""Targets: what is explained, as values that compose. Each turns a model's output into one score for every sample.

Scores are logits. An output ``(B, K)`` has one score for each class; ``(B,)`` and ``(B, 1)`` hold the score of the
positive class, whose negation is the negative class's; ``(B, K, *spatial)`` is dense: a class's score is its sum over
the positions where it is on top. Targets add up: ``score("crack") - 0.5 * score("pore")``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matxai.engine.targets.areas import Over, border, box, mean, point, region
from matxai.engine.targets.classes import is_binary, positive
from matxai.engine.targets.combined import Contrast, Scaled, Sum, Tempered
from matxai.engine.targets.detections import Detected, Object, detected
from matxai.engine.targets.indexed import Action, Index, Named, Output, Scorer, TopK
from matxai.engine.targets.protocol import AnyTarget, Part, Target, fixed, repeated, with_index, within
from matxai.engine.targets.sequences import Answer, Token, answer, token
from matxai.engine.targets.units import Neuron, Similarity, neuron, similarity
from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Action", "Answer", "AnyTarget", "Contrast", "Detected", "Each", "Index", "Named", "Neuron", "Object", "Output",
    "Over", "Part", "Scaled", "Scorer", "Similarity", "Sum", "Target", "Tempered", "Token", "TopK", "action", "answer",
    "border", "box", "contrast", "detected", "each", "fixed", "log_probability", "mean", "neuron", "output", "point",
    "probability", "region", "repeated", "resolve", "score", "similarity", "sum", "temperature", "token", "top", "topk",
    "total", "with_index", "with_names", "within",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__


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


def contrast(a: AnyTarget, b: AnyTarget) -> Contrast:
    """Explain what speaks for ``a`` rather than for ``b``: the difference of their scores."""
    return Contrast(_one(a), _one(b))


def sum(*targets: AnyTarget) -> Sum:  # noqa: A001 - read as ``targets.sum``, beside ``targets.mean``
    """Explain the sum of several targets' scores; ``total`` is the same function for ``from ... import``."""
    if not targets:
        raise TargetError("sum() needs at least one target.")
    return Sum(tuple(_one(t) for t in targets))


total = sum


def score(target: AnyTarget) -> Target:
    """Return the score of a class as an object: ``score("crack") - 0.5 * score("pore")``.

    Examples
    --------
    >>> (score(3) - 0.5 * score(5)).describe()
    'class 3 against 0.5 x class 5'
    """
    if target is None:
        raise TargetError("score() needs a class; leave target out for the top one.")
    return _one(target)


def output(index: int = 0) -> Output:
    """Explain one number of a regression output."""
    return Output(index)


def action(index: int | Sequence[int] | None = None) -> Action:
    """Explain an action: its logit or Q value in an output ``(B, actions)``; None is the one that is best at the input.

    A policy's probability of it is ``probability(action(2))``.
    """
    if index is None or isinstance(index, int):
        return Action(None if index is None else (index,))
    return Action(tuple(int(i) for i in index))


def topk(k: int) -> TopK:
    """Explain the sum of the ``k`` largest logits: of the classes that are on top for the input as it is.

    Methods that run changed copies of the input keep to these classes.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise TargetError(f"topk() takes the number of classes, 1 or more; it cannot be {k!r}.")
    return TopK(k)


def probability(target: AnyTarget, temperature: float = 1.0) -> Tempered:
    """Explain a probability: the softmax, for binary outputs the sigmoid, of the logits divided by ``temperature``.

    ``target`` is anything that reads classes: a class, a contrast, a mean over a mask (the mean probability there). The
    gradient of a probability near 1 is close to 0; :func:`log_probability` keeps it. Of LRP, relevance begins as logit
    times gradient, whose sum is not the probability.

    Raises
    ------
    TargetError
        If the temperature is not above 0, or the target reads no classes.
    """
    return _tempered(target, temperature, log=False)


def log_probability(target: AnyTarget, temperature: float = 1.0) -> Tempered:
    """Explain the logarithm of a probability; else as :func:`probability`."""
    return _tempered(target, temperature, log=True)


def temperature(target: AnyTarget, temperature: float) -> Tempered:
    """Explain a class against all others at a temperature: its log-probability, softened by dividing the logits."""
    return _tempered(target, temperature, log=True)


def _tempered(target: AnyTarget, temperature: float, *, log: bool) -> Tempered:
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
        raise TargetError(f"A temperature is a number above 0; it cannot be {temperature!r}.")
    inner = score(target)
    for t in within(inner):
        part: Any = t
        elsewhere = getattr(part, "whole", False) or getattr(part, "at_layer", None) is not None
        if elsewhere or isinstance(part, Tempered | Token | Answer):
            raise TargetError(
                f"There is no probability of '{t.describe()}': it does not read one score for each class."
            )
    return Tempered(inner, float(temperature), log)


def with_names(target: Any, classes: Sequence[str]) -> Any:
    """Return the target with class names replaced by their indices, in nested targets as well.

    Raises
    ------
    TargetError
        For an unknown name, with the nearest ones.
    """
    known = list(classes)

    def index(name: str) -> int:
        if name not in known:
            raise TargetError(f"The model has no class '{name}'. {nearest(name, known, label='Classes')}")
        return known.index(name)

    if isinstance(target, str):
        return index(target)
    if isinstance(target, Each):
        return Each(tuple(with_names(t, classes) for t in target.targets))
    if isinstance(target, list | tuple):
        return [index(t) if isinstance(t, str) else t for t in target] if str in map(type, target) else target
    return with_index(target, index)


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
