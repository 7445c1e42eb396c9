"""JCAMP-DX (``.jdx .dx .jcamp``): spectra as labelled records, packed or plain, in blocks and NTUPLES pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.limits import check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.asdf import unpacked
from matxai.signals.spectra.axes import KINDS, axis_kind
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.naming import axis_unit, contradicts, heading
from matxai.signals.spectra.plain import Plain, decode, plain_text
from matxai.signals.spectra.said import number_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_RECORD = re.compile(r"\s*##([^=]*)=\s?(.*)")
_PAIR = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?|\?")
_TABLES = ("XYDATA", "XYPOINTS", "PEAKTABLE", "DATATABLE")
_UNITS = {
    "1/cm": ("wavenumber", "1/cm"), "cm-1": ("wavenumber", "1/cm"), "nanometers": ("wavelength", "nm"),
    "nm": ("wavelength", "nm"), "micrometers": ("wavelength", "um"), "seconds": ("time", "s"),
    "hz": ("frequency", "Hz"),
    "ev": ("energy", "eV"), "kev": ("energy", "keV"), "degrees 2-theta": ("two_theta", "degree"),
    "2-theta": ("two_theta", "degree"), "2theta": ("two_theta", "degree"), "milliseconds": ("time", "ms"),
    "microseconds": ("time", "us"), "ppm": (UNNAMED, "ppm"), "m/z": (UNNAMED, None),
    "kelvin": ("temperature", "kelvin"),
}  # fmt: skip


@dataclass
class _Block:
    """One block: its records (labels in capitals without blanks), its tables, the page that each lies on."""

    records: dict[str, str] = field(default_factory=dict)
    tables: list[tuple[str, str, list[str], str]] = field(default_factory=list)
    """Label, form, lines, page."""


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first record is a title, as the format demands."""
    if b"##" not in head[:400]:
        return False
    text = re.sub(r"\$\$[^\n]*", "", (decode(head) or "").lstrip("\ufeff")).lstrip()
    return re.match(r"##\s*TITLE\s*=", text, re.IGNORECASE) is not None


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the spectra of all blocks and pages; those on one axis are a set.

    Raises
    ------
    FileError
        If a check of ordinates, abscissas or their number fails, a record is missing, or ``axis=`` contradicts it.
    UnsafeFileError
        If it claims to unfold beyond the limit.
    """
    refuse_choices(path, "a JCAMP-DX file", ReadOptions(dataset=options.dataset))
    curves: list[Curve] = []
    for block in _blocks(plain_text(path, options.limit)):
        curves += _curves(block, path, options)
    names = unique([curve.name for curve in curves])
    named = [Curve(n, c.axis, c.values, c.dim, c.unit, {}, c.attrs) for n, c in zip(names, curves, strict=True)]
    return items_of(named, path.name)


def _blocks(text: Plain) -> list[_Block]:
    """Return all blocks that hold tables, inner ones first seen first."""
    found: list[_Block] = []
    open_: list[_Block] = []
    page = ""
    into: list[str] | None = None
    last = ""
    for raw in text.lines:
        line = raw.partition("$$")[0].rstrip()
        match = _RECORD.match(line)
        if match is None:
            if into is not None and line.strip():
                into.append(line)
            elif open_ and last and line.strip() and len(open_[-1].records.get(last, "")) < 4000:
                open_[-1].records[last] += f" {line.strip()}"
            continue
        label, value = re.sub(r"[\s/_-]", "", match[1]).upper(), match[2].strip()
        into, last = None, ""
        if label == "TITLE":
            open_.append(_Block({"TITLE": value}))
            found.append(open_[-1])
        elif not open_:
            continue
        elif label == "END":
            open_.pop()
        elif label == "PAGE":
            page = value
        elif label in _TABLES:
            into = []
            open_[-1].tables.append((label, value, into, page))
        elif label:
            open_[-1].records.setdefault(label, value)
            last = label
    if open_:
        msg = f"{text.name} is truncated: its block '{open_[-1].records['TITLE'][:40]}' has no ##END=; copy it again"
        raise FileError(msg)
    return [block for block in found if block.tables]


def _curves(block: _Block, path: Path, options: ReadOptions) -> list[Curve]:
    said = block.records
    title = said.get("TITLE", "").strip() or path.stem
    found = []
    for label, form, lines, page in block.tables:
        tuples = _variables(said, form) if "VARNAME" in said else None
        scale = tuples or said
        plain = re.sub(r"\s", "", form).upper()
        if "++" in plain:
            axis, values = _incremented(scale, lines, path, options.limit)
        else:
            axis, values = _paired(scale, lines, path.name)
        dim, unit, notes = _axis(scale.get("XUNITS", ""), said.get("DATATYPE", ""), path.name, options.axis)
        if label == "PEAKTABLE":
            notes = [*notes, "a table of peaks: heights at places, and nothing between"]
        attrs: dict[str, Any] = {"metadata": dict(said), "notes": notes}
        for key, name in (("YUNITS", "value_unit"), ("YLABEL", "value_name")):
            if scale.get(key):
                attrs[name] = scale[key]
        name = title if tuples is None else " ".join(filter(None, (title, tuples.get("YNAME", ""), page)))
        found.append(Curve(name, axis, values, dim, unit, {}, attrs))
    return found


def _variables(said: dict[str, str], form: str) -> dict[str, str]:
    """Return an NTUPLES page's records under the labels that a single spectrum has, for the variables in its form."""
    lists = {k: [w.strip() for w in v.split(",")] for k, v in said.items()}
    symbols = lists.get("SYMBOL", [])
    letters = re.findall(r"[A-Z]\d?", re.sub(r"\s", "", form.upper()).partition(")")[0])
    found: dict[str, str] = {}
    for axis, letter in (("X", letters[0] if letters else "X"), ("Y", letters[1] if len(letters) > 1 else "Y")):
        if letter not in symbols:
            continue
        i = symbols.index(letter)
        for key, label in (("FIRST", f"FIRST{axis}"), ("LAST", f"LAST{axis}"), ("FACTOR", f"{axis}FACTOR"),
                           ("UNITS", f"{axis}UNITS"), ("VARNAME", f"{axis}NAME"), ("VARDIM", "NPOINTS")):  # fmt: skip
            if i < len(lists.get(key, [])):
                found[label] = lists[key][i]
    return found


def _number(said: dict[str, str], label: str, default: float | None, file: str) -> float:
    value = number_of(said[label]) if label in said else default
    if value is None:
        state = f"is {said[label]!r}" if label in said else "is missing"
        msg = f"{file} is incomplete: its record {label} {state}, and a number is needed"
        raise FileError(msg)
    return value


def _incremented(
    said: dict[str, str], lines: list[str], path: Path, limit: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return abscissas and ordinates of a table ``(X++(Y..Y))``, whose checks must hold."""
    file = path.name
    count = int(_number(said, "NPOINTS", None, file))
    check_unfolding(file, 8 * max(count, 0), path.stat().st_size, limit, what="spectrum")
    found = unpacked(lines, file, most=count)
    if len(found.values) != count or count < 2:
        msg = f"{file} is truncated or damaged: it claims {count} points and holds {len(found.values)}"
        raise FileError(msg)
    factor = _number(said, "XFACTOR", 1.0, file)
    first = _number(said, "FIRSTX", found.abscissas[0] * factor, file)
    step = number_of(said.get("DELTAX", "")) if "LASTX" not in said else None
    last = _number(said, "LASTX", first + step * (count - 1) if step else None, file)
    axis = np.linspace(first, last, count)
    delta = abs(last - first) / (count - 1)
    for place, index in zip(found.abscissas, found.indices, strict=True):
        if abs(place * factor - axis[index]) > 1.5 * delta + 1.01 * found.rounding * abs(factor):
            msg = (
                f"{file} is damaged: its X check fails at point {index}, which its line puts at {place * factor:g} and "
                f"the header at {axis[index]:g}"
            )
            raise FileError(msg)
    return axis, found.values * _number(said, "YFACTOR", 1.0, file)


def _paired(
    said: dict[str, str], lines: list[str], file: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    words = [word for line in lines for word in _PAIR.findall(line)]
    left = "".join(_PAIR.sub("", line) for line in lines)
    if len(words) % 2 or re.search(r"[^\s,;()<>]", left):
        msg = f"{file} is damaged: its table of pairs holds {len(words)} numbers and {left.strip()[:20]!r}"
        raise FileError(msg)
    numbers = np.array([np.nan if w == "?" else float(re.sub("[Dd]", "E", w)) for w in words])
    pairs = numbers.reshape(-1, 2)
    claimed = number_of(said.get("NPOINTS", ""))
    if claimed is not None and int(claimed) != len(pairs):
        msg = f"{file} is truncated or damaged: it claims {claimed:g} points and holds {len(pairs)}"
        raise FileError(msg)
    factors = _number(said, "XFACTOR", 1.0, file), _number(said, "YFACTOR", 1.0, file)
    return pairs[:, 0] * factors[0], pairs[:, 1] * factors[1]


def _worded(text: str) -> tuple[str, str | None]:
    """Return what an axis is that a program gives in its own words: ``CM^-1``, ``Raman shift (1/cm)``."""
    head = heading(text)
    unit = axis_unit(head.unit) or axis_unit(text)
    if head.kind is not None and not contradicts(head.kind, head.unit):
        return head.kind, unit or KINDS[head.kind].unit
    return ("wavenumber", "1/cm") if unit == "1/cm" else (UNNAMED, unit)


def _axis(text: str, what: str, file: str, axis: str | None) -> tuple[str, str | None, list[str]]:
    plain = " ".join(text.lower().strip().split())
    dim, unit = _UNITS.get(plain) or _worded(text)
    if dim == "wavenumber" and "RAMAN" in what.upper():
        dim = "raman_shift"
    if axis is None:
        note = [f"the file gives its axis in {text}"] if dim == UNNAMED and text else []
        return dim, unit, note
    axis_kind(axis)
    if dim not in (UNNAMED, axis):
        msg = f"{file} gives its axis in {text}, which is {dim}; axis='{axis}' contradicts it"
        raise FileError(msg)
    return axis, unit or KINDS[axis].unit, [f"the axis is {axis} because the caller says so"] if dim == UNNAMED else []


readers.add(
    "jcamp",
    Reader(
        name="jcamp",
        suffixes=(".jdx", ".dx", ".jcamp"),
        recognises=recognises,
        read=read,
        describes="JCAMP-DX",
        priority=1,
    ),
)
