"""The plate that writing stands on, found from the writing outwards: compression leaves no plate of one level.

Around a word the ground is of the plate's level as far as the plate goes, and no further. The rectangle grows from the
word's box by whole lines, side by side, as long as a line is of that level; where it stops, the lines outside have to
be of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matxai.regions.picture import Grey, Mask, Picture
    from matxai.regions.writing import Box, Word

_NARROWEST, _WIDEST = 8.0, 24.0
_LIKE, _SOME = 0.6, 0.25
_TOLERANCES, _STRICT = (1.0, 0.6, 0.4), 8.0
_INSIDE, _INSIDE_MEAN, _EVEN = 0.25, 0.42, 0.85
_OUTSIDE, _OUTSIDE_MEAN = 0.6, 0.28
_DROP, _SLACK = 0.3, 0.4
_FLAT = 0.6
_REACH, _OVER = 3.0, 1.0
_LARGEST = 0.25


@dataclass(frozen=True)
class Plate:
    """An opaque rectangle with writing on it.

    Parameters
    ----------
    box
        First row, end of rows, first column, end of columns.
    level
        Its grey level, between the letters.
    confidence
        From 0 to 1.
    drop
        How much more of its outermost lines are of its level than of the lines outside.
    """

    box: Box
    level: float
    confidence: float
    drop: float


def plate_around(picture: Picture, word: Word) -> Plate | None:
    """Return the plate a word stands on, or None where its ground goes on beyond any rectangle.

    Parameters
    ----------
    picture
        What the word was found in.
    word
        Its level has to differ from that of the plate.
    """
    grey = picture.grey
    y0, y1, x0, x1 = word.box
    around = (slice(max(y0 - 1, 0), y1 + 1), slice(max(x0 - 1, 0), x1 + 1))
    between = _between(grey[around], word)
    if between.size < 12:
        return None
    level = float(np.median(between))
    # ringing reaches as far as the letters do; what is no plate varies as much anywhere
    tolerance = float(np.clip(3.5 * np.median(np.abs(between - level)), _NARROWEST, _WIDEST))
    if float((np.abs(between - level) <= tolerance).mean()) < _FLAT or abs(level - word.level) < 2 * tolerance:
        return None
    ink = np.abs(grey - word.level) <= 0.5 * abs(level - word.level)
    off = np.abs(grey - level)
    # a wide tolerance bears the ringing, a narrow one tells the plate from ground of nearly its level
    found = [_plate(off, ink, word, level, tolerance * share) for share in _TOLERANCES]
    return max((plate for plate in found if plate is not None), key=lambda p: p.drop, default=None)


def _plate(off: Grey, ink: Mask, word: Word, level: float, tolerance: float) -> Plate | None:
    """The plate that comes of a tolerance, or None where its edges are none."""
    height, width = off.shape
    near = off <= tolerance
    box = _grown(near, ink, word)
    if min(word.box[0] - box[0], box[1] - word.box[1], word.box[2] - box[2], box[3] - word.box[3]) < 1:
        return None
    if box[0] < 1 or box[2] < 1 or box[1] > height - 1 or box[3] > width - 1:
        return None
    if (box[1] - box[0]) * (box[3] - box[2]) > _LARGEST * height * width:
        return None
    strict = off <= _STRICT
    outside = [float(_line(strict, box, side, 1).mean()) for side in range(4)]
    inside = [float(_line(strict, box, side, 0).mean()) for side in range(4)]
    drop = float(np.mean(inside) - np.mean(outside))
    if max(outside) > _OUTSIDE or min(inside) < _INSIDE or np.mean(inside) < _INSIDE_MEAN or drop < _DROP:
        return None
    if np.mean(outside) > _OUTSIDE_MEAN and np.mean(inside) < _EVEN:
        return None
    return Plate(box, level, min(1.0, _SLACK + drop), drop)


def _between(values: Grey, word: Word) -> Grey:
    """The values around a word's letters that are not ink."""
    off = values - word.level
    return np.asarray(values[np.abs(off) > 0.5 * abs(word.step)])


def _grown(near: Mask, ink: Mask, word: Word) -> Box:
    """A word's box, grown by lines of the plate's level; a letter that the word lacks is stepped over."""
    box = list(word.box)
    limit = [round(_REACH * word.height), round(_REACH * word.height), 4 * word.height, 4 * word.height]
    open_sides = {0, 1, 2, 3}
    while open_sides:
        for side in sorted(open_sides):
            steps = _steps(near, ink, _as_box(box), side, round(_OVER * word.height) if side >= 2 else 1)
            if not steps or limit[side] <= 0:
                open_sides.discard(side)
                continue
            limit[side] -= steps
            box[side] += -steps if side % 2 == 0 else steps
    return _as_box(box)


def _steps(near: Mask, ink: Mask, box: Box, side: int, over: int) -> int:
    """By how many lines a side can grow: one of the plate's level, or a few with ink and then one; 0 at its edge."""
    for step in range(1, over + 2):
        line = _line(near, box, side, step)
        if not line.size:
            return 0
        if float(line.mean()) >= _LIKE:
            return step
        if float((line | _line(ink, box, side, step)).mean()) < _LIKE or float(line.mean()) < _SOME:
            return 0
    return 0


def _line(mask: Mask, box: Box, side: int, step: int) -> Mask:
    """The line a step outside a side of a box (0: the first inside); empty beyond the picture."""
    y0, y1, x0, x1 = box
    if side == 0:
        at = y0 - step
        return mask[at, x0:x1] if at >= 0 else mask[:0, 0]
    if side == 1:
        at = y1 - 1 + step
        return mask[at, x0:x1] if at < mask.shape[0] else mask[:0, 0]
    if side == 2:
        at = x0 - step
        return mask[y0:y1, at] if at >= 0 else mask[:0, 0]
    at = x1 - 1 + step
    return mask[y0:y1, at] if at < mask.shape[1] else mask[:0, 0]


def _as_box(box: list[int] | Box) -> Box:
    return box[0], box[1], box[2], box[3]
