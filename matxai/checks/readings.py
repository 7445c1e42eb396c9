"""What is read of a model's output when it is asked again: classes, an object of a dense output, a detected box.

A reading is fixed on the untouched signal, so that a changed signal is asked about the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import as_classes, probabilities, raw_scores
from matxai.errors import TargetError

if TYPE_CHECKING:
    import torch

    from matxai.modelcard import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Perturbed:
    """What a model said of changed signals.

    Parameters
    ----------
    scores
        Logits ``(n, classes)``; for dense outputs the mean logit of each class over the reference mask; for detectors
        the largest IoU x score among the boxes of each class.
    top
        The class on top for each, ``(n,)``.
    probabilities
        Of every class, ``(n, classes)``; inside the reference mask for dense outputs, the matched box's score for
        detectors, NaN for a regression. None where nobody asked.
    iou
        Overlap of the predicted object with the one in the untouched signal, ``(n,)``; None for classifiers.
    outside
        Which lie outside what real signals have, ``(n,)``; None where no reference was given.
    """

    scores: Floats
    top: npt.NDArray[np.int64]
    probabilities: Floats | None = None
    iou: Floats | None = None
    outside: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Any) -> Perturbed:
        """Return some of the rows."""
        parts = (self.scores, self.top, self.probabilities, self.iou, self.outside)
        return Perturbed(*(None if p is None else p[rows] for p in parts))  # type: ignore[arg-type]

    @classmethod
    def joined(cls, parts: list[Perturbed]) -> Perturbed:
        """Return the rows of all parts, which answer one question."""
        columns = zip(*((p.scores, p.top, p.probabilities, p.iou, p.outside) for p in parts), strict=True)
        return cls(*(None if c[0] is None else np.concatenate(c) for c in columns))  # type: ignore[arg-type]


class Reading(Protocol):
    """From a model's output for a batch to one row a sample."""

    @property
    def target(self) -> int:
        """The class that is asked about."""

    def __call__(self, model: Model, output: Any) -> Perturbed:
        """Return what the output says."""


@dataclass(frozen=True)
class Classes:
    """The scores of a classifier or of a regression."""

    target: int

    def __call__(self, model: Model, output: Any) -> Perturbed:
        """Return logits and probabilities of every class."""
        logits = raw_scores(model, output).double()
        return _rows(as_classes(logits), probabilities(model, logits))


@dataclass(frozen=True, eq=False)
class Dense:
    """An object in a dense output: the positions where the untouched signal has the target on top.

    Parameters
    ----------
    target
        Its class.
    where
        Boolean ``(*spatial)`` of the output.
    """

    target: int
    where: torch.Tensor

    def __call__(self, model: Model, output: Any) -> Perturbed:
        """Return means over the object, and how far the object predicted now overlaps it."""
        import torch

        logits = raw_scores(model, output).double()
        classes = as_classes(logits)
        where = self.where.to(classes.device)
        now = classes.argmax(1) == self.target
        common = (now & where).flatten(1).sum(1)
        either = (now | where).flatten(1).sum(1)
        inside = where.flatten()
        rows = _rows(
            classes.flatten(2)[:, :, inside].mean(2), probabilities(model, logits).flatten(2)[:, :, inside].mean(2)
        )
        iou = torch.where(either > 0, common / either.clamp(min=1), torch.zeros_like(common, dtype=torch.double))
        return Perturbed(rows.scores, rows.top, rows.probabilities, iou.double().cpu().numpy())


@dataclass(frozen=True, eq=False)
class Box:
    """A detected box of the untouched signal, found again by class and overlap (D-RISE, Petsiuk et al. 2021).

    Parameters
    ----------
    target
        Its class.
    box
        ``(4,)``: x1, y1, x2, y2.
    classes
        How many classes there are.
    """

    target: int
    box: torch.Tensor
    classes: int

    def __call__(self, model: Model, output: Any) -> Perturbed:  # noqa: ARG002
        """Return for every class the largest IoU x score; score and IoU of that box of the target's own class."""
        from matxai.engine.targets.detections import detections, overlap

        samples = detections(output)
        scores, matched = np.zeros((len(samples), self.classes)), np.zeros((len(samples), self.classes))
        iou = np.zeros(len(samples))
        for row, found in enumerate(samples):
            over = overlap(found["boxes"].detach(), self.box.to(found["boxes"])).double().cpu().numpy()
            score, labels = found["scores"].detach().double().cpu().numpy(), found["labels"].cpu().numpy()
            for label in np.unique(labels[(labels >= 0) & (labels < self.classes)]):
                own = np.flatnonzero(labels == label)
                best = own[np.argmax(over[own] * score[own])]
                scores[row, label] = over[best] * score[best]
                matched[row, label] = score[best] if over[best] > 0 else 0.0
                if label == self.target:
                    iou[row] = over[best]
        return Perturbed(scores, scores.argmax(1).astype(np.int64), matched, iou)


def reading_of(model: Model, output: Any, target: str | int | None = None) -> Reading:
    """Return how a model is read, from its output for the untouched signal alone.

    Parameters
    ----------
    model
        Whose output it is.
    output
        For one sample.
    target
        Name or index of the class; None is the class on top (of a dense output the one on top in most places). For
        detectors the number of the box, 0 (the best) by default.

    Raises
    ------
    TargetError
        If there is no such class or box, or a dense model predicts it nowhere.
    """
    if isinstance(output, list | tuple) and output and isinstance(output[0], dict) and "boxes" in output[0]:
        return _box(model, output, target)
    classes = as_classes(raw_scores(model, output))[0]
    count = len(classes)
    index = _index(model, target, count)
    if classes.ndim == 1:
        return Classes(int(classes.argmax()) if index is None else index)
    top = classes.argmax(0).cpu()
    if index is None:
        index = int(top.flatten().bincount(minlength=count).argmax())
    where = top == index
    if not bool(where.any()):
        name = model.classes[index] if index < len(model.classes) else str(index)
        msg = f"The model predicts class '{name}' nowhere in this signal: there is no object whose score could change."
        raise TargetError(msg)
    return Dense(index, where)


def _index(model: Model, target: str | int | None, count: int) -> int | None:
    if isinstance(target, str):
        from matxai.explanation.scores import class_index

        target = class_index(target, model.classes, model.name)
        # a lone output is the positive class, whose logit stands behind its negative's
        target += 1 if count == 2 and len(model.classes) == 1 else 0
    if target is not None and not 0 <= target < count:
        raise TargetError(f"The model has {count} classes, numbered from 0; there is no class {target}.")
    return target


def _box(model: Model, output: Any, target: str | int | None) -> Box:
    from matxai.engine.targets.detections import detections

    found = detections(output)[0]
    number = 0 if target is None else target
    if isinstance(number, str) or not 0 <= number < len(found["scores"]):
        msg = (
            f"A detector is asked about one of its boxes by number; it has {len(found['scores'])} in this signal, so "
            f"there is no box {target if target is not None else 0}."
        )
        raise TargetError(msg)
    label = int(found["labels"][number])
    count = max(len(model.classes), int(found["labels"].max()) + 1, label + 1)
    return Box(label, found["boxes"][number].detach().cpu(), count)


def _rows(scores: torch.Tensor, probability: torch.Tensor) -> Perturbed:
    values = scores.cpu().numpy()
    return Perturbed(values, values.argmax(1), probability.cpu().numpy())
