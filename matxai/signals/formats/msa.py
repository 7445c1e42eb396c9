"""EMSA/MAS spectra (``.msa .emsa``, ISO 22029): ``#KEYWORD : value`` lines, then values or pairs, to ``#ENDOFDATA``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.columns import named_axis
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.naming import axis_unit, contradicts, heading
from matxai.signals.spectra.plain import Plain, plain_text
from matxai.signals.spectra.said import number_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_MAGIC = re.compile(rb"(\xef\xbb\xbf)?\s*#FORMAT\s*:\s*EMSA", re.IGNORECASE)
_FIELD = re.compile(r"#\s*([A-Za-z][^:]*?)\s*:\s?(.*)")
_BY_UNIT = {"eV": "energy", "keV": "energy", "meV": "energy", "nm": "wavelength", "um": "wavelength"}
_BY_UNIT |= {"1/cm": "wavenumber", "s": "time", "Hz": "frequency"}


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first line says that it is an EMSA/MAS file."""
    return _MAGIC.match(head) is not None


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the spectrum of the file.

    Of type Y the axis is ``OFFSET + i XPERCHAN`` (without ``OFFSET`` the channel ``CHOFFSET`` is at 0), of type XY it
    is the first number of each pair.

    Raises
    ------
    FileError
        If the file is cut, its values are no numbers, or there is no axis.
    """
    refuse_choices(path, "an EMSA file", ReadOptions(dataset=options.dataset))
    header, words, ended = _parts(plain_text(path, options.limit))
    values = _numbers(words, path.name)
    kind = header.get("DATATYPE", "Y").strip().upper()
    if kind not in ("Y", "XY"):
        msg = f"{path.name} has the DATATYPE {kind!r}; EMSA files have Y or XY"
        raise FileError(msg)
    if kind == "XY":
        if values.size % 2:
            msg = f"{path.name} is truncated: it holds {values.size} numbers, which are no pairs of x and y"
            raise FileError(msg)
        axis, values = values[::2], values[1::2]
    notes = _counted(header, values.size, path.name, ended=ended)
    if kind == "Y":
        axis = _axis(header, values.size, path.name)
    dim, unit, said = _named(header, path.name, options.axis)
    name = header.get("TITLE", "").strip() or path.stem
    return items_of([Curve(name, axis, values, dim, unit, {}, _attrs(header, [*notes, *said]))], path.name)


def _parts(text: Plain) -> tuple[dict[str, str], list[str], bool]:
    header: dict[str, str] = {}
    words: list[str] = []
    inside = False
    for line in text.lines:
        match = _FIELD.match(line.strip())
        if match is not None:
            key = re.split(r"[\s-]", match[1])[0].upper()
            if key == "ENDOFDATA":
                return header, words, True
            inside |= key == "SPECTRUM"
            if key not in ("SPECTRUM", "COMMENT"):
                header.setdefault(key, match[2].strip())
        elif inside and line.strip() and not line.lstrip().startswith("#"):
            words += [word for word in re.split(r"[\s,;]+", line.strip()) if word]
    return header, words, False


def _numbers(words: list[str], file: str) -> npt.NDArray[np.float64]:
    try:
        return np.array([word.replace("D", "E").replace("d", "e") for word in words], dtype=float)
    except ValueError as error:
        msg = f"{file} is damaged: a value of its spectrum is no number ({error})"
        raise FileError(msg) from error


def _counted(header: dict[str, str], held: int, file: str, *, ended: bool) -> list[str]:
    claimed = number_of(header.get("NPOINTS", ""))
    if held < 2 or (not ended and claimed is not None and held < claimed):
        more = f"claims {claimed:g} points and " if claimed is not None else ""
        msg = f"{file} is truncated: it {more}holds {held}; copy it again"
        raise FileError(msg)
    if claimed is not None and int(claimed) != held:
        return [f"NPOINTS says {claimed:g}, the file holds {held} points; all were read"]
    return []


def _axis(header: dict[str, str], size: int, file: str) -> npt.NDArray[np.float64]:
    step, first = number_of(header.get("XPERCHAN", "")), number_of(header.get("OFFSET", ""))
    if not step:
        msg = f"{file} holds values without x and no XPERCHAN, the step of its axis"
        raise FileError(msg)
    if first is None:
        first = -step * (number_of(header.get("CHOFFSET", "")) or 0.0)
    axis: npt.NDArray[np.float64] = first + step * np.arange(size, dtype=float)
    return axis


def _named(header: dict[str, str], file: str, axis: str | None) -> tuple[str, str | None, list[str]]:
    label, unit = header.get("XLABEL", ""), header.get("XUNITS", "")
    head = heading(f"{label} ({unit})" if unit else label)
    word = axis_unit(unit)
    if head.kind is None or contradicts(head.kind, unit):
        kind = _BY_UNIT.get(word or "")
        if kind is None:
            dim, given, said = named_axis(heading(""), file, axis)
            return (dim, word or given, said) if dim != UNNAMED else (UNNAMED, word, said)
        head = heading(f"{kind.replace('_', ' ')} ({unit})")
    return named_axis(head, file, axis)


def _attrs(header: dict[str, str], notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": dict(header), "notes": notes}
    for key, name in (("YLABEL", "value_name"), ("YUNITS", "value_unit"), ("SIGNALTYPE", "signal_type")):
        if header.get(key):
            found[name] = header[key]
    return found


readers.add(
    "msa",
    Reader(
        name="msa",
        suffixes=(".msa", ".emsa"),
        recognises=recognises,
        read=read,
        describes="EMSA/MAS spectrum (ISO 22029)",
        priority=1,
    ),
)
