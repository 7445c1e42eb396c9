"""Curves from columns of numbers: rows without a place are left out and counted; blocks on one axis are a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.labelled import UNNAMED, labelled
from matxai.signals.reader import Item
from matxai.signals.spectra.axes import KINDS
from matxai.signals.units import convert, same_kind, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import xarray as xr

SAMPLE = "sample"
FACTS = ("wavelength", "anode", "photon_energy", "work_function", "e0", "edge", "laser_wavelength", "sampling_rate")
"""What attrs say of one measurement; where the spectra of a set differ in it, it is a coordinate along `SAMPLE`."""


@dataclass(frozen=True)
class Curve:
    """One curve as a file holds it: a block, a region, a range, a scan, a column.

    Attributes
    ----------
    name
        How the file calls it.
    axis
        Places, shape ``(n,)``, in any order of direction; NaN where a row has none.
    values
        Shape ``(n,)``, or ``(n, c)`` where one measurement has several channels.
    dim
        What the axis is, a name of `matxai.signals.spectra.axes.KINDS`, or ``axis`` where the file does not say.
    unit
        The axis's unit as the file writes it; None takes that of the kind (none at all for ``axis``).
    beside
        More columns of the same rows (raw counts, monitors, other axes), which become coordinates along ``dim``.
    attrs
        What the file says beside: ``value_name`` and ``value_unit`` (what the values are), ``wavelength`` (angstrom),
        ``anode``, ``photon_energy``, ``work_function``, ``e0`` (eV), ``laser_wavelength`` (nm), ``sampling_rate``
        (Hz), ``edge`` (``"Fe K"``), ``metadata`` (a dict), ``notes`` (sentences). Of a set, what all curves say alike
        stays as it is; `FACTS` on which they differ become coordinates along ``sample``, metadata lists in its order.
    beside_units
        Units of columns beside, as words that pint reads.
    channels
        Names of the channels of values ``(n, c)``; without them they are counted.
    """

    name: str
    axis: npt.NDArray[Any]
    values: npt.NDArray[Any]
    dim: str = UNNAMED
    unit: str | None = None
    beside: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    beside_units: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()

    def signal(self) -> xr.DataArray:
        """Return it as a signal whose axis ascends.

        Rows whose place is no number are left out; how many stands in ``attrs['left_out']`` and in a note.

        Raises
        ------
        SignalError
            If columns differ in length, fewer than two rows have a place, or the axis turns round or stands still.
        """
        return _signal([self])


def items_of(curves: Sequence[Curve], file: str) -> list[Item]:
    """Return what `matxai.read` offers of a file's curves.

    Curves on one and the same axis (and of one kind and unit) are one set with the dim ``sample``, whose coordinate
    holds their names; on different axes each is an item of its own, in the file's order.

    Raises
    ------
    FileError
        If there is no curve.
    """
    if not curves:
        msg = f"{file} holds no curve: no rows of numbers with an axis were found in it"
        raise FileError(msg)
    groups: list[list[Curve]] = []
    for curve in curves:
        home = next((g for g in groups if _same_axis(g[0], curve)), None)
        if home is None:
            groups.append([curve])
        else:
            home.append(curve)
    return [_item(group, file) for group in groups]


def _same_axis(one: Curve, other: Curve) -> bool:
    return (
        (one.dim, one.unit) == (other.dim, other.unit)
        and one.values.shape == other.values.shape
        and one.values.ndim == 1
        and np.array_equal(one.axis, other.axis, equal_nan=True)
    )


def _item(group: Sequence[Curve], file: str) -> Item:
    first = group[0]
    n = int(np.isfinite(first.axis).sum())
    shape = (n, *first.values.shape[1:]) if len(group) == 1 else (len(group), n)
    name = first.name if len(group) == 1 else f"{first.name} ... {group[-1].name}"

    def load() -> xr.DataArray:
        try:
            return _signal(group)
        except SignalError as error:
            msg = f"{file}: {error}"
            raise FileError(msg) from error

    return Item(name or "curve", load, shape, str(np.result_type(*(c.values for c in group))))


def _signal(group: Sequence[Curve]) -> xr.DataArray:
    first = group[0]
    axis = np.asarray(first.axis, float)
    for curve in group:
        rows = {"axis": len(curve.axis), "values": len(curve.values), **{k: len(v) for k, v in curve.beside.items()}}
        if len(set(rows.values())) > 1:
            msg = f"the columns of '{curve.name}' differ in length: {rows}"
            raise SignalError(msg)
    has_place = np.isfinite(axis)
    if has_place.sum() < 2:
        msg = f"'{first.name}' has {int(has_place.sum())} rows with a place on the axis; a curve needs at least 2"
        raise SignalError(msg)
    unit = first.unit if first.unit is not None or first.dim not in KINDS else KINDS[first.dim].unit
    attrs = _attrs(group)
    if first.dim == "time" and "sampling_rate" not in attrs and (rate := _sampled(axis[has_place], unit)):
        attrs["sampling_rate"] = rate
    if missing := int((~has_place).sum()):
        attrs["left_out"] = missing
        said = "1 row without a place on the axis was" if missing == 1 else f"{missing} rows without a place were"
        attrs["notes"] = [*attrs.get("notes", []), f"{said} left out"]
    if len(group) == 1:
        data, dims = first.values[has_place], (first.dim, "c")[: first.values.ndim]
        coords = {first.dim: axis[has_place], **({"c": np.array(first.channels)} if first.channels else {})}
        found = labelled(data, dims, units={first.dim: unit}, coords=coords, attrs=attrs, name=first.name)
    else:
        data = np.stack([c.values[has_place] for c in group])
        names = np.array([c.name for c in group])
        coords = {first.dim: axis[has_place], SAMPLE: names}
        found = labelled(data, (SAMPLE, first.dim), units={first.dim: unit}, coords=coords, attrs=attrs)
        found = with_facts(found, [c.attrs for c in group])
    return _with_columns(found, group, has_place)


def _sampled(axis: npt.NDArray[Any], unit: str | None) -> float | None:
    """Return the sampling rate in Hz of an axis of time with even steps, or None."""
    steps = np.abs(np.diff(axis))
    word = unit_word(unit)
    if word is None or not same_kind(word, "s") or not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
        return None
    return float(f"{1 / convert(float(steps.mean()), word, 's'):.10g}") if steps.mean() > 0 else None


def _attrs(group: Sequence[Curve]) -> dict[str, Any]:
    """Return what the curves of a group say: alike as it is, metadata that differ as lists, notes once each."""
    if len(group) == 1:
        return {k: v for k, v in group[0].attrs.items() if k != "notes" or v}
    found = {k: v for k, v in group[0].attrs.items() if all(k in c.attrs and c.attrs[k] == v for c in group)}
    said = [dict(c.attrs.get("metadata", {})) for c in group]
    if any(said):
        names = dict.fromkeys(k for words in said for k in words)
        columns = {k: [words.get(k) for words in said] for k in names}
        found["metadata"] = {k: v[0] if all(x == v[0] for x in v) else v for k, v in columns.items()}
    if notes := dict.fromkeys(n for c in group for n in c.attrs.get("notes", [])):
        found["notes"] = list(notes)
    return found


def with_facts(signal: xr.DataArray, each: Sequence[Mapping[str, Any]]) -> xr.DataArray:
    """Add the `FACTS` in which the samples of a set differ as coordinates; NaN or ``""`` where one does not say.

    Parameters
    ----------
    signal
        The set, with the dim ``sample``.
    each
        The attributes of every sample, in its order.
    """
    for key in FACTS:
        said = [attrs.get(key) for attrs in each]
        if key not in signal.attrs and any(value is not None for value in said):
            nothing: Any = "" if any(isinstance(value, str) for value in said) else np.nan
            filled = np.array([nothing if value is None else value for value in said])
            signal = signal.assign_coords({key: (SAMPLE, filled)})
    return signal


def _with_columns(signal: xr.DataArray, group: Sequence[Curve], kept: npt.NDArray[np.bool_]) -> xr.DataArray:
    """Add the columns that all curves of a group have as coordinates; turned round with a descending axis."""
    first = group[0]
    given = np.asarray(first.axis, float)[kept]
    turn = slice(None, None, -1 if given[0] > given[-1] else 1)
    for name in first.beside:
        if any(name not in c.beside for c in group) or name in signal.coords:
            continue
        columns = [np.asarray(c.beside[name])[kept][turn] for c in group]
        unit = {"units": first.beside_units[name]} if name in first.beside_units else {}
        if len(group) == 1 or all(np.array_equal(columns[0], c, equal_nan=True) for c in columns):
            signal = signal.assign_coords({name: (first.dim, columns[0], unit)})
        else:
            signal = signal.assign_coords({name: ((SAMPLE, first.dim), np.stack(columns), unit)})
    return signal
