"""Labels stuck onto a picture: opaque plates of one level, written on or not; colour where the picture is grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.finders.stamp import in_corner, rectangular
from matxai.regions.inked import bounds, evenness
from matxai.regions.inks import GRAINED, inks_of
from matxai.regions.plates import plate_around
from matxai.regions.region import Region
from matxai.regions.writing import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.inks import Inks
    from matxai.regions.picture import Mask, Picture
    from matxai.regions.writing import Box, Word

_SIDE, _LEAST, _SHARE = 6, 40, 0.001
_HIGHEST, _WIDEST, _LARGEST = 0.6, 0.8, 0.25
_TRIED = 60
_SURE = 0.6
_BLEEDING, _CARRIED = 0.5, 3
_FAINT, _LEAST_FAINT, _BLOCK = 0.4, 150, 8
_KEPT, _PLAIN, _LONG, _WRITTEN = 0.7, 200, 2.5, 0.85
_READ = 0.5
_NOISY, _ROUNDED = 0.5, 2.0


@finders.register("label")
def label(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return plates, and the coloured marks of a picture that is grey but for them.

    A plain plate right in a corner is a stamp and left to its finder. One that is grey, small or compact may be a
    particle or the object of a mask, and is none: what comes back in many pictures is for the folder to see.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        What the instrument says; not used.

    Returns
    -------
    list of Region
        A plate with all that is on it; of other coloured marks the coloured pixels.
    """
    picture, cuts = inks_of(image)
    found: list[Region] = []
    taken = np.zeros(picture.grey.shape, bool)
    words = words_of(image)
    plates = [plate for cut in cuts for plate in _plates(picture, cut, words)] + _written(picture, words)
    for region in sorted(plates, key=lambda r: (-r.confidence * r.area, r.evidence["box"])):
        if not (taken & region.mask).any():
            taken |= region.mask
            found.append(region)
    return found + _coloured(picture, taken)


def _plates(picture: Picture, cut: Inks, words: list[Word]) -> list[Region]:
    from scipy.ndimage import binary_fill_holes

    if cut.soft or not len(cut):
        return []
    height, width = picture.grey.shape
    size = cut.height * cut.width
    fits = (np.minimum(cut.height, cut.width) >= _SIDE) & (size >= max(_LEAST, _SHARE * height * width))
    fits &= (cut.height <= _HIGHEST * height) & (cut.width <= _WIDEST * width) & (size <= _LARGEST * height * width)
    fits &= (cut.area >= 0.3 * size) & ((cut.spread <= 9) | cut.colour)
    which = np.nonzero(fits)[0]
    which = which[np.argsort(-(cut.sharp * cut.area)[which], kind="stable")][:_TRIED]
    regions = []
    for at in which:
        window = (slice(cut.y0[at], cut.y1[at]), slice(cut.x0[at], cut.x1[at]))
        inside = cut.labels[window] == at + 1
        if cut.exact:
            inside = _trimmed(inside)
        if not inside.any():
            continue
        y0, y1, x0, x1 = bounds(inside)
        inside = inside[y0:y1, x0:x1]
        box = [int(cut.y0[at]) + y0, int(cut.y0[at]) + y1, int(cut.x0[at]) + x0, int(cut.x0[at]) + x1]
        window = (slice(box[0], box[1]), slice(box[2], box[3]))
        form = rectangular(np.asarray(binary_fill_holes(inside)))
        plain = float(inside.mean()) > 0.97
        faint = cut.exact and float(cut.sharp[at]) < _FAINT
        if faint and (inside.size < _LEAST_FAINT or _of_compression(box)):
            continue
        if form == 0 or (plain and in_corner(box, picture.grey.shape)):
            continue
        if plain and not cut.colour and _of_the_picture(picture, box, float(cut.level[at])):
            continue
        mask = np.zeros(picture.grey.shape, bool)
        mask[window] = inside
        written = any(_holds(box, word.box) for word in words)
        if plain and not written and not cut.colour and _noisy(picture, inside, window):
            continue
        confidence = form * _edged(cut, int(at)) * (1.0 if cut.colour else _even(picture, mask, written=written))
        if confidence < _SURE:
            continue
        mask[window] = binary_fill_holes(inside)
        evidence = {"box": box, "level": round(float(cut.level[at]), 1), "plain": plain, "coloured": cut.colour}
        regions.append(Region(mask, "label", "pixels", confidence, evidence))
    return regions


def _written(picture: Picture, words: list[Word]) -> list[Region]:
    """Plates found from what is written on them."""
    regions = []
    for word in words:
        plate = plate_around(picture, word) if word.confidence >= _READ else None
        if plate is None or plate.confidence < _SURE:
            continue
        mask = np.zeros(picture.grey.shape, bool)
        mask[plate.box[0] : plate.box[1], plate.box[2] : plate.box[3]] = True
        evidence = {"box": list(plate.box), "level": round(plate.level, 1), "plain": False, "coloured": False}
        regions.append(Region(mask, "label", "pixels", plate.confidence, evidence))
    return regions


def _noisy(picture: Picture, inside: Mask, window: tuple[slice, slice]) -> bool:
    """Whether a rectangle has noise as the picture has: a grain, whatever its form. What is drawn has none."""
    own = np.abs(np.diff(picture.grey[window], axis=1))[inside[:, 1:] & inside[:, :-1]]
    usual = float(np.median(np.abs(np.diff(picture.grey[::2], axis=1))))
    return float(np.median(own)) > max(_ROUNDED, _NOISY * usual)


def _trimmed(inside: Mask) -> Mask:
    """A component without what hangs on to it by chance, grains of the ground of its level; else nothing of it."""
    from scipy.ndimage import binary_fill_holes, binary_opening
    from scipy.ndimage import label as components

    filled = np.asarray(binary_fill_holes(inside))
    if rectangular(filled):
        return inside
    for side in (3, 5, 7):
        opened = binary_opening(np.pad(filled, 1), np.ones((side, side), bool))[1:-1, 1:-1]
        labels, number = components(opened)
        if not number:
            break
        largest = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
        y0, y1, x0, x1 = bounds(largest)
        if min(y1 - y0, x1 - x0) < _SIDE or largest.sum() < _KEPT * filled.sum():
            break
        if rectangular(largest[y0:y1, x0:x1], straight=0.9):
            return np.asarray(inside & largest)
    return np.zeros_like(inside)


def _holds(box: list[int], other: Box) -> bool:
    return box[0] < other[0] and other[1] < box[1] and box[2] < other[2] and other[3] < box[3]


def _even(picture: Picture, mask: Mask, *, written: bool) -> float:
    """How sure it is from its levels that a rectangle is no part of the picture; writing on it is a sign as good."""
    exact, rare = evenness(picture, mask)
    if written:
        return max(exact, rare, _WRITTEN)
    return max(exact, rare) if picture.flat < GRAINED else rare


def _of_compression(box: list[int]) -> bool:
    """Whether a box lies on the grid of 8 pixels that JPEG cuts a picture into: smooth blocks come out flat."""
    return sum(edge % _BLOCK == 0 for edge in box) >= 3


def _of_the_picture(picture: Picture, box: list[int], level: float) -> bool:
    """Whether a plate with nothing on it may as well be a particle: small, of a flat picture, or compact at a limit."""
    rows, columns = box[1] - box[0], box[3] - box[2]
    compact = max(rows, columns) < _LONG * min(rows, columns)
    at_limit = level <= picture.grey.min() + 1 or level >= picture.grey.max() - 1
    return rows * columns < _PLAIN or picture.flat >= GRAINED or (compact and at_limit)


def _edged(cut: Inks, at: int) -> float:
    """How well a plate stands out; one of a single value does so by that, whatever the ground is like."""
    sharp = float(cut.sharp[at])
    return min(1.0, 0.7 + 0.3 * sharp) if cut.exact else sharp**0.5


def _coloured(picture: Picture, taken: Mask) -> list[Region]:
    """Coloured pixels that are no plate's, neighbours together: letters, arrows, outlines."""
    from scipy.ndimage import binary_dilation, find_objects
    from scipy.ndimage import label as components

    coloured = picture.coloured
    if coloured is None or picture.chroma is None:
        return []
    # compression carries the colour of a plate a little beyond it
    coloured = coloured & ~binary_dilation(taken, np.ones((3, 3), bool), iterations=_CARRIED)
    reach = max(2, round(0.03 * min(coloured.shape)))
    groups, _ = components(binary_dilation(coloured, np.ones((3, 3), bool), iterations=reach))
    groups = groups * coloured
    least = max(6, round(0.0002 * coloured.size))
    area = np.bincount(groups.ravel())
    regions = []
    for number, window in enumerate(find_objects(groups), 1):
        if window is None or area[number] < least:
            continue
        core = groups == number
        next_to = binary_dilation(core, np.ones((3, 3), bool)) & ~taken
        mask = core | (next_to & (picture.chroma > _BLEEDING * float(np.median(picture.chroma[core]))))
        evidence = {"box": list(bounds(mask)), "pixels": int(area[number]), "coloured": True, "plain": False}
        regions.append(Region(mask, "label", "pixels", 0.9, evidence))
    return regions
