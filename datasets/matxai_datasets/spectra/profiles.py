"""Line profiles of unit area, and how wide a diffraction line is.

All widths are full widths at half maximum. A profile that is cut off is scaled to keep its area, so that the sum over
points times the step is the line's intensity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

Floats = NDArray[np.float64]

_LN2 = float(np.log(2.0))


def gaussian(x: ArrayLike, centre: float, fwhm: float) -> Floats:
    """Return a Gaussian of unit area at ``x``."""
    z = (np.asarray(x, float) - centre) / fwhm
    return np.asarray(2.0 * np.sqrt(_LN2 / np.pi) / fwhm * np.exp(-4.0 * _LN2 * z**2))


def lorentzian(x: ArrayLike, centre: float, fwhm: float) -> Floats:
    """Return a Lorentzian of unit area at ``x``."""
    z = (np.asarray(x, float) - centre) / fwhm
    return np.asarray(2.0 / (np.pi * fwhm) / (1.0 + 4.0 * z**2))


def pseudo_voigt(x: ArrayLike, centre: float, fwhm: float, eta: float) -> Floats:
    """Return ``eta`` Lorentzian + ``1 - eta`` Gaussian of one width and unit area.

    G. K. Wertheim et al., Rev. Sci. Instrum. 45 (1974) 1369.
    """
    return eta * lorentzian(x, centre, fwhm) + (1.0 - eta) * gaussian(x, centre, fwhm)


def share_within(reach: float, eta: ArrayLike) -> Floats:
    """Return the share of a pseudo-Voigt's area within ``reach`` widths on each side of its centre."""
    eta = np.asarray(eta, float)
    return np.asarray((1.0 - eta) * erf(2.0 * np.sqrt(_LN2) * reach) + eta * 2.0 / np.pi * np.arctan(2.0 * reach))


def thompson_cox_hastings(gauss: ArrayLike, lorentz: ArrayLike) -> tuple[Floats, Floats]:
    """Return width and mixing of the pseudo-Voigt that stands for a Voigt function.

    P. Thompson, D. E. Cox, J. B. Hastings, J. Appl. Cryst. 20 (1987) 79, equations (6) and (7).

    Parameters
    ----------
    gauss, lorentz
        Widths of the two parts, of one shape.

    Returns
    -------
    fwhm, eta : numpy.ndarray
        Of that shape; eta between 0 and 1.
    """
    g, l = np.asarray(gauss, float), np.asarray(lorentz, float)  # noqa: E741 - the paper's letters
    fwhm = (
        g**5 + 2.69269 * g**4 * l + 2.42843 * g**3 * l**2 + 4.47163 * g**2 * l**3 + 0.07842 * g * l**4 + l**5
    ) ** 0.2
    q = l / fwhm
    return fwhm, np.clip(1.36603 * q - 0.47719 * q**2 + 0.11116 * q**3, 0.0, 1.0)


def axial(z: ArrayLike, amount: ArrayLike) -> Floats:
    """Return the factor that skews a symmetrical profile towards low angles, 1 in the mean.

    C. J. Berar, G. Baldinozzi, J. Appl. Cryst. 26 (1993) 128: 1 - A F(z), F = 2 z exp(-z^2). F is odd, so the area of a
    symmetrical profile is kept.

    Parameters
    ----------
    z
        Distance from the line in full widths.
    amount
        A, cut at 1.16 in size: beyond, the profile would turn negative.
    """
    z = np.asarray(z, float)
    return np.asarray(1.0 - np.clip(amount, -1.16, 1.16) * 2.0 * z * np.exp(-(z**2)))


def add_lines(
    into: Floats,
    axis: Floats,
    *,
    centre: ArrayLike,
    area: ArrayLike,
    fwhm: ArrayLike,
    eta: ArrayLike,
    skew: ArrayLike = 0.0,
    reach: float,
) -> None:
    """Add pseudo-Voigt lines to a spectrum.

    Parameters
    ----------
    into
        ``(n,)``, changed in place.
    axis
        ``(n,)``, ascending.
    centre, area, fwhm, eta
        Of the lines, ``(k,)`` or one number for all; ``area`` is kept whatever the reach.
    skew
        As ``amount`` of :func:`axial`.
    reach
        How far tails are followed, in widths.
    """
    places = np.atleast_1d(np.asarray(centre, float))
    height, width, mixing, skewed = (
        np.broadcast_to(np.asarray(v, float), places.shape) for v in (area, fwhm, eta, skew)
    )
    first = np.searchsorted(axis, places - reach * width)
    count = np.searchsorted(axis, places + reach * width) - first
    line = np.repeat(np.arange(len(places)), count)
    if not len(line):
        return
    # point numbers of all windows, one behind the other: each counts up from its line's first point
    point = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count) + first[line]
    w, m = width[line], mixing[line]
    z = (axis[point] - places[line]) / w
    # followed far, a Gaussian is soon below the smallest number
    shape = m * (2.0 / np.pi) / (1.0 + 4.0 * z**2) + (1.0 - m) * 2.0 * np.sqrt(_LN2 / np.pi) * np.exp(
        -4.0 * _LN2 * z**2
    )
    if np.any(skewed):
        shape *= axial(z, skewed[line])
    shape *= (height / share_within(reach, mixing))[line] / w
    into += np.bincount(point, shape, minlength=len(axis))


def doniach_sunjic(x: ArrayLike, centre: float, fwhm: float, alpha: float) -> Floats:
    """Return the asymmetric line of a metal, its tail towards high binding energy; height 1 at its maximum.

    S. Doniach, M. Sunjic, J. Phys. C 3 (1970) 285: cos(pi a / 2 + (1 - a) atan(e / g)) / (e^2 + g^2)^((1 - a) / 2),
    with e = centre - x (binding energy) and g half the width. Its area diverges for a > 0: the caller cuts and scales.

    Parameters
    ----------
    x
        Binding energies.
    centre, fwhm
        Place and width of the line without asymmetry.
    alpha
        Asymmetry, from 0 (a Lorentzian) to below 1.
    """
    e, g = centre - np.asarray(x, float), fwhm / 2.0
    shape = np.cos(np.pi * alpha / 2 + (1 - alpha) * np.arctan(e / g)) / (e**2 + g**2) ** ((1 - alpha) / 2)
    e0 = g / np.tan(np.pi / (2 - alpha))  # where the derivative is 0
    top = np.cos(np.pi * alpha / 2 + (1 - alpha) * np.arctan(e0 / g)) / (e0**2 + g**2) ** ((1 - alpha) / 2)
    return np.asarray(shape / top)
