"""What the model said: its top classes with logits and probabilities, and the target's place among them."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import TargetError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from matxai.methods import Attribution

TOP = 5
NOWHERE = "is on top nowhere"


def class_name(classes: Sequence[str], index: int, outputs: int) -> str:
    """Return a class's name, or its number where the model has no name for it.

    A single output is the score of the positive class, index 1; index 0 is the negative class.
    """
    if outputs == 1 and len(classes) == 1:
        return classes[0] if index == 1 else f"not {classes[0]}"
    index %= max(outputs, 2)
    return classes[index] if index < len(classes) else str(index)


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
    if isinstance(target, list | tuple | targets.Each):
        several = target.targets if isinstance(target, targets.Each) else target
        found = [resolve_names(t, classes, model) for t in several]
        return found[0] if len(found) == 1 else targets.each(*found)
    return targets.with_names(target, classes) if classes else target


@contextlib.contextmanager
def class_names(classes: Sequence[str], signal: str) -> Iterator[None]:
    """Say errors of targets in the words of a model and its one signal: the engine knows numbers of both alone."""
    try:
        yield
    except TargetError as error:
        known = max(len(classes), 2) if classes else 0

        def named(found: re.Match[str]) -> str:
            index = int(found[2])
            name = class_name(classes, index, len(classes)) if -known <= index < known else found[2]
            return found[0] if name == found[2] else f"{found[1]} '{name}'"

        said = re.sub(r"\b([Cc]lass) (-?\d+)\b", named, str(error)).replace("in sample 0", f"in {signal}")
        if NOWHERE in said:
            advice = "choose another class, or none (no --target) for the class on top; in Python also a region"
            said = said.replace("choose another class, or a region", advice)
        raise TargetError(said) from error


def top_scores(
    logits: torch.Tensor | None, classes: Sequence[str], task: str, activation: str, most: int | None = TOP
) -> list[dict[str, Any]]:
    """Return the top classes with index, logit and probability; for dense outputs also the share of positions.

    Parameters
    ----------
    logits
        Shape ``(1, K)``, ``(1,)``, ``(1, 1)`` (one score: the positive class) or dense ``(1, K, *spatial)``; None where
        the model's output is no single tensor: there are no classes then.
    classes
        Names in the order of the outputs; may be empty.
    task, activation
        Of the model. A regression has values and no probabilities.
    most
        How many at most; None returns all.
    """
    if logits is None:
        return []
    values = logits.detach().double().cpu().numpy()[0]
    values = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(-1, 1)
    k = values.shape[0]
    if task == "regression":
        return [_row(i, class_name(classes, i, k), values[i].mean(), None) for i in range(k)][:most]
    if k == 1:
        positive = 1.0 / (1.0 + np.exp(-values[0]))
        values = values[0]
        rows = [
            _row(1, class_name(classes, 1, 1), values.mean(), positive.mean()),
            _row(0, class_name(classes, 0, 1), -values.mean(), 1 - positive.mean()),
        ]
        values = values[None]
        shares = [float((values[0] > 0).mean()), float((values[0] <= 0).mean())]
    else:
        if activation == "sigmoid":
            probability = 1.0 / (1.0 + np.exp(-values))
        else:
            shifted = np.exp(values - values.max(0))
            probability = shifted / shifted.sum(0)
        rows = [_row(i, class_name(classes, i, k), values[i].mean(), probability[i].mean()) for i in range(k)]
        top = values.argmax(0)
        shares = [float((top == i).mean()) for i in range(k)]
    if values.shape[1] > 1:
        for row, share in zip(rows, shares, strict=True):
            row["share"] = share
    rows.sort(key=lambda r: -(r["share"] if "share" in r else r["logit"]))
    return rows[:most]


def _row(index: int, name: str, logit: float, probability: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"class": name, "index": index, "logit": float(logit)}
    if probability is not None:
        row["probability"] = float(probability)
    return row


def target_records(result: Attribution, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each target of an attribution what it is called, its index where it is one class, and its score.

    Parameters
    ----------
    result
        Of one sample.
    classes
        Names in the order of the outputs; may be empty.
    """
    shape = tuple(getattr(result.logits, "shape", ()))
    outputs = int(shape[1]) if len(shape) > 1 else 1
    scores = result.scores.detach().double().cpu().numpy().reshape(-1)
    found: list[dict[str, Any]] = []
    for words, score in zip(result.target, scores, strict=True):
        one = re.fullmatch(r"(class|output) (-?\d+)", words)
        if one is None:
            named = re.sub(r"\bclass (-?\d+)", lambda m: class_name(classes, int(m[1]), outputs), words)
            found.append({"class": named, "score": float(score)})
            continue
        index = int(one[2]) % (outputs if one[1] == "output" else max(outputs, 2))
        name = class_name(classes, index, outputs) if one[1] == "class" or classes else words
        found.append({"class": name, "index": index, "score": float(score)})
    return found
