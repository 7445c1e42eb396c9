"""A model's own architecture trained from random weights on signals as its own preprocessing gives them.

This is the recipe that ``matxai leakage --remedy DIR --retrain recipe`` finds by its entry point.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from matxai.errors import Cancelled, ModelError
from matxai.modelcard.prepared import Prepared
from matxai.modelcard.recipes import untrained
from matxai_models.fitting import cross_entropy, descend

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from matxai import Model
    from matxai.checks import LabelledSet

BATCH, STEPS = 32, 160
EPOCHS = (8, 40)
"""Fewest and most: as many as make :data:`STEPS` steps, between these."""
RATE, RATE_WITHOUT_NORM = 4e-3, 5e-4
_NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d,
)  # fmt: skip


def retrain(
    model: Model,
    data: LabelledSet,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: Any = None,
) -> Model | str:
    """Train a network of a classifier's architecture on a labelled set; a :class:`matxai.modelcard.recipes.Recipe`.

    The schedule is fixed by the size of the set: epochs that make about 160 steps of 32 signals, 8 at least and 40 at
    most, with AdamW and one cycle of the learning rate. Nothing is mirrored or turned: which symmetries the classes
    have, nobody said.

    Parameters
    ----------
    model
        Its architecture, preprocessing and classes are kept; it stays as it is.
    data
        What it is trained on.
    seed
        Of weights, order and dropout; torch's own generator is left as it was.
    progress, cancel
        As everywhere.

    Returns
    -------
    Model or str
        The model with its new network, where the old one is; or why it cannot be trained.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    if model.task != "classification":
        return f"It was not trained again: the recipe is for classifiers, and '{model.name}' is for {model.task}."
    if model.activation != "none":
        return (
            f"It was not trained again: the recipe fits logits, and '{model.name}' gives scores behind a "
            f"{model.activation}."
        )
    if len(data.present) < 2:
        return f"It was not trained again: {len(data)} signals of one class teach nothing."
    device = next((p.device for p in model.module.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            module = untrained(model).to(device)
        except ModelError as reason:
            return f"It was not trained again: {reason}"
        inputs = Prepared(model, data)
        why = _unfit(module, inputs, len(model.classes), device)
        if why:
            return f"It was not trained again: {why}"

        def batch(chosen: NDArray[np.int64], _rng: np.random.Generator) -> tuple[Tensor, Tensor]:
            if cancel is not None and cancel.is_set():
                msg = "Cancelled while a network was trained; nothing of it is left."
                raise Cancelled(msg)
            return inputs[chosen].to(device), torch.from_numpy(data.labels[chosen]).to(device)

        descend(
            module,
            len(data),
            batch,
            cross_entropy,
            epochs=epochs_for(len(data)),
            seed=seed,
            batch=BATCH,
            rate=rate_for(module),
            progress=progress,
        )
    return dataclasses.replace(
        model, module=module.eval(), name=f"{model.name}, trained again", origin=None, sha256=None
    )


def epochs_for(count: int) -> int:
    """Return how often each of ``count`` signals is seen.

    Examples
    --------
    >>> epochs_for(40), epochs_for(320), epochs_for(100_000)
    (40, 16, 8)
    """
    few, many = EPOCHS
    return int(np.clip(-(-STEPS // -(-count // BATCH)), few, many))


def rate_for(module: nn.Module) -> float:
    """Return the largest rate of the cycle: networks without any normalisation diverge at what others need."""
    return RATE if any(isinstance(part, _NORMS) for part in module.modules()) else RATE_WITHOUT_NORM


def _unfit(module: nn.Module, inputs: Prepared, classes: int, device: torch.device) -> str:
    """Why a network does not take these inputs or gives no score for each class; empty where it does."""
    module.eval()
    try:
        x = inputs[[0, len(inputs) - 1]].to(device)
        with torch.inference_mode():
            found = module(x)
    except ModelError as reason:
        return str(reason)
    except (RuntimeError, AssertionError) as reason:  # what networks raise for a size that they do not take
        return f"its network does not take inputs of {tuple(x.shape[1:])} ({str(reason).splitlines()[0]})."
    if not isinstance(found, Tensor) or found.shape != (len(x), classes):
        return f"its network gives no score for each of the {classes} classes."
    return ""
