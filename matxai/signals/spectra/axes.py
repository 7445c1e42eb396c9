"""The axes of spectra and waveforms: what they are called here, in which unit they come, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass

from matxai.errors import SignalError, nearest


@dataclass(frozen=True)
class AxisKind:
    """One kind of axis.

    Attributes
    ----------
    name
        What the dim is called: ``two_theta``.
    unit
        The unit in which readers give it where the file names none, as a word that pint reads; ``""`` for a number.
    title
        How a plot writes it, without the unit.
    descends
        Whether the field draws it from high to low (binding energy). The coordinate ascends all the same.
    """

    name: str
    unit: str
    title: str
    descends: bool = False


KINDS: dict[str, AxisKind] = {
    kind.name: kind
    for kind in (
        AxisKind("two_theta", "degree", "2θ"),
        AxisKind("omega", "degree", "ω"),
        AxisKind("chi", "degree", "χ"),
        AxisKind("phi", "degree", "φ"),
        AxisKind("d_spacing", "angstrom", "d"),
        AxisKind("q", "1/angstrom", "q"),
        AxisKind("energy", "eV", "energy"),
        AxisKind("relative_energy", "eV", "E − E0"),
        AxisKind("binding_energy", "eV", "binding energy", descends=True),
        AxisKind("kinetic_energy", "eV", "kinetic energy"),
        AxisKind("raman_shift", "1/cm", "Raman shift"),
        AxisKind("wavenumber", "1/cm", "wavenumber", descends=True),
        AxisKind("wavelength", "nm", "wavelength"),
        AxisKind("time", "s", "time"),
        AxisKind("time_of_flight", "us", "time of flight"),
        AxisKind("frequency", "Hz", "frequency"),
        AxisKind("field", "A/m", "H"),
        AxisKind("temperature", "kelvin", "temperature"),
        AxisKind("potential", "V", "potential"),
    )
}
"""By name."""


def axis_kind(name: str) -> AxisKind:
    """Return the kind of axis of that name.

    Raises
    ------
    SignalError
        If there is none.
    """
    if name not in KINDS:
        msg = f"there is no kind of axis called '{name}'. {nearest(name, KINDS, label='There are')}"
        raise SignalError(msg)
    return KINDS[name]
