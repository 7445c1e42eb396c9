"""How long a scale bar is, and what stands beside it: round lengths in the unit that reads best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from matxai.signals.units import convert, registry, same_kind, unit_word

_PREFIXES = (("km", 1e3), ("m", 1.0), ("mm", 1e-3), ("µm", 1e-6), ("nm", 1e-9), ("pm", 1e-12))
_PIXELS = frozenset({"pixel", "pixels", "px"})
_SIGNS = {"degree": "°", "angstrom": "Å"}
_ROUND = (5.0, 2.0, 1.0)


@dataclass(frozen=True)
class ScaleBar:
    """A bar of a round length.

    Parameters
    ----------
    pixels
        Its length in pixels of the image (exact, not rounded).
    label
        What it stands for: ``"20 µm"``, ``"100 px"``.
    """

    pixels: float
    label: str


@cache
def metres_per(units: str) -> float | None:
    """Return how many metres one of these units is, or None where it is no length or no unit that pint reads."""
    word = unit_word(units)
    if word is None or units in _PIXELS or not same_kind(word, "m"):
        return None
    return convert(1.0, word, "m")


@cache
def short_unit(units: str) -> str:
    """Return a unit as figures print it: ``"micrometer"`` -> ``"µm"``, ``"degree"`` -> ``"°"``."""
    word = unit_word(units)
    if units in _PIXELS or word in _PIXELS:
        return "px"
    if word is None:
        return units
    sign = _SIGNS.get(word, f"{registry().Unit(word):~P}")
    return f"{sign[2:]}⁻¹" if sign.startswith("1/") and sign[2:].isalpha() else sign


def _trim(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1e4 else f"{value:.0f}"


def length_label(value: float, units: str, *, digits: int = 3) -> str:
    """Return a length in the prefix that reads best: ``length_label(0.0000021, "m")`` -> ``"2.1 µm"``.

    Lengths in pixels, and quantities that are no lengths, keep their unit.
    """
    metres = metres_per(units)
    if metres is None or value == 0 or not math.isfinite(value):
        plain = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        return f"{plain} {short_unit(units)}".rstrip()
    inside = abs(value) * metres
    name, size = next(((n, s) for n, s in _PREFIXES if inside >= 0.9995 * s), _PREFIXES[-1])
    shown = math.copysign(inside / size, value)
    return f"{shown:.{digits}g} {name}" if abs(shown) < 10**digits else f"{shown:.0f} {name}"


def scale_bar(width_pixels: float, pixel_size: float, units: str, *, share: float = 0.25) -> ScaleBar:
    """Return the longest bar of 1, 2 or 5 times a power of ten that fills at most ``share`` of the image's width.

    Parameters
    ----------
    width_pixels
        Width of the image in pixels.
    pixel_size
        Width of one pixel in ``units``.
    units
        A word that pint reads, or ``"pixel"`` for an image that is not calibrated (its pixels are then counted).
    share
        The largest part of the width that the bar may take.

    Examples
    --------
    >>> scale_bar(1024, 1.35e-9, "m")
    ScaleBar(pixels=148.14814814814815, label='200 nm')
    >>> scale_bar(100, 1.0, "pixel")
    ScaleBar(pixels=20.0, label='20 px')
    """
    metres = metres_per(units)
    factor = metres if metres is not None else 1.0
    longest = share * width_pixels * abs(pixel_size) * factor
    power = 10.0 ** math.floor(math.log10(longest))
    length = next(r * power for r in _ROUND if r * power <= longest * (1 + 1e-9))
    pixels = length / (abs(pixel_size) * factor)
    if metres is not None:
        return ScaleBar(pixels, length_label(length, "m"))
    return ScaleBar(pixels, f"{_trim(length)} {short_unit(units)}".rstrip())
