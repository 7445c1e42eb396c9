"""Components of one level with sharp edges: what burned-in writing, bars and plates are made of.

A picture is cut into slices of 32 levels twice, half a slice apart, so that every ink lies whole in some slice; into
its single levels, for plates on ground of their own level; once more above and below a level near its own extremes, for
writing with soft edges; and where it is coloured. The connected components of each cut are measured all at once. No
mark is told from another here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from matxai.regions.picture import Picture, picture_of
from matxai.regions.shared import remembered

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SLICE = 32
GRAINED = 0.2
"""Up to which share of flat pixels a picture has grain enough for a single value to be a sign of a mark."""

_SMALLEST, _SMALLEST_EXACT, _LARGEST = 3, 6, 0.25
_SHARP = 0.6
_FAINT = 0.35
_MANY = 6000


@dataclass(frozen=True, eq=False)
class Inks:
    """Components of one cut, one entry each.

    Parameters
    ----------
    labels
        ``(y, x)``: number of each pixel's component from 1, 0 where there is none.
    y0, y1, x0, x1
        Boxes; the ends exclusive.
    area
        Pixels.
    level, spread
        Mean and standard deviation of the grey levels.
    sharp
        Share of the outline across which the level changes by at least the picture's contrast within two pixels.
    step
        Mean of that change; positive where the ink is lighter than what is around it.
    soft
        Whether the cut is one for soft edges, whose components are not of one level.
    colour
        Whether the cut is by colour.
    exact
        Whether each component has one value and no other: these may lie on ground of nearly their own level, and their
        outline is sharp from a third of the picture's contrast on. There is no such cut of a flat picture.
    """

    labels: npt.NDArray[np.int32]
    y0: Ints
    y1: Ints
    x0: Ints
    x1: Ints
    area: Ints
    level: Floats
    spread: Floats
    sharp: Floats
    step: Floats
    soft: bool = False
    colour: bool = False
    exact: bool = False

    def __len__(self) -> int:
        return len(self.area)

    @property
    def height(self) -> Ints:
        """Rows of each box."""
        return self.y1 - self.y0

    @property
    def width(self) -> Ints:
        """Columns of each box."""
        return self.x1 - self.x0

    def chosen(self, which: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of some components, with their numbers in ``labels`` as ``number``."""
        rows: dict[str, npt.NDArray[Any]] = {"number": np.arange(1, len(self) + 1)[which]}
        for column in fields(self):
            values = getattr(self, column.name)
            if column.name != "labels" and isinstance(values, np.ndarray):
                rows[column.name] = values[which]
        return rows


def inks_of(image: npt.NDArray[Any]) -> tuple[Picture, list[Inks]]:
    """Return the picture and the components of all its cuts; within :func:`.shared.sharing` worked out once."""
    picture = remembered(image, "levels", lambda: picture_of(image))
    return picture, remembered(image, "inks", lambda: _all_cuts(picture))


def _all_cuts(picture: Picture) -> list[Inks]:
    levels = np.rint(picture.grey).astype(np.int32)
    cuts = [_Cut(1 + (levels + SLICE // 2) // SLICE), _Cut(1 + levels // SLICE)]
    if picture.flat < GRAINED:
        cuts.append(_Cut(1 + levels, exact=True))
    low, middle, high = (float(v) for v in (levels.min(), np.median(levels[::2, ::2]), levels.max()))
    if high - middle > picture.contrast:
        cuts.append(_Cut((levels >= high - 0.4 * (high - middle)).astype(np.int32), soft=True))
    if middle - low > picture.contrast:
        cuts.append(_Cut((levels <= low + 0.4 * (middle - low)).astype(np.int32), soft=True))
    coloured = picture.coloured
    if coloured is not None:
        cuts.append(_Cut(coloured.astype(np.int32), colour=True))
    return [_measured(picture, cut) for cut in cuts]


@dataclass(frozen=True, eq=False)
class _Cut:
    """Pixels of one number that touch are one component; 0 is none."""

    numbers: npt.NDArray[np.int32]
    soft: bool = False
    colour: bool = False
    exact: bool = False

    @property
    def how(self) -> tuple[bool, bool, bool]:
        return self.soft, self.colour, self.exact


def _measured(picture: Picture, cut: _Cut) -> Inks:
    from skimage.measure import label

    labels = np.asarray(label(cut.numbers, background=0, connectivity=2))
    area = np.bincount(labels.ravel())
    fits = (area >= (_SMALLEST_EXACT if cut.exact else _SMALLEST)) & (area <= _LARGEST * labels.size)
    fits[0] = False
    labels = _renumbered(labels, fits)
    values = picture.grey if not cut.colour or picture.chroma is None else picture.chroma
    contrast = picture.contrast * (_FAINT if cut.exact else 1)
    sharp, step = _outline(labels, values, int(fits.sum()), contrast)
    keep = sharp >= (0 if cut.exact else _SHARP)
    if keep.sum() > _MANY:  # noise: the larger ones are kept, specks are no ink
        size = np.bincount(labels.ravel(), minlength=len(keep))
        keep &= size >= np.sort(size[keep])[-_MANY]
    keep[0] = False
    labels = _renumbered(labels, keep)
    sharp, step = sharp[keep], step[keep]
    return Inks(labels, *_boxes(labels), *_levels(labels, picture.grey, len(sharp)), sharp, step, *cut.how)


def _renumbered(labels: npt.NDArray[Any], keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Number the components that are kept from 1."""
    number = np.zeros(len(keep), np.int32)
    number[keep] = np.arange(1, int(keep.sum()) + 1)
    return np.asarray(number[labels], np.int32)


def _outline(
    labels: npt.NDArray[np.int32], values: npt.NDArray[np.float32], count: int, contrast: float
) -> tuple[Floats, Floats]:
    """Share of each component's outline that is sharp, and the mean step across it, over the four directions."""
    sides, sharp, steps = np.zeros((3, count + 1))
    for axis in (0, 1):
        for turned in (False, True):
            own, level = (np.flip(a, axis) if turned else a for a in (labels, values))
            own, level = (np.moveaxis(a, axis, 0) for a in (own, level))
            at = np.nonzero((own[:-1] != 0) & (own[:-1] != own[1:]))
            # two pixels away where the edge is soft, one where the next stroke follows at once
            near = level[at] - level[at[0] + 1, at[1]]
            far = level[at] - level[np.minimum(at[0] + 2, len(level) - 1), at[1]]
            change = np.where(np.abs(near) > np.abs(far), near, far)
            numbers = own[:-1][at]
            sides += np.bincount(numbers, minlength=count + 1)
            steps += np.bincount(numbers, change, minlength=count + 1)
            sharp += np.bincount(numbers[np.abs(change) >= contrast], minlength=count + 1)
    sides = np.maximum(sides, 1)
    return sharp / sides, steps / sides


def _boxes(labels: npt.NDArray[np.int32]) -> tuple[Ints, Ints, Ints, Ints]:
    from scipy.ndimage import find_objects

    found = [(b[0].start, b[0].stop, b[1].start, b[1].stop) for b in find_objects(labels)]
    boxes = np.array(found, np.int64).reshape(-1, 4)
    return boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]


def _levels(labels: npt.NDArray[np.int32], grey: npt.NDArray[np.float32], count: int) -> tuple[Ints, Floats, Floats]:
    """Area, mean level and its standard deviation."""
    inside = labels > 0
    numbers, values = labels[inside], grey[inside].astype(np.float64)
    area = np.bincount(numbers, minlength=count + 1)[1:]
    mean = np.bincount(numbers, values, minlength=count + 1)[1:] / np.maximum(area, 1)
    square = np.bincount(numbers, values**2, minlength=count + 1)[1:] / np.maximum(area, 1)
    return area.astype(np.int64), mean, np.sqrt(np.maximum(square - mean**2, 0))
