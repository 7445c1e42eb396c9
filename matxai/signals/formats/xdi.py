"""XDI (``# XDI/1.0``): one scan of X-ray absorption with its header, as the XAS Data Interchange format defines it.

The signal is the absorption that the columns allow; the columns themselves stand beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.absorption import absorptions, energy_of_angle
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.naming import axis_unit, contradicts, slug
from matxai.signals.spectra.plain import Plain, plain_text
from matxai.signals.spectra.said import number_of
from matxai.signals.spectra.tables import tables_in

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_MAGIC = re.compile(rb"(\xef\xbb\xbf)?#\s*XDI/\d")
_FIELD = re.compile(r"#\s*([A-Za-z_]\w*\.\w+)\s*:\s*(.*)")
_E0 = ("scan.edge_energy", "scanparameters.e0", "athena.e0")


@dataclass(frozen=True)
class _Scan:
    """The columns of a scan by their labels, their units, its header, and what is to be said of its rows."""

    columns: dict[str, npt.NDArray[np.float64]]
    units: dict[str, str]
    header: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Axis:
    label: str
    values: npt.NDArray[np.float64]
    dim: str
    unit: str | None
    notes: list[str]


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first line names XDI and its version."""
    return _MAGIC.match(head) is not None


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the absorption in transmission, in fluorescence and of the reference, as far as the columns allow.

    Raises
    ------
    FileError
        If rows and column names do not match, or there is neither energy nor angle nor k.
    """
    refuse_choices(path, "an XDI file, whose columns are named,", options)
    scan = _scan(plain_text(path, options.limit))
    axis = _axis(scan, path.name)
    beside = {k: v for k, v in scan.columns.items() if k != axis.label}
    units = {k: w for k, u in scan.units.items() if k in beside and (w := axis_unit(u)) is not None}
    attrs = {"metadata": dict(scan.header), **_facts(scan.header)}
    found = absorptions(scan.columns) if axis.dim == "energy" else []
    items: list[Item] = []
    for i, one in enumerate(found):
        rest = [other.name for other in found if other is not one]
        said = f"the absorption is {one.formula}; the file's columns stand beside it"
        said += f"; item= also takes {' and '.join(rest)}" if rest else ""
        missing = int(np.isnan(one.values).sum())
        notes = [*scan.notes, *axis.notes, said]
        if missing:
            points = "1 point has" if missing == 1 else f"{missing} points have"
            notes.append(f"{points} no absorption: an intensity is not positive")
        own = {**attrs, "value_name": "absorption", "notes": notes}
        curve = Curve(one.name, axis.values, one.values, axis.dim, axis.unit, beside, own, units)
        item = items_of([curve], path.name)[0]
        items.append(item if i == 0 else Item(item.name, item.load, item.shape, item.dtype, derived=True))
    return items or items_of(_raw(axis, beside, {**attrs, "notes": scan.notes}), path.name)


def _raw(axis: _Axis, beside: dict[str, npt.NDArray[np.float64]], attrs: dict[str, Any]) -> list[Curve]:
    notes = [*attrs["notes"], *axis.notes, "the columns allow no absorption; they were taken as they are"]
    values = {k: v for k, v in beside.items() if not k.startswith(("energy", "angle", "time", "count"))} or beside
    return [Curve(k, axis.values, v, axis.dim, axis.unit, {}, {**attrs, "notes": notes}) for k, v in values.items()]


def _scan(text: Plain) -> _Scan:
    header: dict[str, str] = {}
    names: dict[int, str] = {}
    for line in text.lines:
        match = _FIELD.match(line)
        if match is None:
            if line.strip() and not line.lstrip().startswith("#"):
                break
            continue
        key, value = match[1], match[2].strip()
        family, _, tag = key.partition(".")
        if family.lower() == "column" and tag.isdigit():
            names[int(tag)] = value
        header.setdefault(key, value)
    tables = tables_in(text)
    if len(tables) != 1:
        msg = f"{text.name} is truncated or no XDI file: it has {len(tables)} tables of numbers and should have one"
        raise FileError(msg)
    table = tables[0].columns
    count = table.shape[1]
    if not names and tables[0].header:
        names = dict(enumerate(tables[0].header[-1].split(), 1))
    if not names or max(names) > count:
        msg = f"{text.name} names {max(names, default=0)} columns and its rows have {count}; correct its header"
        raise FileError(msg)
    columns, units = {}, {}
    for i in range(count):
        words = names.get(i + 1, f"column_{i + 1}").partition("||")[0].split()
        label = slug(words[0]) if words else f"column_{i + 1}"
        label = label if label not in columns else f"{label}_{i + 1}"
        columns[label] = table[:, i]
        units[label] = " ".join(words[1:])
    return _Scan(columns, units, header, tables[0].notes)


def _axis(scan: _Scan, file: str) -> _Axis:
    for label in ("energy", "e"):
        if label in scan.columns:
            unit = scan.units[label] or "eV"
            if contradicts("energy", unit):
                return _Axis(
                    label, scan.columns[label], UNNAMED, None, [f"the column energy is in {unit}, not calibrated"]
                )
            return _Axis(label, scan.columns[label], "energy", axis_unit(unit) or "eV", [])
    if "angle" in scan.columns:
        return _of_angle(scan, file)
    if "k" in scan.columns:
        note = "the axis is k, the wavenumber of the photoelectron"
        return _Axis("k", scan.columns["k"], UNNAMED, "1/angstrom", [note])
    msg = f"{file} has neither energy nor angle nor k among its columns ({', '.join(scan.columns)})"
    raise FileError(msg)


def _of_angle(scan: _Scan, file: str) -> _Axis:
    said = {k.lower(): v for k, v in scan.header.items()}
    spacing = number_of(said.get("mono.d_spacing", ""))
    if not spacing or spacing <= 0:
        msg = (
            f"{file} has the angle of the monochromator and no energy, and Mono.d_spacing, which would give it, is "
            f"{said.get('mono.d_spacing') or 'missing'}; add it to the header"
        )
        raise FileError(msg)
    unit = scan.units["angle"].lower()
    radians = unit.startswith("rad")
    if unit and not radians and not unit.startswith(("deg", "°")):
        msg = f"{file} has the angle of the monochromator in {unit!r}; degrees or radians give an energy"
        raise FileError(msg)
    energy = energy_of_angle(scan.columns["angle"], spacing, radians=radians)
    note = f"the energy is that of the angle at a d spacing of {spacing:g} angstrom{'' if unit else ', in degrees'}"
    return _Axis("", energy, "energy", "eV", [note])


def _facts(header: dict[str, str]) -> dict[str, Any]:
    said = {k.lower(): v for k, v in header.items()}
    found: dict[str, Any] = {}
    if said.get("element.symbol") and said.get("element.edge"):
        found["edge"] = f"{said['element.symbol'].capitalize()} {said['element.edge'].upper()}"
    for key in _E0:
        value = number_of(said.get(key, ""))
        if value is not None and value > 0 and "e0" not in found:
            found["e0"] = value * 1000 if "kev" in said[key].lower() else value
    return found


readers.add(
    "xdi",
    Reader(
        name="xdi",
        suffixes=(".xdi",),
        recognises=recognises,
        read=read,
        describes="XDI (X-ray absorption)",
        priority=1,
    ),
)
