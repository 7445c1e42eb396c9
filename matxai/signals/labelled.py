"""The one way to make a signal: an array with named axes, a coordinate on every axis, and units that pint reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError
from matxai.signals.units import PIXEL, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

COUNTED = ("c", "sample")  # axes that count things: no pixel, no unit of length
UNNAMED = "axis"


def labelled(
    data: Any,
    dims: Sequence[str],
    *,
    spacing: Mapping[str, float | None] | None = None,
    units: Mapping[str, str | None] | None = None,
    origin: Mapping[str, float | None] | None = None,
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> xr.DataArray:
    """Return ``data`` as a signal: every dim with an ascending coordinate of pixel centres and its unit.

    Parameters
    ----------
    data
        An array (NumPy or dask) with one axis for each of ``dims``; it is not copied.
    dims
        Names in the array's order, from ``t z y x c`` for images, the axis's own name for spectra, ``axis`` where the
        file does not name it.
    spacing
        Step from pixel to pixel. Negative steps are accepted: that axis is flipped, so that its coordinate ascends.
        Without a step, with a zero or non-finite one, or with a step whose unit is unknown, an axis is uncalibrated:
        step 1, unit ``pixel``, first at 0.
    units
        Unit of each axis as its file spells it. ``None`` for the dim ``axis`` leaves ``units`` away.
    origin
        Position of the first stored pixel's centre in the unit of the axis; 0 by default.
    coords
        Whole coordinates, for axes with uneven steps; they take the place of spacing and origin. A descending one is
        flipped with its data.
    attrs
        ``metadata``, ``pixel_size_source``, ``info_bar``, ... A unit that no one knows is told in
        ``pixel_size_source`` if that says nothing yet.

    Returns
    -------
    xarray.DataArray

    Raises
    ------
    SignalError
        If dims and data do not match, or a coordinate has the wrong length or does not run in one direction.
    """
    import xarray as xr

    spacing, units, origin, coords = spacing or {}, units or {}, origin or {}, coords or {}
    attributes = dict(attrs or {})
    shape = tuple(int(n) for n in data.shape)
    if len(shape) != len(dims) or len(set(dims)) != len(dims):
        msg = (
            f"an array of shape {shape} cannot have the dims {tuple(dims)}: one different name for each axis is needed"
        )
        raise SignalError(msg)
    unknown = (set(spacing) | set(units) | set(origin) | set(coords)) - set(dims)
    if unknown:
        msg = f"{sorted(unknown)} are no axes of an array with the dims {tuple(dims)}"
        raise SignalError(msg)
    axes: dict[str, Any] = {}
    for axis, (dim, size) in enumerate(zip(dims, shape, strict=True)):
        values, unit, flip, why = _axis(dim, size, spacing.get(dim), units, origin.get(dim), coords.get(dim))
        if flip:
            data = data[(slice(None),) * axis + (slice(None, None, -1),)]
        if why:
            attributes.setdefault("pixel_size_source", f"uncalibrated: {why}")
        axes[dim] = (dim, values, {"units": unit} if unit else {})
    return xr.DataArray(data, dims=tuple(dims), coords=axes, attrs=attributes, name=name)


def _axis(
    dim: str,
    size: int,
    step: float | None,
    units: Mapping[str, str | None],
    first: float | None,
    given: Any,
) -> tuple[np.ndarray[Any, Any], str | None, bool, str]:
    """Return coordinate, unit, whether the data must be flipped, and why the axis has no calibration (or '')."""
    text = units.get(dim)
    unit = unit_word(text)
    unnamed = dim == UNNAMED or (dim in units and text is None)
    if given is not None:
        values, flip = _given(dim, size, given)
        return values, "dimensionless" if dim in COUNTED and unit is None else unit, flip, ""
    if dim in COUNTED:
        return np.arange(size), unit or "dimensionless", False, ""
    if step is None or not np.isfinite(step) or step == 0 or (unit in (None, PIXEL) and not unnamed):
        why = f"nobody knows the unit {text!r} of the axis {dim}" if unit is None and text and step else ""
        return np.arange(size, dtype=float), None if unnamed else PIXEL, False, why
    start = float(first) if first is not None and np.isfinite(first) else 0.0
    values = start + float(step) * np.arange(size)
    return (values[::-1], unit, True, "") if step < 0 else (values, unit, False, "")


def _given(dim: str, size: int, given: Any) -> tuple[np.ndarray[Any, Any], bool]:
    """Return a whole coordinate, ascending, and whether it was turned round for that."""
    values = np.asarray(given)
    if values.shape != (size,):
        msg = f"the coordinate of {dim} has the shape {values.shape}; the axis needs ({size},)"
        raise SignalError(msg)
    if values.dtype.kind not in "iuf" or size < 2:
        return values, False  # names of samples, or nothing to compare
    steps = np.diff(values.astype(float))
    if np.all(steps > 0):
        return values, False
    if np.all(steps < 0):
        return values[::-1], True
    at = int(np.argmax(steps <= 0)) if steps[0] > 0 else int(np.argmax(steps >= 0))
    msg = f"the coordinate of {dim} turns round (or stands still) after point {at}; an axis must run in one direction"
    raise SignalError(msg)
