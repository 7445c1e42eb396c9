"""What the lines above a table say: keys and values, and the facts of a measurement among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST = 500
_KEY = re.compile(r"\s*([^=:;\t]{1,80}?)\s*(?:[=:]\s*|[;\t]\s*)(.{1,400}?)\s*")
_FACTS = (
    (
        "photon_energy",
        r"(characteristic|excitation|photon|source|x-?ray) energy( ?\(?ev\)?)?|hv( ?\(?ev\)?)?",
        5,
        20_000,
    ),
    ("work_function", r"(eff(ective|\.)? )?work ?function( ?\(?ev\)?)?", 0.5, 10),
    ("laser_wavelength", r"(laser|excitation)[ _]?(wave ?length)?( ?\(?nm\)?)?", 200, 1100),
    ("wavelength", r"(x-?ray )?(wave ?length|lambda)( ?\(?(å|a|angstroms?)\)?)?", 0.1, 5),
    ("sampling_rate", r"(sampling|sample) (rate|frequency)( ?\(?hz\)?)?", 1e-3, 1e12),
)
"""Attribute, the keys that mean it, and between which values it is believed (units as in `Curve`)."""


def metadata_of(header: Sequence[str]) -> dict[str, Any]:
    """Return what header lines say as ``key: value`` (also with ``=``, ``;`` or a tab between)."""
    found: dict[str, Any] = {}
    for line in header:
        match = _KEY.fullmatch(line.strip().strip(";"))
        if match and len(found) < _MOST and not match[1].replace(" ", "").isdigit():
            found.setdefault(match[1].strip("\"' "), match[2].strip("\"' "))
    return found


def facts_of(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the facts of a measurement that metadata state as numbers within reason.

    Examples
    --------
    >>> facts_of({"Excitation Energy": "1486.61", "Laser (nm)": "785,5"})
    {'photon_energy': 1486.61, 'laser_wavelength': 785.5}
    """
    found: dict[str, float] = {}
    for key, value in metadata.items():
        plain = " ".join(key.lower().replace("_", " ").split())
        number = number_of(str(value))
        for name, pattern, low, high in _FACTS:
            if number is not None and low <= number <= high and re.fullmatch(pattern, plain):
                found.setdefault(name, number)
    return found


def number_of(text: str) -> float | None:
    """Return the number with which a text begins (decimal point or comma), or None."""
    match = re.match(r"\s*([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eEdD][+-]?\d+)?)(?![\d.,])", text)
    return float(match[1].replace(",", ".").lower().replace("d", "e")) if match else None
