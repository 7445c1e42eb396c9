"""Tables of numbers in a text: blocks of rows with the header above each, whatever stands around them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import FileError
from matxai.signals.spectra.cells import BLANKS, Dialect, dialect_of
from matxai.signals.spectra.runon import split_run_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.signals.spectra.plain import Plain

COMMENTS = ("#", "%", "!", "*", "//")
_MARKED = "".join(mark[0] for mark in COMMENTS)
_SAMPLED = 60


@dataclass(frozen=True)
class Table:
    """One block of rows.

    Attributes
    ----------
    columns
        Shape ``(rows, columns)``; NaN where a cell is empty or says that there is no number.
    header
        The lines above it (below the block before), without comment marks.
    first_line
        Number of its first row in the file, counted from 1.
    dialect
        How it is written.
    notes
        What was decided in reading it.
    """

    columns: npt.NDArray[np.float64]
    header: tuple[str, ...]
    first_line: int
    dialect: Dialect
    notes: tuple[str, ...] = field(default_factory=tuple)


@dataclass
class _Block:
    header: list[str]
    first: int
    rows: list[list[float]]
    lines: list[int]


def bare(line: str) -> tuple[str, bool]:
    """Return a line without its comment mark, and whether it had one."""
    text = line.strip()
    for mark in COMMENTS:
        if text.startswith(mark):
            return text.lstrip("#%!*/").strip(), True
    return text, False


def sampled_dialect(lines: Sequence[str]) -> Dialect | None:
    """Return the dialect of a text from lines at its beginning, in its middle and at its end."""
    count = len(lines)
    places = {0, max(count // 2 - _SAMPLED // 2, 0), max(count - _SAMPLED, 0)}
    chosen = [
        line
        for start in sorted(places)
        for line in lines[start : start + _SAMPLED]
        if re.search(r"\d", line) and not bare(line)[1]
    ]
    found = dialect_of(chosen)
    if found is None and count > 3 * _SAMPLED:  # a header longer than that, with the rows somewhere between
        found = dialect_of([line for line in lines if re.match(r"\s*[-+.\d]", line)][: 3 * _SAMPLED])
    return found


def tables_in(text: Plain) -> list[Table]:
    """Return the blocks of at least two rows of numbers in a text, in their order.

    Blank lines divide nothing; a line of words ends a block and is header of the next.

    Raises
    ------
    FileError
        If a row among numbers is damaged (a word, a missing cell); the sentence names its line.
    """
    dialect = sampled_dialect(text.lines)
    if dialect is None:
        return []
    found: list[Table] = []
    above: list[str] = []
    for block in _blocks(text, dialect):
        if len(block.rows) < 2 or max(map(len, block.rows)) < 2:
            above += [*block.header, *(text.lines[i] for i in block.lines)]  # numbers in a header
            continue
        found.append(_table(text, _Block([*above, *block.header], block.first, block.rows, block.lines), dialect))
        above = []
    return found


def _blocks(text: Plain, dialect: Dialect) -> list[_Block]:
    blocks: list[_Block] = []
    header: list[str] = []
    block: _Block | None = None
    for number, line in enumerate(text.lines):
        if not line.strip():
            continue
        said, comment = bare(line) if line.lstrip()[0] in _MARKED else (line.strip(), False)
        row = None if comment else dialect.numbers(line)
        if row is None:
            if block is not None:
                _refuse_damaged(text, block, number, line, dialect, comment=comment)
            block = None
            header.append(said)
            continue
        if block is None:
            block = _Block(header, number, [], [])
            blocks.append(block)
            header = []
        block.rows.append(row)
        block.lines.append(number)
    return blocks


def _refuse_damaged(text: Plain, block: _Block, number: int, line: str, dialect: Dialect, *, comment: bool) -> None:
    """Refuse a row that begins with a number, is as wide as the rows above it and has a word among its numbers."""
    cells = dialect.cells(line)
    if comment or len(block.rows) < 2 or len(cells) != len(block.rows[-1]) or len(cells) < 2:
        return
    numbers = [dialect.number(cell) for cell in cells]
    if numbers[0] is None or math.isnan(numbers[0]):
        return
    word = next(cell for cell, value in zip(cells, numbers, strict=True) if value is None)
    msg = f"{text.name} is damaged: line {number + 1} has '{word[:40]}' where a number should be"
    raise FileError(msg)


def _table(text: Plain, block: _Block, dialect: Dialect) -> Table:
    widths = [len(row) for row in block.rows]
    width = max(set(widths), key=lambda w: (widths.count(w), w))
    notes: list[str] = []
    if len(set(widths)) > 1:
        if dialect.delimiter == BLANKS:
            rows = [text.lines[i] for i in block.lines]
            split = split_run_on(rows, block.rows)
            if split is None:
                _refuse_ragged(text, block, widths, width)
            else:
                block.rows, note = split
                notes.append(note)
        elif max(widths) > width and any(math.isfinite(v) for row in block.rows for v in row[width:]):
            width = max(widths)  # short columns leave their cells away at the end
        elif not text.ended and widths[-1] < width and block.lines[-1] == len(text.lines) - 1 and widths[-2] == width:
            _refuse_ragged(text, block, widths, width)
    if _may_be_cut(text, block):
        notes.append(
            f"the last row, line {block.lines[-1] + 1}, has no end of line and is shorter than every other row: its "
            "last number may be cut off"
        )
    columns = np.full((len(block.rows), width), np.nan)
    for i, row in enumerate(block.rows):
        columns[i, : len(row)] = row[:width]
    return Table(columns, tuple(block.header), block.first + 1, dialect, tuple(notes))


def _may_be_cut(text: Plain, block: _Block) -> bool:
    """Whether a text ends in the midst of a row, as a copy that was broken off does; most programs end every line."""
    if text.ended or len(block.lines) < 3 or block.lines[-1] != len(text.lines) - 1:
        return False
    *others, last = (len(text.lines[i].strip()) for i in block.lines)
    return last < min(others)


def _refuse_ragged(text: Plain, block: _Block, widths: list[int], width: int) -> None:
    at = next(i for i, w in enumerate(widths) if w != width)
    line = block.lines[at] + 1
    if at == len(widths) - 1 and widths[at] < width:
        msg = (
            f"{text.name} is truncated: its last row, line {line}, has {widths[at]} of {width} columns; copy the file "
            f"again from where it was made"
        )
    else:
        said = text.lines[line - 1].strip()[:40]
        msg = (
            f"{text.name} has {widths[at]} columns in line {line} ('{said}') and {width} in most others; "
            f"correct the file"
        )
    raise FileError(msg)
