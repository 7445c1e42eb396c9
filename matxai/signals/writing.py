"""Signals and maps for other programs: calibrated TIFF that ImageJ, OME readers and `read` understand."""

from __future__ import annotations

import json
import uuid
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.labelled import labelled
from matxai.signals.units import PIXEL, convert, same_kind

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import xarray as xr

_DIMS = ("t", "z", "c", "y", "x")
_MOST_IMAGEJ = 2**32 - 2**24
_LARGEST = 2**32 - 1
_OME_UNITS = {"um": "µm", "nm": "nm", "mm": "mm", "pm": "pm", "m": "m", "cm": "cm", "angstrom": "Å"}


_IMAGEJ_TYPES = ("uint8", "uint16", "float32")


def write_tiff(
    path: str | os.PathLike[str], array: Any, *, info: Mapping[str, Any] | None = None, keep_type: bool = False
) -> Path:
    """Write an image, a stack or a map as TIFF with its pixel size; as float32 unless its type is to be kept.

    Parameters
    ----------
    path
        ``NAME.ome.tif`` is written as OME-TIFF, any other name as ImageJ's TIFF (beyond 4 GB as OME-TIFF).
    array
        A signal (`xarray.DataArray`) with dims from ``t z y x c``, or an array ``(y, x)`` or ``(z, y, x)`` in pixels.
    info
        What the file should say of itself: method, class, score. It stands in ImageJ's *Show Info*.
    keep_type
        Write the values as they are, colours as colours. What ImageJ's TIFF does not hold (other types than 8- and
        16-bit integers and float32, colours beyond 8 bits) is written as OME-TIFF.

    Returns
    -------
    Path
        The file, written whole or not at all.

    Raises
    ------
    SignalError
        If the array has other dims, an uneven axis, or a unit that the format cannot hold.
    FileError
        If the folder refuses.
    """
    import tifffile

    target = Path(path)
    signal = _as_signal(array)
    colour = keep_type and signal.dims[-1] == "c" and signal.sizes["c"] == len("rgb")
    order = tuple(d for d in _DIMS if d in signal.dims and not (colour and d == "c"))
    values = signal.transpose(*order, *(("c",) if colour else ())).values
    data = np.asarray(values) if keep_type else np.asarray(values, dtype=np.float32)
    ome = target.name.lower().endswith((".ome.tif", ".ome.tiff")) or data.nbytes > _MOST_IMAGEJ
    ome = ome or data.dtype.name not in _IMAGEJ_TYPES or (colour and data.dtype != np.uint8)
    steps = {d: _step(signal, d) for d in order if d != "c"}
    settings = _ome(signal, steps, order) if ome else _imagej(signal, steps, order, data, info)
    if colour:
        settings["metadata"]["axes"] += "S"
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        tifffile.imwrite(temporary, data, photometric="rgb" if colour else "minisblack", **settings)
        temporary.replace(target)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}"
        raise FileError(msg) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _as_signal(array: Any) -> xr.DataArray:
    if not hasattr(array, "dims"):
        data = np.asarray(array)
        if data.ndim not in (2, 3):
            msg = f"an array of shape {data.shape} is no image (y, x) or stack (z, y, x); give a signal with named dims"
            raise SignalError(msg)
        return labelled(data, ("z", "y", "x")[3 - data.ndim :])
    signal: xr.DataArray = array
    wrong = [str(d) for d in signal.dims if d not in _DIMS]
    if wrong or not {"y", "x"} <= set(signal.dims):
        msg = f"a signal with the dims {signal.dims} is no image of t, z, y, x, c; select one of {wrong or 'y, x'}"
        raise SignalError(msg)
    if signal.dtype.kind == "c":
        msg = "a complex signal cannot be written as float32 TIFF; write abs(signal) or its real part"
        raise SignalError(msg)
    return signal


def _step(signal: xr.DataArray, dim: str) -> tuple[float, float, str]:
    """Return step, first position and unit of an axis."""
    if dim not in signal.coords:
        return 1.0, 0.0, PIXEL
    values = np.asarray(signal[dim].values, dtype=float)
    unit = str(signal[dim].attrs.get("units", PIXEL))
    if values.size < 2:
        return 1.0, 0.0, PIXEL
    step = float(values[-1] - values[0]) / (values.size - 1)
    if step <= 0 or not np.allclose(np.diff(values), step, rtol=1e-3, atol=0):
        msg = f"the axis {dim} has uneven steps; a TIFF holds one step for an axis: interpolate it first"
        raise SignalError(msg)
    return float(f"{step:.12g}"), float(values[0]), unit


def _pixels_per_unit(step: float) -> tuple[int, int]:
    """Return the nearest fraction of two 32-bit integers, which TIFF asks for; older tifffile rounds more coarsely."""
    value = Fraction(1 / step)
    near = value.limit_denominator(max(1, min(_LARGEST, int(_LARGEST / value))))
    return near.numerator, near.denominator


def _imagej(
    signal: xr.DataArray,
    steps: dict[str, tuple[float, float, str]],
    order: tuple[str, ...],
    data: np.ndarray[Any, Any],
    info: Mapping[str, Any] | None,
) -> dict[str, Any]:
    (x, first_x, unit), (y, first_y, unit_y) = steps["x"], steps["y"]
    metadata: dict[str, Any] = {"axes": "".join(order).upper(), "loop": False}
    finite = data[np.isfinite(data)]
    if finite.size:
        metadata.update(min=float(finite.min()), max=float(finite.max()))
    settings: dict[str, Any] = {"imagej": True, "metadata": metadata}
    if unit_y != unit:
        if PIXEL in (unit, unit_y) or not same_kind(unit, unit_y):
            msg = f"the axes y ({unit_y}) and x ({unit}) are of different kinds; a TIFF holds one unit for both"
            raise SignalError(msg)
        y, first_y = convert(y, unit_y, unit), convert(first_y, unit_y, unit)
    if unit != PIXEL:
        settings["resolution"] = (_pixels_per_unit(x), _pixels_per_unit(y))
        metadata["unit"] = unit
        firsts = {"x": (first_x, x), "y": (first_y, y)}
        if "z" in steps and steps["z"][2] != PIXEL:
            z, first_z, unit_z = steps["z"]
            metadata["spacing"], firsts["z"] = z, (first_z, z)
            if unit_z != unit:
                metadata["zunit"] = unit_z
        metadata.update({f"{d}origin": -first / step for d, (first, step) in firsts.items() if first})
    if "t" in steps and steps["t"][2] not in (PIXEL, ""):
        metadata.update(finterval=steps["t"][0], tunit=steps["t"][2])
    told = {**({"name": str(signal.name)} if signal.name else {}), **dict(info or {})}
    if told:
        metadata["Info"] = json.dumps(told, default=str, ensure_ascii=True)
    return settings


def _ome(signal: xr.DataArray, steps: dict[str, tuple[float, float, str]], order: tuple[str, ...]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "".join(order).upper()}
    if signal.name:
        metadata["Name"] = str(signal.name)
    leading = [d for d in order if d not in ("y", "x")]
    pages = list(np.ndindex(*(signal.sizes[d] for d in leading)))
    plane: dict[str, Any] = {}
    for dim, (step, first, unit) in steps.items():
        if unit == PIXEL:
            continue
        if dim == "t":
            metadata.update(TimeIncrement=convert(step, unit, "s"), TimeIncrementUnit="s")
            continue
        if unit not in _OME_UNITS:
            msg = f"OME-TIFF has no unit '{unit}' for the axis {dim}; write it as ImageJ's TIFF (a name without .ome)"
            raise SignalError(msg)
        axis = dim.upper()
        metadata.update({f"PhysicalSize{axis}": step, f"PhysicalSize{axis}Unit": _OME_UNITS[unit]})
        if first:
            at = [first + (page[leading.index("z")] * step if dim == "z" else 0.0) for page in pages]
            plane.update({f"Position{axis}": at, f"Position{axis}Unit": [_OME_UNITS[unit]] * len(pages)})
    if plane:
        metadata["Plane"] = plane
    return {"ome": True, "metadata": metadata, "bigtiff": signal.size * 4 > _MOST_IMAGEJ}
