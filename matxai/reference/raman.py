"""Raman lines by which spectrometers are calibrated, of some common solids, and of the neon lamp."""

from __future__ import annotations

from dataclasses import replace

from matxai.errors import MatxaiError, nearest
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.shipped import rows

SOURCES = {
    "A": "ASTM E1840",
    "I": "Itoh & Shirono, J. Raman Spectrosc. 51, 2496 (2020)",
    "D": "Solin & Ramdas, Phys. Rev. B 1, 1687 (1970)",
    "M": "Buzgar & Apopei, Analele St. Univ. Al. I. Cuza Iasi 55, 97 (2009)",
    "O": "Ohsaka, Izumi & Fujiki, J. Raman Spectrosc. 7, 321 (1978)",
    "P": "Porto, Fleury & Damen, Phys. Rev. 154, 522 (1967)",
    "S": "Scott & Porto, Phys. Rev. 161, 903 (1967)",
    "H": "de Faria, Venancio Silva & de Oliveira, J. Raman Spectrosc. 28, 873 (1997)",
    "F": "Ferrari et al., Phys. Rev. Lett. 97, 187401 (2006)",
    "N": "NIST Atomic Spectra Database",
}
SYMBOLS = {"Si": "silicon", "C": "diamond", "Ne": "neon", "S": "sulfur", "PS": "polystyrene", "CaCO3": "calcite"}


def raman_lines(substance: str, *, laser: float | None = None) -> ReferenceLines:
    """Return the Raman lines of a substance in 1/cm, or the lines of a neon lamp in nm (air).

    Parameters
    ----------
    substance
        Its name, or a short form: ``"Si"``, ``"PS"``.
    laser
        Wavelength in nm (air). With it the lines of a lamp come as Raman shift; refraction by air cancels to 0.1 1/cm.

    Raises
    ------
    MatxaiError
        If the substance is not in the table, the laser is no wavelength in nm, or no line lies beyond it.

    Examples
    --------
    >>> raman_lines("Si").positions.tolist()
    [520.5]
    """
    table = rows("raman")
    known = list(dict.fromkeys(row[0] for row in table))
    name = SYMBOLS.get(substance, substance.casefold())
    if name not in known:
        msg = f"No Raman lines are known of '{substance}'. {nearest(substance, [*known, *SYMBOLS], label='There are')}"
        raise MatxaiError(msg)
    own = [row for row in table if row[0] == name]
    lines = [
        ReferenceLine(
            float(place),
            label if label and label != "Ne I" else f"{float(place):g}",
            float(strength) if strength else float("nan"),
            {"uncertainty": float(error)},
        )
        for _, _, place, error, strength, label, _ in own
    ]
    axis, source = own[0][1], "; ".join(sorted({SOURCES[row[-1]] for row in own}))
    if axis == "wavelength" and laser is not None:
        if not 200 <= laser <= 2000:
            msg = f"A laser of {laser:g} nm is none: write its wavelength in nm, such as 532."
            raise MatxaiError(msg)
        lines = [replace(line, position=1e7 / laser - 1e7 / line.position) for line in lines if line.position > laser]
        return ReferenceLines(name, "raman_shift", "1/cm", tuple(lines), source, {"laser_wavelength": laser})
    unit = {"wavelength": "nm", "raman_shift": "1/cm"}[axis]
    return ReferenceLines(name, axis, unit, tuple(lines), source)
