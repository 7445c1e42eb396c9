"""Curves from the columns of a table: which column is the axis, which are values, which stand beside."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.spectra.axes import KINDS, axis_kind
from matxai.signals.spectra.curve import Curve
from matxai.signals.spectra.headings import EMPTY, headings_of
from matxai.signals.spectra.naming import Heading, axis_unit, contradicts, slug
from matxai.signals.spectra.said import facts_of, metadata_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.signals.spectra.tables import Table

    Numbers = npt.NDArray[np.float64]

PREFERRED = ("binding_energy", "raman_shift", "two_theta", "energy", "wavelength", "wavenumber", "kinetic_energy")
"""Which of several axes of the same rows is taken where the caller does not say."""

_ROOTS_APART = 0.01


def curves_of(
    table: Table,
    *,
    file: str,
    name: str,
    axis: str | None = None,
    who: str = "the caller",
    third_is_sigma: bool = False,
) -> list[Curve]:
    """Return the curves of a table.

    Parameters
    ----------
    table
        As `matxai.signals.spectra.tables.tables_in` gives it.
    file
        Its file, as sentences name it.
    name
        What a lone curve without a heading is called.
    axis
        Which kind of axis is meant, where the file names none or several.
    who
        Who says so, as the note puts it.
    third_is_sigma
        Whether the third of three columns without headings is the uncertainty (``.xye``).

    Raises
    ------
    FileError
        If there is no axis among the columns, the file contradicts ``axis``, or a unit cannot be that of its axis.
    """
    heads, columns, notes = _without_index(headings_of(table), table.columns)
    kept = [i for i in range(columns.shape[1]) if np.isfinite(columns[:, i]).any()]
    heads, columns = tuple(heads[i] for i in kept), columns[:, kept]
    if columns.shape[1] < 2:
        msg = f"{file} has one column of values and no axis to them; a spectrum needs both, as two columns"
        raise FileError(msg)
    metadata = metadata_of(table.header)
    attrs: dict[str, Any] = {"metadata": metadata, **facts_of(metadata)}
    notes = [*table.notes, *notes]
    if _are_pairs(columns, heads):
        return _pairs(columns, heads, file, name, (axis, who), attrs, notes)
    place = _axis_column(columns, heads, file, axis)
    dim, unit, said = named_axis(heads[place], file, axis, who)
    return _values(columns, heads, place, (dim, unit), name, attrs, [*notes, *said], third_is_sigma=third_is_sigma)


def named_axis(
    head: Heading, file: str, axis: str | None, who: str = "the caller"
) -> tuple[str, str | None, list[str]]:
    """Return dim, unit and notes of an axis from its heading and from what ``who`` says.

    Raises
    ------
    FileError
        If both name an axis and not the same, or the unit measures something else.
    SignalError
        If there is no such kind of axis.
    """
    if axis is not None:
        axis_kind(axis)
        if head.kind is not None and head.kind != axis:
            msg = f"{file} names its axis '{head.text}', which is {head.kind}; axis='{axis}' contradicts it"
            raise FileError(msg)
    kind = axis or head.kind
    if kind is None:
        if not head.name:
            return UNNAMED, None, []
        return UNNAMED, None, [f"the first column is called '{head.text}', which names no known axis; axis= says which"]
    if head.unit and contradicts(kind, head.unit):
        msg = (
            f"{file} gives its axis '{head.name or kind}' in {head.unit}, which is no unit of {kind} "
            f"({KINDS[kind].unit}); correct the heading"
        )
        raise FileError(msg)
    unit = axis_unit(head.unit)
    said = [f"the axis is {kind} because {who} says so"] if head.kind is None else []
    if head.unit and unit is None:
        said.append(f"the unit '{head.unit}' of the axis is not known; {KINDS[kind].unit} was taken")
    return kind, unit or KINDS[kind].unit, said


def _axis_column(columns: Numbers, heads: Sequence[Heading], file: str, axis: str | None) -> int:
    named = [i for i, h in enumerate(heads) if h.role == "axis"]
    if axis is not None and any(heads[i].kind == axis for i in named):
        return next(i for i in named if heads[i].kind == axis)
    if named:
        ranked = sorted(named, key=lambda i: PREFERRED.index(heads[i].kind) if heads[i].kind in PREFERRED else 99)
        return ranked[0] if len(named) > 1 and _same_rows(columns, named) else named[0]
    place = next((i for i, h in enumerate(heads) if h.role == "value"), 0)
    if heads[0].role == "counter" and (place + 1 >= len(heads) or not runs_one_way(columns[:, place])):
        place = 0  # channel and counts: the channel is all there is
    if not runs_one_way(columns[:, place]):
        values = columns[np.isfinite(columns[:, place]), place]
        steps = np.diff(values) * np.sign(values[-1] - values[0] or 1)
        msg = (
            f"{file} is a table of {columns.shape[0]} x {columns.shape[1]} numbers without an axis: column {place + 1} "
            f"turns round or stands still after row {int(np.argmax(steps <= 0)) + 1}, and no other is named like one"
        )
        raise FileError(msg)
    return place


def _same_rows(columns: Numbers, named: Sequence[int]) -> bool:
    return all(runs_one_way(columns[:, i]) for i in named)


def runs_one_way(values: Numbers) -> bool:
    """Whether the finite values of a column strictly ascend or strictly descend."""
    steps = np.diff(values[np.isfinite(values)])
    return len(steps) > 0 and bool(np.all(steps > 0) or np.all(steps < 0))


def _values(
    columns: Numbers,
    heads: Sequence[Heading],
    place: int,
    axis: tuple[str, str | None],
    name: str,
    attrs: dict[str, Any],
    notes: list[str],
    *,
    third_is_sigma: bool,
) -> list[Curve]:
    """Return a curve for every column of values; other axes, counters and uncertainties stand beside."""
    roles = [h.role for h in heads]
    if not any(h.text for h in heads) and columns.shape[1] == 3 and _is_sigma(columns, known=third_is_sigma):
        roles[2] = "sigma"
        why = "the file is .xye" if third_is_sigma else "it is the root of the second"
        notes = [*notes, f"the third column was taken as the uncertainty: {why}"]
    elif not any(h.text for h in heads) and columns.shape[1] == 3:
        notes = [*notes, "the third column is not the root of the second and was taken as a second intensity"]
    values = _value_columns(roles, place)
    beside = {
        heads[i].kind or slug(heads[i].name): columns[:, i]
        for i, role in enumerate(roles)
        if i not in (place, *values) and role != "sigma"
    }
    units = units_of([heads[i] for i in range(len(roles)) if heads[i].kind and i != place])
    titles = unique([heads[i].name or (f"column {i + 1}" if len(values) > 1 else name) for i in values])
    found = []
    for i, title in zip(values, titles, strict=True):
        own = dict(beside)
        if i + 1 < len(roles) and roles[i + 1] == "sigma":
            own["sigma"] = columns[:, i + 1]
        said = {**attrs, **({"notes": list(notes)} if notes else {})}
        if heads[i].name and len(values) == 1:
            said["value_name"] = heads[i].name
        if heads[i].unit:
            said["value_unit"] = heads[i].unit
        found.append(Curve(title, columns[:, place], columns[:, i], axis[0], axis[1], own, said, units))
    return found


def units_of(heads: Sequence[Heading]) -> dict[str, str]:
    """Return the units of axes that stand beside, by the kind of axis."""
    return {h.kind: axis_unit(h.unit) or KINDS[h.kind].unit for h in heads if h.kind}


def _value_columns(roles: Sequence[str], place: int) -> list[int]:
    """Return the columns of values: those behind the axis where every axis has its own, else all."""
    values = [i for i, role in enumerate(roles) if i != place and role == "value"]
    axes = [i for i, role in enumerate(roles) if role == "axis"]
    parts = {a: [v for v in values if v > a and not any(a < b < v for b in axes)] for a in axes}
    if place in parts and len(axes) > 1 and all(parts.values()):
        return parts[place]  # K.E., counts, B.E., counts/s: one measurement on two axes
    return values or [i for i in range(len(roles)) if i != place][-1:]


def _is_sigma(columns: Numbers, *, known: bool) -> bool:
    y, s = columns[:, 1], columns[:, 2]
    return known or bool(np.all(y >= 0) and np.all(np.abs(s - np.sqrt(y)) <= _ROOTS_APART * np.sqrt(y) + 1e-3))


def _are_pairs(columns: Numbers, heads: Sequence[Heading]) -> bool:
    """Whether columns are x, y, x, y, ...: every second one an axis by name or by its even steps."""
    width = columns.shape[1]
    if width < 4 or width % 2:
        return False
    if any(h.kind for h in heads):
        kinds = [h.kind for h in heads]
        return None not in kinds[::2] and not any(kinds[1::2]) and len(set(kinds[::2])) == 1
    return all(_even(columns[:, i]) for i in range(0, width, 2)) and not all(
        _even(columns[:, i]) for i in range(1, width, 2)
    )


def _even(values: Numbers) -> bool:
    values = values[np.isfinite(values)]
    steps = np.abs(np.diff(values))
    return runs_one_way(values) and bool(np.std(steps) <= 0.5 * np.mean(steps))


def _pairs(
    columns: Numbers,
    heads: Sequence[Heading],
    file: str,
    name: str,
    axis: tuple[str | None, str],
    attrs: dict[str, Any],
    notes: list[str],
) -> list[Curve]:
    count = columns.shape[1] // 2
    titles = unique([heads[2 * i + 1].name or f"{name} {i + 1}" for i in range(count)])
    notes = [*notes, f"its columns are {count} pairs of axis and values"]
    found = []
    for i, title in enumerate(titles):
        x, y = columns[:, 2 * i], columns[:, 2 * i + 1]
        there = np.flatnonzero(np.isfinite(x) | np.isfinite(y))
        rows = slice(0, there[-1] + 1 if len(there) else 0)  # shorter than the longest pair
        label = heads[2 * i].name == heads[2 * i + 1].name  # a class over both columns names no axis
        dim, unit, said = named_axis(EMPTY if label else heads[2 * i], file, *axis)
        found.append(Curve(title, x[rows], y[rows], dim, unit, attrs={**attrs, "notes": [*notes, *said]}))
    return found


def _without_index(heads: tuple[Heading, ...], columns: Numbers) -> tuple[tuple[Heading, ...], Numbers, list[str]]:
    """Leave out the first column where it only counts the rows and has no heading, as pandas writes its index."""
    first_is_header = not np.isfinite(columns[0, 0]) and np.isfinite(columns[0, 1:]).all()
    body = columns[1:] if first_is_header else columns
    blank = first_is_header or (not heads[0].text and any(h.text for h in heads)) or heads[0].text.startswith("Unnamed")
    if blank and len(body) and np.array_equal(body[:, 0], np.arange(len(body))):
        return heads[1:], body[:, 1:], ["the first column counts the rows and was left out"]
    return heads, columns, []


def unique(names: Sequence[str]) -> list[str]:
    """Return names with ``(2)``, ``(3)`` behind those that come again."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
