"""What a panel is: its lines and what speaks for it, its limits, its frame and its flat ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.regions.letters import CONTRAST

if TYPE_CHECKING:
    from matxai.regions.rows import Lines

THINNEST, THICKEST = 8, 0.35
"""Fewest lines of a panel, and most, as a share of the picture."""

FROM_EDGE = 0.06
"""How far from the edge a panel may lie, as a share of the picture; at least 6 lines."""


@dataclass(frozen=True)
class Band:
    """A panel: its first and last line, and what speaks for it.

    Parameters
    ----------
    first, last
        Lines, both inclusive.
    levels
        Grey levels of the ground.
    inside, outside
        Share of these levels in the panel's lines (mean), and in the four lines beside it (mean; the side nearer to
        the panel's own).
    jump
        Smallest change of that share across an end that lies inside the picture.
    marks
        Small constant marks on the ground.
    ink
        Share of the panel that is not ground.
    """

    first: int
    last: int
    levels: tuple[int, ...]
    inside: float
    outside: float
    jump: float
    marks: int
    ink: float

    @property
    def confidence(self) -> float:
        """From 0 to 1: how sharp the ends are, how flat the ground is, and whether the marks are enough for words."""
        return float(np.clip(self.jump / 0.8, 0, 1) * min(self.inside / 0.8, 1.0) * (1 - np.exp(-self.marks / 4)))


def drawn(lines: Lines, ends: tuple[int, int], ground: list[int], tolerance: int) -> bool:
    """Whether the ground is flat but for compression, which leaves more at one level exactly than noise does."""
    if tolerance == 0:
        return True
    counts = lines.counts[ends[0] : ends[1] + 1].sum(axis=0)
    for level in ground:
        window = counts[max(level - tolerance, 0) : level + tolerance + 1]
        if window.max() < 0.1 * window.sum():
            return False
    return True


def framed(lines: Lines, ends: tuple[int, int], spread: float) -> tuple[int, int]:
    """Return the ends with the frame beyond them.

    Up to four lines of one other tone are a frame, unless the picture goes on in that tone; where they reach the edge
    of the picture, only if the other end has the same.

    Parameters
    ----------
    lines
        The rows, or the columns.
    ends
        First and last line of the ground.
    spread
        Levels within which a line counts as one tone.
    """
    frames = [_frame(lines, end, inward, spread) for inward, end in ((1, ends[0]), (-1, ends[1]))]
    for one, other, at_edge in (
        (0, 1, ends[0] - frames[0][0] == 0),
        (1, 0, ends[1] + frames[1][0] == lines.n - 1),
    ):
        alike = abs(frames[one][0] - frames[other][0]) <= 1 and abs(frames[one][1] - frames[other][1]) <= 20
        if at_edge and not alike:
            frames[one] = (0, -1.0)
    return ends[0] - frames[0][0], ends[1] + frames[1][0]


def _frame(lines: Lines, end: int, inward: int, spread: float) -> tuple[int, float]:
    """How many lines of one tone lie beyond an end, 0 where it goes on, and the tone (-1 for none)."""
    beyond = [end - inward * k for k in range(1, 6) if 0 <= end - inward * k < lines.n]
    if not beyond:
        return 0, -1.0
    levels = lines.codes[beyond].astype(np.int16)
    middle = np.median(levels, axis=1)
    flat = (np.abs(levels - middle[:, None]) <= spread).mean(axis=1) >= 0.9
    wide = 0
    while wide < len(beyond) and flat[wide] and abs(middle[wide] - middle[0]) <= max(spread, 2):
        wide += 1
    alike = (np.abs(levels - middle[0]) < CONTRAST).mean(axis=1)
    goes_on = wide == 5 or (0 < wide < len(beyond) and alike[wide] >= (0.85 if spread <= 2 else 0.5))
    return (0, -1.0) if wide == 0 or goes_on else (wide, float(middle[0]))
