"""From what a model returns to the scores that are explained: dictionaries, and a softmax or sigmoid at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from matxai.engine.nested import entries
from matxai.engine.operations import SCORE_ACTIVATIONS
from matxai.engine.values import Tail
from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.engine.capture import Capture
    from matxai.engine.operations import Row
    from matxai.engine.standins.call import Call


def scores_of(result: Any, name: str | None, *, required: bool = True) -> Tensor | None:
    """Return the tensor of scores in a model's output.

    Of a dictionary, a dataclass or a named tuple: what ``name`` says, else ``out``, ``logits``, or the only tensor. Of
    a tuple or list by number, else the first tensor; of a named tuple too, where no name is known.

    Raises
    ------
    TargetError
        If there is none, or several and no name.
    """
    if isinstance(result, Tensor):
        return result
    inside = entries(result)
    items = [t for t in result if isinstance(t, Tensor)] if isinstance(result, tuple | list) else []
    try:
        if inside is not None and not (items and name is not None and name.isdigit()):
            return _named(inside, name, first=bool(items))
        if items:
            return _numbered(items, name, type(result).__name__)
        found = any(isinstance(r, dict) and "boxes" in r for r in result) if isinstance(result, tuple | list) else False
        raise TargetError(
            f"The model returns a {type(result).__name__} without a tensor of scores; give target= as "
            + ("matxai.targets.detected(0) for its best box, or a function of it." if found else "a function of it.")
        )
    except TargetError:
        if required:
            raise
        return None


def _named(inside: Mapping[str, Any], name: str | None, *, first: bool) -> Tensor:
    """Return one tensor of a dictionary; the first of several without a known name where ``first`` says so."""
    tensors = {k: v for k, v in inside.items() if isinstance(v, Tensor)}
    if name is not None and name not in tensors:
        raise TargetError(f"The model's output has no '{name}'. {nearest(name, tensors, label='It has')}")
    chosen = name or next((k for k in ("out", "logits") if k in tensors), None)
    if chosen is None and tensors and (first or len(tensors) == 1):
        chosen = next(iter(tensors))
    if chosen is not None:
        return tensors[chosen]
    if not tensors:
        raise TargetError(
            f"The model's output is a dictionary of {sorted(inside)} without a tensor of scores; give target= as a"
            f" function of it."
        )
    raise TargetError(f"The model's output is a dictionary of {sorted(tensors)}; name one of them with output=.")


def _numbered(items: list[Tensor], name: str | None, kind: str) -> Tensor:
    number = 0 if name is None else int(name) if name.isdigit() else len(items)
    if number >= len(items):
        raise TargetError(
            f"The model's output is a {kind} of tensors 0 to {len(items) - 1}; output='{name}' is none of them."
        )
    return items[number]


def explained(capture: Capture, scores: Tensor) -> tuple[Tensor, int | None, str]:
    """Return the logits behind the scores, their value in the trace, and a note where an activation was taken off."""
    value = capture.value(scores)
    tail = capture.tail
    if value is None:
        return scores, None, ""
    if tail is not None and tail.value == value.id:
        return tail.logits, tail.source, f"the last operation is a {tail.name}: its input is explained"
    return scores, value.id, ""


def before_activation(run: Capture, row: Row, args: Sequence[Any], target: Tensor | None) -> Tensor | None:
    """Return the input of a softmax or sigmoid that is about to run: it may be what is explained."""
    if row.base not in SCORE_ACTIVATIONS or not args or run.value(args[0]) is None:
        return None
    given = cast("Tensor", args[0])
    return given if target is None else given.clone()  # it is about to be overwritten


def tail_behind(tail: Tail | None, call: Call, live: Sequence[Tensor], logits: Tensor | None) -> Tail | None:
    """Return what may end the model after this call: a softmax or sigmoid, or a view of one that came before."""
    op = call.op
    if not op.outputs:
        return tail
    if logits is not None:
        return Tail(op.output, op.inputs[0], logits, call.row.base.strip("_"))
    if tail is None or op.inputs != (tail.value,) or call.row.kind not in ("view", "select", "interpolate"):
        return tail
    moved = call.function(*(tail.logits if a is live[0] else a for a in call.args), **call.kwargs)
    return Tail(op.output, tail.source, moved, tail.name) if isinstance(moved, Tensor) else tail
