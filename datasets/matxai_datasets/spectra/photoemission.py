"""Photoelectron spectra: spin-orbit doublets, asymmetric lines of metals, satellites, the Shirley background.

Axes are binding energies in eV, ascending. Areas are in counts times eV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from matxai_datasets.spectra.profiles import doniach_sunjic, pseudo_voigt

Floats = NDArray[np.float64]

RATIOS = {"p": 1 / 2, "d": 2 / 3, "f": 3 / 4}
"""Area of the line with the smaller j against the other: 2j + 1 states each."""

TERMS = {"p": ("3/2", "1/2"), "d": ("5/2", "3/2"), "f": ("7/2", "5/2")}

AL_SATELLITES = ((9.8, 0.064), (11.8, 0.032))
"""K-alpha3 and K-alpha4 of aluminium: by how much lower in binding energy, and their strength (Moulder et al., Handbook
of X-ray Photoelectron Spectroscopy, 1992)."""


@dataclass(frozen=True)
class Line:
    """One photoelectron line.

    Attributes
    ----------
    name
        ``"MoO3 3d5/2"``.
    centre, area, fwhm
        In eV, counts times eV, eV.
    eta
        Share of the Lorentzian in a sum of Gaussian and Lorentzian of one width.
    alpha
        Asymmetry of Doniach and Sunjic; with it, ``eta`` is not used, and a Gaussian of 0.4 eV is the analyser.
    """

    name: str
    centre: float
    area: float
    fwhm: float
    eta: float = 0.3
    alpha: float = 0.0

    def on(self, axis: Floats) -> Floats:
        """Return the line on an axis, ``(n,)``; an asymmetric one has its area on that axis."""
        if not self.alpha:
            return self.area * pseudo_voigt(axis, self.centre, self.fwhm, self.eta)
        step = float(axis[1] - axis[0])
        shape = doniach_sunjic(axis, self.centre, self.fwhm, self.alpha)
        # the tail of the formula does not end: what is left of it 15 eV further on is faded out
        shape = shape * np.exp(-((np.maximum(axis - self.centre, 0.0) / 10.0) ** 2))
        shape = gaussian_filter1d(shape, 0.4 / 2.3548 / step, mode="nearest")
        return np.asarray(self.area * shape / (shape.sum() * step))


def doublet(
    name: str, shell: str, centre: float, area: float, splitting: float, fwhm: float, **more: float
) -> tuple[Line, Line]:
    """Return the two lines of a level that spin and orbit split.

    Parameters
    ----------
    name
        Of the compound: ``"MoO3"``.
    shell
        ``"2p"``, ``"3d"``, ``"4f"``: its letter gives the ratio of the areas (:data:`RATIOS`).
    centre
        Of the line with the larger j, which has the lower binding energy.
    area
        Of both together.
    splitting, fwhm, more
        In eV; ``eta`` or ``alpha`` of the lines.

    Examples
    --------
    >>> [round(line.area, 3) for line in doublet("W", "4f", 31.4, 7.0, 2.18, 0.5)]
    [4.0, 3.0]
    """
    letter = shell[-1]
    ratio, (strong, weak) = RATIOS[letter], TERMS[letter]
    first = area / (1 + ratio)
    return (
        Line(f"{name} {shell}{strong}", centre, first, fwhm, **more),
        Line(f"{name} {shell}{weak}", centre + splitting, first * ratio, fwhm, **more),
    )


def shirley(lines: Floats, step: float, scatter: float) -> Floats:
    """Return the background of electrons that lost energy: ``scatter`` times the area at lower binding energy.

    D. A. Shirley, Phys. Rev. B 5 (1972) 4709. The area up to a point counts half of the point itself.

    Parameters
    ----------
    lines
        Intensity without background on ascending binding energies, ``(n,)``.
    step
        Of the axis, in eV.
    scatter
        Counts of background for each count times eV of line, in 1/eV.
    """
    return scatter * step * (np.cumsum(lines) - lines / 2)
