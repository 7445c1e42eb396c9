"""Cells of a text table: how a line is cut into them, and which of them are numbers, in all dialects that are met."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLANKS = " "
"""The delimiter that stands for any run of blanks and tabs."""
COMMA_BLANK = ", "
"""A comma followed by a blank, in texts whose bare commas are decimal marks."""

_NOTHING = {"", "nan", "+nan", "-nan", "n/a", "na", "null", "none", "-", "--", "---", "#n/a", "#value!", "#num!", "?"}
_NOTHING |= {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "1.#nan", "#nv", "#div/0!", "missing"}
_INFINITE = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "1.#inf": math.inf, "-1.#inf": -math.inf}
_EXPONENT = r"(?:[eEdD][+-]?\d{1,3})?"
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009", " ") | {"\u2212": "-"})
_GROUPS = {
    ".": re.compile(r"[+-]?\d{1,3}(?:[, ']\d{3})+(?:\.\d*)?"),
    ",": re.compile(r"[+-]?\d{1,3}(?:[. ']\d{3})+(?:,\d*)?"),
}
_NUMBER = {
    ".": re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){_EXPONENT}"),
    ",": re.compile(rf"[+-]?(?:\d+|\d*,\d+){_EXPONENT}"),
}


@dataclass(frozen=True)
class Dialect:
    """How a text writes its tables.

    Attributes
    ----------
    delimiter
        A tab, ``;``, ``|``, ``,``, `COMMA_BLANK` or `BLANKS`.
    decimal
        ``.`` or ``,``.
    """

    delimiter: str
    decimal: str = "."

    def cells(self, line: str) -> list[str]:
        """Return the cells of a line, without blanks and quotes round them; one delimiter at the end ends nothing."""
        if self.delimiter == BLANKS:
            return line.split()
        if '"' in line:
            try:
                found = next(csv.reader([line], delimiter=self.delimiter[0], skipinitialspace=True), [])
            except csv.Error:
                found = line.split(self.delimiter)
        else:
            found = re.split(r",\s+", line) if self.delimiter == COMMA_BLANK else line.split(self.delimiter)
        found = [cell.strip() for cell in found]
        if self.delimiter == "|" and found and not found[0]:
            found = found[1:]  # a table drawn with bars begins with one as well
        if len(found) > 1 and not found[-1]:
            found.pop()
        return found

    def number(self, cell: str) -> float | None:
        """Return a cell as a number, NaN for the words that mean none, None where it is a word.

        Exponents may be written with D, groups of three digits with blanks, apostrophes, or whichever of comma and
        point is not the decimal mark.
        """
        word = cell.strip().strip("\"'").strip().translate(_SPACES)
        low = word.lower()
        if low in _NOTHING:
            return math.nan
        if low in _INFINITE:
            return _INFINITE[low]
        if _NUMBER[self.decimal].fullmatch(word):
            return float(low.replace("d", "e").replace(",", "."))
        if _GROUPS[self.decimal].fullmatch(word):
            return float(re.sub(rf"[^\d+\-{re.escape(self.decimal)}]", "", word).replace(",", "."))
        return None

    def numbers(self, line: str) -> list[float] | None:
        """Return the numbers of a line (NaN for empty cells), or None where a cell is a word or all are empty."""
        cells = self.cells(line)
        if "_" not in line and (self.decimal == "." or "." not in line):
            try:  # nearly every line, and ten times as fast
                return [float(cell.replace(",", ".")) if self.decimal == "," else float(cell) for cell in cells] or None
            except ValueError:
                pass
        found: list[float] = []
        empty = True
        for cell in cells:
            number = self.number(cell)
            if number is None:
                return None
            empty &= not cell
            found.append(number)
        return None if empty else found


def dialect_of(lines: Sequence[str]) -> Dialect | None:
    """Return the dialect in which most of these lines are rows of two numbers or more, or None where none are.

    Of dialects that read equally many lines the first of tab, semicolon, bar, comma, blanks is taken; a comma between
    digits is a decimal mark unless the numbers have points as well. ``1,234`` in a text without points thus is 1.234.
    """
    best, most = None, 0
    for dialect in _candidates(lines):
        rows = [dialect.numbers(line) for line in lines]
        widths = [len(row) for row in rows if row is not None and sum(map(math.isfinite, row)) >= 2]
        count = max((widths.count(width) for width in set(widths)), default=0)
        if count > most:
            best, most = dialect, count
    return best


def _candidates(lines: Sequence[str]) -> list[Dialect]:
    """Return the dialects that can be meant, the likelier of two readings of one and the same line first."""
    text = "\n".join(lines)
    numeric = (line for line in lines if not re.search(r"[b-cf-zB-CF-Z]", line))
    points = any(re.search(r"\d\.\d|(?:^|[\s;|])\.\d", line) for line in numeric)
    marks = (".", ",") if points or "," not in text else (",", ".")
    found = [Dialect(delimiter, mark) for delimiter in "\t;|" if delimiter in text for mark in marks]
    if "," in text:
        if re.search(r"\d,\d", text) and re.search(r",\s", text):
            found.append(Dialect(COMMA_BLANK, ","))
        if '"' in text:
            found.append(Dialect(",", ","))
        found.append(Dialect(",", "."))
    return [*found, *(Dialect(BLANKS, mark) for mark in marks)]
