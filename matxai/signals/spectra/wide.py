"""Wide tables: one spectrum in each row, the axis in the first; words and numbers beside the spectra are labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import labelled
from matxai.signals.spectra.cells import BLANKS, Dialect
from matxai.signals.spectra.columns import named_axis, runs_one_way, unique
from matxai.signals.spectra.curve import SAMPLE
from matxai.signals.spectra.naming import heading, slug
from matxai.signals.spectra.tables import bare

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from matxai.signals.spectra.plain import Plain

LEAST = 8
"""How many numbers in a first row are an axis; fewer are names of columns."""

_SEARCHED = 60


@dataclass(frozen=True)
class Wide:
    """Spectra in rows.

    Attributes
    ----------
    axis
        Shape ``(n,)``.
    values
        Shape ``(rows, n)``.
    labels
        Column name to one entry for each row.
    corner
        The heading over the first label, which may name the axis.
    notes
        What was decided.
    """

    axis: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    labels: dict[str, list[str]]
    corner: str = ""
    notes: list[str] = field(default_factory=list)

    def signal(self, file: str, axis: str | None = None, who: str = "the caller") -> xr.DataArray:
        """Return the spectra as one set ``(sample, axis)``; its labels are coordinates along ``sample``.

        ``axis`` says what the axis is where the table does not, and ``who`` says so.

        Raises
        ------
        FileError
            As `matxai.signals.spectra.columns.named_axis`.
        SignalError
            If the axis turns round.
        """
        head = heading(self.corner)
        dim, unit, said = named_axis(head if head.kind else heading(""), file, axis, who)
        labels = dict(self.labels)
        names = next((k for k, v in labels.items() if len(set(v)) == len(v)), None)
        sample = labels.pop(names) if names is not None else [f"row {i + 1}" for i in range(len(self.values))]
        coords: dict[str, Any] = {dim: self.axis, SAMPLE: np.array(sample)}
        units = {dim: unit}
        attrs = {"notes": [*self.notes, *said]}
        found = labelled(self.values, (SAMPLE, dim), coords=coords, units=units, attrs=attrs)
        return found.assign_coords({slug(k): (SAMPLE, np.array(v)) for k, v in labels.items() if slug(k) != dim})


def wide_in(text: Plain) -> Wide | None:
    """Return the wide table that a text is, or None where it is none.

    Its first row has at least `LEAST` numbers that run in one direction, and every row below it has numbers in the
    same places. Where the first column runs in one direction as well and does not merely count the rows, the longer of
    the two is the axis.

    Raises
    ------
    FileError
        If a later row does not fit the first ones.
    """
    for start, line in enumerate(text.lines[:_SEARCHED]):
        said, comment = bare(line)
        if comment and not said:
            continue
        said = said if comment else line  # blanks in front are empty cells
        for dialect in _dialects(said):
            cells = dialect.cells(said)
            numbers = [dialect.number(cell) if cell else None for cell in cells]
            span = _span(numbers)
            if span is None:
                continue
            rows = _rows(text, start + 1, dialect, len(cells), span)
            if rows is not None:
                axis = np.array([float(v) for v in numbers[span] if v is not None])
                return _decided(axis, cells, span, rows, dialect)
    return None


def _dialects(line: str) -> list[Dialect]:
    delimiters = [d for d in "\t;|" if line.count(d) >= LEAST - 1]
    found = [Dialect(d, mark) for d in delimiters for mark in ".,"]
    if line.count(",") >= LEAST - 1 and not found:
        found.append(Dialect(","))
    return found or [Dialect(BLANKS)]


def _span(numbers: list[float | None]) -> slice | None:
    """Return where in a line the one run of numbers lies that is an axis."""
    places = [i for i, n in enumerate(numbers) if n is not None and np.isfinite(n)]
    if len(places) < LEAST or places[-1] - places[0] + 1 != len(places):
        return None
    span = slice(places[0], places[-1] + 1)
    return span if runs_one_way(np.array([float(n) for n in numbers[span] if n is not None])) else None


def _rows(
    text: Plain, start: int, dialect: Dialect, width: int, span: slice
) -> tuple[list[list[str]], list[list[float]]] | None:
    labels: list[list[str]] = []
    values: list[list[float]] = []
    for number, line in enumerate(text.lines[start:], start):
        if not line.strip():
            continue
        cells = dialect.cells(line)
        if len(cells) == width - 1 and dialect.delimiter != BLANKS:
            cells.append("")
        found = [dialect.number(cell) for cell in cells[span]] if len(cells) == width else [None]
        if None in found:
            if len(values) < 2:
                return None
            msg = f"{text.name} is damaged: line {number + 1} does not fit the spectra in the rows above it"
            raise FileError(msg)
        values.append([float(v) for v in found if v is not None])
        labels.append(cells[: span.start] + cells[span.stop :])
    return (labels, values) if values else None


def _decided(
    axis: npt.NDArray[np.float64],
    cells: list[str],
    span: slice,
    rows: tuple[list[list[str]], list[list[float]]],
    dialect: Dialect,
) -> Wide | None:
    """Return the table with its labels, or None where its columns are the spectra."""
    values = np.array(rows[1])
    first = [row[0] if row else "" for row in rows[0]]
    numbers = [dialect.number(cell) for cell in first] if span.start == 1 else [None]
    if span.start == 0:  # a bare matrix
        column = np.concatenate([axis[:1], values[:, 0]])
        if runs_one_way(column) and len(column) >= len(axis):
            return None
    elif None not in numbers and len(values) > 1:
        column = np.array([float(n) for n in numbers if n is not None])
        counts = np.array_equal(column, column[0] + np.arange(len(column)))
        named = heading(cells[0]).kind is not None
        if runs_one_way(column) and (named or (not counts and len(column) >= len(axis))):
            return None
    heads = cells[: span.start] + cells[span.stop :]
    names = unique([h or "label" for h in heads])
    labels = {name: [row[i] for row in rows[0]] for i, name in enumerate(names)}
    note = f"the first row was taken as the axis and each of the {len(values)} rows below it as a spectrum"
    return Wide(axis, values, labels, cells[0] if span.start else "", [note])
