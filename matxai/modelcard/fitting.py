"""Which axes of a signal a network takes as its own, in which order, and the sentence for one that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ModelError, SignalError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

KINDS = {1: "spectra", 2: "images", 3: "stacks"}


def signal_name(signal: xr.DataArray) -> str:
    """Return how messages call a signal: its file, its name, or ``the signal``."""
    source = signal.encoding.get("source") or signal.attrs.get("source") or signal.name
    return str(source).replace("\\", "/").rsplit("/", 1)[-1] if source else "the signal"


def spatial_dims(signal: xr.DataArray, ndim: int, axis: str | None = None) -> tuple[str, ...]:
    """Return the spatial dims of a signal in the order of a network's axes; dims of length one may be left out.

    Parameters
    ----------
    signal
        With or without channels ``c``.
    ndim
        Spatial axes that the network takes.
    axis
        Name of the axis that it was trained on, for spectra.

    Raises
    ------
    ModelError
        With what would be right: a slice, one sample, one position.
    SignalError
        If it is empty or holds no real numbers.
    """
    name = signal_name(signal)
    if signal.dtype.kind not in "biuf":
        raise SignalError(f"{name} holds {signal.dtype} values; a model takes integers or floating-point numbers.")
    if signal.size == 0:
        raise SignalError(f"{name} is empty: its shape is {signal.shape}.")
    long = [str(d) for d in signal.dims if d != "c"]
    order: list[str] = [d for d in ("t", "z", "y", "x") if d in long]
    if len(order) == len(long):
        long = order
    short = [d for d in long if signal.sizes[d] == 1]
    while len(long) > ndim and short:
        long.remove(short.pop(0))
    if len(long) == ndim and "sample" not in long:
        if axis and ndim == 1 and long[0] not in (axis, "axis"):
            raise ModelError(f"{name} runs along '{long[0]}', and the model takes spectra along '{axis}'.")
        return tuple(long)
    sizes = ", ".join(f"{d}: {signal.sizes[d]}" for d in signal.dims)
    raise ModelError(f"{name} has the axes ({sizes}), and the model takes {KINDS[ndim]}; {_advice(long, ndim)}.")


def _advice(dims: list[str], ndim: int) -> str:
    if "sample" in dims:
        return "choose one of the samples, as in signal.isel(sample=0)"
    if len(dims) < ndim:
        return f"they have {ndim} axes beside the channels"
    if ndim == 1:
        rest = [d for d in dims if d in ("t", "z", "y", "x")] or dims[1:]
        return f"choose one position, as in signal.isel({', '.join(f'{d}=0' for d in rest)})"
    extra = dims[: len(dims) - ndim]
    return f"choose a slice, as in signal.isel({', '.join(f'{d}=0' for d in extra)})"


def arrange(signal: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """Return the signal with dims (spatial..., c), those of length one gone."""
    gone = {d: 0 for d in signal.dims if d not in (*dims, "c")}
    kept = signal.isel(gone)
    kept.encoding = dict(signal.encoding)
    return kept.transpose(*dims, *(("c",) if "c" in kept.dims else ()))


def coordinate(signal: xr.DataArray, dim: str) -> NDArray[np.float64]:
    """Return the pixel centres along a dim; their numbers where it has no coordinate."""
    if dim in signal.coords and signal[dim].dtype.kind in "biuf":
        return np.asarray(signal[dim].values, dtype=np.float64)
    return np.arange(signal.sizes[dim], dtype=np.float64)


def unit_of(signal: xr.DataArray, dim: str) -> str:
    """Return the unit of a dim: ``pixel`` without a coordinate, an empty string for a coordinate without unit."""
    return str(signal[dim].attrs.get("units", "")) if dim in signal.coords else "pixel"
