"""X-ray absorption near an edge: step, white line, pre-edge peak, and the EXAFS equation with a few shells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matxai_datasets.spectra.profiles import pseudo_voigt

Floats = NDArray[np.float64]

K2_PER_EV = 0.262468424
"""2 m / hbar^2 in 1/(eV square angstrom): k^2 = K2_PER_EV (E - E0)."""


@dataclass(frozen=True)
class Shell:
    """Neighbours at one distance.

    Attributes
    ----------
    number, distance, sigma2
        How many, in angstrom, mean square displacement in square angstrom.
    best, spread
        The wave number at which they scatter most and how far around it, in 1/angstrom: light atoms scatter most at
        small k, metals near 6. The amplitude is ``exp(-((k - best) / spread)^2)`` in angstrom.
    phase
        Of absorber and neighbour together: ``phase[0] + phase[1] k``, in radians.
    """

    number: float
    distance: float
    sigma2: float
    best: float = 3.0
    spread: float = 6.0
    phase: tuple[float, float] = (0.5, -0.7)


@dataclass(frozen=True)
class Edge:
    """The absorption of one compound, its edge step 1.

    Attributes
    ----------
    e0
        Middle of the edge in eV.
    width
        Full width of the arctangent in eV.
    white_line, pre_edge
        ``(energy, height, width)`` of the peaks, in eV, of the step, in eV; ``None`` for none.
    shells
        What makes the EXAFS.
    """

    e0: float
    width: float
    white_line: tuple[float, float, float] | None = None
    pre_edge: tuple[float, float, float] | None = None
    shells: tuple[Shell, ...] = ()

    def step(self, energy: Floats) -> Floats:
        """Return the arctangent step, 0 to 1."""
        return np.asarray(0.5 + np.arctan((energy - self.e0) / (self.width / 2)) / np.pi)

    def exafs(self, energy: Floats) -> Floats:
        """Return what the shells add above the edge."""
        return exafs(energy, self.e0, self.shells)

    def on(self, energy: Floats) -> Floats:
        """Return the whole edge."""
        found = self.step(energy) + self.exafs(energy)
        for one in (self.white_line, self.pre_edge):
            if one is not None:
                found = found + hump(energy, *one)
        return found


def hump(energy: Floats, centre: float, height: float, width: float) -> Floats:
    """Return a pseudo-Voigt peak (half Lorentzian) of a given height."""
    return height * pseudo_voigt(energy, centre, width, 0.5) / pseudo_voigt(centre, centre, width, 0.5)


def exafs(energy: Floats, e0: float, shells: tuple[Shell, ...], *, s02: float = 0.85) -> Floats:
    """Return chi by the EXAFS equation.

    D. E. Sayers, E. A. Stern, F. W. Lytle, Phys. Rev. Lett. 27 (1971) 1204::

        chi(k) = sum_j N_j S0^2 f_j(k) exp(-2 k^2 sigma_j^2) exp(-2 R_j / lambda(k)) sin(2 k R_j + phi_j(k)) / (k R_j^2)

    The mean free path is ``(k + (3.1 / k)^4) / 0.8`` angstrom. The formula holds for waves that scatter once; below
    k = 2 it is faded in by ``1 - exp(-(k / 2)^4)``.
    """
    k = np.sqrt(K2_PER_EV * np.maximum(energy - e0, 1e-6))
    path = (k + (3.1 / k) ** 4) / 0.8
    found = np.zeros_like(k)
    for one in shells:
        amplitude = np.exp(-(((k - one.best) / one.spread) ** 2))
        damped = np.exp(-2 * k**2 * one.sigma2 - 2 * one.distance / path)
        wave = np.sin(2 * k * one.distance + one.phase[0] + one.phase[1] * k)
        found += one.number * s02 * amplitude * damped * wave / (k * one.distance**2)
    return np.where(energy > e0, found * (1 - np.exp(-((k / 2) ** 4))), 0.0)


def self_absorbed(absorption: Floats, amount: float) -> Floats:
    """Return what fluorescence shows of a thick sample: mu (1 + s) / (1 + s mu), flattened where mu is large."""
    return absorption * (1 + amount) / (1 + amount * absorption)
