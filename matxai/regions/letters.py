"""Writing on a flat ground: small constant marks that begin and end in the same lines, upright or turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

if TYPE_CHECKING:
    from matxai.regions.rows import Codes

CONTRAST = 24
"""Levels between ground and ink."""

FEWEST_MARKS = 4
"""Marks that make writing."""


@dataclass(frozen=True, eq=False)
class Letters:
    """The marks on a ground.

    Parameters
    ----------
    boxes
        ``(marks, 4)``: first line, line after the last, and the same across.
    along
        For each mark, how many begin and end in the same lines as it does, itself counted.
    across
        The same for writing that is turned against the lines.
    ink
        Share of the lines that is not ground.
    lines
        Number of lines.
    """

    boxes: npt.NDArray[np.int_]
    along: npt.NDArray[np.int_]
    across: npt.NDArray[np.int_]
    ink: float
    lines: int

    @property
    def aligned(self) -> npt.NDArray[np.int_]:
        """For each mark, how many stand in one line of writing with it, upright or turned."""
        return np.maximum(self.along, self.across)

    @property
    def most(self) -> int:
        """Marks in the fullest line of writing."""
        return int(self.aligned.max(initial=0))

    @property
    def written(self) -> npt.NDArray[np.bool_]:
        """Which lines are written on: ``(lines,)``."""
        written = np.zeros(self.lines, bool)
        for start, stop in self.boxes[self.aligned >= FEWEST_MARKS, :2].tolist():
            written[start:stop] = True
        return written


def letters(tones: Codes, ground: list[int]) -> Letters:
    """Return the marks on a ground of one tone or two.

    Parameters
    ----------
    tones
        ``(lines, length)``.
    ground
        Its grey values.
    """
    distance = local_distance(tones, ground)
    ink = distance > CONTRAST
    height, length = tones.shape
    boxes = []
    if ink.any():
        # half way to the ink, for smoothed letters run into one another
        limit = max(CONTRAST, float(np.percentile(distance[ink], 90)) / 2)
        labels, _ = ndimage.label(distance > limit, np.ones((3, 3), int))
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            tall, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
            if max(tall, wide) < 4 or box[0].start == 0 or box[0].stop == height or wide > length / 3:
                continue
            if _constant(tones[box][labels[box] == number]):
                boxes.append((box[0].start, box[0].stop, box[1].start, box[1].stop))
    found = np.array(boxes, int).reshape(-1, 4)
    return Letters(found, _aligned(found, 0, 1), _aligned(found, 2, 3), float(ink.mean()), height)


def distance(tones: Codes, ground: list[int]) -> npt.NDArray[np.int16]:
    """How far each pixel is from the nearest tone of the ground."""
    return np.asarray(np.min([np.abs(tones.astype(np.int16) - level) for level in ground], axis=0))


def local_distance(tones: Codes, ground: list[int]) -> npt.NDArray[np.int16]:
    """How far each pixel is from the ground that it stands on: of two tones the one that owns its line or its column.

    Light ink on the dark tone may be as light as the other tone.
    """
    if len(ground) == 1:
        return distance(tones, ground)
    each = np.stack([np.abs(tones.astype(np.int16) - level) for level in ground])
    near = each <= CONTRAST
    by_line, by_column = near.mean(axis=2), near.mean(axis=1)  # (tones, lines), (tones, columns)
    if by_line.max(axis=0).mean() >= by_column.max(axis=0).mean():
        return np.asarray(np.take_along_axis(each, by_line.argmax(axis=0)[None, :, None], axis=0)[0])
    return np.asarray(np.take_along_axis(each, by_column.argmax(axis=0)[None, None, :], axis=0)[0])


def _aligned(boxes: npt.NDArray[np.int_], start: int, stop: int) -> npt.NDArray[np.int_]:
    """For each box how many begin and end in the same lines (columns 0 and 1) or places across, give or take one."""
    same = np.abs(boxes[:, None, start] - boxes[None, :, start]) <= 1
    same &= np.abs(boxes[:, None, stop] - boxes[None, :, stop]) <= 1
    return np.asarray(same.sum(axis=1), int)


def _constant(values: Codes) -> bool:
    """Whether a third of a mark has one level, give or take 8: smoothed letters keep a core, grains do not."""
    near = np.convolve(np.bincount(values, minlength=256), np.ones(17, int), "same")
    return bool(values.size >= 5 and near.max() >= values.size / 3)
