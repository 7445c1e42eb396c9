"""The maps of an explanation as panels: which layer, class and slice, on which image, with which axes and units.

The dataset's schema belongs to `matxai.explanation`; the report reads it through here and through `record`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import ExplanationError, nearest
from matxai.report.record import facts, words
from matxai.report.scalebar import length_label

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
At = Mapping[str, "int | str"]

PLANE = ("y", "x")

STRONGEST = "strongest"


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a panel: its name, the pixel centres, and their unit (``"pixel"`` where uncalibrated)."""

    name: str
    centres: Array
    units: str

    @property
    def step(self) -> float:
        """The distance of two neighbouring pixel centres, in ``units``."""
        n = self.centres.size
        return float(abs(self.centres[-1] - self.centres[0]) / (n - 1)) if n > 1 else 1.0


@dataclass(frozen=True)
class Panel:
    """One map on one image (or curve), as it is drawn.

    Parameters
    ----------
    name, method
        The map's name in the dataset, and the method as it was asked for.
    place
        What was chosen of the leading dims: ``{"layer": "layer4", "z": "12 of 24"}``.
    values
        The map, ``(y, x)`` or ``(L,)``; NaN where the network never saw the signal.
    image
        The signal, ``(y, x)``, ``(y, x, 3)`` or ``(L,)``, ``(C, L)``.
    axes
        The axes of ``values``, in order.
    signed
        Whether negative values are evidence against.
    attrs
        The map's own attributes.
    """

    name: str
    method: str
    place: Mapping[str, str]
    values: Array
    image: Array
    axes: tuple[Axis, ...]
    signed: bool
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units(self) -> str:
        """What the values are counted in."""
        return str(self.attrs.get("units", "")) or "relative"

    @property
    def is_error(self) -> bool:
        """Whether the map says how far off another one is, and is none itself."""
        return bool(self.attrs.get("error_of"))

    @property
    def empty(self) -> str:
        """The sentence that an all-zero map carries, else an empty string."""
        return str(self.attrs.get("empty", "") or "")

    @cached_property
    def layer(self) -> str:
        """The layer that the map was taken at, or an empty string for a map of the input."""
        if "layer" in self.place:
            return self.place["layer"]
        return ", ".join(words(self.attrs.get("layer", self.attrs.get("layers", ""))))

    @property
    def grey(self) -> Array:
        """The image as grey values ``(y, x)``: colour images by their luminance."""
        if self.image.ndim == 3:
            weights = np.array([0.2126, 0.7152, 0.0722]) if self.image.shape[2] >= 3 else np.ones(1)
            return np.asarray(self.image[..., : weights.size] @ weights, dtype=np.float64)
        return self.image


def map_names(ds: xr.Dataset, *, errors: bool = True) -> list[str]:
    """Return the names of the maps in the dataset, in order; without ``errors`` only those that are maps themselves."""
    return [str(name) for name, v in ds.data_vars.items() if errors or not v.attrs.get("error_of")]


def find_map(ds: xr.Dataset, method: str) -> xr.DataArray:
    """Return the map of a method, by its name in the dataset or by the method as it was asked for.

    Raises
    ------
    ExplanationError
        If there is none; the message offers the nearest names.
    """
    if method in ds.data_vars:
        return ds[method]
    for name in ds.data_vars:
        if ds[name].attrs.get("method") == method:
            return ds[name]
    msg = f"The explanation holds no map '{method}'. {nearest(method, map_names(ds), label='It holds')}"
    raise ExplanationError(msg)


def signal_of(ds: xr.Dataset) -> xr.DataArray:
    """Return the image or spectrum that was explained.

    Raises
    ------
    ExplanationError
        If the dataset does not carry it.
    """
    if "signal" not in ds.coords:
        msg = "The explanation carries no coordinate 'signal', so there is no image to lay its maps on."
        raise ExplanationError(msg)
    return ds["signal"]


def panels(ds: xr.Dataset, method: str, at: At | None = None) -> list[Panel]:
    """Return the panels of one map: one for each layer and class that ``at`` leaves open, one slice of a stack.

    Parameters
    ----------
    ds
        An explanation.
    method
        A map's name, or its method as it was asked for.
    at
        Which entry of a leading dim: a position, for layers and classes the name, for stacks also ``"strongest"``
        (the slice that holds most of the map). Stacks default to their middle.

    Raises
    ------
    ExplanationError
        If there is no such map, dim or entry.
    """
    array = _on_grid(find_map(ds, method), ds)
    signal = signal_of(ds)
    chosen = _chosen(array, at or {})
    shown = tuple(d for d in array.dims if d in PLANE) if set(PLANE) <= set(array.dims) else (array.dims[-1],)
    todo: list[tuple[xr.DataArray, xr.DataArray, dict[str, str]]] = [(array, signal, {})]
    for dim in [str(d) for d in array.dims if d not in shown]:
        todo = [one for part in todo for one in _split(part, dim, chosen.get(dim))]
    return [_panel(part, image, place, tuple(map(str, shown)), ds) for part, image, place in todo]


def _chosen(array: xr.DataArray, at: At) -> dict[str, int | str]:
    """Return what was chosen by the map's own dims: ``layer`` also means a layer dim that is this map's alone."""
    found: dict[str, int | str] = {}
    for dim, entry in at.items():
        own = [str(d) for d in array.dims if d == dim or (dim == "layer" and str(d).startswith("layer_"))]
        if not own:
            near = nearest(dim, map(str, array.dims), label="It has")
            msg = f"The map '{array.name}' has no dim '{dim}'. {near}"
            raise ExplanationError(msg)
        found[own[0]] = entry
    return found


def _on_grid(array: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Return a map on the signal's pixels: of a map with cells of its own, each pixel has the cell nearest to it."""
    for dim in [str(d) for d in array.dims]:
        axis = str(ds[dim].attrs.get("axis", "")) if dim in ds.coords else ""
        if axis:
            array = array.sel({dim: ds[axis].rename(None).drop_vars("signal", errors="ignore")}, method="nearest")
            array = array.drop_vars(dim, errors="ignore")
    return array


def _split(
    part: tuple[xr.DataArray, xr.DataArray, dict[str, str]], dim: str, entry: int | str | None
) -> list[tuple[xr.DataArray, xr.DataArray, dict[str, str]]]:
    """Take one entry of a leading dim, or all of them where the image does not have it and none was named."""
    array, signal, place = part
    size = array.sizes[dim]
    stacked = dim not in signal.dims or dim == "c"
    names = [str(v) for v in array[dim].values] if dim in array.coords else [str(i) for i in range(size)]
    if entry is None:
        picked = list(range(size)) if stacked else [size // 2]
    elif entry == STRONGEST and not stacked:
        picked = [_strongest(array, dim)]
    else:
        picked = [_position(entry, names, dim)]
    parts = []
    for i in picked:
        image = signal if dim not in signal.dims else signal.isel({dim: i})
        label = names[i] if stacked else f"{i + 1} of {size}"
        said = {"c": "channel"}.get(dim, "layer" if dim.startswith("layer_") else dim)
        parts.append((array.isel({dim: i}), image, {**place, said: label}))
    return parts


def _strongest(array: xr.DataArray, dim: str) -> int:
    sums = np.asarray(abs(array).sum([d for d in array.dims if d != dim], skipna=True).values)
    return int(np.argmax(sums)) if sums.any() else sums.size // 2


def _position(entry: int | str, names: Sequence[str], dim: str) -> int:
    if isinstance(entry, str):
        if entry in names:
            return names.index(entry)
        msg = f"The map has no {dim} '{entry}'. {nearest(entry, names)}"
        raise ExplanationError(msg)
    if not -len(names) <= entry < len(names):
        msg = f"The map has {len(names)} entries along {dim}, so there is no number {entry}."
        raise ExplanationError(msg)
    return entry % len(names)


def _panel(
    array: xr.DataArray, signal: xr.DataArray, place: dict[str, str], shown: tuple[str, ...], ds: xr.Dataset
) -> Panel:
    colour = "c" if "c" in signal.dims else None
    order = (*shown, colour) if len(shown) == 2 else (colour, *shown)
    wanted = [d for d in order if d]
    spare = [d for d in signal.dims if d not in wanted]
    image = signal.isel({d: signal.sizes[d] // 2 for d in spare}).transpose(*wanted)
    if colour and image.sizes[colour] == 1:
        image = image.isel({colour: 0})
    attrs = _of_layer(ds, str(array.name), place, dict(array.attrs))
    axes = tuple(axis_of(ds, d) for d in shown)
    values = np.asarray(array.transpose(*shown).values, dtype=np.float64)
    method = str(attrs.get("method", array.name))
    signed = bool(int(attrs.get("signed", int(bool((values < 0).any())))))
    return Panel(
        str(array.name), method, place, values, np.asarray(image.values, dtype=np.float64), axes, signed, attrs
    )


def _of_layer(ds: xr.Dataset, name: str, place: Mapping[str, str], attrs: dict[str, Any]) -> dict[str, Any]:
    """Put the cell and the receptive field of the panel's own layer in the place of those of all layers together."""
    layers = ((facts(ds).get("maps") or {}).get(name) or {}).get("layers") or {}
    of_layer = layers.get(place.get("layer", ""))
    if of_layer:
        for key in ("cell", "receptive_field"):
            attrs[key] = json.dumps([e["size"] for e in of_layer.get(key, {}).values()])
    return attrs


def axis_of(ds: xr.Dataset, dim: str) -> Axis:
    """Return one axis of an explanation with its unit; an axis without coordinate or unit counts pixels."""
    if dim not in ds.coords:
        return Axis(dim, np.arange(ds.sizes[dim], dtype=np.float64), "pixel")
    units = str(ds[dim].attrs.get("units", "pixel" if dim in ("z", "y", "x") else ""))
    return Axis(dim, np.asarray(ds[dim].values, dtype=np.float64), units)


def sizes(value: Any, panel: Panel) -> list[tuple[float, str]]:
    """Return a cell or receptive field as numbers with units, in the order of the axes; empty where it is text."""
    if value is None or (isinstance(value, str) and not value.strip().startswith("[")):
        return []
    numbers = np.atleast_1d(np.asarray(json.loads(value) if isinstance(value, str) else value, dtype=np.float64))
    if numbers.size == 1:
        numbers = np.repeat(numbers, len(panel.axes))
    axes = panel.axes[-numbers.size :]
    return [(float(n), a.units) for n, a in zip(numbers[-len(axes) :], axes, strict=True)]


def extent_words(value: Any, panel: Panel) -> str:
    """Return a cell or receptive field in physical words: ``"1.3 µm × 1.4 µm"``, and once where all sides are equal.

    A number or one number for each axis is in the axes' own units; text stands as it is.
    """
    parts = [length_label(n, units) for n, units in sizes(value, panel)]
    if not parts:
        return str(value or "")
    return parts[0] if len(set(parts)) == 1 else " × ".join(parts)
