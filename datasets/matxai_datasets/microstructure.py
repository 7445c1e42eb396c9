"""Backgrounds: the polished or etched material in which defects lie, as grey values between 0 and 1.

A specimen decides how its images look (preparation, grain size, contrast); each image is another field of view of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

FloatImage = NDArray[np.float64]

PREPARATIONS = ("channelling", "etched", "relief", "two_phase")


@dataclass(frozen=True)
class Specimen:
    """What all images of one specimen have in common.

    Attributes
    ----------
    name
        How the specimen is called in ``group``.
    preparation
        One of :data:`PREPARATIONS`.
    grain_size
        Mean distance of grain centres in pixels.
    brightness, contrast
        Mean grey value and its spread from grain to grain, of 1.
    boundary
        How much the boundaries differ from the grains (negative: grooves, positive: bright rims).
    boundary_width
        Half width of a boundary in pixels.
    texture
        Amplitude of the fine surface structure.
    scratches
        Mean number of polishing scratches in a field of view.
    """

    name: str
    preparation: str
    grain_size: float
    brightness: float
    contrast: float
    boundary: float
    boundary_width: float
    texture: float
    scratches: float


def specimen(seed: int) -> Specimen:
    """Draw a specimen; its look has nothing to do with the defects that it will hold."""
    rng = np.random.default_rng([seed, 1])
    preparation = str(rng.choice(PREPARATIONS))
    groove = rng.uniform(-0.22, -0.06)
    return Specimen(
        name=f"S{seed:010d}",
        preparation=preparation,
        grain_size=float(rng.uniform(18, 46)),
        brightness=float(rng.uniform(0.42, 0.60)),
        contrast=float(rng.uniform(0.02, 0.09)),
        boundary=float(rng.uniform(0.06, 0.16) if preparation == "relief" else groove),
        boundary_width=float(rng.uniform(0.5, 1.1)),
        texture=float(rng.uniform(0.008, 0.03)),
        scratches=float(rng.uniform(0.0, 2.5)),
    )


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> FloatImage:
    """Gaussian random field with standard deviation 1 and a correlation length of ``sigma`` pixels."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="reflect")
    return np.asarray(field / max(float(field.std()), 1e-12), dtype=np.float64)


def grains(what: Specimen, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[FloatImage, NDArray[np.int32]]:
    """Draw a field of view without defects.

    Parameters
    ----------
    what
        The specimen.
    rng
        Where this field of view lies.
    shape
        Rows and columns.

    Returns
    -------
    image : numpy.ndarray
        Grey values around ``what.brightness``, ``(rows, columns)``.
    labels : numpy.ndarray
        The number of the grain of each pixel.
    """
    rows, columns = shape
    margin = 1.5 * what.grain_size
    area = (rows + 2 * margin) * (columns + 2 * margin)
    count = max(int(area / what.grain_size**2), 8)
    centres = rng.uniform([-margin, -margin], [rows + margin, columns + margin], size=(count, 2))
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    bend = 0.10 * what.grain_size  # curved boundaries: the coordinates are warped, not the centres
    sigma = max(what.grain_size / 3, 2.0)
    warped = np.stack([y + bend * smooth_noise(rng, shape, sigma), x + bend * smooth_noise(rng, shape, sigma)], axis=-1)
    distance, index = cKDTree(centres).query(warped.reshape(-1, 2), k=2)
    labels = index[:, 0].reshape(shape).astype(np.int32)
    to_boundary = ((distance[:, 1] - distance[:, 0]) / 2).reshape(shape)
    shade = rng.standard_normal(count) * what.contrast
    if what.preparation == "two_phase":  # the second phase is a little darker; it fills whole grains
        shade = shade * 0.5 - rng.uniform(0.07, 0.13) * (rng.random(count) < 0.3)
    image = what.brightness + shade[labels]
    image += what.boundary * np.exp(-((to_boundary / what.boundary_width) ** 2))
    image += what.texture * smooth_noise(rng, shape, 0.9)
    image += 0.5 * what.texture * smooth_noise(rng, shape, 6.0)
    for _ in range(rng.poisson(what.scratches)):
        image += _scratch(rng, shape)
    return image, labels


def _scratch(rng: np.random.Generator, shape: tuple[int, int]) -> FloatImage:
    """Draw a straight, shallow polishing scratch: what a crack must not be mistaken for."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    angle = rng.uniform(0, np.pi)
    y0, x0 = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    depth = rng.uniform(-0.07, 0.05)
    return np.asarray(depth * np.exp(-((across / rng.uniform(0.4, 0.8)) ** 2)), dtype=np.float64)
