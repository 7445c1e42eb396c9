"""What an X-ray tube sends: wavelengths and strengths of the lines of its anode, and of the tungsten on an aged one.

Wavelengths: J. A. Bearden, Rev. Mod. Phys. 39, 78 (1967), in angstrom, the scale on which Cu K-alpha1 is 1.54056 and in
which powder files are nearly always reduced. (The scale of Deslattes et al. 2003 is 20 parts in a million longer: 0.002
degrees at 90.) Strengths are against K-alpha1 = 1: K-alpha2 is half of it, K-beta (its two lines as one) is that of the
bare tube; a filter or mirror leaves hundredths of it or none.
"""

from __future__ import annotations

from dataclasses import dataclass

from matxai.errors import MatxaiError, nearest

HC = 12398.419843320026
"""Planck's constant times the speed of light in eV angstrom (exact in the SI of 2019)."""


@dataclass(frozen=True)
class Emission:
    """One line of a tube.

    Attributes
    ----------
    name
        ``"K-alpha1"``.
    wavelength
        In angstrom.
    strength
        Against K-alpha1 of the anode, which has 1.
    """

    name: str
    wavelength: float
    strength: float


_K_LINES: dict[str, tuple[float, float, float, float]] = {
    # K-alpha1, K-alpha2, K-beta1,3; strength of K-beta: Elam, Ravel & Sieber (2002), Radiat. Phys. Chem. 63, 121
    "Cr": (2.28970, 2.293606, 2.08487, 0.211),
    "Fe": (1.936042, 1.939980, 1.75661, 0.215),
    "Co": (1.788965, 1.792850, 1.62079, 0.217),
    "Cu": (1.54056, 1.544390, 1.392218, 0.221),
    "Mo": (0.709300, 0.713590, 0.632288, 0.247),
    "Ag": (0.5594075, 0.563798, 0.497069, 0.257),
}
_TUNGSTEN = (("W L-alpha1", 1.47639, 1.0), ("W L-alpha2", 1.48743, 0.11))
TUNGSTEN_SHARE = 0.01
"""Strength of W L-alpha1 that is assumed of an aged tube. It grows with the hours and has no value of its own."""


def anodes() -> list[str]:
    """Return the anodes that are known by name."""
    return list(_K_LINES)


def tube(anode: str) -> dict[str, Emission]:
    """Return the lines of an anode by name: K-alpha1, K-alpha2, K-beta, W L-alpha1, W L-alpha2.

    Raises
    ------
    MatxaiError
        If the anode is not known.

    Examples
    --------
    >>> tube("Cu")["K-alpha2"].wavelength
    1.54439
    """
    if anode not in _K_LINES:
        msg = f"There is no tube with the anode '{anode}'. {nearest(anode, _K_LINES, label='There are')}"
        raise MatxaiError(msg)
    first, second, beta, strength = _K_LINES[anode]
    lines = [Emission("K-alpha1", first, 1.0), Emission("K-alpha2", second, 0.5), Emission("K-beta", beta, strength)]
    lines += [Emission(name, length, TUNGSTEN_SHARE * share) for name, length, share in _TUNGSTEN]
    return {line.name: line for line in lines}


def wavelength_of(source: str) -> float:
    """Return the wavelength in angstrom of ``"Cu"``, ``"Cu K-alpha1"``, ``"Mo K-beta"`` or ``"Co K-alpha"``.

    An anode alone is its K-alpha1; ``K-alpha`` is the mean of the doublet, weighted 2 to 1.

    Raises
    ------
    MatxaiError
        If the anode or the line is not known.
    """
    anode, _, name = source.strip().partition(" ")
    lines = tube(anode)
    name = name.strip() or "K-alpha1"
    if name == "K-alpha":
        return (2 * lines["K-alpha1"].wavelength + lines["K-alpha2"].wavelength) / 3
    if name not in lines:
        offered = nearest(name, [*lines, "K-alpha"], label="It has")
        msg = f"A tube with the anode {anode} has no line '{name}'. {offered}"
        raise MatxaiError(msg)
    return lines[name].wavelength


def anode_of(wavelength: float, *, tolerance: float = 3e-4) -> str | None:
    """Return the anode whose K-alpha1 or mean K-alpha has this wavelength, or None.

    Parameters
    ----------
    wavelength
        In angstrom.
    tolerance
        Relative. The scales of wavelength in use differ by 2e-5.
    """
    for anode in _K_LINES:
        for name in ("K-alpha1", "K-alpha"):
            if abs(wavelength / wavelength_of(f"{anode} {name}") - 1) < tolerance:
                return anode
    return None
