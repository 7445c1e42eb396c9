"""Pictures that look as if something were drawn in where nothing is: what finders of frames and bands must leave alone.

Each is one entry of :data:`ADVERSARIES`, a function of a random generator and a shape that returns ``(y, x)`` uint8.
:data:`SPECIMENS` are ordinary fields of view, for panels to be drawn into and for the rate of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter

from matxai_datasets import glyphs
from matxai_datasets.microstructure import grains, smooth_noise, specimen

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
Drawing = Callable[[np.random.Generator, tuple[int, int]], Grey]


def _levels(picture: Floats) -> Grey:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(0, 2**31))


def micrograph(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw grains with counting noise."""
    picture, _ = grains(specimen(_seed(rng)), rng, shape)
    return _levels(picture * 255 + rng.normal(0, rng.uniform(2, 10), shape))


def particles(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw bright particles on a dark, nearly flat ground: few levels own much of every row."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = np.full(shape, rng.uniform(25, 60))
    for _ in range(int(rng.integers(10, 60))):
        radius = rng.uniform(3, 22)
        r = np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])) / radius
        picture = np.where(r < 1, rng.uniform(90, 200) + 40 * r**4, picture)
    return _levels(gaussian_filter(picture, 0.7) + rng.normal(0, rng.uniform(1.0, 2.5), shape))


def fracture(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw relief of all sizes, clipped at both ends."""
    picture = sum(smooth_noise(rng, shape, s) * s**0.5 for s in (1.0, 3.0, 8.0, 20.0))
    return _levels(120 + 18 * np.asarray(picture) + rng.normal(0, 4, shape))


def noise_free(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw grains of one level each, as a simulation gives them."""
    _, labels = grains(specimen(_seed(rng)), rng, shape)
    return rng.integers(20, 236, int(labels.max()) + 1).astype(np.uint8)[labels]


def saturated_bottom(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Brightness runs away towards the bottom, until every pixel is at its limit."""
    picture = micrograph(rng, shape).astype(np.float64)
    y = np.arange(shape[0])[:, None] / shape[0]
    start = rng.uniform(0.6, 0.85)
    uneven = 0.05 * smooth_noise(rng, shape, 25.0) * rng.uniform(0, 1)
    return _levels(picture + np.clip(y + uneven - start, 0, None) / rng.uniform(0.01, 0.15) * 200)


def saturated_step(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw a straight bright layer, at its limit, under a specimen, with a few dark pores in it."""
    picture = micrograph(rng, shape).astype(np.float64)
    first = int(shape[0] * rng.uniform(0.75, 0.92))
    picture[first:] = 262 + rng.normal(0, 4, (shape[0] - first, shape[1]))
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(int(rng.integers(0, 9))):
        at = rng.uniform(first, shape[0]), rng.uniform(0, shape[1])
        near = np.hypot(y - at[0], (x - at[1]) * rng.uniform(0.4, 1)) / rng.uniform(2, 6)
        picture = np.where(y >= first, picture - 140 * np.exp(-(near**2)), picture)
    return _levels(picture)


def charging(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Whole rows at the limit, alone and in packs, also at the edges."""
    picture = micrograph(rng, shape)
    for _ in range(int(rng.integers(3, 12))):
        first = int(rng.integers(0, shape[0]) if rng.random() < 0.6 else shape[0] - rng.integers(1, 12))
        rows = int(rng.integers(1, 5))
        start = 0 if rng.random() < 0.7 else int(rng.integers(0, shape[1]))
        picture[first : first + rows, start:] = 255 if rng.random() < 0.8 else 0
    return picture


def flat_epoxy(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw flat resin below or above a specimen, nearly straight, black or grey, with or without noise and dust."""
    picture = micrograph(rng, shape).astype(np.float64)
    line = shape[0] * rng.uniform(0.7, 0.9) + rng.uniform(0, 6) * smooth_noise(rng, (1, shape[1]), 20.0)[0]
    resin = np.arange(shape[0])[:, None] > line[None]
    noise = rng.choice([0.0, 0.0, 1.0, 3.0])
    level = rng.choice([-6.0, 30.0, 70.0])
    picture = np.where(resin, level + rng.normal(0, 1, shape) * noise, picture)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(int(rng.integers(0, 10))):  # filler and dust
        at = rng.uniform(line.min(), shape[0]), rng.uniform(0, shape[1])
        grain = np.exp(-(((y - at[0]) ** 2 + (x - at[1]) ** 2) / rng.uniform(1, 4) ** 2))
        picture = np.where(resin, picture + rng.uniform(40, 160) * grain, picture)
    made = _levels(picture)
    return made if rng.random() < 0.6 else np.ascontiguousarray(made[::-1])


def black_surround(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw a round or square object on nothing, as computed tomography gives it."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    radius = min(shape) * rng.uniform(0.3, 0.46)
    dy, dx = np.abs(y - shape[0] / 2), np.abs(x - shape[1] / 2)
    inside = np.hypot(dy, dx) < radius if rng.random() < 0.6 else (dy < radius) & (dx < shape[1] * 0.46)
    return np.where(inside, np.maximum(micrograph(rng, shape), 1), 0).astype(np.uint8)


def binary_mask(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw a segmentation: blobs, or blocks in rows as of a grid."""
    if rng.random() < 0.5:
        field = smooth_noise(rng, shape, rng.uniform(3, 12))
        return np.where(field > rng.uniform(0.3, 1.6), 255, 0).astype(np.uint8)
    pitch, y0, x0 = int(rng.integers(16, 40)), int(rng.integers(0, 16)), int(rng.integers(0, 16))
    y, x = np.mgrid[: shape[0], : shape[1]]
    block = ((y + y0) % pitch < pitch * 0.6) & ((x + x0) % pitch < pitch * rng.uniform(0.3, 0.8))
    return np.where(block, 255, 0).astype(np.uint8)


def layer_above_specimen(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw a flat straight layer close to the bottom with specimen below it, and nothing written."""
    picture = micrograph(rng, shape)
    rows, off = int(rng.integers(10, 30)), int(rng.integers(2, max(int(0.06 * shape[0]), 3)))
    first = shape[0] - off - rows
    picture[first : first + rows] = rng.choice([0, 90, 255])
    return picture


def overlay(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Letters and a scale bar over the picture itself, without a band."""
    picture = fracture(rng, shape) if rng.random() < 0.5 else micrograph(rng, shape)
    ink = np.zeros(shape, dtype=bool)
    drawn = glyphs.text(f"{rng.uniform(1, 25):.1f}kV  x{rng.uniform(1, 90):.0f}k  {rng.integers(1, 9)} µm", scale=1)
    top, left = shape[0] - 20, int(rng.integers(4, 12))
    ink[top : top + 7, left : left + drawn.shape[1]] = drawn[:, : shape[1] - left]
    ink[top + 11 : top + 13, left : left + int(shape[1] * 0.3)] = True
    picture[binary_dilation(ink) & ~ink & (rng.random() < 0.5)] = 0
    picture[ink] = 255
    return picture


def dead_lines(rng: np.random.Generator, shape: tuple[int, int]) -> Grey:
    """Draw a micrograph with constant rows, as a detector that drops lines gives them."""
    picture = micrograph(rng, shape)
    for row in rng.choice(np.arange(4, shape[0] - 4, 6), 2, replace=False):
        picture[row] = rng.choice([0, 255, 100])
    return picture


SPECIMENS: dict[str, Drawing] = {
    "micrograph": micrograph,
    "particles": particles,
    "fracture": fracture,
    "noise_free": noise_free,
}
"""Ordinary fields of view."""

ADVERSARIES: dict[str, Drawing] = {
    "saturated_bottom": saturated_bottom,
    "saturated_step": saturated_step,
    "charging": charging,
    "flat_epoxy": flat_epoxy,
    "black_surround": black_surround,
    "binary_mask": binary_mask,
    "layer_above_specimen": layer_above_specimen,
    "overlay": overlay,
    "dead_lines": dead_lines,
}
"""What is taken for a panel by those who look at rows alone."""
