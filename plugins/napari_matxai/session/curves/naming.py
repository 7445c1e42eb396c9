"""What a file does not say of its axis: which kind it is, which numbers its conversions need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matxai.signals.spectra.conversions import Setting
    from napari_matxai.session.curves.spectrum import Spectrum

ASKED = (
    "two_theta", "q", "d_spacing", "binding_energy", "kinetic_energy", "energy", "raman_shift", "wavenumber",
    "wavelength", "time", "frequency",
)  # fmt: skip
"""Kinds of axis that a bare table of two columns may have, the most usual first."""
WANTED = ("wavelength", "laser", "photon_energy", "e0")
"""What is asked for where a conversion of the axis needs it."""


def kinds_of_axes() -> dict[str, str]:
    """Return what an axis may be: name and words with the unit."""
    from matxai.report.scalebar import short_unit
    from matxai.signals.spectra.axes import KINDS

    return {name: f"{KINDS[name].title} ({short_unit(KINDS[name].unit)})" for name in ASKED}


def ways_from(spectrum: Spectrum) -> dict[str, str]:
    """Return the kinds of axis that a spectrum's axis converts to: name and words with the unit."""
    from matxai.report.scalebar import short_unit
    from matxai.signals.spectra.axes import KINDS
    from matxai.signals.spectra.conversions import targets

    return {name: f"{KINDS[name].title} ({short_unit(KINDS[name].unit)})" for name in targets(spectrum.dim)}


def hint_for(spectrum: Spectrum) -> str:
    """Return what is said where a file does not name its axis: what its name suggests is shown and not used."""
    if spectrum.axis is not None:
        return f"You said that the axis is {kinds_of_axes().get(spectrum.axis, spectrum.axis)}."
    from matxai.signals.formats.text import hint_of

    said = "The file does not say what its axis is."
    hint = hint_of(spectrum.name)
    return f"{said} Its name suggests {kinds_of_axes().get(hint, hint)}." if hint is not None else said


def facts_missing(spectrum: Spectrum) -> Setting | None:
    """Return the number that conversions of this axis need and the file does not tell; None where there is none.

    Of energies only the edge is asked for where the axis is relative to it, and of the wavelength only where the
    axis depends on it: whoever draws along q from q needs none.
    """
    from matxai.signals.spectra.conversions import SETTINGS, SPOKES

    spoke = SPOKES.get(spectrum.dim)
    if spoke is None:
        return None
    for name in spoke.settings:
        setting = SETTINGS[name]
        if setting.default is None and spectrum.signal.attrs.get(setting.attr) is None:
            return setting
    return None
