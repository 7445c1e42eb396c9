"""Defects: pores, cracks and inclusions, drawn into a background, each with the mask of what was drawn.

A mask covers the pixels whose centre lies inside the defect, before blur and noise. Every function changes the image
that it is given and returns the mask; what a new kind of defect needs is one function and one row in :data:`DEFECTS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from matxai_datasets.microstructure import FloatImage, smooth_noise

if TYPE_CHECKING:
    from collections.abc import Callable

Mask = NDArray[np.bool_]


def pores(image: FloatImage, rng: np.random.Generator, rows: int) -> Mask:
    """Draw one to five rounded, deep pores with the bright rim that secondary electrons give an edge.

    Parameters
    ----------
    image
        ``(H, W)``, changed in place.
    rng
        Decides size, place and outline.
    rows
        Defects keep to the first ``rows`` rows, so that no bar hides them all.

    Returns
    -------
    numpy.ndarray
        ``(H, W)``, true inside a pore.
    """
    height, width = image.shape
    unit = min(rows, width) / 140.0
    mask = np.zeros(image.shape, dtype=bool)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    for _ in range(int(rng.integers(1, 6))):
        radius = unit * rng.uniform(4.5, 12.0)
        y0 = rng.uniform(radius + 2, rows - radius - 2)
        x0 = rng.uniform(radius + 2, width - radius - 2)
        angle = np.arctan2(y - y0, x - x0)
        outline = np.ones_like(angle)
        for order in (2, 3, 4):
            outline += rng.normal(0, 0.16 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        inside = np.hypot(y - y0, x - x0) - radius * np.clip(outline, 0.5, 1.6)
        lit = 0.6 + 0.4 * np.cos(angle - rng.uniform(0, 2 * np.pi))  # the side that faces the detector is brighter
        image += rng.uniform(0.10, 0.26) * lit * np.exp(-((inside / 1.3) ** 2)) * (inside > 0)
        floor = rng.uniform(0.05, 0.14) + 0.05 * np.clip(-inside / radius, 0, 1) * smooth_noise(rng, image.shape, 2.0)
        hole = inside < 0
        image[hole] = floor[hole]
        mask |= hole
    return mask


def cracks(image: FloatImage, rng: np.random.Generator, rows: int) -> Mask:
    """Draw one or two branching cracks; parameters and result as in :func:`pores`."""
    height, width = image.shape
    unit = min(rows, width) / 140.0
    points: list[NDArray[np.float64]] = []
    for _ in range(1 + int(rng.random() < 0.25)):
        heading = rng.uniform(0, 2 * np.pi)
        middle = np.array([rng.uniform(0.3, 0.7) * rows, rng.uniform(0.3, 0.7) * width])
        opening = unit * rng.uniform(1.5, 2.6)
        for direction in (heading, heading + np.pi):
            walk(points, rng, middle, direction, opening, length=unit * rng.uniform(28, 70), generation=0)
    path = np.concatenate(points)
    path = path[(path[:, 0] > 1) & (path[:, 0] < rows - 2) & (path[:, 1] > -3) & (path[:, 1] < width + 3)]
    y, x = np.mgrid[0:height, 0:width]
    distance, nearest = cKDTree(path[:, :2]).query(np.stack([y.ravel(), x.ravel()], axis=1))
    half = path[nearest, 2].reshape(image.shape)
    distance = distance.reshape(image.shape)
    inside = distance <= half
    image += rng.uniform(0.03, 0.16) * np.exp(-(((distance - half) / 1.1) ** 2)) * (distance > half)
    dark = rng.uniform(0.06, 0.16) + 0.02 * smooth_noise(rng, image.shape, 1.5)
    image[inside] = dark[inside]
    return np.asarray(inside, dtype=bool)


def walk(
    points: list[NDArray[np.float64]],
    rng: np.random.Generator,
    start: NDArray[np.float64],
    heading: float,
    opening: float,
    *,
    length: float,
    generation: int,
) -> None:
    """Append one arm of a crack as rows ``(y, x, half width)``: a persistent random walk that tapers and forks."""
    step, place, arm = 0.5, start.copy(), []
    steps = max(int(length / step), 8)
    kink, drift = heading, 0.0
    for number in range(steps):
        drift = 0.95 * drift + rng.normal(0, 0.035)
        if rng.random() < 0.02:  # a grain boundary: the crack turns
            kink += rng.normal(0, 0.6)
        here = kink + drift
        place = place + step * np.array([np.sin(here), np.cos(here)])
        half = max(opening * (1 - 0.75 * number / steps) * (1 + 0.12 * rng.standard_normal()), 0.7)
        arm.append((place[0], place[1], half))
        if generation < 2 and rng.random() < 0.010:
            side = here + rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)
            left = length * (1 - number / steps)
            walk(points, rng, place, side, 0.75 * half, length=0.6 * left, generation=generation + 1)
    points.append(np.array(arm))


def inclusions(image: FloatImage, rng: np.random.Generator, rows: int) -> Mask:
    """Draw two to seven faceted particles, brighter or darker than the matrix; otherwise as :func:`pores`."""
    height, width = image.shape
    unit = min(rows, width) / 140.0
    mask = np.zeros(image.shape, dtype=bool)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    matrix = float(np.median(image))
    grey = matrix + (rng.uniform(0.16, 0.34) if rng.random() < 0.7 else -rng.uniform(0.16, 0.24))
    for _ in range(int(rng.integers(2, 8))):
        size = unit * rng.uniform(4.0, 10.0)
        y0 = rng.uniform(size + 2, rows - size - 2)
        x0 = rng.uniform(size + 2, width - size - 2)
        facets = int(rng.integers(4, 7))
        normals = 2 * np.pi * (np.arange(facets) + rng.uniform(-0.3, 0.3, facets)) / facets + rng.uniform(0, np.pi)
        reach = size * rng.uniform(0.6, 1.0, facets)
        outside = np.max(
            [(y - y0) * np.sin(a) + (x - x0) * np.cos(a) - r for a, r in zip(normals, reach, strict=True)], axis=0
        )
        inside = outside < 0
        body = grey + rng.normal(0, 0.02) + 0.012 * smooth_noise(rng, image.shape, 1.2)
        image -= 0.06 * np.exp(-((outside / 0.9) ** 2)) * (outside >= 0)  # the interface
        image[inside] = body[inside]
        mask |= inside
    return mask


DEFECTS: dict[str, Callable[[FloatImage, np.random.Generator, int], Mask]] = {
    "crack": cracks,
    "inclusion": inclusions,
    "pore": pores,
}
