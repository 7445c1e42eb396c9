"""Does a changed signal still look like a real one to the model? Distances to the nearest real ones, by its features.

A filled image whose features lie outside what real images have is answered by guesswork: it is marked and not counted.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import evaluating, run_batch, stop_if_set
from matxai.errors import LayerError, ModelError, OperationError, SignalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch
    import xarray as xr

    from matxai.modelcard import Model

Floats = npt.NDArray[np.float64]
PERCENTILE = 99.0
FEWEST = 10
STATISTICS = "statistics of the input"


@dataclass(frozen=True, eq=False)
class Reference:
    """What real signals look like to a model.

    Parameters
    ----------
    layer
        The layer whose means over space are the features; :data:`STATISTICS` for what has no layers.
    features
        Of the real signals, ``(N, F)``, each feature divided by its deviation among them.
    scale
        That deviation, ``(F,)``.
    distances
        From each real signal to the nearest other one, ``(N,)``.
    limit
        Their 99th percentile: what lies further from every real signal is out of distribution.
    """

    layer: str
    features: Floats
    scale: Floats
    distances: Floats
    limit: float

    @classmethod
    def of(
        cls, model: Model, signals: Iterable[xr.DataArray], *, layer: str | None = None, cancel: Any = None
    ) -> Reference:
        """Return the reference that real signals make, each run through the model once.

        Parameters
        ----------
        model
            As loaded from its card.
        signals
            At least ten; a 99th percentile is one from a hundred on, and the largest distance below.
        layer
            Name of the layer; by default the one that maps are read from. Black boxes have none.
        cancel
            Asked between signals.

        Raises
        ------
        SignalError
            If there are fewer than ten, or all are one and the same to the model.
        LayerError
            If the model has no such layer.
        Cancelled
            If ``cancel`` is set.
        """
        rows = []
        name = layer
        for signal in signals:
            stop_if_set(cancel)
            batch = model.preprocessing.apply(np.asarray(signal.values)[None], signal)
            if name is None:
                name = _layer_of(model, batch)
            rows.append(_run(model, batch, name)[1])
        if len(rows) < FEWEST or name is None:
            msg = f"What real signals look like is told from at least {FEWEST} of them; these are {len(rows)}."
            raise SignalError(msg)
        features = np.concatenate(rows)
        scale, size = features.std(axis=0), np.maximum(np.abs(features).max(axis=0), 1e-12)
        varies = scale > 1e-9 * size  # rounding is no variation
        if not varies.any():
            msg = f"The {len(rows)} real signals are all the same to '{model.name}'; give different ones."
            raise SignalError(msg)
        # a feature that never varies says nothing of real signals until something moves it: then by its own size
        scale = np.where(varies, scale, size)
        features = features / scale
        distances = _nearest(features, features, leave_out=True)
        return cls(name, features, scale, distances, float(np.percentile(distances, PERCENTILE)))

    def __len__(self) -> int:
        return len(self.features)

    def outside(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Return which of ``(n, F)`` lie further from every real signal than real ones lie from each other."""
        return np.asarray(_nearest(features / self.scale, self.features) > self.limit)

    def run(self, model: Model, batch: torch.Tensor) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Return a model's output for a prepared batch, and which of its samples are out of distribution.

        Raises
        ------
        ModelError
            If the features are of another model than the reference's.
        """
        output, features = _run(model, batch, self.layer)
        if features.shape[1] != self.features.shape[1]:
            msg = (
                f"The reference was made with {self.features.shape[1]} features and '{model.name}' gives "
                f"{features.shape[1]}; make it with the same model: Reference.of(model, signals)."
            )
            raise ModelError(msg)
        return output, self.outside(features)


def _nearest(points: Floats, others: Floats, *, leave_out: bool = False) -> Floats:
    """Euclidean distance of each point to the nearest of the others; of the same points, to another one."""
    from scipy.spatial.distance import cdist

    apart = cdist(points, others)
    if leave_out:
        np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def _layer_of(model: Model, batch: torch.Tensor) -> str:
    """Return the layer that maps are read from, else the last but one that ran; no layer for what only predicts."""
    if model.black_box:
        return STATISTICS
    import torch

    from matxai import engine

    if model.batch:
        batch = batch.expand(model.batch, *batch.shape[1:])
    try:
        with torch.inference_mode(mode=False):
            found = engine.layers(model.module, batch.clone())
    except (ModelError, LayerError, OperationError):
        return STATISTICS
    rows = list(found)
    return found.default or (rows[-2].name if len(rows) > 1 else STATISTICS)


def _run(model: Model, batch: torch.Tensor, layer: str) -> tuple[Any, Floats]:
    """Return output and features ``(B, F)`` from one run where hooks fire, else from a second by the engine."""
    import torch

    with evaluating(model.module), torch.inference_mode():
        if layer == STATISTICS:
            return run_batch(model, batch), _statistics(batch)
        with _watched(model.module, layer) as kept:
            output = run_batch(model, batch)
    if kept:
        return output, _pooled(kept[-1], len(batch), batch.ndim - 2)
    return output, _by_the_engine(model, batch, layer)


@contextmanager
def _watched(module: torch.nn.Module, layer: str) -> Iterator[list[torch.Tensor]]:
    """Keep what a layer returns; the hook is gone afterwards. Exported programs call none, and the list stays empty."""
    import torch

    kept: list[torch.Tensor] = []
    part = dict(module.named_modules()).get(layer.partition("@")[0])

    def keep(_module: Any, _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            kept.append(output)

    handle = None if part is None else part.register_forward_hook(keep)
    try:
        yield kept
    finally:
        if handle is not None:
            handle.remove()


def _by_the_engine(model: Model, batch: torch.Tensor, layer: str) -> Floats:
    from matxai import engine

    plan = engine.merge([engine.Needs(activations=True)])
    parts = []
    size = model.batch or len(batch)
    for first in range(0, len(batch), size):
        part = batch[first : first + size].clone()
        missing = size - len(part)
        if missing and model.batch:
            part = part[[*range(len(part)), *[-1] * missing]]
        captured = engine.run(model.module, part, plan, layers=[layer])
        kept = captured.activation(captured.layers[0])
        parts.append(_pooled(kept, size - missing if model.batch else len(part), batch.ndim - 2))
    return np.concatenate(parts)


def _pooled(activation: torch.Tensor, count: int, axes: int) -> Floats:
    """Means over space ``(B, F)`` of ``(B, F, *spatial)``, of tokens ``(B, N, F)``, or of ``(B, *spatial, F)``."""
    values = activation.detach().double()[:count]
    tokens = values.ndim == 3 and axes > 1
    if tokens or (values.ndim > 3 and values.shape[-1] > 4 * max(values.shape[1:-1])):
        values = values.movedim(-1, 1)
    pooled = values.flatten(2).mean(2) if values.ndim > 2 else values
    return np.asarray(pooled.cpu().numpy())


def _statistics(batch: torch.Tensor) -> Floats:
    """Mean, deviation, quantiles, differences of neighbours and a coarse picture of each channel, ``(B, F)``."""
    import torch

    x = batch.double()
    flat = x.flatten(2)
    levels = np.quantile(flat.cpu().numpy(), [0.01, 0.25, 0.5, 0.75, 0.99], axis=2)  # torch's takes 16 million values
    found = [flat.mean(2), flat.std(2, correction=0), *torch.as_tensor(levels, device=x.device)]
    for axis in range(2, x.ndim):
        found.append(x.diff(dim=axis).abs().flatten(2).mean(2))
        found.append(x.diff(dim=axis).diff(dim=axis).abs().flatten(2).mean(2))
    pool = (torch.nn.functional.adaptive_avg_pool1d, torch.nn.functional.adaptive_avg_pool2d,
            torch.nn.functional.adaptive_avg_pool3d)[x.ndim - 3]  # fmt: skip
    found.append(pool(x, 4).flatten(1))
    return np.asarray(torch.cat(found, dim=1).cpu().numpy())
