"""X-ray absorption from the columns of a scan: which columns give it, by which formula, and what else they give.

Column labels are those of the XDI dictionary (Ravel and Newville, J. Phys. Conf. Ser. 712, 2016): ``i0 itrans ifluor
irefer`` are intensities, ``mu*`` absorption, ``norm*`` absorption that somebody normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

HC = 12398.419843320026
"""Planck's constant times the speed of light, in eV angstrom (exact in the SI of 2019)."""


@dataclass(frozen=True)
class Absorption:
    """One absorption spectrum that the columns of a scan give.

    Attributes
    ----------
    name
        ``transmission``, ``fluorescence`` or ``reference``.
    formula
        How it came: ``"column mutrans"`` or ``"ln(i0/itrans)"``.
    values
        Shape ``(n,)``; NaN where a logarithm or quotient has no value.
    """

    name: str
    formula: str
    values: npt.NDArray[np.float64]


def absorptions(columns: Mapping[str, npt.NDArray[Any]]) -> list[Absorption]:
    """Return all absorption spectra that columns allow, the one to take first.

    The order: ``mutrans``, ``normtrans``, ln(i0/itrans); ``mufluor``, ``normfluor``, ifluor/i0; ``murefer``,
    ``normrefer``, ln(itrans/irefer). Of each kind only the first that is there.
    """
    found: list[Absorption] = []
    for name, short, (over, under), log in (
        ("transmission", "trans", ("i0", "itrans"), True),
        ("fluorescence", "fluor", ("ifluor", "i0"), False),
        ("reference", "refer", ("itrans", "irefer"), True),
    ):
        given = next((c for c in (f"mu{short}", f"norm{short}") if c in columns), None)
        if given is not None:
            found.append(Absorption(name, f"column {given}", np.asarray(columns[given], float)))
        elif over in columns and under in columns:
            formula = f"ln({over}/{under})" if log else f"{over}/{under}"
            found.append(Absorption(name, formula, _quotient(columns[over], columns[under], log=log)))
    return found


def _quotient(over: npt.NDArray[Any], under: npt.NDArray[Any], *, log: bool) -> npt.NDArray[np.float64]:
    a, b = np.asarray(over, float), np.asarray(under, float)
    fine = (a / np.where(b == 0, np.nan, b) > 0) if log else b != 0
    result = np.full(a.shape, np.nan)
    result[fine] = a[fine] / b[fine]
    return np.log(result) if log else result


def energy_of_angle(angle: npt.NDArray[Any], d_spacing: float, *, radians: bool = False) -> npt.NDArray[np.float64]:
    """Return the energy in eV that a monochromator lets through at an angle, by Bragg's law.

    Parameters
    ----------
    angle
        In degrees, or radians if said so.
    d_spacing
        Of the crystal's planes, in angstrom.

    Examples
    --------
    >>> round(float(energy_of_angle(np.array([16.4]), 3.13550)[0]), 0)
    7002.0
    """
    theta = np.asarray(angle, float) * (1.0 if radians else math.pi / 180)
    with np.errstate(divide="ignore"):
        energy: npt.NDArray[np.float64] = HC / (2 * d_spacing * np.sin(theta))
    return energy
