"""Detectors: counting, cosmic rays, readout noise, an analogue front end with gain and a converter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matxai_datasets.spectra.record import Scene

Floats = NDArray[np.float64]


def counted(scene: Scene, rng: np.random.Generator) -> Floats:
    """Return Poisson counts with the scene as their mean."""
    return rng.poisson(np.clip(scene.values, 0.0, None)).astype(np.float64)


def charge_coupled(scene: Scene, rng: np.random.Generator, *, read: float = 4.0, spikes: float = 0.3) -> Floats:
    """Return what a cooled camera records: photon noise, readout noise, now and then a cosmic ray.

    Parameters
    ----------
    scene
        In photo-electrons.
    rng
        Decides the noise.
    read
        Standard deviation of the readout noise, in electrons.
    spikes
        Mean number of cosmic rays in a spectrum; each lifts one to three neighbouring pixels.
    """
    values = counted(scene, rng) + rng.normal(0.0, read, scene.values.shape)
    height = float(np.max(scene.values))
    for _ in range(rng.poisson(spikes)):
        place, wide = int(rng.integers(0, len(values) - 3)), int(rng.integers(1, 4))
        values[place : place + wide] += rng.uniform(0.5, 3.0) * height * rng.uniform(0.4, 1.0, wide)
    return values


def digitised(volts: Floats, *, full_scale: float, bits: int = 16) -> Floats:
    """Return volts as a converter gives them: rounded to its step, clipped at plus and minus full scale."""
    step = 2.0 * full_scale / 2**bits
    return np.asarray(np.clip(np.round(volts / step) * step, -full_scale, full_scale - step))


def hum(time: Floats, rng: np.random.Generator, amplitude: float, *, mains: float = 50.0) -> Floats:
    """Return mains hum with its third and fifth harmonic, at a random phase."""
    phases = rng.uniform(0, 2 * np.pi, 3)
    parts = [
        a * np.sin(2 * np.pi * k * mains * time + p) for a, k, p in zip((1, 0.3, 0.15), (1, 3, 5), phases, strict=True)
    ]
    return np.asarray(amplitude * np.sum(parts, axis=0))
