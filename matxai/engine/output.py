"""From what a model returns to the scores that are explained: dictionaries, and a softmax or sigmoid at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    from matxai.engine.capture import Capture


def scores_of(result: Any, name: str | None, *, required: bool = True) -> Tensor | None:
    """Return the tensor of scores in a model's output.

    Of a dictionary: what ``name`` says, else ``out``, ``logits``, or the only tensor. Of a tuple or list likewise by
    number, or the first tensor.

    Raises
    ------
    TargetError
        If there is none, or several and no name.
    """
    if isinstance(result, Tensor):
        return result
    if isinstance(result, Mapping):
        tensors = {str(k): v for k, v in result.items() if isinstance(v, Tensor)}
        if name is not None and name not in tensors and required:
            raise TargetError(f"The model's output has no '{name}'. {nearest(name, tensors, label='It has')}")
        chosen = name or next((k for k in ("out", "logits") if k in tensors), None)
        if chosen is None and len(tensors) == 1:
            chosen = next(iter(tensors))
        if chosen in tensors:
            return tensors[chosen]
        if required:
            raise TargetError(
                f"The model's output is a dictionary of {sorted(tensors)}; name one of them with output=."
            )
        return None
    if isinstance(result, tuple | list):
        items = [t for t in result if isinstance(t, Tensor)]
        number = 0 if name is None else int(name) if name.isdigit() else len(items)
        if name is not None and number >= len(items) > 0 and required:
            kind, last = type(result).__name__, len(items) - 1
            raise TargetError(
                f"The model's output is a {kind} of tensors 0 to {last}; output='{name}' is none of them."
            )
        if number < len(items):
            return items[number]
    if required:
        msg = (
            f"The model returns a {type(result).__name__} without a tensor of scores; give target= as a function of it."
        )
        raise TargetError(msg)
    return None


def explained(capture: Capture, scores: Tensor) -> tuple[Tensor, int | None, str]:
    """Return the logits behind the scores, their value in the trace, and a note where an activation was taken off."""
    value = capture.value(scores)
    tail = capture.tail
    if value is None:
        return scores, None, ""
    if tail is not None and tail.value == value.id:
        return tail.logits, tail.source, f"the last operation is a {tail.name}: its input is explained"
    return scores, value.id, ""
