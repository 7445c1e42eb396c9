"""Rows of small components of one level and of like height: writing, told by its form and never read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.inked import evenness
from matxai.regions.inks import inks_of
from matxai.regions.shared import remembered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.inks import Inks
    from matxai.regions.picture import Picture

Box = tuple[int, int, int, int]
"""First row, end of rows, first column, end of columns."""

LOWEST = 4
_TALLEST = 0.12
_WIDEST = 2.5
_GAP = 1.35
_ALIKE = 0.55
_HARD, _SOFT = 5.0, 14.0
_MOST = 2500


@dataclass(frozen=True, eq=False)
class Word:
    """Components in one row without a large gap.

    Parameters
    ----------
    box
        Where it lies.
    ink
        Its pixels, of the picture's shape.
    level, spread
        Mean grey level, and the standard deviation about it.
    step
        How much it stands out from what is around it: positive where it is lighter.
    characters
        How many components there are.
    height
        The largest height of a component.
    confidence
        From 0 to 1.
    """

    box: Box
    ink: npt.NDArray[np.bool_]
    level: float
    spread: float
    step: float
    characters: int
    height: int
    confidence: float


def words_of(image: npt.NDArray[Any]) -> list[Word]:
    """Return the words of two and more components, each once, however many cuts show it."""
    picture, cuts = inks_of(image)
    return remembered(image, "words", lambda: _each_once([w for cut in cuts for w in _words_of_cut(picture, cut)]))


def _words_of_cut(picture: Picture, cut: Inks) -> list[Word]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    chars = _characters(picture, cut)
    number = len(chars["number"])
    if number < 2:
        return []
    first, second = _neighbours(chars)
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(number, number))
    groups = connected_components(graph, directed=False)[1]
    words = []
    for group in np.nonzero(np.bincount(groups) >= 2)[0]:
        word = _word(picture, cut, {name: column[groups == group] for name, column in chars.items()})
        if word is not None:
            words.append(word)
    return words


def _characters(picture: Picture, cut: Inks) -> dict[str, npt.NDArray[Any]]:
    """Components that may be a character: small, upright or nearly square, of one level where the cut is hard."""
    tallest = max(12.0, _TALLEST * min(picture.grey.shape))
    fits = (cut.height >= LOWEST) & (cut.height <= tallest) & (cut.width <= _WIDEST * cut.height)
    fits &= (
        (cut.area >= LOWEST) & (cut.sharp >= 0.6) & (np.abs(cut.step) >= picture.contrast * (0.35 if cut.exact else 1))
    )
    fits &= (cut.y0 > 0) & (cut.x0 > 0) & (cut.y1 < picture.grey.shape[0]) & (cut.x1 < picture.grey.shape[1])
    if not cut.soft:
        fits &= cut.spread <= 9
    if fits.sum() > _MOST:
        fits &= cut.sharp >= np.sort(cut.sharp[fits])[-_MOST]
    which = np.nonzero(fits)[0][:_MOST]
    return cut.chosen(which)


def _neighbours(chars: Mapping[str, npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Pairs of characters that stand beside one another on one line."""
    y0, y1, x0, x1 = (chars[name] for name in ("y0", "y1", "x0", "x1"))
    order = np.argsort(y1, kind="stable")
    # candidates for a pair differ in their ends by less than the tallest character: only those are compared
    tall = int((y1 - y0).max())
    ends = np.searchsorted(y1[order], y1[order] + tall, side="right")
    reach = int((ends - np.arange(len(order))).max())
    firsts, seconds = [], []
    for shift in range(1, reach):
        a, b = order[:-shift], order[shift:]
        near = y1[b] - y1[a] <= tall
        a, b = a[near], b[near]
        if not len(a):
            continue
        high = np.maximum(y1[a] - y0[a], y1[b] - y0[b])
        small = np.minimum(y1[a] - y0[a], y1[b] - y0[b])
        gap = np.maximum(x0[a], x0[b]) - np.minimum(x1[a], x1[b])
        tolerance = np.maximum(1, 0.12 * high)
        aligned = (np.abs(y1[a] - y1[b]) <= tolerance) | (np.abs(y0[a] - y0[b]) <= tolerance)
        overlap = np.minimum(y1[a], y1[b]) - np.maximum(y0[a], y0[b])
        linked = (gap >= -1) & (gap <= _GAP * high) & aligned & (overlap >= 0.5 * small) & (small >= _ALIKE * high)
        linked &= np.sign(chars["step"][a]) == np.sign(chars["step"][b])
        linked &= np.abs(chars["level"][a] - chars["level"][b]) <= 14
        firsts.append(a[linked])
        seconds.append(b[linked])
    if not firsts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(firsts), np.concatenate(seconds)


def _word(picture: Picture, cut: Inks, chars: Mapping[str, npt.NDArray[Any]]) -> Word | None:
    """One group of characters as a word with its confidence, or None where its form is no writing's."""
    y0, y1, x0, x1 = (chars[name] for name in ("y0", "y1", "x0", "x1"))
    box = (int(y0.min()), int(y1.max()), int(x0.min()), int(x1.max()))
    heights = y1 - y0
    height = int(heights.max())
    if box[1] - box[0] > 1.6 * height:  # a heap and no row
        return None
    fill = chars["area"] / (heights * (x1 - x0))
    thin = (x1 - x0) <= 0.35 * heights  # an I or a 1 fills its box
    if np.median(np.where(thin, 0.5, fill)) > 0.72 or thin.mean() > 0.7:
        return None
    tolerance = max(1.0, 0.12 * height)
    on_line = max(float((np.abs(y1 - end) <= tolerance).mean()) for end in np.unique(y1))
    level = float(np.average(chars["level"], weights=chars["area"]))
    step = float(np.average(chars["step"], weights=chars["area"]))
    # the mean of a letter with soft edges depends on how much of it is edge
    alike = float(np.exp(-np.square(chars["level"].std() / (_SOFT if cut.soft else _HARD))))
    sharp = float(np.average(chars["sharp"], weights=chars["area"]))
    many = 1 - 0.5 ** (len(y0) - 1)
    ink = np.zeros(picture.grey.shape, bool)
    window = (slice(box[0], box[1]), slice(box[2], box[3]))
    ink[window] = np.isin(cut.labels[window], chars["number"])
    exact, rare = evenness(picture, ink, soft=cut.soft)
    constant = rare if cut.exact else max(exact, rare)  # there, everything is of one level
    confidence = float((on_line * constant * alike * sharp * many) ** 0.5)
    spread = float(picture.grey[ink].std())
    return Word(box, ink, level, spread, step, len(y0), height, confidence)


def _each_once(words: list[Word]) -> list[Word]:
    """Keep the best of the words that lie over one another."""
    kept: list[Word] = []
    for word in sorted(words, key=lambda w: (-w.characters * w.confidence, w.box)):
        if all(_shared(word.box, other.box) < 0.3 for other in kept):
            kept.append(word)
    return sorted(kept, key=lambda w: w.box)


def _shared(a: Box, b: Box) -> float:
    """Common area of two boxes as a share of the smaller."""
    rows = min(a[1], b[1]) - max(a[0], b[0])
    columns = min(a[3], b[3]) - max(a[2], b[2])
    if rows <= 0 or columns <= 0:
        return 0.0
    return rows * columns / min((a[1] - a[0]) * (a[3] - a[2]), (b[1] - b[0]) * (b[3] - b[2]))
