"""Targets in detections: what a detector returns as a list with boxes, labels and scores for each sample.

As in torchvision: ``[{"boxes": (M, 4), "labels": (M,), "scores": (M,)}, ...]``, corners as x1, y1, x2, y2. Scores keep
their gradient through the removal of overlapping boxes, which only chooses among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from matxai.engine.targets.protocol import Part, Target
from matxai.errors import TargetError

KEYS = ("boxes", "labels", "scores")


@dataclass(frozen=True)
class Detected(Part):
    """The score of one detected box of each sample. See :func:`matxai.targets.detected`."""

    index: tuple[int, ...]
    whole = True
    linear = False

    def score(self, output: Any) -> Tensor:
        """Return (B,)."""
        return torch.stack([d["scores"][k] for d, k in self._chosen(output)])

    def _chosen(self, output: Any) -> list[tuple[Mapping[str, Tensor], int]]:
        samples = detections(output)
        if len(self.index) not in (1, len(samples)):
            msg = f"There are {len(self.index)} boxes for {len(samples)} samples; give one for all, or one for each."
            raise TargetError(msg)
        index = self.index * len(samples) if len(self.index) == 1 else self.index
        for number, (d, k) in enumerate(zip(samples, index, strict=True)):
            if not 0 <= k < len(d["scores"]):
                msg = (
                    f"Sample {number} has {len(d['scores'])} detected box(es), so there is no box {k}; lower the "
                    f"detector's own score threshold to see more, or choose another sample."
                )
                raise TargetError(msg)
        return list(zip(samples, index, strict=True))

    def fixed(self, output: Any) -> Target:
        """Return the object that the box lies on now, wherever the boxes of another output come in their order."""
        chosen = self._chosen(output)
        boxes = torch.stack([d["boxes"][k].detach() for d, k in chosen])
        labels = torch.stack([d["labels"][k].detach() for d, k in chosen])
        return Object(boxes, labels, self.describe())

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch."""
        return self if len(self.index) == 1 else Detected(self.index * count)

    def describe(self) -> str:
        """Return ``"detected box 0"``."""
        return f"detected box {', '.join(map(str, dict.fromkeys(self.index)))}"


@dataclass(frozen=True, eq=False)
class Object(Part):
    """How well a sample's detections still show one object: the largest IoU x score among those of its label.

    After D-RISE (Petsiuk et al. 2021, arXiv:2006.03204, eq. 3), for detectors that return one label and score for each
    box. Without a detection of that label, or with none that overlaps, the score is 0.

    Parameters
    ----------
    boxes
        (B, 4), one for each sample.
    labels
        (B,).
    words
        For people.
    """

    boxes: Tensor
    labels: Tensor
    words: str
    whole = True
    linear = False

    def score(self, output: Any) -> Tensor:
        """Return (B,); the gradient is that of the score, the overlap is a weight."""
        samples = detections(output)
        if len(samples) != len(self.boxes):
            msg = f"There are objects in {len(self.boxes)} samples; the output has {len(samples)}."
            raise TargetError(msg)
        found = []
        for d, box, label in zip(samples, self.boxes, self.labels, strict=True):
            weights = overlap(d["boxes"].detach(), box.to(d["boxes"])) * (d["labels"] == label.to(d["labels"].device))
            matched = d["scores"] * weights
            found.append(matched.max() if len(matched) else d["scores"].sum())
        return torch.stack(found)

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch."""
        return Object(self.boxes.repeat(count, 1), self.labels.repeat(count), self.words)

    def describe(self) -> str:
        """Return the words of what it was made from."""
        return self.words


@dataclass(frozen=True)
class Count(Part):
    """How many boxes a detector finds in each sample. It has no gradient: for runs that only predict."""

    whole = True
    linear = False

    def score(self, output: Any) -> Tensor:
        """Return (B,)."""
        return torch.tensor([float(len(d["scores"])) for d in detections(output)])

    def describe(self) -> str:
        """Return ``"the number of boxes"``."""
        return "the number of boxes"


def detected(index: int | list[int] = 0) -> Detected:
    """Explain the score of a detected box: by default each sample's best.

    Methods that run changed copies of the input follow the object: the overlap (IoU) of its box with the copy's boxes
    of the same label weighs their scores, as in D-RISE.

    Parameters
    ----------
    index
        The box in the order in which the detector returns them, best first; a list has one for each sample.
    """
    return Detected((index,) if isinstance(index, int) else tuple(int(i) for i in index))


def detections(output: Any) -> list[Mapping[str, Tensor]]:
    """Return a detector's output, one mapping for each sample.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    if isinstance(output, list | tuple) and output and all(
        isinstance(d, Mapping) and all(isinstance(d.get(k), Tensor) for k in KEYS) for d in output
    ):  # fmt: skip
        return list(output)
    raise TargetError(
        f"A detected box needs an output with {', '.join(KEYS)} for each sample, as torchvision's detectors return"
        f" them; this one is a {type(output).__name__}."
    )


def overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """Return the intersection over union of each of (M, 4) boxes with one (4,)."""
    low, high = torch.maximum(boxes[:, :2], box[:2]), torch.minimum(boxes[:, 2:], box[2:])
    common = (high - low).clamp(min=0).prod(1)
    areas, area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    union = areas + area - common
    return torch.where(union > 0, common / union.clamp(min=torch.finfo(union.dtype).tiny), torch.zeros_like(union))
