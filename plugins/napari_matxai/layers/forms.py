"""Polygons, ellipses and lines as the pixels whose centres they hold; all in pixels, (row, column)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_matxai.layers.placing import Floats

Mask: TypeAlias = npt.NDArray[np.bool_]


def polygon(size: tuple[int, int], flat: Floats) -> Mask:
    """Return the pixels whose centres lie inside of a polygon of vertices ``(N, 2)``, (row, column)."""
    from matxai.regions.annotations.drawing import mask_of
    from matxai.regions.annotations.shape import Shape

    return mask_of(Shape("polygon", "", flat[:, ::-1] + 0.5), size)


def ellipse(size: tuple[int, int], centre: Floats, one: Floats, other: Floats) -> Mask:
    """Return the pixels of an ellipse with a centre and two half axes, (row, column), that meet at any angle."""
    mask = np.zeros(size, bool)
    half = np.sqrt(one**2 + other**2)
    axes = np.stack([one, other], axis=1)
    if abs(np.linalg.det(axes)) < 1e-12:
        return mask
    low = np.maximum(np.ceil(centre - half), 0).astype(int)
    high = np.minimum(np.floor(centre + half) + 1, size).astype(int)
    if (high <= low).any():
        return mask
    rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
    u = np.einsum("ij,jrc->irc", np.linalg.inv(axes), np.stack([rows - centre[0], columns - centre[1]]))
    mask[low[0] : high[0], low[1] : high[1]] = (u**2).sum(
        0
    ) <= 1 + 1e-9  # the rim is inside, whatever the last digit says
    return mask


def stroke(size: tuple[int, int], vertices: Floats, flat: Floats, width: float, linear: Floats) -> Mask:
    """Return the pixels of a line as wide as it is drawn, round at its joints; of a thin one, those that it meets.

    Parameters
    ----------
    size
        Rows and columns.
    vertices
        ``(N, 2)`` in the coordinates in which the width is measured.
    flat
        The same in pixels, (row, column).
    width
        Of the line.
    linear
        ``(2, 2)``, from those coordinates to pixels.
    """
    from matxai.regions.annotations.drawing import mask_of
    from matxai.regions.annotations.shape import Shape

    mask = mask_of(Shape("line", "", flat[:, ::-1] + 0.5), size)
    for (start, stop), (a, b) in zip(pairwise(vertices), pairwise(flat), strict=True):
        along = stop - start
        length = float(np.hypot(*along))
        if not length:
            continue
        side = linear @ (0.5 * width * np.array([-along[1], along[0]]) / length)
        mask |= polygon(size, np.stack([a + side, b + side, b - side, a - side]))
    for joint in flat[1:-1]:
        mask |= ellipse(size, joint, 0.5 * width * linear[:, 0], 0.5 * width * linear[:, 1])
    return mask
