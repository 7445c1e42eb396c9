"""Loops of B (or M) over H as text (``.csv``, ``.dat``): parametric curves, since H turns round.

The curve has two channels, H and B, over time where the table has it, else over the number of the point; H is a
coordinate besides. A table whose H runs one way (an initial curve) is B over H. The general reader of text does the
rest: this one takes a table whose heading names both.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.columns import runs_one_way, unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.headings import headings_of
from matxai.signals.spectra.naming import Heading, axis_unit, heading, slug
from matxai.signals.spectra.plain import decode, plain_text
from matxai.signals.spectra.tables import Table, tables_in

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

_FIELD = re.compile(
    r"h|(applied |magnetic |external )*field( strength)?( h)?|h ?field|h ?(applied|ext|meas)", re.IGNORECASE
)
_FLUX = re.compile(
    r"b|b ?(meas|avg)|(magnetic )?(induction|flux density|polari[sz]ation)( [bj])?|j|m|magneti[sz]ation|"
    r"(long(itudinal)? |dc |magnetic )?moment( m)?",
    re.IGNORECASE,
)
_UNITS = re.compile(
    r"[kM]?A/m|Oe|oersted|[mµu]?T|tesla|k?G|gauss|emu(/(g|cm.?3))?|A.?m.?2(/kg)?|a\.?u\.?|", re.IGNORECASE
)
_CELLS = re.compile(r"[\t;,|]| {2,}")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether one line of a text names both a magnetic field and a flux density or a moment, with such units."""
    text = decode(head)
    return text is not None and any(_names_both(line) for line in text.splitlines()[:60])


def _names_both(line: str) -> bool:
    cells = [heading(c) for c in _CELLS.split(line.strip().lstrip("#%! "))]
    return _column(cells, _FIELD) is not None and _column(cells, _FLUX) is not None


def _column(heads: list[Heading], pattern: re.Pattern[str]) -> int | None:
    names = (" ".join(h.name.replace("_", " ").split()) for h in heads)
    return next(
        (i for i, n in enumerate(names) if pattern.fullmatch(n) and _UNITS.fullmatch(heads[i].unit.strip())), None
    )


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the loops of the file.

    Raises
    ------
    FileError
        If no rows follow the heading, or the axis asked for turns round.
    """
    refuse_choices(path, "a text", ReadOptions(dataset=options.dataset))
    tables = [t for t in tables_in(plain_text(path, options.limit)) if len(t.columns) > 1]
    curves = []
    for table in tables:
        heads = list(headings_of(table))
        field, flux = _column(heads, _FIELD), _column(heads, _FLUX)
        if field is not None and flux is not None:
            curves.append(_curve(path.name, path.stem, table, heads, (field, flux), options.axis))
    if not curves:
        msg = f"{path.name} names H and B in its heading and holds no rows of numbers below it"
        raise FileError(msg)
    names = unique([c.name for c in curves])
    return items_of([replace(c, name=n) for c, n in zip(curves, names, strict=True)], path.name)


def _curve(
    file: str, name: str, table: Table, heads: list[Heading], places: tuple[int, int], wanted: str | None
) -> Curve:
    field, flux = places
    whole = np.isfinite(table.columns[:, [field, flux]]).all(axis=1)
    columns = table.columns[whole]
    h, b = columns[:, field], columns[:, flux]
    units = [axis_unit(heads[i].unit) or heads[i].unit for i in places]
    notes = [*table.notes]
    if left := int((~whole).sum()):
        notes.append(f"{left} rows without H or B were left out")
    others = [i for i in range(columns.shape[1]) if i not in places]
    time = next((i for i in others if heads[i].kind == "time" and runs_one_way(columns[:, i])), None)
    beside = {slug(heads[i].name): columns[:, i] for i in others if i != time and heads[i].text}
    attrs: dict[str, Any] = {"value_name": heads[flux].name, "value_unit": units[1]}
    known = {"field": units[0]} if units[0] else {}
    if runs_one_way(h) and wanted in (None, "field"):
        said = {**attrs, **({"notes": notes} if notes else {})}
        return Curve(name, h, b, "field", units[0] or None, beside, said)
    place, dim = _parameter(file, columns, time, wanted)
    over = "time" if dim == "time" else "the number of the point"
    notes.append(f"H turns round: this is a loop over {over}, with H as the coordinate 'field'")
    attrs |= {"value_name": f"{heads[field].name}, {heads[flux].name}", "value_unit": ", ".join(units), "notes": notes}
    values = np.stack([h, b], axis=1)
    unit = heads[time].unit if time is not None and dim == "time" else None
    channels = (heads[field].name, heads[flux].name)
    return Curve(name, place, values, dim, unit or None, {"field": h, **beside}, attrs, known, channels)


def _parameter(
    file: str, columns: npt.NDArray[Any], time: int | None, wanted: str | None
) -> tuple[npt.NDArray[Any], str]:
    if wanted not in (None, UNNAMED, "time") or (wanted == "time" and time is None):
        has = "time and " if time is not None else ""
        msg = (
            f"{file} holds a loop, which has no axis '{wanted}' (H turns round); it has {has}the number of the point "
            f"(axis), and H beside it as the coordinate 'field'"
        )
        raise FileError(msg)
    if time is None or wanted == UNNAMED:
        return np.arange(len(columns), dtype=float), UNNAMED
    return columns[:, time], "time"


readers.add(
    "bh_loop",
    Reader(
        name="bh_loop",
        suffixes=(".csv", ".dat", ".txt"),
        recognises=recognises,
        read=read,
        describes="B-H loop (text)",
        priority=5,
        by_content=True,
    ),
)
