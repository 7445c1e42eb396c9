"""Tables of text (``.xy .xye .csv .dat .txt .asc .tsv .prn`` and others): spectra in columns, in pairs, in rows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai.signals.reader import HEAD_BYTES, Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.axes import KINDS
from matxai.signals.spectra.columns import curves_of, unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.plain import Plain, decode, encoding_of, plain_text
from matxai.signals.spectra.tables import Table, tables_in
from matxai.signals.spectra.wide import Wide, wide_in
from matxai.signals.vendors.sidecars import maker_of

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".xy", ".xye", ".csv", ".dat", ".txt", ".asc", ".tsv", ".prn")
_LOOKED_AT = 2**18
_MARKUP = (".json", ".xml", ".html", ".htm", ".svg", ".yaml", ".yml", ".md", ".rst", ".toml", ".py", ".ipynb", ".tex")
_HINTS = (
    ("two_theta", re.compile(r"(2|two)[-_ ]?theta|2th(?![a-z])", re.IGNORECASE)),
    ("raman_shift", re.compile(r"raman", re.IGNORECASE)),
)


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file is text with rows of numbers; of other suffixes than these, text that is mostly such rows."""
    if not head or encoding_of(head, whole=len(head) < HEAD_BYTES) is None:
        return False
    suffix = path.suffix.lower()
    text = decode(head) or ""
    if suffix in _MARKUP or text.lstrip("\ufeff \t\r\n").startswith(("{", "<", "data_")) or maker_of(text):
        return False
    whole = len(head) < HEAD_BYTES
    if _holds_spectra(path, text, whole=whole):
        return True
    if whole or suffix not in SUFFIXES:
        return False
    with path.open("rb") as file:  # a header longer than the first bytes
        return _holds_spectra(path, decode(file.read(_LOOKED_AT)) or "", whole=path.stat().st_size <= _LOOKED_AT)


def _holds_spectra(path: Path, text: str, *, whole: bool) -> bool:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    plain = Plain(path.name, lines if whole else lines[:-1] or lines, "", ended=True)
    ours = path.suffix.lower() in SUFFIXES
    try:
        tables = tables_in(plain)
        return (bool(tables) and (ours or _mostly(tables, plain))) or (ours and wide_in(plain) is not None)
    except FileError:
        return ours  # damaged rows of numbers: reading says which


def _mostly(tables: list[Table], plain: Plain) -> bool:
    rows = sum(len(table.columns) for table in tables)
    return rows >= 8 and 2 * rows > sum(bool(line.strip()) for line in plain.lines) - len(tables[0].header)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the curves of a text; columns and blocks on one axis are a set, spectra in rows as well.

    Raises
    ------
    FileError
        If it holds no rows of numbers, no axis, a damaged or truncated row, or contradicts ``axis=``.
    UnsafeFileError
        If it is too large.
    """
    refuse_choices(path, "a text", ReadOptions(dataset=options.dataset))
    text = plain_text(path, options.limit)
    wide = wide_in(text)
    if wide is not None:
        return [_wide_item(wide, path, options.axis)]
    tables = tables_in(text)
    if not tables:
        msg = f"{path.name} is text without rows of numbers and holds no spectrum"
        raise FileError(msg)
    xye = path.suffix.lower() == ".xye"
    curves: list[Curve] = []
    for number, table in enumerate(tables):
        name = path.stem if len(tables) == 1 else title_of(table) or f"block {number + 1}"
        found = curves_of(table, file=path.name, name=name, axis=options.axis, third_is_sigma=xye)
        if len(tables) > 1:
            found = [replace(c, name=name if len(found) == 1 else f"{name}: {c.name}") for c in found]
        curves += found
    names = unique([curve.name for curve in curves])
    curves = [replace(curve, name=name) for curve, name in zip(curves, names, strict=True)]
    hint = hint_of(path.name)
    if hint is not None and any(curve.dim not in KINDS for curve in curves):
        said = f"the name suggests that the axis is {hint}; the file does not say so, axis='{hint}' would"
        curves = [_noted(c, said) if c.dim not in KINDS else c for c in curves]
    return items_of(curves, path.name)


def title_of(table: Table) -> str:
    """Return what the lines above a block call it: a line with ``region`` or ``name`` in its key, or the first one."""
    for line in table.header:
        match = re.match(
            r"(?:region|spectrum|sample|scan|block|title)(?: name)?\s*[:=]\s*(\S.{0,60})", line, re.IGNORECASE
        )
        if match:
            return match[1].strip()
    first = next((line for line in table.header if re.search(r"[^\W\d_]", line)), "")
    return first[:60].strip()


def hint_of(name: str) -> str | None:
    """Return the axis that a file's name suggests; it is shown and not used."""
    return next((kind for kind, pattern in _HINTS if pattern.search(name)), None)


def _noted(curve: Curve, note: str) -> Curve:
    return replace(curve, attrs={**curve.attrs, "notes": [*curve.attrs.get("notes", []), note]})


def _wide_item(wide: Wide, path: Path, axis: str | None) -> Item:
    hint = hint_of(path.name) if axis is None else None
    if hint is not None:
        wide.notes.append(f"the name suggests that the axis is {hint}; axis='{hint}' would say so")
    return Item(path.stem, lambda: wide.signal(path.name, axis), wide.values.shape, "float64")


readers.add(
    "text",
    Reader(
        name="text",
        suffixes=SUFFIXES,
        recognises=recognises,
        read=read,
        describes="table of numbers (text)",
        priority=-10,
        by_content=True,
    ),
)
