"""Many files with spectra on one axis as one set ``(sample, axis)``; the names of the files are its samples."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import labelled
from matxai.signals.spectra.curve import SAMPLE, with_facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr

_MOST_NOTES = 12


def set_of(paths: Sequence[Path], signals: Sequence[xr.DataArray], name: str) -> xr.DataArray:
    """Return the spectra of files as one set.

    Parameters
    ----------
    paths
        The files.
    signals
        What each holds: a spectrum, or a set of its own, whose spectra are called ``FILE: SAMPLE``.
    name
        What the set is called in sentences.

    Returns
    -------
    xarray.DataArray
        Dims ``(sample, axis)``; attributes that all share stay, facts of the measurement that differ (wavelength,
        laser, edge, ...) and columns beside the spectra are coordinates.

    Raises
    ------
    FileError
        If a file holds an image, or is on another axis than the first; the sentence names it.
    """
    _refuse_others(paths, signals, name)
    first = signals[0]
    dim = str(first.dims[-1])
    samples: list[str] = []
    for called, signal in zip(_called(paths), signals, strict=True):
        samples += [called] if signal.ndim == 1 else [f"{called}: {s}" for s in signal[SAMPLE].values]
    values = np.concatenate([np.atleast_2d(signal.values) for signal in signals])
    found = labelled(
        values,
        (SAMPLE, dim),
        coords={dim: first[dim].values, SAMPLE: np.array(samples)},
        units={dim: first[dim].attrs.get("units")},
        attrs=_shared([signal.attrs for signal in signals]),
    )
    counts = [1 if signal.ndim == 1 else signal.sizes[SAMPLE] for signal in signals]
    several = [path.name for path, count in zip(paths, counts, strict=True) if count > 1]
    if several:
        shown = ", ".join(several[:3]) + (f" and {len(several) - 3} more" if len(several) > 3 else "")
        note = f"{shown}: several spectra in a file, each a sample of its own"
        found.attrs["notes"] = [*found.attrs.get("notes", []), note]
    found = with_facts(found, [said for s, n in zip(signals, counts, strict=True) for said in _of_samples(s, n)])
    return _with_columns(found, signals, dim)


def _of_samples(signal: xr.DataArray, count: int) -> list[dict[str, Any]]:
    """Return the attributes of every spectrum of a file; what differs in it is a coordinate along ``sample``."""
    own = {str(k): c.values for k, c in signal.coords.items() if c.dims == (SAMPLE,) and k != SAMPLE}
    return [{**signal.attrs, **{k: v[i] for k, v in own.items()}} for i in range(count)]


def _with_columns(found: xr.DataArray, signals: Sequence[xr.DataArray], dim: str) -> xr.DataArray:
    """Add the columns that every file has beside its spectrum."""
    for key in signals[0].coords:
        if key in (dim, SAMPLE) or any(key not in s.coords or s.coords[key].dims != (dim,) for s in signals):
            continue
        columns = [s.coords[key].values for s in signals]
        if columns[0].dtype.kind == "f" and all(np.array_equal(columns[0], c, equal_nan=True) for c in columns):
            found = found.assign_coords({key: (dim, columns[0], signals[0].coords[key].attrs)})
        else:
            counts = [1 if s.ndim == 1 else s.sizes[SAMPLE] for s in signals]
            stacked = np.repeat(np.stack(columns), counts, axis=0)
            found = found.assign_coords({key: ((SAMPLE, dim), stacked, signals[0].coords[key].attrs)})
    return found


def _refuse_others(paths: Sequence[Path], signals: Sequence[xr.DataArray], name: str) -> None:
    first = signals[0]
    for path, signal in zip(paths, signals, strict=True):
        if signal.ndim != 1 and signal.dims[0] != SAMPLE:
            msg = (
                f"{name} is a mixed set: {paths[0].name} holds a spectrum and {path.name} holds {signal.dims} "
                f"{signal.shape}; read them apart"
            )
            raise FileError(msg)
        one, other = _axis(first), _axis(signal)
        if one[:2] == other[:2] and np.array_equal(one[2], other[2]):
            continue
        msg = (
            f"{name} is no set on one axis: {path.name} has {_said(other)}, {paths[0].name} has {_said(one)}; bring "
            f"them onto one axis first (signal.interp), or read them one by one"
        )
        raise FileError(msg)


def _axis(signal: xr.DataArray) -> tuple[str, Any, np.ndarray[Any, Any]]:
    dim = str(signal.dims[-1])
    return dim, signal[dim].attrs.get("units"), signal[dim].values


def _said(axis: tuple[str, Any, np.ndarray[Any, Any]]) -> str:
    dim, unit, values = axis
    return f"{len(values)} points of {dim} from {values[0]:.6g} to {values[-1]:.6g}{f' {unit}' if unit else ''}"


def _called(paths: Sequence[Path]) -> list[str]:
    """Return the files' names, or, where two folders have the same, their paths below what all share."""
    names = [p.name for p in paths]
    if len(set(names)) == len(names):
        return names
    root = os.path.commonpath([p.parent.absolute() for p in paths])
    return [os.path.relpath(p.absolute(), root).replace(os.sep, "/") for p in paths]


def _shared(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {k: v for k, v in each[0].items() if all(k in a and a[k] == v for a in each)}
    meta = each[0].get("metadata") or {}
    found["metadata"] = {k: v for k, v in meta.items() if all((a.get("metadata") or {}).get(k) == v for a in each)}
    notes = list(dict.fromkeys(note for attrs in each for note in attrs.get("notes", [])))
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], f"and {len(notes) - _MOST_NOTES} more notes on single files"]
    if notes:
        found["notes"] = notes
    found.pop("left_out", None)
    if any("left_out" in attrs for attrs in each):
        found["left_out"] = sum(int(attrs.get("left_out", 0)) for attrs in each)
    return found
