"""One batch through a model as it stands: in evaluation mode, where it lives, its output brought to logits by class."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, MatxaiError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from matxai.modelcard import Model

_CHUNK = 16
_VALUES = 2**24


def check_asked(model: Any, seed: Any) -> None:
    """Say whether a question can be put at all: to a loaded model, with a seed that draws.

    Raises
    ------
    ModelError
        If the model is none that was loaded, so that nothing is known of its input and classes.
    MatxaiError
        If the seed is no whole number of 0 or more.
    """
    from matxai.modelcard import Model

    if not isinstance(model, Model):
        msg = (
            f"An object of type {type(model).__name__} is no loaded model: matxai.load_model makes one of a module, a "
            "file or a card."
        )
        raise ModelError(msg)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise MatxaiError(f"A seed is a whole number of 0 or more, not {seed!r}.")


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode and give every part its own mode back."""
    modes = [(m, m.training) for m in module.modules()]
    for part, _ in modes:
        part.training = False  # the flag, not eval(): an exported program refuses the call
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def chunk_size(model: Model, values: int) -> int:
    """Return how many signals of so many values are run at once: as the program insists, else at most sixteen."""
    return model.batch or max(1, min(_CHUNK, _VALUES // max(1, values)))


def stop_if_set(cancel: Any) -> None:
    """Stop where the caller asked to.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled("Cancelled while the model was asked again about changed signals.")


def told_step(progress: Any, cancel: Any, done: int, total: int, label: str, stopped: str) -> None:
    """Tell how far a run is, and stop if the caller asked to.

    Parameters
    ----------
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``; or None.
    done, total, label
        How far it is, and with what.
    stopped
        The sentence of the error.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled(stopped)
    if progress is not None:
        progress(done, total, label)


def run_batch(model: Model, batch: torch.Tensor) -> Any:
    """Return what a model gives for prepared samples ``(B, C, *spatial)``.

    A program that was exported for a fixed batch gets its last one filled up; the surplus is dropped.
    """
    import torch

    from matxai.engine import devices
    from matxai.modelcard.precision import running

    count = len(batch)
    if model.batch and count < model.batch:
        batch = torch.cat([batch, batch[-1:].expand(model.batch - count, *batch.shape[1:])])
    model.check_fits(tuple(batch.shape))
    with running(model):
        output = model.module(batch.to(devices.of(model.module) or batch.device))
    return _first(output, len(batch), count) if count < len(batch) else output


def _first(output: Any, made: int, count: int) -> Any:
    """Drop the surplus rows of whatever a model returned."""
    if isinstance(output, dict):
        return {name: _first(part, made, count) for name, part in output.items()}
    if isinstance(output, list | tuple) and not (len(output) == made and isinstance(output[0], dict)):
        return [_first(part, made, count) for part in output]
    return output[:count]


def raw_scores(model: Model, output: Any) -> torch.Tensor:
    """Return a model's tensor of scores as logits ``(B, K, ...)``, K being 1 for a lone positive class.

    Raises
    ------
    ModelError
        If it returns no tensor of scores.
    TargetError
        If it returns several and none is named as such.
    """
    import torch

    from matxai.engine.output import scores_of

    logits = scores_of(output, None)
    if logits is None:
        raise ModelError(f"The model '{model.name}' returns no tensor of scores.")
    if logits.ndim == 1:
        logits = logits[:, None]
    if model.activation == "softmax":
        logits = torch.log(logits.clamp_min(1e-12))
    elif model.activation == "sigmoid":
        logits = torch.logit(logits, eps=1e-7)
    return logits


def as_classes(logits: torch.Tensor) -> torch.Tensor:
    """Return logits ``(B, K, ...)`` of at least two classes: a lone positive class gets its negative beside it."""
    import torch

    return torch.cat([-logits, logits], dim=1) if logits.shape[1] == 1 else logits


def probabilities(model: Model, logits: torch.Tensor) -> torch.Tensor:
    """Return the probability of each class for logits ``(B, K, ...)`` as :func:`raw_scores` gives them.

    Softmax over the classes; a sigmoid each where the model ends in one; of a lone class the sigmoid and the rest.
    NaN for a regression, whose outputs are no classes.
    """
    import torch

    if model.task == "regression":
        return torch.full_like(as_classes(logits), torch.nan)
    if logits.shape[1] == 1:
        positive = torch.sigmoid(logits)
        return torch.cat([1 - positive, positive], dim=1)
    return torch.sigmoid(logits) if model.activation == "sigmoid" else torch.softmax(logits, dim=1)
