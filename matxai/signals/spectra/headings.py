"""The headings of a table: which of the lines above it names its columns, and how that line is divided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matxai.signals.spectra.cells import BLANKS, Dialect
from matxai.signals.spectra.naming import Heading, axis_unit, heading

if TYPE_CHECKING:
    from matxai.signals.spectra.tables import Table

_LOOKED_AT = 4
_VALUE_UNITS = {"counts", "cps", "counts/s", "a.u.", "au", "arb. units", "arb.", "cnt", "(a.u.)", "c/s", "%", ""}
_FIRSTS = {"x", "angle", "k", "axis", "position", "pos"}
EMPTY = Heading("", "", "", None, "value")


def headings_of(table: Table) -> tuple[Heading, ...]:
    """Return a heading for every column; empty ones where no line above the table names its columns."""
    width = int(table.columns.shape[1])
    lines = [line for line in table.header if re.search(r"[^\W\d_]|°", line)][-_LOOKED_AT:][::-1]
    for i, line in enumerate(lines):
        cells = cells_over(line, width, table.dialect)
        if cells is None:
            continue
        if _are_units(cells) and i + 1 < len(lines):
            names = cells_over(lines[i + 1], width, table.dialect)
            if names is not None and not _are_units(names):
                return tuple(heading(n, u) for n, u in zip(names, cells, strict=True))
        return tuple(heading(cell) for cell in cells)
    return tuple([EMPTY] * width)


def cells_over(line: str, width: int, dialect: Dialect) -> list[str] | None:
    """Return the cells of a line if it can be the headings of that many columns, else None."""
    tried = dict.fromkeys([dialect.delimiter, "\t", ";", "|", ","])
    for delimiter in tried:
        if delimiter == BLANKS or delimiter[0] not in line:
            continue
        cells = Dialect(delimiter).cells(line)
        if len(cells) == width - 1 and dialect.delimiter != BLANKS:
            cells.append("")  # the empty heading behind a delimiter at the end
        if len(cells) == width and _named(cells, dialect):
            return cells
    if ":" in line or "=" in line:
        return None
    for pattern in (r"\s{2,}|\t", r"\s+"):
        cells = _brackets_joined(re.split(pattern, line.strip()))
        if len(cells) > width:
            cells = _first_joined(cells, width)
        if len(cells) == width and _named(cells, dialect) and _begins_like_an_axis(cells):
            return cells
    return None


def _named(cells: list[str], dialect: Dialect) -> bool:
    """Whether cells are words; numbers may follow the name of an axis (times, temperatures)."""
    numbers = [dialect.number(cell) is not None for cell in cells]
    if not any(numbers[i] and cell for i, cell in enumerate(cells)):
        return any(cells)
    return heading(cells[0]).role == "axis" and not numbers[0]


def _begins_like_an_axis(cells: list[str]) -> bool:
    first = heading(cells[0])
    return first.role in ("axis", "counter") or first.name.lower() in _FIRSTS


def _brackets_joined(words: list[str]) -> list[str]:
    """Return words with those in brackets joined to the word before: ``Energy (eV)``."""
    found: list[str] = []
    open_ = False
    for word in words:
        if found and (open_ or word[:1] in "([/"):
            found[-1] += f" {word}"
        else:
            found.append(word)
        open_ = found[-1].count("(") + found[-1].count("[") > found[-1].count(")") + found[-1].count("]")
    return found


def _first_joined(words: list[str], width: int) -> list[str]:
    """Return words divided into ``width`` cells whose first, of several words, names an axis."""
    for count in range(len(words) - width + 1, 0, -1):
        first, rest = " ".join(words[:count]), words[count:]
        if heading(first).kind is None:
            continue
        if len(rest) == width - 1:
            return [first, *rest]
        if width == 2:
            return [first, " ".join(rest)]
    return words


def _are_units(cells: list[str]) -> bool:
    plain = [cell.strip("()[] ") for cell in cells]
    return any(plain) and all(p.lower() in _VALUE_UNITS or axis_unit(p) is not None for p in plain)
