"""Axes as container formats describe them, and the signal that they make: names, order, units. No file is read here.

Formats call their axes what they like (``R_x``, ``Height``, ``Energy loss``, nothing) and store them in any order. Here
they get the names of this package, and images come as ``(t, z, y, x, c)``, spectrum images as ``(energy, y, x)``.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.signals.labelled import UNNAMED, labelled
from matxai.signals.units import PIXEL, same_kind, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

IMAGE_DIMS = ("t", "z", "y", "x", "c")

# What formats write, in lower case with underscores, and the name of the same axis here.
_NAMES = {
    "energy_loss": "energy",
    "electron_energy_loss": "energy",
    "x_ray_energy": "energy",
    "photon_energy": "energy",
    "e": "energy",
    "ene": "energy",
    "eloss": "energy",
    "2theta": "two_theta",
    "2_theta": "two_theta",
    "twotheta": "two_theta",
    "tth": "two_theta",
    "two_theta": "two_theta",
    "polar_angle": "two_theta",
    "dspacing": "d_spacing",
    "scattering_vector": "q",
    "be": "binding_energy",
    "ke": "kinetic_energy",
    "lambda": "wavelength",
    "raman": "raman_shift",
    "height": "y",
    "width": "x",
    "row": "y",
    "rows": "y",
    "column": "x",
    "columns": "x",
    "depth": "z",
    "slice": "z",
    "slices": "z",
    "frame": "t",
    "frames": "t",
    "channel": "c",
    "channels": "c",
    "rgb": "c",
}
_LETTER_AT_END = re.compile(r"(?:^|_)([xyz])$")


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis as its file describes it; everything may be missing.

    Attributes
    ----------
    name, unit
        As the file spells them.
    step, origin
        Distance of two pixels, and the place of the first one.
    values
        All places, where the file lists them; they go before step and origin.
    """

    name: str | None = None
    unit: str | None = None
    step: float | None = None
    origin: float | None = None
    values: np.ndarray[Any, Any] | None = None


def clean(name: str | None) -> str | None:
    """Return an axis's name as a word of lower-case letters, digits and underscores, in this package's vocabulary.

    Examples
    --------
    >>> clean("Energy loss"), clean("X-ray energy"), clean("Height"), clean(".")
    ('energy', 'energy', 'y', None)
    """
    if name is None:
        return None
    word = re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")
    return _NAMES.get(word, word) or None


def dims_of(axes: Sequence[Axis], shape: Sequence[int], dtype: Any, *, spectral: bool = False) -> tuple[str, ...]:
    """Return a name for every axis, all different.

    Parameters
    ----------
    axes, shape, dtype
        The axes in the array's order, its shape and its type (three 8-bit channels behind an image are colours).
    spectral
        Whether the file says that the last axis is that of a spectrum.
    """
    n = len(axes)
    names = [clean(a.name) for a in axes]
    units = [unit_word(a.unit) for a in axes]
    for i, unit in enumerate(units):
        if unit is not None and unit != PIXEL and same_kind(unit, "eV") and "energy" not in (names[i] or ""):
            names[i] = "energy"
        elif n == 1 and names[i] in IMAGE_DIMS and names[i] != "t" and unit in (None, PIXEL):
            names[i] = None  # a lone "x" of pixels is an axis that nobody named
    if n > 1:
        _give_letters(names, units)
    if n > 2 and "t" not in names:
        names = ["t" if name == "time" else name for name in names]  # a sequence of images
    if spectral and names and names[-1] is None:
        names[-1] = UNNAMED
    if n == 1 and names[0] is None:
        names[0] = UNNAMED
    if n > 2 and names[-1] is None and shape[-1] in (3, 4) and np.dtype(dtype) == np.uint8:
        names[-1] = "c"
    free = [d for d in ("x", "y", "z", "t") if d not in names]
    for i in reversed(range(n)):
        if names[i] is None:
            names[i] = free.pop(0) if free else f"axis_{i}"
    unique: list[str] = []
    for i, given in enumerate(names):
        word = str(given)
        unique.append(f"{word}_{i}" if word in unique else word)
    return tuple(unique)


def _give_letters(names: list[str | None], units: list[str | None]) -> None:
    """Call axes in space by their letters: ``axis_x`` and ``R_x`` are x if no axis is called so already."""
    for i, name in enumerate(names):
        unit = units[i]
        if name is None or name in IMAGE_DIMS or unit == PIXEL:
            continue
        found = _LETTER_AT_END.search(name)
        spatial = unit is None or same_kind(unit, "m") or same_kind(unit, "1/m")
        if found and spatial and found[1] not in names:
            names[i] = found[1]


def order_of(dims: Sequence[str]) -> tuple[str, ...]:
    """Return the order in which a signal with these dims comes: images as in `IMAGE_DIMS`, maps behind their spectrum.

    Examples
    --------
    >>> order_of(("c", "z", "y", "x")), order_of(("y", "x", "energy")), order_of(("x", "energy"))
    (('z', 'y', 'x', 'c'), ('energy', 'y', 'x'), ('x', 'energy'))
    """
    if all(d in IMAGE_DIMS for d in dims):
        return tuple(sorted(dims, key=IMAGE_DIMS.index))
    if len(dims) == 3 and {"y", "x"} <= set(dims):
        return (*(d for d in dims if d not in ("y", "x")), "y", "x")
    return tuple(dims)


def signal_of(
    data: Any,
    axes: Sequence[Axis],
    *,
    source: str,
    spectral: bool = False,
    dims: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> xr.DataArray:
    """Return the signal that an array and its axes make.

    Parameters
    ----------
    data
        The array as stored.
    axes
        One for each of its axes, in its order.
    source
        Where the pixel size stands in the file: ``"DM calibration tags"``.
    spectral
        Whether the last axis is that of a spectrum even if nothing names it.
    dims
        Names that are known already; by default `dims_of` finds them.
    attrs, name
        For the signal.

    Returns
    -------
    xarray.DataArray
        Axes in space or time without a unit count pixels; what could not be used stands in ``attrs["notes"]``.
    """
    attributes = dict(attrs or {})
    notes: list[str] = list(attributes.pop("notes", []))
    names = tuple(dims) if dims is not None else dims_of(axes, data.shape, data.dtype, spectral=spectral)
    spacing: dict[str, float | None] = {}
    units: dict[str, str | None] = {}
    origin: dict[str, float | None] = {}
    coords: dict[str, np.ndarray[Any, Any]] = {}
    for dim, axis, size in zip(names, axes, data.shape, strict=True):
        unit = unit_word(axis.unit)
        places = _places(dim, axis, int(size), notes)
        if dim == UNNAMED and unit is None:
            units[dim] = None
        if unit is not None:
            units[dim] = unit
        elif axis.unit and (axis.step is not None or places is not None):
            notes.append(f"the unit {axis.unit!r} of the axis {dim} is not known")
        if unit == PIXEL or (unit is None and dim in IMAGE_DIMS):
            continue
        if places is not None:
            coords[dim] = places
        elif axis.step is not None and unit is not None:
            spacing[dim], origin[dim] = axis.step, axis.origin
        elif axis.step and np.isfinite(axis.step):  # a spectrum whose unit nobody knows keeps its numbers
            coords[dim] = float(axis.origin or 0.0) + float(axis.step) * np.arange(int(size))
    calibrated = [d for d in ("z", "y", "x") if (d in coords or spacing.get(d)) and units.get(d)]
    if calibrated:
        attributes.setdefault("pixel_size_source", source)
    elif any(d in ("z", "y", "x") for d in names):
        attributes.setdefault("pixel_size_source", "uncalibrated: the file holds no pixel size with a unit")
    if notes:
        attributes["notes"] = notes
    made = labelled(
        data, names, spacing=spacing, units=units, origin=origin, coords=coords, attrs=attributes, name=name
    )
    return made.transpose(*order_of(names))


def shape_after(shape: Sequence[int], dims: Sequence[str]) -> tuple[int, ...]:
    """Return the shape that `signal_of` gives to an array of this shape with these dims."""
    sizes = dict(zip(dims, shape, strict=True))
    return tuple(int(sizes[d]) for d in order_of(dims))


def _places(dim: str, axis: Axis, size: int, notes: list[str]) -> np.ndarray[Any, Any] | None:
    """Return the listed places of an axis if they can be a coordinate; edges of bins become their middles."""
    if axis.values is None:
        return None
    values = np.asarray(axis.values)
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        notes.append(f"the axis {dim} is no list of numbers in the file; its pixels are counted")
        return None
    values = values.astype(np.float64)
    if values.size == 2 and size > 2:  # EMD writes the first two places of an even axis
        values = values[0] + (values[1] - values[0]) * np.arange(size)
    if values.size == size + 1:
        values = (values[1:] + values[:-1]) / 2
    if values.size != size:
        notes.append(f"the axis {dim} has {values.size} places for {size} pixels in the file; its pixels are counted")
        return None
    steps = np.diff(values)
    if not np.all(np.isfinite(values)) or not (np.all(steps > 0) or np.all(steps < 0)):
        notes.append(f"the places of the axis {dim} do not run in one direction in the file; its pixels are counted")
        return None
    return values
