"""Signals and maps on another axis: 2-theta as d or q, eV as nm, kinetic as binding energy, energy from an edge."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from matxai.errors import MatxaiWarning, SignalError
from matxai.signals.labelled import UNNAMED
from matxai.signals.spectra.axes import axis_kind
from matxai.signals.spectra.conversions import SETTINGS, SPOKES, UNITS, checked, needed, targets, with_slopes
from matxai.signals.spectra.shifting import PeakShift
from matxai.signals.units import convert, same_kind, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import xarray as xr

    Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)

FAR = 0.01
"""A given wavelength or photon energy that differs from the file's by more than this share is warned of."""

SIGMA = "sigma"
"""What readers call the column of uncertainties beside the values; it changes as they do."""

UNBOUND = -50.0
"""Below this binding energy (eV) no electron is found; an axis that reaches it has a wrong photon energy."""


def convert_axis(
    signal: Labelled,
    to: str,
    *,
    wavelength: float | None = None,
    photon_energy: float | None = None,
    work_function: float | None = None,
    shift: float | PeakShift | None = None,
    e0: float | None = None,
    density: bool | None = None,
) -> Labelled:
    """Return a spectrum, a set of spectra or an explanation's maps on another axis.

    Parameters
    ----------
    signal
        One with a dim that converts: ``two_theta``, ``d_spacing`` and ``q`` into one another; ``energy``,
        ``wavelength``, ``wavenumber``, ``raman_shift`` and ``relative_energy`` (E - E0); ``kinetic_energy`` and
        ``binding_energy``. Other dims (``sample``, ``omega``, ``y``, ``x``) stay.
    to
        The kind of axis that it shall have. ``binding_energy`` to itself with ``shift`` moves it.
    wavelength
        Of the radiation in angstrom (diffraction), of the laser in nm (Raman).
    photon_energy, work_function
        In eV. Kinetic energies count as referred to the Fermi level, as instruments write them, whatever work function
        of the analyser the file names; one that they still lack is subtracted where it is given here.
    shift
        What is added to binding energies (eV), or what `fit_shift` found. On the way to kinetic energies: what the
        binding energies contain.
    e0
        The edge's energy in eV.
    density
        Whether the values are densities per unit of the axis (counts per eV), which change with it by the slope of the
        formula (its Jacobian), so that areas stay; counts per channel do not change. ``None`` goes by
        ``attrs["value_unit"]`` and counts per channel where that does not tell. Maps of a dataset are never densities:
        a point keeps its relevance, and the sum is kept.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        As given, with an ascending coordinate in the unit of `matxai.signals.spectra.axes.KINDS`. What a keyword does
        not say is taken from ``attrs`` (``wavelength``, ``laser_wavelength``, ``photon_energy``, ``charge_shift``,
        ``subtracted_work_function``, ``e0``), and what was used stands there. ``attrs["notes"]`` tells what was done.
        Points without a counterpart (2-theta 0 has no d) are left out and counted.

    Raises
    ------
    SignalError
        If no dim converts, a number is missing, impossible or has no part in it, or points lie beyond its reach.

    Examples
    --------
    >>> pattern = matxai.read("quartz.xrdml")  # doctest: +SKIP
    >>> matxai.convert_axis(pattern, "d_spacing").d_spacing.attrs["units"]  # doctest: +SKIP
    'angstrom'
    """
    axis_kind(to)
    dim = _dim(signal, to)
    about = _attrs(signal)
    given = {"photon_energy": photon_energy, "work_function": work_function, "shift": shift, "e0": e0}
    given["laser" if "raman_shift" in (dim, to) else "wavelength"] = wavelength
    choice: _Choice = _choose({k: v for k, v in given.items() if v is not None}, dim, to, about)
    old, factor = _places(signal, dim, choice.notes)
    new, slope = _converted(old * factor, dim, to, choice)
    kept = _kept(new, dim, to)
    slope = slope[kept] * factor
    dropped = int((~kept).sum())
    said = f"the axis {dim} was converted to {to}" if dim != to else f"the axis {dim} was moved"
    sentences = [said + _list(choice.used)]
    if dropped:
        points = "1 point of it has" if dropped == 1 else f"{dropped} points of it have"
        sentences.append(f"{points} no {to} and {'was' if dropped == 1 else 'were'} left out{_lost(signal, dim, kept)}")
    moved = signal if not dropped else signal.isel({dim: kept})
    moved, said = _scaled(moved, dim, to, slope, density)
    sentences += [said] if said else []
    moved = _renamed(moved, dim, to, new[kept])
    return _noted(moved, [*choice.notes, "; ".join(sentences)], choice.attrs, without=choice.without)


@dataclass
class _Choice:
    """The numbers of one conversion: checked, with what is said of them and what ``attrs`` hold afterwards."""

    settings: dict[str, float]
    used: list[str]
    notes: list[str]
    attrs: dict[str, float]
    without: tuple[str, ...] = ()


def _dim(signal: xr.DataArray | xr.Dataset, to: str) -> str:
    dims = [str(d) for d in signal.sizes]
    if to in dims and to in SPOKES:
        return to
    for dim in dims:
        if to in targets(dim):
            return dim
    if UNNAMED in dims:
        msg = (
            f"the axis of this signal has no name, so that it cannot be converted to {to}; "
            'say what it is when it is read: matxai.read(file, axis="two_theta")'
        )
        raise SignalError(msg)
    spectral = [d for d in dims if d in SPOKES]
    if spectral:
        needed(spectral[0], to)  # says what this axis converts to
    msg = f"a signal with the dims {tuple(dims)} has no axis that converts to {to}; it converts from " + ", ".join(
        targets(to) or ("nothing",)
    )
    raise SignalError(msg)


def _attrs(signal: xr.DataArray | xr.Dataset) -> dict[str, Any]:
    """Return where the instrument's numbers stand: in attrs, of an explanation on its coordinate ``signal``.

    In a set whose spectra were measured differently they are coordinates along ``sample``, one of which is left when
    one spectrum is taken out.
    """
    inner = signal.coords["signal"].attrs if "signal" in signal.coords else {}
    known = {s.attr for s in SETTINGS.values()} - set(signal.sizes)
    beside = {k: np.asarray(signal.coords[k].values) for k in known if k in signal.coords}
    return {**signal.attrs, **inner, **{k: v[()] if v.ndim == 0 else v for k, v in beside.items()}}


def _choose(given: Mapping[str, Any], dim: str, to: str, attrs: Mapping[str, Any]) -> _Choice:
    """Return the numbers of a conversion: those given, else the file's; a given one without a part in it is refused."""
    wanted = needed(dim, to) if dim != to else ("shift",) if to == "binding_energy" else ()
    for name in given:
        if name not in wanted:
            keyword = "wavelength" if name == "laser" else name
            msg = f"{keyword}= has no part in a conversion of {dim} to {to}; leave it away"
            raise SignalError(msg)
    choice = _Choice({}, [], [], {})
    for name in wanted:
        setting = SETTINGS[name]
        mine, theirs = given.get(name), attrs.get(setting.attr)
        beyond = ""
        if isinstance(mine, PeakShift):
            beyond = f" +- {mine.uncertainty:.2g}"
            mine = mine.shift
        if mine is None and theirs is None:
            if name == "work_function":
                choice.notes.append(
                    "kinetic energies count as referred to the Fermi level, as instruments write them; where they are "
                    "not, work_function= subtracts what is missing"
                )
            continue
        if mine is None and isinstance(theirs, np.ndarray):
            msg = f"the {setting.words} differs from sample to sample; convert them one by one: signal.isel(sample=0)"
            raise SignalError(msg)
        value = choice.settings[name] = checked(name, theirs if mine is None else mine)
        words = setting.words
        choice.used.append(
            f"the {words} {value:.8g}{beyond} {setting.unit} ({'the file' if mine is None else 'given'})"
        )
        choice.attrs[setting.attr] = value
        if mine is not None and theirs is not None and not isinstance(theirs, np.ndarray) and name != "shift":
            _compare(words, value, checked(name, theirs), setting.unit, choice.notes)
    _bookkeep_shift(choice, dim, to, attrs, moved="shift" in given)
    return choice


def _compare(words: str, given: float, file: float, unit: str, notes: list[str]) -> None:
    if given == file:
        return
    said = f"the {words} {given:.8g} {unit} was given and used; the file says {file:.8g} {unit}"
    notes.append(said)
    if abs(given - file) > FAR * file:
        warnings.warn(said, MatxaiWarning, stacklevel=4)


def _bookkeep_shift(choice: _Choice, dim: str, to: str, attrs: Mapping[str, Any], *, moved: bool) -> None:
    """Keep ``charge_shift`` what the binding energies contain: it adds up, and kinetic energies contain none."""
    name = SETTINGS["shift"].attr
    if dim == to == "binding_energy":
        choice.attrs.pop(name, None)
        if moved:
            choice.attrs[name] = choice.settings["shift"] + checked("shift", attrs.get(name, 0.0))
        else:
            choice.settings, choice.used = {}, []
    elif to == "kinetic_energy":
        choice.attrs.pop(name, None)
        choice.without = (name,)


def _places(signal: xr.DataArray | xr.Dataset, dim: str, notes: list[str]) -> tuple[npt.NDArray[np.float64], float]:
    """Return the coordinate as it stands, and what one of its units is in the unit of its kind."""
    if dim not in signal.coords:
        msg = f"the axis {dim} has no coordinate; its places are needed"
        raise SignalError(msg)
    values = np.asarray(signal[dim].values, float)
    said = signal[dim].attrs.get("units")
    if said is None:
        notes.append(f"the axis {dim} has no unit; it was taken as {UNITS[dim]}")
        return values, 1.0
    unit = unit_word(str(said))
    if unit is None or not same_kind(unit, UNITS[dim]):
        msg = f"the axis {dim} is in {said!r}; it converts from {UNITS[dim]} or a unit of the same kind"
        raise SignalError(msg)
    return values, 1.0 if unit == UNITS[dim] else convert(1.0, unit, UNITS[dim])


def _converted(
    places: npt.NDArray[np.float64], dim: str, to: str, choice: _Choice
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if dim == to:
        return places + choice.settings.get("shift", 0.0), np.ones_like(places)
    new, slope = with_slopes(places, dim, to, choice.settings)
    lowest = np.nanmin(new, initial=np.inf)
    if to == "kinetic_energy" and lowest < 0:
        msg = (
            f"the photon energy {choice.settings['photon_energy']:g} eV is too low for binding energies up to "
            f"{np.nanmax(places):g} eV: kinetic energies down to {lowest:g} eV would follow; give photon_energy="
        )
        raise SignalError(msg)
    if to == "binding_energy" and lowest < UNBOUND:
        said = (
            f"binding energies down to {lowest:g} eV follow from the photon energy "
            f"{choice.settings['photon_energy']:g} eV; no electron is bound there, so look at the photon energy"
        )
        choice.notes.append(said)
        warnings.warn(said, MatxaiWarning, stacklevel=3)
    return new, slope


def _kept(new: npt.NDArray[np.float64], dim: str, to: str) -> npt.NDArray[np.bool_]:
    """Return which points have a counterpart, after a look at whether they run in one direction."""
    kept: npt.NDArray[np.bool_] = np.isfinite(new)
    if kept.sum() < min(2, new.size):
        msg = f"{int(kept.sum())} of {new.size} points on the axis {dim} have a {to}; look at its name and unit"
        raise SignalError(msg)
    steps = np.diff(new[kept])
    if not (np.all(steps > 0) or np.all(steps < 0)):
        msg = f"the axis {dim} does not run in one direction, so that it cannot become {to}; sort it first"
        raise SignalError(msg)
    return kept


def _lost(signal: xr.DataArray | xr.Dataset, dim: str, kept: npt.NDArray[np.bool_]) -> str:
    """Return what the maps of a dataset had at points that are left out, where that is not nothing."""
    import xarray as xr

    if isinstance(signal, xr.DataArray):
        return ""
    lost = {
        str(name): float(np.nansum(np.abs(array.isel({dim: ~kept}).values)))
        for name, array in signal.data_vars.items()
        if dim in array.dims
    }
    lost = {k: v for k, v in lost.items() if v}
    return f" (with them |relevance| of {', '.join(f'{v:.3g} in {k}' for k, v in lost.items())})" if lost else ""


def _scaled(
    signal: Labelled, dim: str, to: str, slope: npt.NDArray[np.float64], density: bool | None
) -> tuple[Labelled, str]:
    """Return the signal with its values per unit of the new axis if they are densities, and what is said of it."""
    import xarray as xr

    about = _attrs(signal)
    unit = str(about.get("value_unit") or "")
    word = str(signal[dim].attrs.get("units") or UNITS[dim])
    per = _per(unit, word)
    is_density = per is not None if density is None else density
    if np.allclose(np.abs(slope), 1.0, rtol=1e-12, atol=0):
        return signal, ""
    if not is_density:
        why = (
            "as told" if density is not None else f"in {unit}" if unit else "since nothing says that they are densities"
        )
        return signal, f"the values count per channel ({why}) and are as before"
    factor = xr.DataArray(1 / np.abs(slope), dims=(dim,))
    new_unit = {"value_unit": unit[: per[0]] + UNITS[to] + unit[per[1] :]} if per is not None else {}
    if isinstance(signal, xr.Dataset):
        if "signal" not in signal.coords or dim not in signal.coords["signal"].dims:
            return signal, ""
        inner = signal.coords["signal"]
        values = (inner.variable * factor.variable).transpose(*inner.dims)
        values.attrs = {**inner.attrs, **new_unit}
        return signal.assign_coords(
            signal=values
        ), f"the signal's values are now per {UNITS[to]}, the maps are as before"
    attrs = signal.attrs
    signal = (signal * factor).transpose(*signal.dims)
    signal.attrs = {**attrs, **new_unit}
    if SIGMA in signal.coords and dim in signal.coords[SIGMA].dims:
        column = signal.coords[SIGMA].variable
        signal = signal.assign_coords({SIGMA: (column * factor.variable).transpose(*column.dims)})
    return signal, f"the values are densities and now per {UNITS[to]} (multiplied by the slope of the axes)"


def _per(unit: str, axis_unit: str) -> tuple[int, int] | None:
    """Return where the axis's unit stands below the line of a unit: ``counts/eV`` on an axis in eV."""
    line = re.search(r"/|\bper\b", unit)
    if line is None or not axis_unit:
        return None
    found = re.search(rf"(?<![A-Za-z]){re.escape(axis_unit)}(?![A-Za-z0-9^])", unit[line.end() :])
    return None if found is None else (line.end() + found.start(), line.end() + found.end())


def _renamed(signal: Labelled, dim: str, to: str, places: npt.NDArray[np.float64]) -> Labelled:
    if to != dim and to in signal.coords:
        signal = signal.drop_vars(to)  # the file's own column of the same; the axis is now computed
    signal = signal.assign_coords({dim: (dim, places, {"units": UNITS[to]})})
    if to != dim:
        signal = signal.rename({dim: to})
    if places.size > 1 and places[0] > places[-1]:
        signal = signal.isel({to: slice(None, None, -1)})
    return signal


def _list(words: list[str]) -> str:
    return f" with {' and '.join(words)}" if words else ""


def _noted(signal: Labelled, notes: list[str], attrs: Mapping[str, float], *, without: tuple[str, ...]) -> Labelled:
    """Return it with notes and numbers in its attributes; an explanation's are text, and stand on its signal too."""
    import xarray as xr

    if isinstance(signal, xr.DataArray):
        kept: dict[str, Any] = {k: v for k, v in signal.attrs.items() if k not in without}
        signal.attrs = {**kept, **attrs, "notes": [*kept.get("notes", []), *notes]}
        return signal
    earlier: list[str] = json.loads(signal.attrs.get("axis_notes", "[]"))
    signal = signal.assign_attrs(axis_notes=json.dumps([*earlier, *notes], ensure_ascii=False))
    if "signal" in signal.coords:
        inner = signal.coords["signal"].variable.copy(deep=False)
        inner.attrs = {**{k: v for k, v in inner.attrs.items() if k not in without}, **attrs}
        return signal.assign_coords(signal=inner)
    return signal.assign_attrs(attrs)
