"""The scale bar inside an image: straight, of one level, with or without ticks, and the number beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.inked import bounds, evenness, rimmed, whole
from matxai.regions.inks import inks_of
from matxai.regions.region import Region
from matxai.regions.writing import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.inks import Inks
    from matxai.regions.picture import Mask, Picture
    from matxai.regions.writing import Box, Word

_LEAST, _SHARE = 8, 0.05
_LONGEST = 0.85
_TRIED = 150
_LONGER = 1.6
_WORD = 3


@dataclass(frozen=True, eq=False)
class _Bar:
    """A bar before its number: its box and ink in the picture's own orientation."""

    box: Box
    ink: Mask
    upright: bool
    ticks: bool
    thick: int
    level: float
    step: float
    sharp: float
    soft: bool
    exact: bool

    @property
    def length(self) -> int:
        """Pixels along the bar."""
        return self.box[1] - self.box[0] if self.upright else self.box[3] - self.box[2]


@finders.register("scale_bar")
def scale_bar(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return scale bars, each with the number written beside it.

    A bar without a number has to be longer and more sharply drawn than one that has it.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        What the instrument says; not used.
    """
    picture, cuts = inks_of(image)
    bars = _apart([bar for cut in cuts for bar in _bars_of(picture, cut)])
    words = words_of(image)
    bars = [bar for bar in bars if not any(_letter_of(bar, word) for word in words)]
    regions = []
    for bar in bars:
        number = _number_of(bar, words)
        confidence = _confidence(picture, bar, number)
        if confidence < 0.5:
            continue
        mask = rimmed(picture.grey, bar.ink, bar.step)
        for word in number:
            mask = mask | whole(picture.grey, word)
        if not mask.all():
            evidence = {
                "box": list(bounds(mask)),
                "level": round(bar.level, 1),
                "length": bar.length,
                "thickness": bar.thick,
                "ticks": bar.ticks,
                "number": bool(number),
                "upright": bar.upright,
            }
            regions.append(Region(mask, "scale_bar", "pixels", confidence, evidence))
    return regions


def _bars_of(picture: Picture, cut: Inks) -> list[_Bar]:
    height, width = picture.grey.shape
    long, short = np.maximum(cut.width, cut.height), np.minimum(cut.width, cut.height)
    side = np.where(cut.width >= cut.height, float(width), float(height))
    fits = (long >= np.maximum(_LEAST, side * _SHARE)) & (long <= _LONGEST * side) & (short <= 0.62 * long)
    fits &= (cut.y0 > 0) & (cut.x0 > 0) & (cut.y1 < height) & (cut.x1 < width)
    least = picture.contrast * (0.35 if cut.exact else 1)
    fits &= (cut.sharp >= 0.75) & (np.abs(cut.step) >= least) & (cut.spread <= (20 if cut.soft else 9))
    fits &= cut.area <= 0.4 * long * long
    which = np.nonzero(fits)[0]
    which = which[np.argsort(-(cut.sharp * long)[which], kind="stable")][:_TRIED]
    bars = []
    for at in which:
        window = (slice(cut.y0[at], cut.y1[at]), slice(cut.x0[at], cut.x1[at]))
        inside = cut.labels[window] == at + 1
        upright = inside.shape[0] > inside.shape[1]
        form = _form(inside.T if upright else inside)
        if form is None:
            continue
        ink = np.zeros(picture.grey.shape, bool)
        ink[window] = inside
        box = (int(cut.y0[at]), int(cut.y1[at]), int(cut.x0[at]), int(cut.x1[at]))
        level, step, sharp = float(cut.level[at]), float(cut.step[at]), float(cut.sharp[at])
        bars.append(_Bar(box, ink, upright, form[1], form[0], level, step, sharp, cut.soft, cut.exact))
    return bars


def _form(inside: Mask) -> tuple[int, bool] | None:
    """Thickness of a lying bar and whether it has ticks; None where the form is no bar's."""
    rows, length = inside.shape
    full = inside.mean(axis=1) >= 0.95
    at = np.flatnonzero(full)
    if not len(at) or at[-1] - at[0] + 1 != len(at):
        return None
    thick = len(at)
    if length < 3.2 * thick:
        return None
    rest = inside[~full]
    if not rest.any():
        return thick, False
    if rows > 0.6 * length:
        return None
    end = max(2, thick, round(0.08 * length))
    left, right = rest[:, :end], rest[:, -end:]
    if rest[:, end:-end].sum() > 0.1 * rest.sum() or not left.any() or not right.any():
        return None
    # ticks are straight: they have whole columns over the rows that the line leaves
    straight = min(float(part.mean(axis=0).max()) for part in (left, right))
    even = abs(int(left.sum()) - int(right.sum())) <= 0.35 * max(int(left.sum()), int(right.sum())) + 2
    return (thick, True) if straight >= 0.8 and even else None


def _apart(bars: list[_Bar]) -> list[_Bar]:
    """Keep the best of the bars that lie over one another."""
    kept: list[_Bar] = []
    for bar in sorted(bars, key=lambda b: (-b.sharp * b.length, b.box)):
        if not any((bar.ink & other.ink).any() or _inside(bar.box, other.box) for other in kept):
            kept.append(bar)
    return kept


def _inside(a: Box, b: Box) -> bool:
    """Whether a lies in b, give or take a pixel."""
    return a[0] >= b[0] - 1 and a[1] <= b[1] + 1 and a[2] >= b[2] - 1 and a[3] <= b[3] + 1


def _letter_of(bar: _Bar, word: Word) -> bool:
    """Whether a bar is an l, an I or a dash of a word."""
    return word.characters >= _WORD and bar.length < _LONGER * word.height and _inside(bar.box, word.box)


def _number_of(bar: _Bar, words: list[Word]) -> list[Word]:
    """The words of the bar's number: the nearest above, below or beside it, and what follows on its line."""
    y0, y1, x0, x1 = bar.box
    found: list[tuple[float, Word]] = []
    for word in words:
        top, end, left, right = word.box
        if abs(word.level - bar.level) > 40 or np.sign(word.step) != np.sign(bar.step):
            continue
        if _inside(word.box, bar.box) or bar.length < _LONGER * word.height:  # an l or a dash is a bar as well
            continue
        down = max(top, y0) - min(end, y1)
        aside = max(left, x0) - min(right, x1)
        centre = abs((left + right) - (x0 + x1)) / 2
        over = centre <= 0.5 * max(x1 - x0, right - left) and down <= 2.2 * word.height
        beside = down < 0 and aside <= 2.0 * word.height
        middle = abs((top + end) - (y0 + y1)) / 2
        if bar.upright:
            over = centre <= 0.5 * (right - left) and down <= 2.2 * word.height
            beside = middle <= 0.5 * (y1 - y0) and aside <= 2.0 * word.height
        if over or beside:
            found.append((max(down, 0) + max(aside, 0) + 0.5 * (middle if bar.upright else centre), word))
    if not found:
        return []
    nearest = min(found, key=lambda f: f[0])[1]
    line = [nearest]
    for word in sorted(words, key=lambda w: abs(w.box[2] - nearest.box[2])):
        gap = min(max(word.box[2], w.box[2]) - min(word.box[3], w.box[3]) for w in line)
        alike = abs(word.level - nearest.level) <= 14 and abs(word.box[1] - nearest.box[1]) <= 0.4 * nearest.height
        if word is not nearest and alike and gap <= 1.8 * nearest.height:
            line.append(word)
    return line


def _confidence(picture: Picture, bar: _Bar, number: list[Word]) -> float:
    """From how sharp, even, strong and long a bar is, and whether it has a number."""
    exact, rare = evenness(picture, bar.ink, soft=bar.soft)
    strong = min(1.0, abs(bar.step) / (2.5 * picture.contrast))
    if bar.exact:  # everything of that cut is of one level; rare it has to be
        exact, strong = rare, 1.0
    side = picture.grey.shape[0 if bar.upright else 1]
    long = min(1.0, bar.length / (0.08 * side))
    slim = min(1.0, bar.length / (5 * bar.thick))
    if number:
        form = bar.sharp * max(exact, rare) * strong**0.5
        return float(min(1.0, 0.35 + 0.65 * form * max(w.confidence for w in number) ** 0.5))
    # a scratch or a streak is a line too: alone, a bar has to be of one level exactly, and more than a pixel thick
    form = bar.sharp * exact * strong**0.5 * (1.0 if bar.thick > 1 or bar.ticks else 0.5)
    return float(form * long * slim * (1.0 if bar.ticks else 0.9) * (0.8 if bar.upright else 1.0))
