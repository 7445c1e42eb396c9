"""A text file read line by line, in sentences: what was expected in which line. For formats that fix every line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.spectra.plain import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


def text_of(path: Path, limit: int | None = None) -> str:
    """Return a text file's characters, its lines ended by line feeds (see `matxai.signals.spectra.plain`).

    Raises
    ------
    UnsafeFileError
        If it is longer than 512 MB (or ``limit``).
    FileError
        If it holds bytes that no text has.
    """
    return "\n".join(plain_text(path, limit).lines)


class Lines:
    """The lines of a file, taken one after the other; every mistake names its line."""

    def __init__(self, text: str, file: str) -> None:
        self._lines = [line.strip() for line in text.split("\n")]
        self._file = file
        self._at = 0

    @property
    def left(self) -> int:
        """How many lines are left."""
        return len(self._lines) - self._at

    def text(self, what: str) -> str:
        """Return the next line."""
        if self._at >= len(self._lines):
            msg = f"{self._file} is truncated: it ends after line {self._at}, where {what} should be; copy it again"
            raise FileError(msg)
        self._at += 1
        return self._lines[self._at - 1]

    def number(self, what: str) -> float:
        """Return the next line as a number."""
        text = self.text(what)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            msg = f"{self._file}, line {self._at}: {what} should be a number and is {text[:60]!r}"
            raise FileError(msg)
        return value

    def whole(self, what: str, *, least: int | None = 0) -> int:
        """Return the next line as a whole number, of at least ``least``."""
        value = self.number(what)
        if value != int(value) or (least is not None and value < least):
            msg = f"{self._file}, line {self._at}: {what} should be a whole number from {least} and is {value:g}"
            raise FileError(msg)
        return int(value)

    def count(self, what: str) -> int:
        """Return the next line as a number of lines that must still follow."""
        value = self.whole(what)
        if value > self.left:
            msg = (
                f"{self._file} is truncated or its line {self._at} is wrong: {what} is {value}, "
                f"and {self.left} lines follow; copy it again"
            )
            raise FileError(msg)
        return value

    def texts(self, n: int, what: str) -> list[str]:
        """Return the next n lines."""
        return [self.text(what) for _ in range(n)]

    def numbers(self, n: int, what: str) -> npt.NDArray[Any]:
        """Return the next n lines as numbers, shape (n,)."""
        lines = self._lines[self._at : self._at + n]
        if len(lines) < n:
            self._at = len(self._lines)
            self.text(what)
        try:
            found = np.array(lines, dtype=float)
        except ValueError:
            return np.array([self.number(what) for _ in range(n)])
        self._at += n
        return found


def columns(file: str, rows: Sequence[str], first_line: int, *, least: int = 2) -> npt.NDArray[Any]:
    """Return rows of numbers apart by blanks, shape ``(n, columns)``.

    Parameters
    ----------
    file
        For the sentence.
    rows
        Lines without comments.
    first_line
        Number of the first row's line in the file, from 1.
    least
        Columns that a row must have.

    Raises
    ------
    FileError
        If a row is no row of numbers, or has another number of columns than the first.
    """
    wanted = len(rows[0].split()) if rows else 0
    table = []
    for i, row in enumerate(rows):
        words = row.split()
        try:
            numbers = [float(w) for w in words]
        except ValueError:
            numbers = []
        if len(numbers) != wanted or wanted < least:
            wants = max(wanted, least)
            msg = f"{file}, line {first_line + i}: {wants} numbers should stand there, and it is {row[:60]!r}"
            raise FileError(msg)
        table.append(numbers)
    return np.array(table, dtype=float).reshape(len(rows), wanted)
