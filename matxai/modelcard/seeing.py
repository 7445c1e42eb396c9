"""What a network sees of a signal: the values behind each step of the preprocessing, as signals in their true place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from matxai.modelcard.preprocessing import moved

if TYPE_CHECKING:
    import xarray as xr

    from matxai.modelcard.model import Model
    from matxai.modelcard.preprocessing import Prepared


class Seen(NamedTuple):
    """What one step of the preprocessing made.

    Parameters
    ----------
    step
        The step's name; empty for the measured values in front of the first.
    text
        The step with its options.
    signal
        The values behind it, dims (spatial..., c), c only where there are channels; coordinates are those of the
        measured signal.
    """

    step: str
    text: str
    signal: xr.DataArray


def what_is_seen(model: Model, signal: xr.DataArray) -> tuple[Seen, ...]:
    """Return what the network sees of a signal: the measured values, then what each step of the preprocessing made.

    The last one is the network's input. Each lies where it lies in the signal: cropped, resized and padded pixels have
    their own coordinates.

    Parameters
    ----------
    model
        As loaded.
    signal
        As :func:`matxai.read` returns it.

    Raises
    ------
    ModelError, SignalError
        If the signal does not fit the model.
    """
    prepared = model.preprocessing.prepare(signal)
    model.check_fits(tuple(prepared.tensor.shape))
    return seen_stages(prepared)


def seen_stages(prepared: Prepared) -> tuple[Seen, ...]:
    """Return the values in front of the first step and behind each, as signals."""
    place = prepared.placement
    coords, units = list(place.coords), list(place.units)
    found = [Seen("", "measured", _signal(place.source, prepared, coords, units))]
    for stage, effect in zip(prepared.stages, place.effects, strict=True):
        coords, units = moved(coords, units, effect)
        found.append(Seen(stage.name, stage.text, _signal(stage.after, prepared, coords, units)))
    return tuple(found)


def _signal(values: np.ndarray, prepared: Prepared, coords: list[np.ndarray], units: list[str]) -> xr.DataArray:
    import xarray as xr

    dims = prepared.placement.dims
    many = values.shape[0] > 1
    array = np.moveaxis(np.asarray(values), 0, -1) if many else np.asarray(values)[0]
    along = {d: (d, np.asarray(c), {"units": u} if u else {}) for d, c, u in zip(dims, coords, units, strict=True)}
    return xr.DataArray(array, dims=(*dims, "c") if many else dims, coords=along)
