"""Words over columns: which axis they name, in which unit; which name an uncertainty, a counter, or a value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matxai.signals.spectra.axes import KINDS
from matxai.signals.units import same_kind, unit_word

_KINDS = (
    ("two_theta", r"(pos(ition)? )?(2|two) ?(theta|th|thetas)( position| angle)?|tth|2t|2th( deg)?"),
    ("binding_energy", r"b\.? ?e\.?|binding ?energy"),
    ("kinetic_energy", r"k\.? ?e\.?|kinetic ?energy"),
    ("raman_shift", r"raman ?shift|raman|rel(ative)? wave ?numbers?"),
    ("energy", r"(photon |mono |x ?ray |incident |excitation )?energy( loss| scale| axis)?|en|ev|kev|e"),
    ("wavenumber", r"wave ?numbers?|cm 1|1/cm"),
    ("wavelength", r"(emission |excitation )?wave ?length|lambda|wl|nm|λ"),
    ("q", r"q|scattering vector|momentum transfer|q range"),
    ("d_spacing", r"d|d ?(spacing|value|hkl)s?"),
    ("time", r"time|t"),
    ("frequency", r"freq(uency)?|f|hz"),
    ("omega", r"omega|om"),
    ("temperature", r"temp(erature)?"),
    ("field", r"(magnetic |applied )?field( strength)?|h"),
    ("potential", r"potential|ewe"),
)
_NEEDS_UNIT = {"e", "en", "d", "t", "f", "h", "q", "wl", "temp"}
"""Words so short that they count only with a unit of that kind behind them."""
_SIGMA = re.compile(r"sigma|e\.?s\.?d\.?s?|err(or)?s?|(y )?err(or)?|std( ?dev)?|stdev|(statistical )?uncertainty|dy|σ")
_COUNTER = re.compile(
    r"pixel|channel|ch|point|pt|index|idx|no|nr|number|#|row|step|data ?point|unnamed( 0)?|chan|sample ?no"
)
_UNITS = {
    "cm-1": "1/cm", "cm^-1": "1/cm", "cm⁻¹": "1/cm", "1/cm": "1/cm", "cm−1": "1/cm", "rel. 1/cm": "1/cm",
    "å-1": "1/angstrom", "a-1": "1/angstrom", "å^-1": "1/angstrom", "a^-1": "1/angstrom", "å⁻¹": "1/angstrom",
    "nm-1": "1/nm", "nm^-1": "1/nm", "nm⁻¹": "1/nm", "°2th.": "degree", "°2th": "degree", "°2θ": "degree",
    "°2theta": "degree", "deg 2theta": "degree", "2theta deg": "degree", "deg.": "degree", "oe": "oersted",
    "°c": "degC", "degc": "degC", "microns": "um", "hz": "Hz", "khz": "kHz", "mhz": "MHz", "sec": "s", "msec": "ms",
}  # fmt: skip
_ANY_UNIT = {"field", "potential", "temperature"}


@dataclass(frozen=True)
class Heading:
    """What stands over a column.

    Attributes
    ----------
    text
        As the file has it.
    name
        Without its unit.
    unit
        As the file writes it, ``""`` where it writes none.
    kind
        The axis that it names (`matxai.signals.spectra.axes.KINDS`), or None.
    role
        ``axis``, ``sigma``, ``counter`` or ``value``.
    """

    text: str
    name: str
    unit: str
    kind: str | None
    role: str


def heading(text: str, unit: str = "") -> Heading:
    """Return what a column's heading says.

    Parameters
    ----------
    text
        ``"Raman Shift (cm-1)"``, ``"energy/eV"``, ``"2Theta [deg]"``, ``"B.E."``.
    unit
        The unit, where it stands in a line of its own.

    Examples
    --------
    >>> heading("Raman Shift (cm-1)").kind, heading("Energy/eV").unit, heading("Counts").role
    ('raman_shift', 'eV', 'value')
    """
    text = " ".join(text.strip().strip("\"'").split())
    name, own = _divided(text)
    unit = unit.strip("()[] ") or own
    plain = _plain(name)
    kind = next((k for k, pattern in _KINDS if re.fullmatch(pattern, plain)), None)
    if re.search(r"2 ?(th|θ)", unit.lower()):
        kind = "two_theta"  # "Pos. [°2Th.]"
    word = axis_unit(unit)
    if kind is not None and plain in _NEEDS_UNIT and not (word and _measures(word, kind)):
        kind = None
    if plain in {"ev", "kev", "nm", "hz", "cm 1", "1/cm"} and not unit:
        unit = name
    if kind is not None:
        return Heading(text, name, unit, kind, "axis")
    role = "sigma" if _SIGMA.fullmatch(plain) else "counter" if _COUNTER.fullmatch(plain) else "value"
    return Heading(text, name, unit, None, role)


def axis_unit(text: str) -> str | None:
    """Return the word that pint reads for a unit as spectrometers write it (``cm-1``, ``°2Th.``), or None."""
    low = " ".join(text.strip().lower().split())
    return unit_word(_UNITS.get(low, text.strip()))


def contradicts(kind: str, unit: str) -> bool:
    """Whether a unit cannot measure an axis of that kind: a wavelength in eV."""
    word = axis_unit(unit)
    return word is not None and kind not in _ANY_UNIT and not _measures(word, kind)


def _measures(word: str, kind: str) -> bool:
    return same_kind(word, KINDS[kind].unit)


def _divided(text: str) -> tuple[str, str]:
    """Return a heading's name and unit: ``a (b)``, ``a [b]``, ``a / b``, ``a, b``, ``a_b``."""
    if re.fullmatch(r"[\w/^°⁻¹-]+", text) and axis_unit(text) is not None:
        return text, ""
    match = re.fullmatch(r"(.*?)\s*[(\[<{]\s*([^()\[\]{}]*?)\s*[)\]>}]\s*:?", text)
    if match and match[1]:
        return match[1], match[2]
    match = re.fullmatch(r"(.+?)\s*(?:/|,|\bin\b)\s*([^\s/,]+(?: ?[\^/-]+ ?\S+)?)", text)
    if match and axis_unit(match[2]) is not None:
        return match[1], match[2]
    match = re.fullmatch(r"(.+?)[\s_]+(\S+)", text)
    if (
        match
        and not re.fullmatch(r"\d+", match[2])
        and re.fullmatch(r"[k]?eV|nm|cm-1|deg|degrees?|°|Hz|s|ms|us", match[2])
    ):
        return match[1], match[2]
    return text, ""


def _plain(name: str) -> str:
    """Return a name in lower case, with theta spelled out and marks as blanks."""
    text = name.lower().replace("θ", "theta").replace("ϑ", "theta").replace("\u00e9", "e")
    text = re.sub(r"(?<=2)[\s_\-*·]+(?=theta|th\b)", "", text)
    return " ".join(re.sub(r"[_\-^:;]+", " ", text).split()).strip(" .") if text != "#" else text


def slug(text: str) -> str:
    """Return a column's name as a coordinate is called: ``"Raw data #1"`` is ``raw_data_1``."""
    text = text.lower().replace("%", " percent ").replace("θ", "theta")
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_") or "column"
