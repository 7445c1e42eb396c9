"""Words for units as files write them, turned into words that pint reads; and lengths in a unit that people say.

No physics lives here: a word is translated or declared unknown, a length in metres gets nm, um or mm.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

PIXEL = "pixel"

# How instruments spell what pint spells otherwise. Keys are compared as they stand first, then in lower case.
_SPELLINGS = {
    "µm": "um",
    "μm": "um",
    "\\u00b5m": "um",
    "\\u00B5m": "um",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometers": "um",
    "micrometre": "um",
    "nanometer": "nm",
    "nanometers": "nm",
    "nanometre": "nm",
    "millimeter": "mm",
    "millimetre": "mm",
    "meter": "m",
    "metre": "m",
    "å": "angstrom",
    "Å": "angstrom",
    "\u212b": "angstrom",
    "angstroms": "angstrom",
    "ångström": "angstrom",
    "a": "angstrom",  # MRC and DM write a bare A; an ampere or a year is no axis of an image
    "A": "angstrom",
    "1/å": "1/angstrom",
    "1/a": "1/angstrom",
    "å^-1": "1/angstrom",
    "1/µm": "1/um",
    "µs": "us",
    "μs": "us",
    "sec": "s",
    "seconds": "s",
    "deg": "degree",
    "degrees": "degree",
    "°": "degree",
    "deg.": "degree",
    "pixels": PIXEL,
    "px": PIXEL,
    "voxel": PIXEL,
    "voxels": PIXEL,
    "channel": PIXEL,
    "channels": PIXEL,
    "ev": "eV",
    "kev": "keV",
}
_UNKNOWN = {"", "none", "null", "unknown", "arbitrary", "arb. units", "<undefined>", "undefined"}


@functools.cache
def registry() -> pint.UnitRegistry:
    """Return the registry of units that the whole package shares (made on first use: pint takes 0.2 s)."""
    import pint

    return pint.get_application_registry().get()


@functools.lru_cache(maxsize=512)
def unit_word(text: str | None) -> str | None:
    """Return the word for a unit that pint reads, or None if the text names none.

    Parameters
    ----------
    text
        A unit as a file writes it: ``"µm"``, ``"microns"``, ``"Å"``, ``"1/nm"``, ``"px"``.

    Examples
    --------
    >>> unit_word("microns"), unit_word("1/nm"), unit_word("furlongs of cheese")
    ('um', '1/nm', None)
    """
    if text is None:
        return None
    word = text.replace("\x00", "").strip()
    if word.lower() in _UNKNOWN or len(word) > 40:
        return None
    word = _SPELLINGS.get(word, _SPELLINGS.get(word.lower(), word))
    if not all(c.isalnum() or c in " */^()-.°µμ_" for c in word):
        return None
    units = registry()  # outside: a pint that cannot be imported is no unknown word
    try:
        unit = units.Unit(word)
    except Exception:  # noqa: BLE001 - pint raises its own, tokenizer's and arithmetic errors for words from files
        return None
    return word if str(unit) else None


def same_kind(unit: str, other: str) -> bool:
    """Whether two words are units of the same quantity (``"nm"`` and ``"mm"``)."""
    return bool(registry().Unit(unit).dimensionality == registry().Unit(other).dimensionality)


def convert(value: float, unit: str, to: str) -> float:
    """Return ``value`` of ``unit`` in the unit ``to``."""
    return float(registry().Quantity(value, unit).to(to).magnitude)


def said_length(metres: float) -> tuple[float, str]:
    """Return a length in the unit that a microscopist would say: below 0.1 um in nm, below 0.1 mm in um, else in mm.

    The arithmetic rounds to 12 digits so that 2.5e-9 m reads 2.5 nm.

    Examples
    --------
    >>> said_length(7.34e-9), said_length(4.2e-7)
    ((7.34, 'nm'), (0.42, 'um'))
    """
    size = abs(metres)
    factor, unit = (1e9, "nm") if size < 1e-7 else (1e6, "um") if size < 1e-4 else (1e3, "mm")
    return float(f"{metres * factor:.12g}"), unit
