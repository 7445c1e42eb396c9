"""Numbers with units as an expectations file writes them, and what they are in the steps of a signal's axes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic_core import core_schema

from matxai.errors import SignalError
from matxai.signals.units import PIXEL, convert, same_kind, unit_word

if TYPE_CHECKING:
    import xarray as xr

_WRITTEN = re.compile(r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")


@dataclass(frozen=True)
class Length:
    """A distance: ``3`` or ``3 px`` are pixels, ``0.5 um`` is converted by each signal's own calibration."""

    value: float
    unit: str = PIXEL

    @classmethod
    def of(cls, written: Any) -> Length:
        """Return what a file wrote as a distance.

        Raises
        ------
        ValueError
            If it is none, is negative or has a unit that is no word of pint's.
        """
        if isinstance(written, Length):
            return written
        match = None if isinstance(written, bool) else _WRITTEN.fullmatch(str(written))
        if match is None:
            msg = "a distance is a number of pixels, or a number with a unit, as in '0.5 um'"
            raise ValueError(msg)
        unit = known_unit(match[2]) if match[2] else PIXEL
        value = float(match[1])
        if value < 0 or not math.isfinite(value):
            msg = "a distance is not negative"
            raise ValueError(msg)
        return cls(value, unit)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.of)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


def known_unit(text: str | None) -> str:
    """Return pint's word for a unit.

    Raises
    ------
    ValueError
        If there is no such unit.
    """
    word = unit_word(text)
    if word is None:
        msg = f"there is no unit '{text}'; write one that pint reads, as nm, um, degree, eV, us or pixel"
        raise ValueError(msg)
    return word


def positions(signal: xr.DataArray, dim: str, unit: str) -> npt.NDArray[np.float64]:
    """Return the places of an axis in ``unit``; in pixels they are 0, 1, 2 and so on.

    Raises
    ------
    SignalError
        If the axis has no unit, or one of another quantity.
    """
    if unit == PIXEL:
        return np.arange(signal.sizes[dim], dtype=np.float64)
    has = unit_word(str(signal[dim].attrs.get("units", "")))
    if has is None or has == PIXEL:
        raise SignalError(f"The axis '{dim}' has no calibration, so nothing can be found on it in {unit}; use pixels.")
    if not same_kind(has, unit):
        raise SignalError(f"The axis '{dim}' is in {has}, which is no quantity of {unit}; give the place in {has}.")
    return np.asarray(signal[dim].values, np.float64) * convert(1.0, has, unit)


def steps(signal: xr.DataArray, unit: str) -> tuple[float, ...]:
    """Return the size of a pixel along each spatial axis, in ``unit``.

    Raises
    ------
    SignalError
        As :func:`positions`.
    """
    sizes = []
    for dim in spatial_dims(signal):
        places = positions(signal, dim, unit)
        sizes.append(float(np.median(np.abs(np.diff(places)))) if len(places) > 1 else 1.0)
    return tuple(sizes)


def spatial_dims(signal: xr.DataArray) -> tuple[str, ...]:
    """The names of the axes that a mask has: all but the channels."""
    return tuple(str(d) for d in signal.dims if d != "c")


def only_axis(signal: xr.DataArray, what: str) -> str:
    """Return the name of a spectrum's axis.

    Raises
    ------
    SignalError
        If the signal has several axes.
    """
    dims = spatial_dims(signal)
    if len(dims) != 1:
        raise SignalError(f"{what} lies on a spectrum or waveform; this signal has the axes {', '.join(dims)}.")
    return dims[0]


def widened(mask: npt.NDArray[np.bool_], by: Length, signal: xr.DataArray) -> npt.NDArray[np.bool_]:
    """Return a mask with all that lies within a distance of it (Euclidean, each axis by its own step)."""
    from scipy import ndimage

    if by.value == 0 or not mask.any():
        return mask
    sampling = steps(signal, by.unit)
    distance = ndimage.distance_transform_edt(~mask, sampling=sampling)
    return np.asarray(distance <= by.value * (1 + 1e-9))
