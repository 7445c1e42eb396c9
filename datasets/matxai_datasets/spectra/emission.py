"""Acoustic emission: damped bursts, plate waves that travel with and without dispersion, a sensor.

Times are in s, frequencies in Hz, distances in m.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def burst(time: Floats, onset: float, frequency: float, *, rise: float, decay: float, phase: float = 0.0) -> Floats:
    """Return a damped sinusoid with a rise time: ``(1 - exp(-s / rise)) exp(-s / decay) sin(2 pi f s + phase)``.

    Parameters
    ----------
    time
        ``(n,)``.
    onset
        When it begins; ``s`` is the time since then, and before it there is nothing.
    frequency, phase
        Of the sinusoid.
    rise, decay
        Time constants.
    """
    since = np.maximum(time - onset, 0.0)
    shape = (1.0 - np.exp(-since / rise)) * np.exp(-since / decay)
    return np.where(time > onset, shape * np.sin(2 * np.pi * frequency * since + phase), 0.0)


def dispersed(wave: Floats, rate: float, distance: float, stiffness: float, *, frequency: float) -> Floats:
    """Return a wave after a distance in a thin plate, bent (the A0 mode).

    Kirchhoff's plate: the wave number is ``sqrt(2 pi f) stiffness``, so that high frequencies arrive first. The packet
    is put back by its own group delay at ``frequency``: it spreads, and stays where it was. Energy is kept.

    Parameters
    ----------
    wave
        ``(n,)``; it is continued by zeros, so that nothing comes round.
    rate
        Samples in a second.
    distance
        From source to sensor.
    stiffness
        (mass per area / bending stiffness)^(1/4), in sqrt(s) / m; about 0.4 for 2 mm of carbon laminate.
    frequency
        Whose group delay is taken out.
    """
    size = 2 * len(wave)
    omega = 2 * np.pi * np.fft.rfftfreq(size, 1 / rate)
    delay = distance * stiffness / (2 * np.sqrt(2 * np.pi * frequency))
    phase = np.sqrt(omega) * stiffness * distance - omega * delay
    # the phase at the packet's own frequency is kept out as well: it says nothing
    phase -= np.interp(2 * np.pi * frequency, omega, phase)
    return np.asarray(np.fft.irfft(np.fft.rfft(wave, size) * np.exp(-1j * phase), size)[: len(wave)])


def resonator(wave: Floats, rate: float, frequency: float, quality: float, share: float) -> Floats:
    """Return what a resonant sensor gives: ``1 - share`` of the wave, and ``share`` through a resonance of gain 1."""
    size = 2 * len(wave)
    ratio = np.fft.rfftfreq(size, 1 / rate) / frequency
    ring = 1j * ratio / quality / (1 - ratio**2 + 1j * ratio / quality)
    return np.asarray(np.fft.irfft(np.fft.rfft(wave, size) * (1 - share + share * ring), size)[: len(wave)])
