"""Burned-in text: rows of small components of one level, wherever they lie over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.inked import bounds, whole
from matxai.regions.inks import inks_of
from matxai.regions.region import Region
from matxai.regions.writing import Word, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST = 3
"""How many characters a row needs to be called text by itself; shorter words only join it."""

SURE, LIKELY = 0.62, 0.3
"""From which confidence on a row is text by itself, and from which it joins one."""


@finders.register("text")
def text(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return each block of writing: its lines and words that are close to one another and of one level.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        What the instrument says; not used.

    Returns
    -------
    list of Region
        The ink with its soft edges and shadows, and not the ground between the letters.
    """
    picture, _ = inks_of(image)
    words = words_of(image)
    sure = [w for w in words if w.characters >= LEAST and w.confidence >= SURE]
    regions = []
    for block in _blocks(sure, [w for w in words if w.characters < LEAST or LIKELY <= w.confidence < SURE]):
        mask = np.zeros(picture.grey.shape, bool)
        for word in block:
            mask |= whole(picture.grey, word)
        if mask.all() or not mask.any():
            continue
        box = bounds(mask)
        evidence = {
            "box": list(box),
            "level": round(float(np.mean([w.level for w in block])), 1),
            "characters": sum(w.characters for w in block),
            "height": max(w.height for w in block),
        }
        confidence = max(w.confidence for w in block)
        regions.append(Region(mask, "text", "pixels", min(confidence, 1.0), evidence))
    return regions


def _blocks(sure: list[Word], short: list[Word]) -> list[list[Word]]:
    """Join words of like level and height on one line, or on lines below one another; short ones only join."""
    blocks: list[list[Word]] = []
    for word in sure:
        near = [b for b in blocks if any(_together(word, other) for other in b)]
        blocks = [b for b in blocks if b not in near] + [[word, *(w for b in near for w in b)]]
    for word in short:
        for block in blocks:
            if any(_together(word, other) for other in block if other.characters >= LEAST and other.confidence >= SURE):
                block.append(word)
                break
    return [sorted(b, key=lambda w: w.box) for b in blocks]


def _together(a: Word, b: Word) -> bool:
    """Whether two words are of one block."""
    height = max(a.height, b.height)
    if abs(a.level - b.level) > 14 or np.sign(a.step) != np.sign(b.step) or min(a.height, b.height) < 0.5 * height:
        return False
    down = max(a.box[0], b.box[0]) - min(a.box[1], b.box[1])
    aside = max(a.box[2], b.box[2]) - min(a.box[3], b.box[3])
    if down < 0:  # on one line, at any distance that a line of captions has
        return abs(a.box[1] - b.box[1]) <= 0.4 * height and aside <= 8 * height
    return down <= 1.2 * height and aside <= 0
