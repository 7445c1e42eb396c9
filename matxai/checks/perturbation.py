"""Ask the model again with a region changed: in the file's own pixels, before the model's preprocessing, in batches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.fills import fills
from matxai.checks.fills.ground import Ground
from matxai.checks.fills.spot import Spot, checked
from matxai.errors import Cancelled, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    import xarray as xr

    from matxai.modelcard import Model

_CHUNK = 16


@dataclass(frozen=True, eq=False)
class Perturbed:
    """What a model said of changed signals.

    Parameters
    ----------
    scores
        Logits ``(n, classes)``; for dense outputs the mean logit of each class over the reference mask.
    top
        The class on top for each, ``(n,)``.
    """

    scores: npt.NDArray[np.float64]
    top: npt.NDArray[np.int64]


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


def _run(model: Model, batch: torch.Tensor) -> torch.Tensor:
    """What a model says of a prepared batch, where the model lives: logits of every class, ``(B, K, ...)``."""
    from matxai.engine import devices
    from matxai.engine.output import scores_of

    scores = scores_of(model.module(batch.to(devices.of(model.module) or batch.device)), None)
    if scores is None:
        msg = f"The model '{model.name}' returns no tensor of scores."
        raise ModelError(msg)
    return _as_classes(scores, model.activation)


def _as_classes(logits: torch.Tensor, activation: str) -> torch.Tensor:
    """Logits ``(B, K, ...)``: a lone positive class gets its negative beside it, probabilities become logits again."""
    import torch

    if logits.ndim == 1:
        logits = logits[:, None]
    if activation == "softmax":
        logits = torch.log(logits.clamp_min(1e-12))
    elif activation == "sigmoid":
        logits = torch.logit(logits, eps=1e-7)
    if logits.shape[1] == 1:
        logits = torch.cat([-logits, logits], dim=1)
    return logits


def class_scores(
    model: Model,
    signals: Iterable[xr.DataArray],
    *,
    mask: torch.Tensor | None = None,
    cancel: Any = None,
) -> Perturbed:
    """Run a model on signals, the whole preprocessing included.

    Parameters
    ----------
    model
        As loaded from its card.
    signals
        Each one input of the model; they are prepared and run in chunks, so an iterator costs no memory.
    mask
        For dense outputs: boolean ``(*spatial)`` of the output; scores are means over it. Without it, over everything.
    cancel
        Anything with ``is_set()``; asked between chunks.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    ModelError
        If no signal was given.
    TargetError
        If the model's output has no tensor of scores, or several and none is named as such.
    """
    import torch

    scores, tops = [], []
    with evaluating(model.module), torch.inference_mode():
        for chunk in _chunks(signals, model.batch or _CHUNK):
            if cancel is not None and cancel.is_set():
                msg = "Cancelled while the model was asked again about changed images."
                raise Cancelled(msg)
            tensors = [model.preprocessing.prepare(s).tensor for s in chunk]
            # a program that was exported for a fixed batch gets its last one filled up; the surplus is dropped
            tensors += [tensors[-1]] * ((model.batch or len(tensors)) - len(tensors))
            batch = torch.cat(tensors)
            model.check_fits(tuple(batch.shape))
            logits = _run(model, batch)[: len(chunk)].double().cpu()
            if logits.ndim > 2:
                flat = logits.flatten(2)
                logits = flat.mean(2) if mask is None else flat[:, :, mask.flatten()].mean(2)
            scores.append(logits.numpy())
            tops.append(logits.argmax(1).numpy())
    if not scores:
        msg = "No signal was given to the model."
        raise ModelError(msg)
    return Perturbed(np.concatenate(scores), np.concatenate(tops))


def scores_of_prepared(model: Model, batch: torch.Tensor) -> Perturbed:
    """Return what a model says of inputs that are prepared already, ``(B, C, *spatial)``, all in one pass.

    For dense outputs each class's logit is its mean over all positions, as in :func:`class_scores`.

    Raises
    ------
    ModelError
        If the inputs do not fit the model.
    """
    import torch

    size = model.batch or len(batch)
    scores = []
    with evaluating(model.module), torch.inference_mode():
        for part in torch.split(batch, size):
            filled = torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])
            model.check_fits(tuple(filled.shape))
            logits = _run(model, filled)[: len(part)].double().cpu()
            scores.append(logits.flatten(2).mean(2) if logits.ndim > 2 else logits)
    found = torch.cat(scores)
    return Perturbed(found.numpy(), found.argmax(1).numpy())


def dense_output(model: Model, signal: xr.DataArray) -> torch.Tensor | None:
    """Return the class on top at every position ``(*spatial)`` for a dense model, None for a classifier."""
    import torch

    with evaluating(model.module), torch.inference_mode():
        logits = _run(model, model.preprocessing.prepare(signal).tensor)
    return None if logits.ndim == 2 else logits[0].argmax(0).cpu()


def _chunks(signals: Iterable[Any], size: int) -> Iterator[list[Any]]:
    chunk = []
    for signal in signals:
        chunk.append(signal)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def ground_of(signal: xr.DataArray, donor: xr.DataArray | None = None) -> Ground:
    """Return a signal, and another sample of the same size, as the fills see it.

    Parameters
    ----------
    signal, donor
        Dims ``(*spatial)`` or ``(*spatial, c)``.

    Raises
    ------
    RegionError
        If the donor is of another size.
    """
    spatial = [d for d in signal.dims if d != "c"]
    along = tuple(np.asarray(signal.coords[d].values) for d in spatial if d in signal.coords)
    return Ground.of(
        np.asarray(signal.values),
        spatial=len(spatial),
        donor=None if donor is None else np.asarray(donor.values),
        along=along if len(along) == len(spatial) else (),
    )


def filled_signal(
    signal: xr.DataArray,
    mask: npt.NDArray[np.bool_],
    fill: str,
    seed: int = 0,
    *,
    donor: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return a copy of a signal with a region filled, in the signal's own type and units.

    Parameters
    ----------
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    mask
        Boolean ``(*spatial)``.
    fill
        Name of a fill (``matxai.checks.fills``).
    seed
        For fills that draw.
    donor
        Another sample of the same size, for the fill that takes content from it.

    Raises
    ------
    RegionError
        If the mask is of another size than the signal, empty, or covers everything; if the donor is of another size.
    MethodError
        If there is no such fill, or it is not for such a signal.
    """
    ground = ground_of(signal, donor)
    checked(mask, ground.shape)
    spot = Spot.of(mask)
    patch = fills[fill].of(ground, spot, np.random.default_rng(seed))
    return signal.copy(data=ground.replaced(spot, patch))


def scores_when_filled(
    model: Model,
    signal: xr.DataArray,
    masks: Sequence[npt.NDArray[np.bool_]],
    fill: str,
    *,
    seed: int = 0,
    mask: torch.Tensor | None = None,
    cancel: Any = None,
) -> Perturbed:
    """Fill each region in its own copy of the signal and run the model on all copies.

    Parameters are those of :func:`filled_signal` and :func:`class_scores`; each copy has its own seed.
    """
    copies = (filled_signal(signal, m, fill, seed + i) for i, m in enumerate(masks))
    return class_scores(model, copies, mask=mask, cancel=cancel)
