"""Classes in a model's output: which axis holds them, whether it is binary, and what names and indices mean there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from matxai.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def nameless(name: str) -> str:
    """Return what is said of a class's name where the model comes without names."""
    return f"The target '{name}' is a name, but the model comes without class names: give an index."


def per_sample(index: Sequence[int], output: Tensor) -> list[int]:
    """Return one class for each sample from one for all, or one for each."""
    if len(index) == 1:
        return [index[0]] * len(output)
    if len(index) != len(output):
        msg = f"There are {len(index)} targets for {len(output)} samples; give one for all, or one for each."
        raise TargetError(msg)
    return list(index)


def is_binary(output: Tensor) -> bool:
    """Whether an output holds one score a sample or position: that of the positive class."""
    return output.ndim == 1 or output.shape[1] == 1


def positive(output: Tensor) -> Tensor:
    """Return the score of the positive class without an axis for classes."""
    return output if output.ndim == 1 else output[:, 0]


def signs(chosen: Sequence[int], output: Tensor) -> Tensor:
    """Return +1 for the positive and -1 for the negative class of a binary output, (B,)."""
    for k in chosen:
        if k not in (0, 1):
            msg = f"The output {shape(output)} is binary: its classes are 0 and 1, there is no class {k}."
            raise TargetError(msg)
    return torch.tensor([1.0 if k else -1.0 for k in chosen], dtype=output.dtype, device=output.device)


def check(index: int, count: int, many: str = "classes", one: str = "class") -> None:
    """Raise if there is no class of this index, or whatever else is counted."""
    if not -count <= index < count:
        raise TargetError(f"The model has {count} {many}, 0 to {count - 1}; there is no {one} {index}.")


def sum_on_top(score: Tensor, where: Tensor, chosen: Sequence[int], sign: Tensor | None) -> Tensor:
    """Return (B,): a class's score summed over the positions where it is on top; an error if there are none."""
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


def shape(output: Tensor) -> str:
    """Return the shape of an output as errors show it."""
    return "(" + ", ".join(str(s) for s in output.shape) + ")"
