"""A small computed tomogram: grains in three dimensions and a crack that runs through them and closes with depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from matxai_datasets.defects import walk

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

GRAIN = 26.0
"""Mean distance of grain centres in voxels."""
VOXEL = 1.5
"""Edge of a voxel in micrometres."""


def cracked_volume(
    seed: int, *, slices: int = 16, size: tuple[int, int] = (160, 160)
) -> tuple[xr.DataArray, NDArray[np.bool_]]:
    """Generate a stack of slices, as a tomograph reconstructs them.

    Parameters
    ----------
    seed
        Decides all of it.
    slices, size
        Depth, and rows and columns.

    Returns
    -------
    signal : xarray.DataArray
        ``(z, y, x)``, uint8, calibrated in micrometres.
    mask : numpy.ndarray
        ``(z, y, x)``, true inside the crack, which is widest in the first slice and closed in the last quarter.
    """
    from matxai.signals import labelled

    rng = np.random.default_rng([seed, 7])
    shape = (slices, *size)
    scene = _grains(rng, shape)
    mask = _crack(rng, scene)
    blurred = gaussian_filter(scene, (0.5, 0.7, 0.7), mode="nearest")
    noise = gaussian_filter(rng.normal(0, 1, shape), (0.0, 0.5, 0.5))  # a reconstruction's noise is not white
    recorded = blurred + 0.014 * noise / noise.std()
    pixels = np.clip(np.rint(recorded * 255), 0, 255).astype(np.uint8)
    axes = ("z", "y", "x")
    signal = labelled(pixels, axes, spacing=dict.fromkeys(axes, VOXEL), units=dict.fromkeys(axes, "um"))
    return signal, mask


def _grains(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Draw grains whose grey differs a little from one to the next, and fine structure inside them."""
    count = max(4, round(np.prod(np.array(shape) + GRAIN) / GRAIN**3))
    centres = rng.uniform(-GRAIN / 2, np.array(shape) + GRAIN / 2, (count, 3))
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    _, nearest = cKDTree(centres).query(voxels)
    grey = rng.normal(0.5, 0.035, count)[nearest].reshape(shape)
    fine = gaussian_filter(rng.standard_normal(shape), 2.0)
    return np.asarray(gaussian_filter(grey, 0.6) + 0.015 * fine / fine.std())


def _crack(rng: np.random.Generator, scene: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Draw a branching crack into each slice; it shifts and closes with depth."""
    slices, height, width = scene.shape
    points: list[NDArray[np.float64]] = []
    heading = rng.uniform(0, 2 * np.pi)
    middle = np.array([rng.uniform(0.4, 0.6) * height, rng.uniform(0.4, 0.6) * width])
    for direction in (heading, heading + np.pi):
        walk(points, rng, middle, direction, 3.0, length=0.45 * min(height, width), generation=0)
    path = np.concatenate(points)
    tilt = rng.uniform(-0.8, 0.8, 2)
    mask = np.zeros(scene.shape, dtype=bool)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([y.ravel(), x.ravel()], axis=1)
    for z in range(slices):
        open_ = 1 - z / (0.75 * slices)
        if open_ <= 0:
            break
        half = path[:, 2] * np.sqrt(open_)
        here = half > 0.55  # its ends close first
        if not here.any():
            break
        distance, nearest = cKDTree(path[here, :2] + z * tilt).query(pixels)
        inside = (distance <= half[here][nearest]).reshape(height, width)
        scene[z][inside] = 0.1
        mask[z] = inside
    return mask
