"""From a forward to the scores of targets: which tensor each target reads, and where its relevance begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.captured import wide
from matxai.engine.failing import NotFiniteError
from matxai.engine.nested import tensors_in
from matxai.engine.output import explained, scores_of
from matxai.engine.targets import Each, Scorer, fixed, within
from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matxai.engine.capture import Capture
    from matxai.engine.plan import Plan
    from matxai.engine.targets import AnyTarget, Target


def layers_read(target: AnyTarget | Each) -> list[str]:
    """Return the names of the layers whose output a target reads."""
    return list(dict.fromkeys(t.at_layer for t in _all(target) if getattr(t, "at_layer", None) is not None))


def reads_scores(target: AnyTarget | Each) -> bool:
    """Whether a target reads the model's scores, so that the output must say which tensor holds them."""
    return any(_reads_scores(t) for t in _all(target))


def nonlinear(plan: Plan, targets: Iterable[Target]) -> list[str]:
    """Return a note for each target whose relevance cannot make its score, where relevance is asked for."""
    return [
        f"{t.describe()} is no sum of logits: its relevance begins as logit times gradient, which is not the score"
        for t in targets
        if plan.composites and not all(getattr(p, "linear", True) for p in within(t))
    ]


def _all(target: Any) -> list[Any]:
    if isinstance(target, Each):
        return [t for inner in target.targets for t in _all(inner)]
    if callable(target) and not hasattr(target, "score"):
        return [Scorer(target)]
    return list(within(target))


def _parts(target: Any) -> tuple[Target, ...]:
    parts = getattr(target, "parts", None)
    return tuple(parts()) if callable(parts) else ()


def _reads_scores(target: Any) -> bool:
    return not _parts(target) and not getattr(target, "whole", False) and getattr(target, "at_layer", None) is None


@dataclass
class Sources:
    """What the targets of one run read.

    Attributes
    ----------
    result
        What the model returned.
    logits
        The scores in it, in float32 at least, None where no target reads them.
    layers
        Outputs of layers that targets read.
    batch
        The number of samples.
    """

    result: Any
    logits: Tensor | None
    layers: dict[str, Tensor]
    batch: int
    _value: int | None = None
    _values: dict[str, int] = field(default_factory=dict)
    _of_result: tuple[int, ...] = ()

    def score(self, target: Target) -> Tensor:
        """Return a target's score (B,).

        Raises
        ------
        TargetError
            If it gives anything else.
        """
        score = self._score(target)
        if not isinstance(score, Tensor) or score.shape != (self.batch,):
            got = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
            raise TargetError(
                f"The target '{target.describe()}' gives {got}; it must give one score a sample, ({self.batch},)."
            )
        if not self._of_finite_logits(target) and not bool(torch.isfinite(score).all()):
            raise TargetError(
                f"The score of {target.describe()} is NaN or infinite for this input; nothing to explain."
            )
        return score

    @staticmethod
    def _of_finite_logits(target: Target) -> bool:
        return all(_reads_scores(t) or _parts(t) for t in within(target))

    def _score(self, target: Target) -> Tensor:
        if self._one_source(target):
            return target.score(self._source(target))
        joined: Any = target
        done: Target = joined.over(lambda t: _Known(self._score(t), t.describe()))
        return done.score(self.logits)

    def fixed(self, target: Target) -> Target:
        """Return a target that means for other inputs what it means for this one."""
        if self._one_source(target):
            return fixed(target, self._source(target))
        joined: Any = target
        found: Target = joined.over(self.fixed)
        return found

    def start(self, capture: Capture, targets: Iterable[Target]) -> int | None:
        """Return the value of the trace where relevance of the targets' scores begins; None where none is known.

        Of several values, such as a layer's output and the logits, it is one that an operation at the end makes of all.
        """
        found: list[int] = []
        for t in (t for target in targets for t in within(target)):
            layer = getattr(t, "at_layer", None)
            if layer is not None:
                found += [self._values[layer]] if layer in self._values else []
            elif getattr(t, "whole", False):
                found += self._of_result
            elif _reads_scores(t) and self._value is not None:
                found.append(self._value)
        starts = tuple(dict.fromkeys(found))
        return starts[0] if len(starts) == 1 else capture.joined(starts) if starts else None

    @staticmethod
    def _one_source(target: Target) -> bool:
        leaves = [t for t in within(target) if not _parts(t)]
        return (len(leaves) == 1 and leaves[0] is target) or all(_reads_scores(t) for t in leaves)

    def _source(self, target: Target) -> Any:
        layer = getattr(target, "at_layer", None)
        if layer is not None:
            return self.layers[layer]
        return self.result if getattr(target, "whole", False) else self.logits


@dataclass(frozen=True, eq=False)
class _Known:
    """The score of a part that was worked out from what that part reads."""

    value: Tensor
    words: str

    def score(self, _output: Any) -> Tensor:
        return self.value

    def describe(self) -> str:
        return self.words


def sources(
    capture: Capture | None,
    result: Any,
    target: AnyTarget | Each,
    output: str | None,
    layers: dict[str, Tensor],
    batch: int,
) -> tuple[Sources, str]:
    """Return what targets read after a forward, and a note where an activation was taken off the scores.

    Without a capture nothing is known of how the result came about, and it is taken as it is.

    Raises
    ------
    TargetError
        If the output does not say which tensor holds the scores, or has no entry for each sample.
    ModelError
        If the scores are not finite.
    """
    required = reads_scores(target)
    found = scores_of(result, output, required=required)
    known = (lambda _: None) if capture is None else capture.value
    values = {n: v.id for n, t in layers.items() if (v := known(t)) is not None}
    of_result = tuple(v.id for t in tensors_in(result) if (v := known(t)) is not None)
    wide_layers = {n: wide(t) for n, t in layers.items()}
    if found is None or not required:
        return Sources(result, found, wide_layers, batch, None, values, of_result), ""
    logits, value, note = (found, None, "") if capture is None else explained(capture, found)
    if not bool(torch.isfinite(logits).all()):
        raise NotFiniteError
    if logits.ndim == 0 or len(logits) != batch:
        raise TargetError(f"The output is {tuple(logits.shape)}; it needs one entry for each of {batch} samples.")
    return Sources(result, wide(logits), wide_layers, batch, value, values, of_result), note
