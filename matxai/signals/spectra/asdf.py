"""The packed ordinates of JCAMP-DX (ASDF): forms AFFN, PAC, SQZ, DIF and DUP, with their checks.

McDonald and Wilks, Appl. Spectrosc. 42, 151 (1988): in SQZ the first digit of an ordinate carries its sign (``@A-I``
for +0 to +9, ``a-i`` for -1 to -9); in DIF (``%J-R``, ``j-r``) an ordinate is the difference from the one before it,
and the first of the next line repeats the last of this one; DUP (``S-Z``, ``s``) says how often the one before stands.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_X = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]\d+)?)")
_ORDINATE = re.compile(
    r"[\s,;]*(?:(?P<plain>[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]\d+)?)|(?P<letter>[@A-Za-z%])(?P<digits>\d*\.?\d*)"
    r"|(?P<missing>\?))"
)
_SQZ = {c: str(i) for i, c in enumerate("@ABCDEFGHI")} | {c: f"-{i}" for i, c in enumerate("abcdefghi", 1)}
_DIF = {c: str(i) for i, c in enumerate("%JKLMNOPQR")} | {c: f"-{i}" for i, c in enumerate("jklmnopqr", 1)}
_DUP = {c: str(i) for i, c in enumerate("STUVWXYZs", 1)}


@dataclass
class _Running:
    """Ordinates so far, the last difference, and whether the last line ended in the DIF form."""

    values: list[float]
    step: float | None = None
    in_dif: bool = False


@dataclass(frozen=True)
class Ordinates:
    """The ordinates of a table, unscaled, with the abscissa of each line and the index of the point that it belongs to.

    ``rounding`` is half a unit of the last digit in which abscissas are written.
    """

    values: npt.NDArray[np.float64]
    abscissas: list[float]
    indices: list[int]
    rounding: float


def unpacked(lines: Sequence[str], file: str, *, most: int) -> Ordinates:
    """Return the ordinates of the lines of a table ``(X++(Y..Y))``.

    Parameters
    ----------
    lines
        Each an abscissa and packed ordinates.
    file
        As sentences name it.
    most
        How many ordinates there may be: a duplicate count is not believed beyond it.

    Raises
    ------
    FileError
        If a character belongs to no form, there are more than ``most``, or the first ordinate of a line does not repeat
        the last of a line in DIF form.
    """
    state = _Running([])
    abscissas: list[float] = []
    indices: list[int] = []
    digits = 9
    for number, line in enumerate(lines, 1):
        match = _X.match(line)
        if match is None:
            msg = f"{file} is damaged: line {number} of its data begins with no abscissa ({line.strip()[:30]!r})"
            raise FileError(msg)
        digits = min(digits, len(match[1].partition(".")[2]) if "e" not in match[1].lower() else 9)
        before = len(state.values)
        checked = state.in_dif and before > 0
        abscissas.append(float(match[1]))
        indices.append(before - 1 if checked else before)
        _line(line, match.end(), state, file, number, most)
        if checked:
            _check(state, before, file, number)
    values = np.array(state.values, dtype=float)
    return Ordinates(values, abscissas, indices, 0.5 * 10.0**-digits)


def _line(line: str, place: int, state: _Running, file: str, number: int, most: int) -> None:
    state.step, state.in_dif = None, False
    length = len(line.rstrip(" \t,;"))
    while place < length:
        match = _ORDINATE.match(line, place)
        if match is None:
            odd = line[place : place + 10].strip()
            msg = f"{file} is damaged: line {number} of its data holds {odd!r}, which is no form of an ordinate"
            raise FileError(msg)
        place = match.end()
        _add(match, state, file, number, most)


def _add(match: re.Match[str], state: _Running, file: str, number: int, most: int) -> None:
    letter, digits = match["letter"], match["digits"]
    values = state.values
    if letter is not None and letter in _DUP:
        count = int(float(_DUP[letter] + digits)) - 1
        if not values or count < 0 or len(values) + count > most + 2:
            msg = f"{file} is damaged: line {number} of its data repeats a value {count + 1} times, of {most} in all"
            raise FileError(msg)
        step = state.step or 0.0
        start = values[-1]
        values += [start + step * (i + 1) for i in range(count)]
    elif letter is not None and letter in _DIF:
        if not values:
            msg = f"{file} is damaged: line {number} of its data begins with a difference from nothing"
            raise FileError(msg)
        state.step = float(_DIF[letter] + digits)
        state.in_dif = True
        values.append(values[-1] + state.step)
    elif letter is not None and letter not in _SQZ:
        msg = f"{file} is damaged: line {number} of its data holds '{letter}', which is no form of an ordinate"
        raise FileError(msg)
    else:
        text = match["plain"] if letter is None else _SQZ[letter] + digits
        values.append(math.nan if match["missing"] else float(text))
        state.step, state.in_dif = None, False
    if len(values) > most + 2:
        msg = f"{file} is damaged: it claims {most} points and holds more"
        raise FileError(msg)


def _check(state: _Running, before: int, file: str, number: int) -> None:
    """Compare the first ordinate of a line with the last one of the line before, and take it away."""
    first, last = state.values[before], state.values[before - 1]
    if not abs(first - last) <= 1e-6 * max(1.0, abs(last)):
        msg = (
            f"{file} is damaged: its Y check fails in line {number} of its data, which begins with {first:g} where the "
            f"line before ends with {last:g}"
        )
        raise FileError(msg)
    del state.values[before]
