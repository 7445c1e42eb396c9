"""Rows of fixed columns that run into one another: ``14.06881993`` is 14.0688 and 1993."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def split_run_on(lines: Sequence[str], rows: Sequence[Sequence[float]]) -> tuple[list[list[float]], str] | None:
    """Return the rows of a two-column table whose columns touch in some lines, and a note; None where it is not clear.

    The width of the first column is what ends most of the lines in which a blank divides the two. All lines are cut
    there, and the cut counts only if the first column then runs evenly: no step differs from the median one by more
    than the rounding of the numbers allows (two units of their last digit).

    Parameters
    ----------
    lines
        The lines as the file has them.
    rows
        Their numbers as blanks divide them: two, or one where the columns touch.
    """
    if {len(row) for row in rows} != {1, 2}:
        return None
    ends = [m.end(1) for line, row in zip(lines, rows, strict=True) if len(row) == 2 and (m := _first(line))]
    if not ends:
        return None
    width = max(set(ends), key=ends.count)
    found: list[list[float]] = []
    digits = 0
    for line, row in zip(lines, rows, strict=True):
        if len(row) == 2:
            found.append(list(row))
            continue
        first, second = line[:width], line[width:]
        if not re.fullmatch(r"\s*[+-]?\d*\.?\d+", first) or not re.fullmatch(r"[+-]?\d+\.?\d*\s*", second):
            return None
        digits = max(digits, len(first.strip().partition(".")[2]))
        found.append([float(first), float(second)])
    axis = np.array([row[0] for row in found])
    steps = np.diff(axis)
    if np.abs(steps - np.median(steps)).max() > 2.01 * 10.0**-digits:
        return None
    count = sum(len(row) == 1 for row in rows)
    lines_said = "1 line" if count == 1 else f"{count} lines"
    return found, f"in {lines_said} the columns run into one another; they were divided after character {width}"


def _first(line: str) -> re.Match[str] | None:
    return re.match(r"(\s*\S+)\s+\S", line)
