"""`predict`: what a model says about one signal before anything is explained: every class's score, or its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.modelcard import Model
    from matxai.modelcard.placement import Placement


@dataclass(frozen=True)
class Box:
    """One detected object.

    Parameters
    ----------
    index
        Its place in the detector's order, as ``matxai.targets.detected`` takes it.
    name
        Its class.
    score
        The detector's own.
    low, high
        Its corners in pixels of the signal, along each of its axes; pixel centres are whole numbers.
    """

    index: int
    name: str
    score: float
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a signal.

    Parameters
    ----------
    scores
        A record for each class, the one on top first: ``class``, ``index``, ``logit``, and where there is one
        ``probability`` and (dense outputs) the ``share`` of positions where it is on top. Empty for detectors.
    boxes
        Of detectors, in their order; empty for the others.
    notes
        What was decided on the way.
    """

    scores: tuple[dict[str, Any], ...]
    boxes: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()


def predict(
    model: Model, signal: xr.DataArray, *, output: str | None = None, device: Any = None, cancel: Any = None
) -> Prediction:
    """Return what a model says about one signal: one forward, no graph.

    Parameters
    ----------
    model
        As loaded.
    signal
        One image, stack or spectrum, as :func:`matxai.read` returns it.
    output, device, cancel
        As in :func:`matxai.attribute`.

    Raises
    ------
    ModelError, SignalError
        If the signal does not fit the model.
    Cancelled
        If ``cancel`` was set.

    Examples
    --------
    >>> import torch, numpy as np
    >>> from matxai.modelcard import load_model
    >>> from matxai.signals import labelled
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> model = load_model(net, name="net", kind="2d", channels=1, classes=["crack", "pore"])
    >>> found = predict(model, labelled(np.eye(8), ("y", "x")))
    >>> sorted(row["class"] for row in found.scores)
    ['crack', 'pore']
    """
    from matxai.engine import merge, run
    from matxai.engine.targets.detections import Count
    from matxai.explanation.scores import top_scores

    prepared = model.preprocessing.prepare(signal)
    model.check_fits(tuple(prepared.tensor.shape))
    target = Count() if model.task == "detection" else None
    captured = run(model.module, prepared.tensor, merge([]), target=target, output=output, device=device, cancel=cancel)
    boxes: Sequence[Box] = ()
    if captured.logits is None:
        boxes = _boxes(captured.output, model.classes, prepared.placement)
    scores = top_scores(captured.logits, model.classes, model.task, model.activation, most=None)
    return Prediction(tuple(scores), tuple(boxes), tuple(dict.fromkeys([*prepared.notes, *captured.notes])))


def _boxes(output: Any, classes: Sequence[str], placement: Placement) -> list[Box]:
    from matxai.engine.targets.detections import KEYS, detections

    (found,) = detections(output)
    boxes, labels, scores = (found[k].detach().double().cpu().numpy() for k in KEYS)
    result = []
    for number, (box, label, score) in enumerate(zip(boxes, labels.astype(int), scores, strict=True)):
        x1, y1, x2, y2 = (float(v) for v in box)
        # edges in the network's pixels -> centres of the outermost pixels -> where these lie in the signal
        low = [float(m.at(v)) for m, v in zip(placement.axes, (y1, x1), strict=True)]
        high = [float(m.at(v - 1.0)) for m, v in zip(placement.axes, (y2, x2), strict=True)]
        low, high = np.minimum(low, high).tolist(), np.maximum(low, high).tolist()
        name = classes[label] if 0 <= label < len(classes) else str(label)
        result.append(Box(number, name, float(score), tuple(low), tuple(high)))
    return result
