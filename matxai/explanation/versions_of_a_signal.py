"""The maps of many versions of one signal, in few passes: what redrawn noise does to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matxai.errors import Cancelled
from matxai.explanation.baselines import SignalBaselines
from matxai.explanation.carrying import carry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    import torch
    import xarray as xr

    from matxai.methods import Attribution, Method
    from matxai.modelcard import Model
    from matxai.modelcard.preprocessing import Prepared

AT_ONCE = 25
"""Versions that one pass takes; nothing depends on it."""


def maps_of_versions(
    model: Model,
    signal: xr.DataArray,
    versions: npt.NDArray[Any],
    methods: Sequence[Method],
    target: int,
    *,
    layers: Sequence[str | int] | None = None,
    references: torch.Tensor | None = None,
    low: Any = None,
    high: Any = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: Any = None,
) -> Iterator[dict[str, npt.NDArray[np.float64]]]:
    """Yield for each version of a signal the maps of all methods on the measured grid.

    Each version goes through the model's whole preprocessing, and its maps come back by its own adjoint.

    Parameters
    ----------
    model
        As loaded from its card.
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    versions
        ``(N, *signal.shape)``, in the signal's own values.
    methods
        As :func:`matxai.methods.resolve` returns them.
    target
        Index of the class.
    layers
        For CAMs.
    references
        What the baseline ``mean`` is the mean of, as the network sees it.
    low, high
        Bounds of the network's input, for the box rule.
    seed
        Of methods that draw.
    progress, cancel
        Told and asked between passes.

    Yields
    ------
    dict
        The map of each method by its key, ``(L, *spatial)`` with the layers first, ``(L, *spatial, c)`` where the
        signal has channels and the method's map as well; NaN where the network saw nothing.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    MatxaiError
        As :func:`matxai.explain`.
    """
    from matxai.methods import attribution

    size = model.batch or AT_ONCE
    for first in range(0, len(versions), size):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Cancelled while maps of redrawn signals were made.")
        if progress is not None:
            progress(first, len(versions), "redraws")
        prepared = [model.preprocessing.prepare(signal.copy(data=v)) for v in versions[first : first + size]]
        result = attribution(
            model.module,
            _joined(prepared),
            methods=list(methods),
            target=target,
            layers=list(layers) if layers else (list(model.layers) or None),
            low=low,
            high=high,
            seed=seed,
            baseline=_baselines(model, prepared, references, seed),
            references=references,
            cancel=cancel,
        )
        for number, one in enumerate(prepared):
            yield {c.key: c.channelled for c in carry(_sample(result, number), one, 1)}


def _joined(prepared: Sequence[Prepared]) -> torch.Tensor:
    import torch

    return torch.cat([p.tensor for p in prepared])


def _baselines(
    model: Model, prepared: Sequence[Prepared], references: torch.Tensor | None, seed: int
) -> Callable[..., torch.Tensor]:
    own = [SignalBaselines(model.preprocessing, p, references, seed) for p in prepared]

    def make(name: str, /, **options: Any) -> torch.Tensor:
        import torch

        return torch.cat([one(name, **options) for one in own])

    return make


def _sample(result: Attribution, number: int) -> Attribution:
    """Return what an attribution says of one of its samples."""
    maps: dict[str, Any] = {
        k: v[number : number + 1] for k, v in result.maps.items() if not isinstance(v, tuple | dict)
    }
    return replace(result, maps=maps, scores=result.scores[number : number + 1], figures={}, empty=())
