"""Drawn panels along an edge of a picture: flat ground, sharp and straight ends, writing on it.

Three things together make a panel, each of which a specimen may have by itself: one or two grey levels own its lines
and not the lines beside it; that changes from one line to the next, across the whole picture; and on the flat ground
stand many small constant marks, apart from its ends. Saturated ground, black surroundings, masks and flat resin have
no such marks; streaks are too thin to hold any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.regions.rows import Codes, Floats, Lines

TOLERANCES = (0, 2, 6, 14)
"""Levels within which a ground counts as constant, in this order: drawn, resampled, compressed, and more so."""

THINNEST, THICKEST = 8, 0.35
"""Fewest lines of a panel, and most, as a share of the picture."""

FROM_EDGE = 0.06
"""How far from the edge a panel may lie, as a share of the picture; at least 6 lines."""

FLAT, MARKED = 0.75, 0.30
"""Share of the ground in the first lines of a panel, and the least in a line full of writing."""

LEAST_TONE = 0.12
"""Share of a panel that each of two tones takes, at least."""

JUMP = 0.35
"""By how much the share of the ground falls from the panel to the picture beside it."""

CONTRAST = 24
"""Levels between ground and ink."""

FEWEST_MARKS = 4
"""Marks that make writing."""


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


def bands(lines: Lines) -> list[Band]:
    """Return the panels among the lines of a picture, at most one at either end.

    Parameters
    ----------
    lines
        The rows, or the columns.
    """
    found: list[Band] = []
    for end in (-1, 1):
        best = _best(lines, end)
        if best is not None and not any(b.first <= best.last and best.first <= b.last for b in found):
            found.append(best)
    return sorted(found, key=lambda b: b.first)


def _best(lines: Lines, end: int) -> Band | None:
    """The panel at one end, in the strictest tolerance that shows one; of several the longest of those as sure."""
    for tolerance in TOLERANCES:
        found = list(_at(lines, tolerance, end))
        if found:
            sure = max(b.confidence for b in found)
            return max((b for b in found if b.confidence >= 0.8 * sure), key=lambda b: (b.last - b.first, b.confidence))
    return None


def _at(lines: Lines, tolerance: int, end: int) -> Iterator[Band]:
    """Panels at the last lines (``end`` -1) or the first (1), for every ground that is worth a look."""
    shares = lines.shares(tolerance)
    off = max(int(FROM_EDGE * lines.n), 6)
    for ground in _grounds(lines, shares, _zone(lines.n, end), tolerance):
        share = np.minimum(shares[:, ground].sum(axis=1), 1.0)
        for first, last in _runs(share >= MARKED):
            near = last >= lines.n - 1 - off if end < 0 else first <= off
            if near and last - first + 1 >= THINNEST - 2:
                band = _judged(lines, shares, (first, last), ground, tolerance)
                if band is not None:
                    yield band


def _zone(n: int, end: int) -> slice:
    part = max(int(THICKEST * n), THINNEST)
    return slice(max(n - part, 0), n) if end < 0 else slice(0, part)


def _grounds(lines: Lines, shares: Floats, zone: slice, tolerance: int) -> list[list[int]]:
    """Levels that own lines of the zone: alone, beside one another in a line, or one below the other."""
    counts, window = lines.counts[zone], shares[zone]
    top = counts.argmax(axis=1)
    own = np.take_along_axis(window, top[:, None], axis=1)[:, 0]
    levels, votes = np.unique(top[own >= 0.5], return_counts=True)
    ranked = _distinct(levels[:, None], votes, tolerance, 4)
    gap = 2 * tolerance + 2
    rest = counts.copy()
    np.put_along_axis(rest, top[:, None], 0, axis=1)
    second = rest.argmax(axis=1)
    share = np.take_along_axis(window, second[:, None], axis=1)[:, 0]
    apart = (np.abs(second - top) > gap) & (share >= 0.15) & (own + share >= FLAT)
    pairs, votes = np.unique(np.sort(np.stack([top, second], 1)[apart], axis=1), axis=0, return_counts=True)
    found = ranked + _distinct(pairs, votes, tolerance, 3)
    stacked = [a + b for i, a in enumerate(ranked) for b in ranked[i + 1 :] if abs(a[0] - b[0]) > gap]
    return found + [pair for pair in stacked if sorted(pair) not in found]


def _distinct(levels: npt.NDArray[np.int_], votes: npt.NDArray[np.int_], tolerance: int, most: int) -> list[list[int]]:
    """The rows of ``levels`` with most votes, none of them within the tolerance of another."""
    found: list[list[int]] = []
    for row in levels[np.argsort(-votes, kind="stable")].tolist():
        if len(found) < most and not any(
            max(abs(a - b) for a, b in zip(row, one, strict=True)) <= tolerance for one in found
        ):
            found.append(row)
    return found


def _runs(inside: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last of each stretch of True; gaps of up to three lines (a line drawn across a panel) are bridged."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
        if runs and first - runs[-1][1] <= 4:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs


def _judged(lines: Lines, shares: Floats, run: tuple[int, int], ground: list[int], tolerance: int) -> Band | None:
    tones = _tones(lines, ground, run)
    if len(tones) < len(ground):
        return None
    first, last = _ends(lines, tones, run)
    length = last - first + 1
    if length < THINNEST or length > THICKEST * lines.n:
        return None
    share = np.minimum(shares[:, ground].sum(axis=1), 1.0)
    inner = share[max(first, run[0]) : min(last, run[1]) + 1]
    jumps, outside = [], []
    for beside, flank in (
        (share[max(first - 5, 0) : max(first - 1, 0)], inner[:2]),
        (share[last + 2 : last + 6], inner[-2:]),
    ):
        if beside.size:
            jumps.append(float(flank.mean() - beside.mean()))
            outside.append(float(beside.mean()))
    if not jumps or min(jumps) < (JUMP if tolerance == 0 else 0.55) or inner.mean() < 0.55:
        return None
    beyond = [*range(max(first - 14, 0), max(first - 1, 0)), *range(last + 2, min(last + 15, lines.n))]
    if len(ground) > 1 and beyond and shares[beyond][:, ground].max() > MARKED:
        return None  # one of the two tones is the picture's
    if not _drawn(lines, (first, last), ground, tolerance) or _as_flat(lines, (first, last), ground, tolerance):
        return None
    marks, ink, written = _marks(lines.tones[first : last + 1], tones)
    if marks < FEWEST_MARKS:
        return None
    if len(ground) > 1 and shares[first : last + 1][:, ground].mean(axis=0).min() < LEAST_TONE:
        return None
    owned = [shares[first : last + 1, level] >= 0.5 for level in ground]
    if len(ground) > 1 and all(own.any() for own in owned) and min(written[own].mean() for own in owned) < 0.2:
        return None  # two tones one above the other are both written on; flat picture beside a panel is not
    return Band(first, last, tuple(ground), float(inner.mean()), max(outside), min(jumps), marks, ink)


def _tones(lines: Lines, ground: list[int], run: tuple[int, int]) -> list[int]:
    """The tones of the levels of a ground."""
    if lines.tones is lines.codes:
        return ground
    part = slice(run[0], run[1] + 1)
    found = [lines.tones[part][lines.codes[part] == level] for level in ground]
    return [int(np.median(f)) for f in found if f.size]


def _distance(tones: Codes, ground: list[int]) -> npt.NDArray[np.int16]:
    """How far each pixel is from the nearest tone of the ground."""
    return np.asarray(np.min([np.abs(tones.astype(np.int16) - level) for level in ground], axis=0))


def _local_distance(tones: Codes, ground: list[int]) -> npt.NDArray[np.int16]:
    """How far each pixel is from the ground that it stands on: of two tones the one that owns its line or its column.

    Light ink on the dark tone may be as light as the other tone.
    """
    if len(ground) == 1:
        return _distance(tones, ground)
    each = np.stack([np.abs(tones.astype(np.int16) - level) for level in ground])
    near = each <= CONTRAST
    by_line, by_column = near.mean(axis=2), near.mean(axis=1)  # (tones, lines), (tones, columns)
    if by_line.max(axis=0).mean() >= by_column.max(axis=0).mean():
        return np.asarray(np.take_along_axis(each, by_line.argmax(axis=0)[None, :, None], axis=0)[0])
    return np.asarray(np.take_along_axis(each, by_column.argmax(axis=0)[None, None, :], axis=0)[0])


def _ends(lines: Lines, ground: list[int], run: tuple[int, int]) -> tuple[int, int]:
    """The first and the last line: where the middle of a line's pixels is nearer to the ground than to the picture.

    The middle does not mind what compression does to some of the pixels. Up to four lines of one other tone beyond
    are the panel's frame, unless the picture goes on in that tone; where they reach the edge of the picture, only if
    the other end has the same.
    """
    ends = [_half_way(lines, ground, edge, inward) for inward, edge in ((1, run[0]), (-1, run[1]))]
    if ends[1] - ends[0] < 2:
        return ends[0], ends[1]
    distance = _distance(lines.tones[ends[0] : ends[1] + 1], ground)
    near = distance[distance <= CONTRAST]
    # what compression left on flat ground
    spread = min(2 * float(np.percentile(near, 95)), 20.0) if near.size else 0.0
    frames = [_frame(lines, end, inward, spread) for inward, end in ((1, ends[0]), (-1, ends[1]))]
    for one, other, at_edge in (
        (0, 1, ends[0] - frames[0][0] == 0),
        (1, 0, ends[1] + frames[1][0] == lines.n - 1),
    ):
        alike = abs(frames[one][0] - frames[other][0]) <= 1 and abs(frames[one][1] - frames[other][1]) <= 20
        if at_edge and not alike:
            frames[one] = (0, -1.0)
    return ends[0] - frames[0][0], ends[1] + frames[1][0]


def _half_way(lines: Lines, ground: list[int], edge: int, inward: int) -> int:
    where = [edge + inward * k for k in range(-12, 7)]  # from outside in
    where = [y for y in where if 0 <= y < lines.n]
    off = np.median(_distance(lines.tones[where], ground), axis=1)
    outside = sum(1 for y in where if (y - edge) * inward < 0)
    if not outside:
        return edge
    limit = max(float(np.median(off[: max(outside - 1, 1)])) / 2, 1.0)
    k = len(where) - 1
    while k > 0 and off[k - 1] < limit:
        k -= 1
    return where[k]


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
    goes_on = wide == 5 or (0 < wide < len(beyond) and abs(middle[wide] - middle[0]) < CONTRAST)
    return (0, -1.0) if wide == 0 or goes_on else (wide, float(middle[0]))


def _drawn(lines: Lines, ends: tuple[int, int], ground: list[int], tolerance: int) -> bool:
    """Whether the ground is flat but for compression, which leaves more at one level exactly than noise does."""
    if tolerance == 0:
        return True
    counts = lines.counts[ends[0] : ends[1] + 1].sum(axis=0)
    for level in ground:
        window = counts[max(level - tolerance, 0) : level + tolerance + 1]
        if window.max() < 0.1 * window.sum():
            return False
    return True


def _as_flat(lines: Lines, ends: tuple[int, int], ground: list[int], tolerance: int) -> bool:
    """Whether the picture itself is a drawing of two levels, the ground one of them: nothing tells a panel from it."""
    counts = lines.counts.sum(axis=0) - lines.counts[ends[0] : ends[1] + 1].sum(axis=0)
    total, owned, levels = int(counts.sum()), 0, []
    for _ in range(2):
        level = int(counts.argmax())
        window = slice(max(level - tolerance - 2, 0), level + tolerance + 3)
        owned += int(counts[window].sum())
        counts[window] = 0
        levels.append(level)
    return owned >= 0.9 * total and any(abs(a - b) <= tolerance + 8 for a in levels for b in ground)


def _marks(tones: Codes, ground: list[int]) -> tuple[int, float, npt.NDArray[np.bool_]]:
    """Count the marks in the fullest line of writing; how much is ink; which lines of the panel are written on."""
    distance = _local_distance(tones, ground)
    ink = distance > CONTRAST
    if not ink.any():
        return 0, 0.0, np.zeros(len(tones), bool)
    # half way to the ink, for smoothed letters run into one another
    labels, _ = ndimage.label(
        distance > max(CONTRAST, float(np.percentile(distance[ink], 90)) / 2), np.ones((3, 3), int)
    )
    height, length = tones.shape
    boxes = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        tall, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
        if max(tall, wide) < 4 or box[0].start == 0 or box[0].stop == height or wide > length / 3:
            continue
        if _constant(tones[box][labels[box] == number]):
            boxes.append((box[0].start, box[0].stop, box[1].start, box[1].stop))
    aligned = _aligned(np.array(boxes, int).reshape(-1, 4))
    written = np.zeros(height, bool)
    for (start, stop, _, _), friends in zip(boxes, aligned, strict=True):
        written[start:stop] |= friends >= FEWEST_MARKS
    return max(aligned, default=0), float(ink.mean()), written


def _aligned(boxes: npt.NDArray[np.int_]) -> list[int]:
    """For each box how many begin and end in the same lines, give or take one: letters do. Upright or turned."""
    best = np.zeros(len(boxes), int)
    for start, stop in ((0, 1), (2, 3)):
        same = np.abs(boxes[:, None, start] - boxes[None, :, start]) <= 1
        same &= np.abs(boxes[:, None, stop] - boxes[None, :, stop]) <= 1
        best = np.maximum(best, same.sum(axis=1))
    return [int(n) for n in best]


def _constant(values: Codes) -> bool:
    """Whether a third of a mark has one level, give or take 8: smoothed letters keep a core, grains do not."""
    near = np.convolve(np.bincount(values, minlength=256), np.ones(17, int), "same")
    return bool(values.size >= 5 and near.max() >= values.size / 3)
