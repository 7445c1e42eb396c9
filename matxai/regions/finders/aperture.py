"""Apertures: a round field of view with nothing around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.regions.finders import finders
from matxai.regions.finders.info_bar import free_of_bars
from matxai.regions.region import Region
from matxai.regions.rows import picture

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 3
"""Levels within which the surroundings are one."""

LEAST = 0.04
"""Share of the picture that lies outside, at least."""

ROUND = 0.97
"""Overlap (intersection over union) of what is inside with a disc, at least."""


@finders.register("aperture")
def aperture(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return the constant surroundings of a round field of view, if the picture is one.

    All four corners have one level, and what is not connected to them at that level fills a disc. A disc of specimen
    on nothing looks the same: the pixels do not tell which of the two it is.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        As for ``info_bar``; a bar is left out.

    Returns
    -------
    list of Region
        None or one. The evidence names ``centre`` (row, column) and ``radius`` in pixels, ``level`` (of 255) and
        ``overlap`` with the disc.

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    seen = picture(image)
    free = free_of_bars(image, facts)
    rows, columns = np.flatnonzero(free.any(axis=1)), np.flatnonzero(free.any(axis=0))
    if min(rows.size, columns.size) < 32:
        return []
    codes = seen.rows.codes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.int16)
    corners = codes[[0, 0, -1, -1], [0, -1, 0, -1]]
    level = int(np.median(corners))
    if np.abs(corners - level).max() > TOLERANCE:
        return []
    labels, _ = ndimage.label(np.abs(codes - level) <= TOLERANCE)
    outside = np.isin(labels, np.unique(labels[[0, 0, -1, -1], [0, -1, 0, -1]]))
    if not LEAST <= outside.mean() <= 0.8:
        return []
    centre, radius = _circle(~outside)
    y, x = np.mgrid[: codes.shape[0], : codes.shape[1]]
    disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    overlap = float((disc & ~outside).sum() / (disc | ~outside).sum())
    if overlap < ROUND or disc.all():
        return []
    mask = np.zeros(seen.shape, bool)
    mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = outside
    evidence = {
        "centre": [float(centre[0] + rows[0]), float(centre[1] + columns[0])],
        "radius": radius,
        "level": level,
        "overlap": overlap,
    }
    return [Region(mask, "aperture", "pixels", float(np.clip((overlap - 0.9) / 0.1, 0, 1)), evidence)]


def _circle(inside: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], float]:
    """Centre and radius of the circle through the ends of what is inside in each row and column (Kasa's fit).

    Ends at the edge of the picture are not on the circle.
    """
    points = []
    for turned, flip in ((inside, False), (inside.T, True)):
        filled = np.flatnonzero(turned.any(axis=1))
        first = turned[filled].argmax(axis=1)
        last = turned.shape[1] - 1 - turned[filled][:, ::-1].argmax(axis=1)
        for ends, edge in ((first, 0), (last, turned.shape[1] - 1)):
            kept = ends != edge
            pair = np.stack([filled[kept], ends[kept]], axis=1)
            points.append(pair[:, ::-1] if flip else pair)
    y, x = np.concatenate(points).T.astype(np.float64)
    if y.size < 8:
        return (0.0, 0.0), 0.0
    design = np.stack([2 * y, 2 * x, np.ones(y.size)], axis=1)
    a, b, c = np.linalg.lstsq(design, y**2 + x**2, rcond=None)[0]
    return (float(a), float(b)), float(np.sqrt(max(c + a**2 + b**2, 0.0)))
