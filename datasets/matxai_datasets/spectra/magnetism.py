"""Hysteresis by Jiles and Atherton, and the Barkhausen noise of its irreversible part.

D. C. Jiles, D. L. Atherton, J. Magn. Magn. Mater. 61 (1986) 48. With the effective field ``He = H + alpha M``::

    M_an = Ms (coth(He / a) - a / He)                           the anhysteretic curve
    dM_irr / dHe = (M_an - M_irr) / (k sign(dH))                walls that are pinned; 0 where it would be negative
    M = M_irr + c (M_an - M_irr)                                reversible bending
    dM / dH = X / (1 - alpha X),  X = (1 - c) dM_irr / dHe + c dM_an / dHe

All in A/m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matxai.errors import SignalError

Floats = NDArray[np.float64]

MU0 = 4e-7 * math.pi


@dataclass(frozen=True)
class JilesAtherton:
    """A ferromagnet.

    Attributes
    ----------
    saturation
        Ms.
    shape
        a: how slowly the anhysteretic curve bends.
    coupling
        alpha, without unit.
    pinning
        k, near the coercive field of a soft material.
    reversibility
        c, from 0 to below 1.

    Raises
    ------
    SignalError
        If a parameter is out of its range, or the coupling is so strong that the loop jumps (alpha Ms / (3 a) >= 1).
    """

    saturation: float = 1.6e6
    shape: float = 800.0
    coupling: float = 1e-3
    pinning: float = 600.0
    reversibility: float = 0.1

    def __post_init__(self) -> None:
        positive = min(self.saturation, self.shape, self.pinning) > 0
        if not (positive and self.coupling >= 0 and 0 <= self.reversibility < 1):
            msg = (
                f"{self} is no ferromagnet: Ms, a and k are positive, alpha is not negative, c lies from 0 to below 1."
            )
            raise SignalError(msg)
        coupled, most = self.coupling * self.saturation, 3 * self.shape
        if coupled >= most:
            msg = f"alpha Ms = {coupled:g} must stay below 3 a = {most:g}: else M jumps."
            raise SignalError(msg)

    def anhysteretic(self, effective: float) -> tuple[float, float]:
        """Return M_an and its slope at an effective field."""
        x = effective / self.shape
        if abs(x) < 1e-3:  # the series of the Langevin function
            return self.saturation * (x / 3 - x**3 / 45), self.saturation / self.shape * (1 / 3 - x**2 / 15)
        coth = 1 / math.tanh(x)
        value = coth - 1 / x
        return self.saturation * value, self.saturation / self.shape * (1 - coth**2 + 1 / x**2)

    def slopes(self, field: float, irreversible: float, magnetisation: float, sign: float) -> tuple[float, float]:
        """Return dM_irr/dH and dM/dH; ``sign`` is that of dH."""
        man, bend = self.anhysteretic(field + self.coupling * magnetisation)
        pinned = (man - irreversible) / (self.pinning * sign)
        c = self.reversibility
        x = (1 - c) * max(pinned, 0.0) + c * bend
        total = x / (1 - self.coupling * x)
        return max(pinned, 0.0) * (1 + self.coupling * total), total

    def along(self, field: Floats, *, steps: int = 1) -> tuple[Floats, Floats]:
        """Follow a field from the demagnetised state.

        Parameters
        ----------
        field
            ``(n,)``, in the order in which it is applied; it begins at 0.
        steps
            Of the classical Runge-Kutta method between two of its points.

        Returns
        -------
        magnetisation, irreversible : numpy.ndarray
            M and M_irr, ``(n,)``.
        """
        m, mi = 0.0, 0.0
        found = np.zeros((len(field), 2))
        for number in range(1, len(field)):
            start, h = float(field[number - 1]), float(field[number] - field[number - 1]) / steps
            for step in range(steps if h else 0):
                mi, m = self._stepped(start + step * h, h, mi, m)
            found[number] = m, mi
        return found[:, 0], found[:, 1]

    def _stepped(self, field: float, h: float, mi: float, m: float) -> tuple[float, float]:
        sign = math.copysign(1.0, h)
        a1, b1 = self.slopes(field, mi, m, sign)
        a2, b2 = self.slopes(field + h / 2, mi + h / 2 * a1, m + h / 2 * b1, sign)
        a3, b3 = self.slopes(field + h / 2, mi + h / 2 * a2, m + h / 2 * b2, sign)
        a4, b4 = self.slopes(field + h, mi + h * a3, m + h * b3, sign)
        return mi + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), m + h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)


def loop_area(field: Floats, density: Floats) -> float:
    """Return the energy that one closed loop turns into heat: the area between H (A/m) and B (T), in J/m^3."""
    closed = np.append(np.arange(len(field)), 0)
    return float(abs(np.trapezoid(field[closed], density[closed])))


def coercive_field(field: Floats, magnetisation: Floats) -> float:
    """Return the field at which a rising magnetisation passes zero, in A/m.

    Raises
    ------
    SignalError
        If it never does.
    """
    up = np.flatnonzero((magnetisation[:-1] < 0) & (magnetisation[1:] >= 0))
    if not len(up):
        msg = "The magnetisation never rises through zero; follow the field through a whole cycle."
        raise SignalError(msg)
    k = int(up[-1])
    share = -magnetisation[k] / (magnetisation[k + 1] - magnetisation[k])
    return float(field[k] + share * (field[k + 1] - field[k]))


def barkhausen(envelope: Floats, rate: float, band: tuple[float, float], rng: np.random.Generator) -> Floats:
    """Return noise of a band whose standard deviation at every point is the envelope.

    Parameters
    ----------
    envelope
        ``(n,)``, not negative: proportional to dM_irr/dt.
    rate
        Samples in a second.
    band
        Lowest and highest frequency. The envelope changes slowly against the lowest.
    rng
        Decides the noise.
    """
    size = len(envelope)
    frequency = np.fft.rfftfreq(size, 1 / rate)
    kept = (frequency >= band[0]) & (frequency <= band[1])
    spectrum = np.fft.rfft(rng.standard_normal(size)) * kept
    noise = np.fft.irfft(spectrum, size) * np.sqrt(size / (2 * kept.sum()))
    return np.asarray(envelope * noise)
