"""From the ink that was found to the pixels that belong to it: soft edges, dots, shadows and outlines included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matxai.regions.picture import Grey, Mask, Picture
    from matxai.regions.writing import Box, Word

_BEYOND, _SOFT = 0.25, 0.4


def evenness(picture: Picture, ink: Mask, *, soft: bool = False) -> tuple[float, float]:
    """Return how much of one level an ink is, and how much it differs from anything else in the picture.

    Parameters
    ----------
    picture
        What it lies in.
    ink
        Its pixels, ``(y, x)``.
    soft
        Whether its edges are soft: its level is then that of its core.

    Returns
    -------
    exact : float
        1 where at least 60 % of it are within one level of its commonest, 0 where no more than 30 % are: noise.
    rare : float
        1 where at least half of the picture's pixels about this level are its own, times how near to one level it is:
        what saturates alone, or lies where no grain of the picture does. It stands for ``exact`` after lossy
        compression.
    """
    values = np.rint(picture.grey[ink]).astype(np.int64)
    counts = np.bincount(values, minlength=256)
    near = np.convolve(counts, np.ones(3, np.int64), mode="same")
    level = int(near.argmax())
    exact = float(np.clip((near[level] / len(values) - 0.3) / 0.3, 0, 1))
    about = slice(max(level - 6, 0), level + 7)
    share = counts[about].sum() / max(int(picture.counts[about].sum()), 1)
    scale = 30.0 if soft else 10.0
    rare = float(min(1.0, share / 0.5) * np.exp(-np.square(np.abs(values - level).mean() / scale)))
    return exact, rare


def whole(grey: Grey, word: Word) -> Mask:
    """Return every pixel in and close around a word that is of its level: dots, accents, what a cut left out.

    Parameters
    ----------
    grey
        Levels ``(y, x)``.
    word
        Whose pixels are wanted.

    Returns
    -------
    Mask
        ``(y, x)``. Where the ink does not end at once (soft letters, a shadow, an outline, JPEG's ringing), the pixels
        next to it belong to it.
    """
    height, width = grey.shape
    box, room = word.box, max(1, word.height // 6)
    y0, x0 = max(box[0] - room, 0), max(box[2] - room, 0)
    y1, x1 = min(box[1] + room, height), min(box[3] + room, width)
    margin = 4
    window = (slice(max(y0 - margin, 0), y1 + margin), slice(max(x0 - margin, 0), x1 + margin))
    values = grey[window]
    ink = np.abs(values - word.level) <= min(0.5 * abs(word.step), 6 + 3 * word.spread)
    allowed = np.zeros_like(ink)
    top, left = y0 - window[0].start, x0 - window[1].start
    allowed[top : top + y1 - y0, left : left + x1 - x0] = True
    ink &= allowed
    ink = rimmed(values, ink | word.ink[window], word.step)
    mask = np.zeros(grey.shape, bool)
    mask[window] = ink
    return mask


def rimmed(values: Grey, ink: Mask, step: float) -> Mask:
    """Return ink with the pixels next to it, where these are neither ground nor ink.

    Parameters
    ----------
    values
        Levels ``(y, x)``.
    ink
        What is known to be ink.
    step
        How much it stands out from the ground.
    """
    from scipy.ndimage import binary_dilation, uniform_filter

    square = np.ones((3, 3), bool)
    for _ in range(2):
        next_to = binary_dilation(ink, square) & ~ink
        around = binary_dilation(ink, square, iterations=4) & ~binary_dilation(ink, square, iterations=2)
        if not next_to.any() or not around.any():
            break
        share = uniform_filter(around.astype(np.float32), 9)
        ground = uniform_filter(np.where(around, values, 0), 9) / np.maximum(share, 1e-3)  # it changes along a line
        off = np.abs(values - ground)
        usual = max(_BEYOND * abs(step), float(np.quantile(off[around], 0.9)))
        if float((off[next_to] > usual).mean()) < _SOFT:
            break
        ink = ink | next_to
    return ink


def bounds(mask: npt.NDArray[np.bool_]) -> Box:
    """Return the box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
