"""What the model said: its top classes with logits and probabilities, and the target's place among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    import torch

    from matxai.methods import Attribution

TOP = 5


def class_name(classes: Sequence[str], index: int) -> str:
    """Return a class's name, or its number where the model has no names."""
    return classes[index] if 0 <= index < len(classes) else str(index)


def class_index(name: str, classes: Sequence[str], model: str) -> int:
    """Return the index of a class by its name, or by its number as text.

    Raises
    ------
    TargetError
        If there is no such class; the nearest names are offered.
    """
    if name in classes:
        return list(classes).index(name)
    folded = [c.casefold() for c in classes]
    if folded.count(name.casefold()) == 1:
        return folded.index(name.casefold())
    if name.isdecimal() and (not classes or int(name) < len(classes)):
        return int(name)
    raise TargetError(f"The model {model} has no class '{name}'. {nearest(name, classes, label='Its classes')}")


def resolve_names(target: Any, classes: Sequence[str], model: str) -> Any:
    """Replace class names in a target by their indices; anything else is handed on as it is.

    A list of several is several targets, each with a map of its own: an explanation is of one signal.
    """
    from matxai.engine import targets

    if isinstance(target, str):
        return class_index(target, classes, model)
    if isinstance(target, list | tuple):
        found = [resolve_names(t, classes, model) for t in target]
        return found[0] if len(found) == 1 else targets.each(*found)
    return target


def top_scores(logits: torch.Tensor, classes: Sequence[str], task: str, activation: str) -> list[dict[str, Any]]:
    """Return the top five classes with index, logit and probability; for dense outputs also the share of positions.

    Parameters
    ----------
    logits
        Shape ``(1, K)``, ``(1,)``, ``(1, 1)`` (one score: the positive class) or dense ``(1, K, *spatial)``.
    classes
        Names in the order of the outputs; may be empty.
    task, activation
        Of the model. A regression has values and no probabilities.
    """
    values = logits.detach().double().cpu().numpy()[0]
    values = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(-1, 1)
    k = values.shape[0]
    if task == "regression":
        return [_row(i, class_name(classes, i), values[i].mean(), None) for i in range(min(k, TOP))]
    if k == 1:
        positive = 1.0 / (1.0 + np.exp(-values[0]))
        names = (classes[0], classes[1]) if len(classes) == 2 else ("0", class_name(classes, 0) if classes else "1")
        rows = [
            _row(1, names[1], values[0].mean(), positive.mean()),
            _row(0, names[0], -values[0].mean(), 1 - positive.mean()),
        ]
        shares = [float((values[0] > 0).mean()), float((values[0] <= 0).mean())]
    else:
        if activation == "sigmoid":
            probability = 1.0 / (1.0 + np.exp(-values))
        else:
            shifted = np.exp(values - values.max(0))
            probability = shifted / shifted.sum(0)
        rows = [_row(i, class_name(classes, i), values[i].mean(), probability[i].mean()) for i in range(k)]
        top = values.argmax(0)
        shares = [float((top == i).mean()) for i in range(k)]
    if values.shape[1] > 1:
        for row, share in zip(rows, shares, strict=True):
            row["share"] = share
    rows.sort(key=lambda r: -(r["share"] if "share" in r else r["logit"]))
    return rows[:TOP]


def _row(index: int, name: str, logit: float, probability: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"class": name, "index": index, "logit": float(logit)}
    if probability is not None:
        row["probability"] = float(probability)
    return row


def target_records(target: Any, result: Attribution, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each target of an attribution what it is called, its index where it is a class, and its score.

    Parameters
    ----------
    target
        As it was handed to the engine: names are indices by then.
    result
        Of one sample.
    classes
        Names in the order of the outputs; may be empty.
    """
    scores = result.scores.detach().double().cpu().numpy().reshape(-1)
    several = getattr(target, "targets", None) if scores.size > 1 or hasattr(target, "targets") else None
    given = list(several) if several is not None else [target]
    if len(given) != scores.size:
        given = [target] * scores.size
    found = []
    for one, score in zip(given, scores, strict=True):
        index = _index(one, result)
        name = class_name(classes, index) if index is not None else str(one)
        row: dict[str, Any] = {"class": name, "score": float(score)}
        if index is not None:
            row["index"] = index
        found.append(row)
    return found


def _index(target: Any, result: Attribution) -> int | None:
    """Return the class that a target is about, where it is one class."""
    if isinstance(target, int | np.integer) and not isinstance(target, bool):
        return int(target)
    if target is None and result.logits.ndim == 2 and result.logits.shape[1] > 1:
        return int(result.logits[0].argmax())
    if target is None and result.logits.numel() == 1:
        return 1
    return None
