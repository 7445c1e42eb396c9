"""Panels grown from their writing, where the picture beside them has their own level: masks, black surroundings.

A share of each line says little there. What does not happen by itself: lines of letters on one level, then lines of
that level alone, and from one line to the next something else, as much of it at once as a few lines further on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.regions.band import FROM_EDGE, THICKEST, THINNEST, Band, drawn, framed
from matxai.regions.letters import CONTRAST, Letters, letters

if TYPE_CHECKING:
    from matxai.regions.rows import Floats, Lines

PURE, CUT = 0.93, 0.905
"""Share of the ground in the lines between writing and end, at least, and in the first line of the picture, at most."""

FEWEST = 5
"""Marks in one line of writing, at least: one more than where the shares of the lines speak as well."""

AT_ONCE = 0.7
"""What is not ground in the picture's first line, as a share of that in its next four, at least."""

BARE = 0.5
"""How far a line may go without writing before the bare lines begin, in heights of the letters; at least six lines."""


def grown(lines: Lines, end: int, tolerance: int, level: int, tone: int) -> Band | None:
    """Return the panel around the writing at one end of a picture.

    Parameters
    ----------
    lines
        The rows, or the columns.
    end
        -1 for the last lines, 1 for the first.
    tolerance
        Levels within which the ground counts as constant.
    level, tone
        The ground, as a level of ``lines.codes`` and of ``lines.tones``.
    """
    n = lines.n
    share = lines.shares(tolerance)[:, level]
    part = min(max(int(THICKEST * n), THINNEST) + 1, n)
    offset = n - part if end < 0 else 0
    zone = slice(offset, offset + part)
    if np.count_nonzero(share[zone] >= PURE) < 2:  # a bare line on either side of the writing
        return None
    marks = letters(lines.tones[zone], [tone])
    if marks.most < FEWEST:
        return None
    found = []
    texts = _texts(marks, offset)
    for start, stop, tall in texts:
        written = np.zeros(n, bool)
        for other_start, other_stop, other in texts:
            written[other_start:other_stop] |= abs(tall - other) <= _alike(tall)
        ends = _grown(lines, level, written, (start, stop, tall), tolerance)
        if ends is not None:
            band = _judged(lines, share, ends, (tolerance, level, tone, tall), end)
            if band is not None:
                found.append(band)
    return max(found, key=lambda b: (b.marks, b.last - b.first), default=None)


def _judged(
    lines: Lines,
    share: Floats,
    ends: tuple[int, int, float, float],
    ground: tuple[int, int, int, int],
    end: int,
) -> Band | None:
    first, last, jump, outside = ends
    tolerance, level, tone, tall = ground
    off = max(int(FROM_EDGE * lines.n), 6)
    near = last >= lines.n - 1 - off if end < 0 else first <= off
    length = last - first + 1
    if not near or not THINNEST <= length <= THICKEST * lines.n or share[first : last + 1].mean() < 0.5:
        return None
    marks = letters(lines.tones[first : last + 1], [tone])
    if marks.most < FEWEST or not drawn(lines, (first, last), [level], tolerance):
        return None
    if _repeated(lines, (first, last), tone, tall, marks.most):
        return None
    return Band(first, last, (level,), float(share[first : last + 1].mean()), outside, jump, marks.most, marks.ink)


def _texts(marks: Letters, offset: int) -> list[tuple[int, int, int]]:
    """First line, line after the last, and height of the letters of each piece of writing: lines close together."""
    heights = marks.boxes[:, 1] - marks.boxes[:, 0]
    found: list[tuple[int, int, int]] = []
    for index in np.argsort(marks.boxes[:, 0], kind="stable"):
        if marks.along[index] < FEWEST:
            continue
        start, stop = marks.boxes[index, :2].tolist()
        start, stop, tall = start + offset, stop + offset, int(heights[index])
        if found and start - found[-1][1] <= max(0.5 * tall, 2) and abs(tall - found[-1][2]) <= _alike(tall):
            before = found.pop()
            start, stop, tall = before[0], max(stop, before[1]), max(tall, before[2])
        found.append((start, stop, tall))
    return found


def _alike(tall: int) -> float:
    return max(0.25 * tall, 1)


def _grown(
    lines: Lines,
    level: int,
    written: npt.NDArray[np.bool_],
    text: tuple[int, int, int],
    tolerance: int,
) -> tuple[int, int, float, float] | None:
    """First and last line, the smaller jump at them, and the larger share of the ground beside them."""
    bare, tall, share = [], text[2], lines.shares(tolerance)[:, level]
    for start, inward in ((text[0], 1), (text[1] - 1, -1)):
        found = _end(share, written, start, -inward, max(int(BARE * (text[1] - text[0])), 6))
        if found is None:
            return None
        bare.append(found)
    first, last = framed(lines, (bare[0], bare[1]), max(2.0 * tolerance, 2.0))
    jumps, beside = [], []
    for out, found, inward in ((first, bare[0], 1), (last, bare[1], -1)):
        if not 0 <= out - inward < lines.n:
            continue
        if out == found and not (_at_once(share, out, -inward) and _lasts(share, out, -inward, tall)):
            return None
        apart = lines.shares(CONTRAST if tolerance else 0)  # compression leaves less than ink has
        own = apart[:, level] if out == found else apart[:, int(np.median(lines.codes[out]))]  # the frame ends
        beside.append(float(own[out - inward]))
        jumps.append(float(own[out]) - beside[-1])
    if not jumps or max(beside) > CUT:
        return None
    return first, last, min(jumps), max(beside)


def _end(share: Floats, written: npt.NDArray[np.bool_], start: int, outward: int, bare: int) -> int | None:
    """The last bare line before the picture, going outward from the writing; None where no bare lines follow it."""
    pure, without, at = False, 0, start + outward
    while 0 <= at < len(share):
        if written[at]:
            pure, without = False, 0
        elif share[at] >= PURE:
            pure = True
        elif pure:
            return at - outward if share[at] < CUT else None  # what begins little by little was not drawn
        else:
            without += 1
            if without > bare:
                return None
        at += outward
    return at - outward if pure else None


def _at_once(share: Floats, end: int, outward: int) -> bool:
    """Whether the picture begins with as much as it goes on with: what is round begins with little."""
    beyond = 1 - share[[y for y in (end + outward * k for k in range(1, 6)) if 0 <= y < len(share)]]
    return len(beyond) < 2 or bool(beyond[0] >= AT_ONCE * beyond[1:].mean())


def _lasts(share: Floats, end: int, outward: int, tall: int) -> bool:
    """Whether the picture goes on for more than a line of writing, which may be too short to be told as such."""
    beyond = [end + outward * k for k in range(1, int(1.5 * tall) + 2)]
    return not any(share[y] >= PURE for y in beyond if 0 <= y < len(share))


def _repeated(lines: Lines, ends: tuple[int, int], tone: int, tall: int, most: int) -> bool:
    """Whether marks as tall stand in rows in the picture too: a grid and no writing."""
    room = lines.n // 2
    for beside in (slice(max(ends[0] - room, 0), ends[0]), slice(ends[1] + 1, ends[1] + 1 + room)):
        part = lines.tones[beside]
        if len(part) < tall + 2:
            continue
        found = letters(part, [tone])
        alike = np.abs(found.boxes[:, 1] - found.boxes[:, 0] - tall) <= 2
        if (alike & (found.along >= max(FEWEST, most / 2))).any():
            return True
    return False
