"""From shapes to masks and back: a pixel is inside where its centre is, and an outline gives its mask back exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError

if TYPE_CHECKING:
    from matxai.regions.annotations.shape import Shape

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]


def mask_of(shape: Shape, size: tuple[int, int]) -> Mask:
    """Return the pixels of a shape, ``(rows, columns)`` boolean; what lies beyond the image is cut off.

    Raises
    ------
    RegionError
        If the shape is a mask of another image size.
    """
    mask = np.zeros(size, bool)
    x, y = shape.points[:, 0], shape.points[:, 1]
    if shape.mask is not None:
        if shape.mask.shape != size:
            msg = f"The mask '{shape.label}' is of an image of {shape.mask.shape}, not of {size} rows and columns."
            raise RegionError(msg)
        return shape.mask.mask()
    if shape.kind == "rectangle":
        (left, right), (top, bottom) = np.sort(x[:2]), np.sort(y[:2])
        columns, rows = np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5
        mask |= ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
    elif shape.kind == "ellipse":
        _ellipse(mask, shape)
    elif shape.kind == "polygon":
        _polygon(mask, shape.points)
    else:
        _pixels(mask, shape)
    return mask


def _ellipse(mask: Mask, shape: Shape) -> None:
    (cx, cy), (a, b) = shape.points[:2]
    turn = np.deg2rad(shape.angle)
    dy, dx = np.ogrid[: mask.shape[0], : mask.shape[1]]
    dx, dy = dx + 0.5 - cx, dy + 0.5 - cy
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    mask |= (along / max(a, 1e-9)) ** 2 + (across / max(b, 1e-9)) ** 2 <= 1


def _polygon(mask: Mask, points: Points) -> None:
    """Even-odd rule, a row at a time between the first and the last that the polygon reaches."""
    first = max(int(np.floor(points[:, 1].min() - 0.5)), 0)
    last = min(int(np.ceil(points[:, 1].max())), mask.shape[0])
    start, stop = points, np.roll(points, -1, axis=0)
    for row in range(first, last):
        height = row + 0.5
        crosses = (start[:, 1] <= height) != (stop[:, 1] <= height)
        (x0, y0), (x1, y1) = start[crosses].T, stop[crosses].T
        at = np.sort(x0 + (height - y0) * (x1 - x0) / (y1 - y0))
        # a centre exactly on the left side is inside, one on the right side is not: neighbours share no pixel
        edges = np.clip(np.ceil(at - 0.5), 0, mask.shape[1]).astype(int)
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            mask[row, left:right] ^= True


def _pixels(mask: Mask, shape: Shape) -> None:
    """Points are the pixels that hold them; a line joins them."""
    from skimage.draw import line

    cells = np.floor(shape.points).astype(int)[:, ::-1]
    found = [cells]
    if shape.kind == "line":
        found += [np.stack(line(*a, *b), axis=1) for a, b in pairwise(cells)]
    rows, columns = np.concatenate(found).T
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    mask[rows[inside], columns[inside]] = True


def outlines(mask: Mask) -> list[Points]:
    """Return the outlines of a mask's connected pieces, ``(N, 2)`` polygons in (x, y); holes are reached by a slit.

    Rasterised by the centres of pixels, they give the mask back exactly.

    Raises
    ------
    RegionError
        If the mask is not of two axes.
    """
    from scipy import ndimage

    if mask.ndim != 2:
        raise RegionError(f"Outlines are of images; a mask of {mask.shape} has none.")
    pieces, count = ndimage.label(mask)
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces, count), start=1):
        piece = pieces[box] == number
        found.append(joined(_rings(piece)) + np.array([box[1].start, box[0].start], float))
    return found


def joined(rings: list[Points]) -> Points:
    """Return one polygon that covers what an odd number of the rings ``(N, 2)`` goes around; slits join them."""
    first, *others = sorted(rings, key=lambda ring: -abs(_area(ring)))
    for ring in others:
        first = _slit(first, ring)
    return first


def _rings(piece: Mask) -> list[Points]:
    """Closed contours half way between inner and outer pixel centres, in (x, y), without the repeated last point."""
    from skimage.measure import find_contours

    padded = np.pad(piece, 1).astype(float)
    # pixel (r, c) of the padded array has its centre at (r - 1 + 0.5) in the shape's coordinates
    return [ring[:-1, ::-1] - 0.5 for ring in find_contours(padded, 0.5, fully_connected="low")]


def _area(ring: Points) -> float:
    x, y = ring.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _slit(outer: Points, hole: Points) -> Points:
    """One polygon of a ring and a hole: there along a slit without area, around, and back the same way."""
    distance = ((outer[:, None] - hole[None]) ** 2).sum(-1)
    i, j = np.unravel_index(int(distance.argmin()), distance.shape)
    around = np.concatenate([hole[j:], hole[: j + 1]])
    return np.concatenate([outer[: i + 1], around, outer[i:]])
