"""A stamp: a compact mark of one level in a corner, neither writing nor bar nor plate. One picture cannot say more.

That it comes back in every picture of an instrument, which makes it a stamp, is for the folder to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.inked import bounds, evenness, rimmed
from matxai.regions.inks import inks_of
from matxai.regions.region import Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.regions.inks import Inks
    from matxai.regions.picture import Mask, Picture

_SMALLEST, _LARGEST = 5, 0.22
_NEAR = 0.1
_SOLID = 0.8
_SURE = 0.55
_TRIED = 40
_OFTEN, _DRAWN = 0.3, 0.8


def in_corner(box: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether a box (first row, end, first column, end) is small and close to two edges that meet."""
    largest = _LARGEST * min(shape)
    if max(box[1] - box[0], box[3] - box[2]) > largest:
        return False
    down = min(box[0], shape[0] - box[1])
    aside = min(box[2], shape[1] - box[3])
    near = max(_NEAR * min(shape), 4)
    return 0 < down <= near and 0 < aside <= near


def rectangular(inside: Mask, straight: float = 0.7) -> float:
    """How much a filled component is a rectangle, rounded corners allowed: 0 where it is none."""
    sides = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    fill = float(inside.mean())
    if min(float(side.mean()) for side in sides) < straight or fill < 0.94:
        return 0.0
    return min(1.0, fill + 0.03)


@finders.register("stamp")
def stamp(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return at most one mark for each corner: the surest.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        What the instrument says; not used.
    """
    picture, cuts = inks_of(image)
    best: dict[tuple[bool, bool], Region] = {}
    for region in (r for cut in cuts for r in _marks(picture, cut)):
        box = region.evidence["box"]
        corner = (box[0] + box[1] < picture.grey.shape[0], box[2] + box[3] < picture.grey.shape[1])
        if corner not in best or region.confidence * region.area > best[corner].confidence * best[corner].area:
            best[corner] = region
    return list(best.values())


def _marks(picture: Picture, cut: Inks) -> list[Region]:
    from scipy.ndimage import binary_fill_holes

    if cut.soft:
        return []
    long, short = np.maximum(cut.height, cut.width), np.minimum(cut.height, cut.width)
    fits = (short >= _SMALLEST) & (long <= _LARGEST * min(picture.grey.shape)) & (long <= 2 * short)
    fits &= (
        (cut.spread <= 9) & (cut.sharp >= 0.75) & (np.abs(cut.step) >= (0.5 if cut.exact else 1.5) * picture.contrast)
    )
    if picture.flat > _DRAWN:  # of a picture without noise any grain at a corner looks pressed on; none saturates
        fits &= (cut.level < 1) | (cut.level > 254)
    which = [
        at
        for at in np.nonzero(fits)[0][np.argsort(-cut.area[fits], kind="stable")][:_TRIED]
        if in_corner((cut.y0[at], cut.y1[at], cut.x0[at], cut.x1[at]), picture.grey.shape)
    ]
    regions = []
    for at in which:
        window = (slice(cut.y0[at], cut.y1[at]), slice(cut.x0[at], cut.x1[at]))
        inside = cut.labels[window] == at + 1
        filled = np.asarray(binary_fill_holes(inside))
        if rectangular(filled) and inside.mean() <= 0.97:  # a plate with something on it
            continue
        solid = _solidity(filled)
        mask = np.zeros(picture.grey.shape, bool)
        mask[window] = inside
        exact, rare = evenness(picture, mask)
        if solid < _SOLID or rare < _OFTEN:  # where much else is of this level, a grain at a corner is as well
            continue
        confidence = solid * float(cut.sharp[at]) * max(exact, rare) * 0.9
        if confidence < _SURE:
            continue
        mask = rimmed(picture.grey, mask, float(cut.step[at]))
        evidence = {"box": list(bounds(mask)), "level": round(float(cut.level[at]), 1), "solidity": round(solid, 3)}
        regions.append(Region(mask, "stamp", "pixels", confidence, evidence))
    return regions


def _solidity(filled: Mask) -> float:
    """Area over that of the convex hull: discs, plates and triangles have almost all of it, grains seldom."""
    from skimage.morphology import convex_hull_image

    return float(filled.sum() / convex_hull_image(filled).sum())
