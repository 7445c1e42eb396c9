"""The microscope between specimen and file: spot size, shading, charging, counting noise, gain, quantisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matxai_datasets.microstructure import FloatImage

LEVELS = {"uint8": 255, "uint16": 65535}


def expose(image: FloatImage, rng: np.random.Generator, *, dtype: str = "uint8") -> NDArray[np.generic]:
    """Record a scene.

    Counting noise is Poisson in the number of electrons per pixel, the amplifier adds Gaussian noise, and the order is
    that of the instrument: spot, shading and charging before counting, gain and offset after.

    Parameters
    ----------
    image
        The scene, grey values around 0 to 1, ``(H, W)``.
    rng
        Decides the state of the instrument and the noise.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    numpy.ndarray
        ``(H, W)`` of that type, clipped at both ends.
    """
    scene = gaussian_filter(image, rng.uniform(0.35, 0.85), mode="nearest")
    scene = scene * _shading(rng, scene.shape)
    if rng.random() < 0.35:
        scene = scene + _charging(rng, scene)
    dose = np.exp(rng.uniform(np.log(90), np.log(900)))
    read, gain, offset = rng.uniform(0.004, 0.02), rng.uniform(0.85, 1.15), rng.uniform(-0.05, 0.05)
    amplified = rng.normal(0, read, size=scene.shape)
    counted = rng.poisson(np.clip(scene, 0, None) * dose) / dose
    recorded = gain * (counted + amplified) + offset
    top = LEVELS[dtype]
    return np.asarray(np.clip(np.rint(recorded * top), 0, top).astype(dtype))


def _shading(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatImage:
    """Uneven collection over the field: a tilted plane and a weak bowl, 1 in the mean."""
    y = np.linspace(-1, 1, shape[0])[:, None]
    x = np.linspace(-1, 1, shape[1])[None, :]
    tilt = rng.normal(0, 0.05, size=2)
    field = 1 + tilt[0] * y + tilt[1] * x - rng.uniform(0, 0.10) * (x**2 + y**2)
    return np.asarray(field / field.mean(), dtype=np.float64)


def _charging(rng: np.random.Generator, scene: FloatImage) -> FloatImage:
    """Bright streaks along the scan, trailing off behind bright places: charge that leaks away slowly."""
    decay = np.exp(-1 / rng.uniform(6, 25))
    excess = np.clip(scene - np.quantile(scene, 0.97), 0, None)
    trail = np.zeros_like(scene)
    for column in range(1, scene.shape[1]):
        trail[:, column] = decay * trail[:, column - 1] + excess[:, column - 1]
    streaks = np.zeros_like(scene)
    for row in rng.integers(0, scene.shape[0], size=int(rng.integers(0, 4))):
        streaks[row, int(rng.integers(0, scene.shape[1])) :] = rng.uniform(0.04, 0.14)
    return np.asarray(rng.uniform(0.2, 0.6) * trail + streaks, dtype=np.float64)
