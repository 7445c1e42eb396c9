"""An explanation as a report reads it: what each map is, what the run was, and the arrays that a panel draws.

The dataset's schema belongs to `matxai.explanation`; every other module of the report reads it through here.
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
from matxai.report.scalebar import length_label

if TYPE_CHECKING:
    import xarray as xr

Array = npt.NDArray[np.float64]
At = Mapping[str, "int | str"]

PLANE = ("y", "x")
STACKED = ("layer", "class", "target")
"""Leading dims of a map that the image does not have: one panel for each entry."""


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


@dataclass(frozen=True)
class Score:
    """One class and what the network gave it."""

    name: str
    logit: float | None
    probability: float | None
    target: bool = False


def words(value: Any) -> list[str]:
    """Return an attribute that names one or several things as a list of strings."""
    if value is None:
        return []
    if isinstance(value, str):
        if value.startswith("["):
            try:
                return [str(v) for v in json.loads(value)]
            except json.JSONDecodeError:
                return [value]
        return [value] if value else []
    if isinstance(value, Sequence | np.ndarray):
        return [str(v) for v in value]
    return [str(value)]


def facts(ds: xr.Dataset) -> dict[str, Any]:
    """Return what the run says about itself: the JSON of the attribute ``matxai`` as a dictionary.

    Raises
    ------
    ExplanationError
        If the attribute is no JSON object.
    """
    text = ds.attrs.get("matxai", "{}")
    try:
        record = json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        msg = (
            f"The attribute 'matxai' of this explanation is no JSON ({error}); it would be what matxai.explain writes."
        )
        raise ExplanationError(msg) from None
    if not isinstance(record, dict):
        msg = f"The attribute 'matxai' of this explanation holds a {type(record).__name__}, not an object of names."
        raise ExplanationError(msg)
    return record


def scores(ds: xr.Dataset) -> list[Score]:
    """Return the top classes of the run, best first; the explained one is marked."""
    record = facts(ds)
    wanted = target_name(record)
    found = []
    for entry in record.get("scores") or []:
        name = str(entry.get("class", entry.get("name", entry.get("index", "?"))))
        index = entry.get("index")
        is_target = name == wanted or (index is not None and str(index) == wanted)
        found.append(Score(name, entry.get("logit", entry.get("score")), entry.get("probability"), is_target))
    return found


def target_name(record: Mapping[str, Any]) -> str:
    """Return the explained class, score or quantity by its name."""
    target = record.get("target")
    if isinstance(target, Mapping):
        for key in ("class", "name", "label", "description", "index"):
            if target.get(key) is not None:
                return str(target[key])
        return ""
    if isinstance(target, list):
        return ", ".join(target_name({"target": t}) for t in target)
    return "" if target is None else str(target)


def map_names(ds: xr.Dataset) -> list[str]:
    """Return the names of the maps in the dataset, in order."""
    return [str(name) for name in ds.data_vars]


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
    array = find_map(ds, method)
    signal = signal_of(ds)
    chosen = dict(at or {})
    unknown = [dim for dim in chosen if dim not in array.dims]
    if unknown:
        near = nearest(unknown[0], map(str, array.dims), label="It has")
        msg = f"The map '{array.name}' has no dim '{unknown[0]}'. {near}"
        raise ExplanationError(msg)
    shown = tuple(d for d in array.dims if d in PLANE) if set(PLANE) <= set(array.dims) else (array.dims[-1],)
    todo: list[tuple[xr.DataArray, xr.DataArray, dict[str, str]]] = [(array, signal, {})]
    for dim in [str(d) for d in array.dims if d not in shown]:
        todo = [one for part in todo for one in _split(part, dim, chosen.get(dim))]
    return [_panel(part, image, place, tuple(map(str, shown)), ds) for part, image, place in todo]


def _split(
    part: tuple[xr.DataArray, xr.DataArray, dict[str, str]], dim: str, entry: int | str | None
) -> list[tuple[xr.DataArray, xr.DataArray, dict[str, str]]]:
    """Take one entry of a leading dim, or all of them where the image does not have it and none was named."""
    array, signal, place = part
    size = array.sizes[dim]
    names = [str(v) for v in array[dim].values] if dim in array.coords else [str(i) for i in range(size)]
    if entry is None:
        picked = list(range(size)) if dim in STACKED else [size // 2]
    else:
        strongest = entry == STRONGEST and dim not in STACKED
        picked = [_strongest(array, dim) if strongest else _position(entry, names, dim)]
    parts = []
    for i in picked:
        image = signal.isel({dim: i}) if dim in signal.dims else signal
        label = names[i] if dim in STACKED else f"{i + 1} of {size}"
        parts.append((array.isel({dim: i}), image, {**place, dim: label}))
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
    attrs = dict(array.attrs)
    axes = tuple(axis_of(ds, d) for d in shown)
    values = np.asarray(array.transpose(*shown).values, dtype=np.float64)
    method = str(attrs.get("method", array.name))
    signed = bool(int(attrs.get("signed", int(bool((values < 0).any())))))
    return Panel(
        str(array.name), method, place, values, np.asarray(image.values, dtype=np.float64), axes, signed, attrs
    )


def axis_of(ds: xr.Dataset, dim: str) -> Axis:
    """Return one axis of an explanation with its unit; an axis without coordinate or unit counts pixels."""
    if dim not in ds.coords:
        return Axis(dim, np.arange(ds.sizes[dim], dtype=np.float64), "pixel")
    units = str(ds[dim].attrs.get("units", "pixel" if dim in ("z", "y", "x", "axis", "t") else ""))
    return Axis(dim, np.asarray(ds[dim].values, dtype=np.float64), units)


def extent_words(value: Any, panel: Panel) -> str:
    """Return a cell or receptive field in physical words: ``"1.3 µm x 1.3 µm"``.

    A number or one number for each axis is in the axes' own units; text stands as it is.
    """
    if value is None or (isinstance(value, str) and not value.strip().startswith("[")):
        return str(value or "")
    numbers = np.atleast_1d(np.asarray(json.loads(value) if isinstance(value, str) else value, dtype=np.float64))
    if numbers.size == 1:
        numbers = np.repeat(numbers, len(panel.axes))
    axes = panel.axes[-numbers.size :] if numbers.size <= len(panel.axes) else panel.axes
    parts = [length_label(float(n), a.units) for n, a in zip(numbers[-len(axes) :], axes, strict=True)]
    return " × ".join(parts)
