"""Raman spectra as BWTek's BWSpec and BWRam write them: ``key;value`` lines, then a table divided by semicolons.

Pixels outside of the calibrated range have no Raman shift; their rows are left out and counted. The dark-subtracted
intensities are the signal; raw data, dark, reference and the other axes stand beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.axes import KINDS
from matxai.signals.spectra.columns import named_axis, unique, units_of
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.headings import headings_of
from matxai.signals.spectra.naming import Heading, slug
from matxai.signals.spectra.plain import decode, plain_text
from matxai.signals.spectra.said import facts_of, metadata_of, number_of
from matxai.signals.spectra.tables import Table, tables_in

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = re.compile(r"\ufeff?\s*File Version\s*[;,\t]\s*BW")
_SIGNALS = ("dark subtracted", "raw data")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first line names a version of BWTek's programs."""
    return head[:3] in (b"Fil", b"\xef\xbb\xbf", b"\xff\xfeF") and _MAGIC.match(decode(head) or "") is not None


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the dark-subtracted spectrum (a set where the file has several) over the Raman shift.

    Raises
    ------
    FileError
        If there is no table, no such axis, or no intensities.
    """
    refuse_choices(path, "a BWTek text", ReadOptions(dataset=options.dataset))
    tables = tables_in(plain_text(path, options.limit))
    if len(tables) != 1:
        msg = f"{path.name} is truncated or no BWTek file: it has {len(tables)} tables of numbers and should have one"
        raise FileError(msg)
    table = tables[0]
    columns = table.columns
    heads = headings_of(table)
    place = _axis_column(heads, path.name, options.axis)
    dim, unit, _ = named_axis(heads[place], path.name, None)
    signals = _signal_columns(heads, path.name)
    metadata = metadata_of(table.header)
    laser = number_of(str(metadata.get("laser_wavelength", "")))
    attrs = {"metadata": metadata, **facts_of(metadata), **({"laser_wavelength": laser} if laser else {})}
    beside = {_coordinate(h): columns[:, i] for i, h in enumerate(heads) if h.text and i not in (place, *signals)}
    units = units_of([h for h in heads if h.kind])
    names = unique([heads[i].name for i in signals]) if len(signals) > 1 else [path.stem]
    notes = [f"the signal is '{heads[signals[0]].text}'; the file's other columns stand beside it"]
    curves = [
        Curve(name, columns[:, place], columns[:, i], dim, unit, beside, _attrs(table, attrs, heads[i], notes), units)
        for i, name in zip(signals, names, strict=True)
    ]
    return items_of(curves, path.name)


def _attrs(table: Table, attrs: dict[str, object], head: Heading, notes: list[str]) -> dict[str, object]:
    return {**attrs, "value_name": head.text, "notes": [*table.notes, *notes]}


def _coordinate(head: Heading) -> str:
    return head.kind if head.kind in KINDS and head.kind is not None else slug(head.text)


def _axis_column(heads: tuple[Heading, ...], file: str, axis: str | None) -> int:
    kinds = {h.kind: i for i, h in enumerate(heads) if h.kind}
    wanted = axis or "raman_shift"
    if wanted in kinds:
        return kinds[wanted]
    if axis is None and kinds:
        return next(iter(kinds.values()))
    if not kinds:
        msg = f"{file} is damaged: the heading above its columns names no axis (Raman Shift, Wavelength); copy it again"
        raise FileError(msg)
    msg = f"{file} has no axis '{wanted}'; it has {', '.join(str(k) for k in kinds)}. Name one with axis=..."
    raise FileError(msg)


def _signal_columns(heads: tuple[Heading, ...], file: str) -> list[int]:
    for wanted in _SIGNALS:
        found = [i for i, h in enumerate(heads) if h.text.lower().startswith(wanted)]
        if found:
            return found
    msg = f"{file} has neither a column 'Dark Subtracted' nor 'Raw data'; it has {', '.join(h.text for h in heads)}"
    raise FileError(msg)


readers.add(
    "bwtek",
    Reader(
        name="bwtek",
        suffixes=(".txt", ".csv"),
        recognises=recognises,
        read=read,
        describes="BWTek Raman text",
        by_content=True,
    ),
)
