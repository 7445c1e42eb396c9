"""Ask the model again with a region changed: in the file's own pixels, before the model's preprocessing, in batches.

These are the plain questions: scores of signals, of one signal with regions filled. What compares them with controls is
:func:`matxai.checks.perturb`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import as_classes, chunk_size, evaluating, probabilities, raw_scores, run_batch, stop_if_set
from matxai.checks.fills import fills
from matxai.checks.fills.ground import Ground
from matxai.checks.fills.spot import Spot, checked
from matxai.checks.readings import Perturbed
from matxai.errors import ModelError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    import xarray as xr

    from matxai.modelcard import Model

__all__ = [
    "Perturbed", "class_scores", "dense_output", "detected", "evaluating", "filled_signal", "ground_of",
    "scores_of_prepared", "scores_when_filled",
]  # fmt: skip


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
    prepared = (model.preprocessing.apply(np.asarray(s.values)[None], s) for s in signals)
    return _asked(model, _batches(prepared, chunk_size(model, 1)), mask, cancel)


def scores_of_prepared(model: Model, batch: torch.Tensor) -> Perturbed:
    """Return what a model says of inputs that are prepared already, ``(B, C, *spatial)``, all in one pass.

    For dense outputs each class's logit is its mean over all positions, as in :func:`class_scores`.

    Raises
    ------
    ModelError
        If the inputs do not fit the model.
    """
    import torch

    return _asked(model, torch.split(batch, model.batch or len(batch)), None, None)


def dense_output(model: Model, signal: xr.DataArray) -> torch.Tensor | None:
    """Return the class on top at every position ``(*spatial)`` for a dense model, None for a classifier."""
    import torch

    with evaluating(model.module), torch.inference_mode():
        batch = model.preprocessing.apply(np.asarray(signal.values)[None], signal)
        logits = as_classes(raw_scores(model, run_batch(model, batch)))
    return None if logits.ndim == 2 else logits[0].argmax(0).cpu()


def detected(model: Model, signal: xr.DataArray, target: int, name: str = "the signal") -> int:
    """Return the number of the surest box of a class that a detector finds in a signal.

    Raises
    ------
    TargetError
        If it finds none.
    """
    import torch

    from matxai.engine.targets.detections import detections

    with evaluating(model.module), torch.inference_mode():
        found = detections(run_batch(model, model.preprocessing.apply(np.asarray(signal.values)[None], signal)))[0]
    own = [i for i, label in enumerate(found["labels"].tolist()) if label == target]
    if not own:
        what = model.classes[target] if target < len(model.classes) else str(target)
        msg = f"The model finds no '{what}' in {name}: there is no box to ask about."
        raise TargetError(msg)
    scores = found["scores"].tolist()
    return max(own, key=lambda i: scores[i])


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
    seed: int | Sequence[int] = 0,
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
    donor: xr.DataArray | None = None,
    cancel: Any = None,
) -> Perturbed:
    """Fill each region in its own copy of the signal and run the model on all copies, prepared in batches.

    Parameters are those of :func:`filled_signal` and :func:`class_scores`; copy ``i`` draws from seed ``seed + i``.
    """
    ground, kind = ground_of(signal, donor), fills[fill]

    def batches() -> Iterator[torch.Tensor]:
        size = chunk_size(model, ground.values.size)
        for first in range(0, len(masks), size):
            chosen = masks[first : first + size]
            copies = np.repeat(ground.original[None], len(chosen), axis=0)
            for number, (copy, one) in enumerate(zip(copies, chosen, strict=True), start=seed + first):
                spot = Spot.of(one, ground.shape)
                ground.put(copy, spot, kind.of(ground, spot, np.random.default_rng(number)))
            yield model.preprocessing.apply(copies, signal)

    return _asked(model, batches(), mask, cancel)


def _asked(model: Model, batches: Iterable[torch.Tensor], mask: torch.Tensor | None, cancel: Any) -> Perturbed:
    import torch

    parts = []
    with evaluating(model.module), torch.inference_mode():
        for batch in batches:
            stop_if_set(cancel)
            raw = raw_scores(model, run_batch(model, batch)).double().cpu()
            both = [as_classes(raw), probabilities(model, raw)]
            if raw.ndim > 2:
                inside = slice(None) if mask is None else mask.flatten().cpu()
                both = [part.flatten(2)[:, :, inside].mean(2) for part in both]
            logits, probability = both
            parts.append(Perturbed(logits.numpy(), logits.argmax(1).numpy(), probability.numpy()))
    if not parts:
        raise ModelError("No signal was given to the model.")
    return Perturbed.joined(parts)


def _batches(samples: Iterable[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    """Join samples of one size into batches; another size begins another batch."""
    import torch

    chunk: list[torch.Tensor] = []
    for sample in samples:
        if chunk and (len(chunk) == size or sample.shape != chunk[0].shape):
            yield torch.cat(chunk)
            chunk = []
        chunk.append(sample)
    if chunk:
        yield torch.cat(chunk)
