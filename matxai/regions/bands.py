"""Drawn panels along an edge of a picture: flat ground, sharp and straight ends, writing on it.

Three things together make a panel, each of which a specimen may have by itself: one or two grey levels own its lines
and not the lines beside it; that changes from one line to the next, across the whole picture; and on the flat ground
stand many small constant marks, apart from its ends. Saturated ground, black surroundings, masks and flat resin have
no such marks; streaks are too thin to hold any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.regions.band import FROM_EDGE, THICKEST, THINNEST, Band, drawn, framed
from matxai.regions.lettered import grown
from matxai.regions.letters import CONTRAST, FEWEST_MARKS, distance, letters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.regions.rows import Floats, Lines

TOLERANCES = (0, 2, 6, 14)
"""Levels within which a ground counts as constant, in this order: drawn, resampled, compressed, and more so."""

FLAT, MARKED = 0.75, 0.30
"""Share of the ground in the first lines of a panel, and the least in a line full of writing."""

LEAST_TONE = 0.12
"""Share of a panel that each of two tones takes, at least."""

JUMP, LOOSE_JUMP = 0.35, 0.45
"""By how much the share of the ground falls from the panel to the picture beside it; and where it is less constant."""


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
            best = max((b for b in found if b.confidence >= 0.8 * sure), key=lambda b: (b.last - b.first, b.confidence))
            finer = (b for t in TOLERANCES if t >= tolerance for b in _written(lines, t, end))
            best = next((b for b in finer if _narrows(lines, best, b)), best)
            return _joined(lines, best, tolerance, end)
        written = list(_written(lines, tolerance, end))
        if written:
            return max(written, key=lambda b: b.marks)
    return None


def _joined(lines: Lines, band: Band, tolerance: int, end: int) -> Band:
    """A panel with the other one that it touches: two tones, one above the other."""
    for looser in TOLERANCES:
        for other in _at(lines, looser, end, inner=True) if looser >= tolerance and len(band.levels) == 1 else ():
            touches = -4 <= other.first - band.last <= 2 or -4 <= band.first - other.last <= 2  # frames may overlap
            if touches and len(other.levels) == 1:
                first, last = min(band.first, other.first), max(band.last, other.last)
                if last - first < THICKEST * lines.n:
                    surer = max(band, other, key=lambda b: b.confidence)
                    return replace(surer, first=first, last=last, levels=(*band.levels, *other.levels))
    return band


def _at(lines: Lines, tolerance: int, end: int, inner: bool = False) -> Iterator[Band]:
    """Panels at the last lines (``end`` -1) or the first (1), for every ground that is worth a look.

    ``inner``: those too that lie further in.
    """
    shares = lines.shares(tolerance)
    off = max(int(FROM_EDGE * lines.n), 6)
    for ground in _grounds(lines, shares, _zone(lines.n, end), tolerance):
        share = np.minimum(shares[:, ground].sum(axis=1), 1.0)
        for first, last in _runs(share >= MARKED):
            near = last >= lines.n - 1 - off if end < 0 else first <= off
            if (near or inner) and last - first + 1 >= THINNEST - 2:
                band = _judged(lines, shares, (first, last), ground, tolerance)
                if band is not None:
                    yield band


def _written(lines: Lines, tolerance: int, end: int) -> Iterator[Band]:
    """Panels grown from their writing, for every level that owns lines of that end."""
    for ground in _grounds(lines, lines.shares(tolerance), _zone(lines.n, end), tolerance):
        if len(ground) == 1:
            for tone in _tones(lines, ground, (0, lines.n - 1)):
                band = grown(lines, end, tolerance, ground[0], tone)
                if band is not None:
                    yield band


def _narrows(lines: Lines, band: Band, inner: Band) -> bool:
    """Whether a panel is the framed part of a band, the rest of which is flat picture and not written on."""
    if band.levels != inner.levels or inner.first < band.first - 4 or inner.last > band.last + 4:
        return False
    if (inner.first, inner.last) == (band.first, band.last):
        return False
    share = lines.shares(TOLERANCES[-1])[:, band.levels[0]]
    if any(one != other and share[one] > 0.5 for one, other in ((inner.first, band.first), (inner.last, band.last))):
        return False  # no frame of another level ends it
    tones = _tones(lines, list(band.levels), (band.first, band.last))
    written = letters(lines.tones[band.first : band.last + 1], tones).written
    return not written[: max(inner.first - band.first, 0)].any() and not written[inner.last + 1 - band.first :].any()


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
    if not jumps or min(jumps) < (JUMP if tolerance == 0 else LOOSE_JUMP) or inner.mean() < 0.55:
        return None
    beyond = [*range(max(first - 14, 0), max(first - 1, 0)), *range(last + 2, min(last + 15, lines.n))]
    if len(ground) > 1 and beyond and shares[beyond][:, ground].max() > MARKED:
        return None  # one of the two tones is the picture's
    if not drawn(lines, (first, last), ground, tolerance) or _as_flat(lines, (first, last), ground, tolerance):
        return None
    marks = letters(lines.tones[first : last + 1], tones)
    if marks.most < FEWEST_MARKS:
        return None
    if len(ground) > 1 and shares[first : last + 1][:, ground].mean(axis=0).min() < LEAST_TONE:
        return None
    owned = [shares[first : last + 1, level] >= 0.5 for level in ground]
    if len(ground) > 1 and all(own.any() for own in owned) and min(marks.written[own].mean() for own in owned) < 0.2:
        return None  # two tones one above the other are both written on; flat picture beside a panel is not
    return Band(first, last, tuple(ground), float(inner.mean()), max(outside), min(jumps), marks.most, marks.ink)


def _tones(lines: Lines, ground: list[int], run: tuple[int, int]) -> list[int]:
    """The tones of the levels of a ground."""
    if lines.tones is lines.codes:
        return ground
    part = slice(run[0], run[1] + 1)
    found = [lines.tones[part][lines.codes[part] == level] for level in ground]
    return [int(np.median(f)) for f in found if f.size]


def _ends(lines: Lines, ground: list[int], run: tuple[int, int]) -> tuple[int, int]:
    """The first and the last line: where the middle of a line's pixels is nearer to the ground than to the picture.

    The middle does not mind what compression does to some of the pixels. Up to four lines of one other tone beyond
    are the panel's frame, unless the picture goes on in that tone; where they reach the edge of the picture, only if
    the other end has the same.
    """
    ends = [_half_way(lines, ground, edge, inward) for inward, edge in ((1, run[0]), (-1, run[1]))]
    if ends[1] - ends[0] < 2:
        return ends[0], ends[1]
    off = distance(lines.tones[ends[0] : ends[1] + 1], ground)
    near = off[off <= CONTRAST]
    # what compression left on flat ground
    spread = min(2 * float(np.percentile(near, 95)), 20.0) if near.size else 0.0
    return framed(lines, (ends[0], ends[1]), spread)


def _half_way(lines: Lines, ground: list[int], edge: int, inward: int) -> int:
    where = [edge + inward * k for k in range(-12, 7)]  # from outside in
    where = [y for y in where if 0 <= y < lines.n]
    each = distance(lines.tones[where], ground)
    off = np.median(each, axis=1)
    outside = sum(1 for y in where if (y - edge) * inward < 0)
    if not outside:
        return edge
    near = each[outside:][each[outside:] <= CONTRAST]  # what compression left on the ground
    least = float(np.percentile(near, 90)) if near.size else 0.0
    limit = max(float(np.median(off[: max(outside - 1, 1)])) / 2, least + 0.5, 1.0)
    k = len(where) - 1
    while k > 0 and off[k - 1] < limit:
        k -= 1
    return where[k]


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
    near = tolerance + 8 if tolerance else 2
    return owned >= 0.9 * total and any(abs(a - b) <= near for a in levels for b in ground)
