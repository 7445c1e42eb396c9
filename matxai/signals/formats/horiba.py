"""Raman spectra and maps as Horiba's LabSpec writes them as text: ``#Acq. time (s)=`` lines, then columns or rows.

A single spectrum is two columns; a series or a map has the axis in its first row, behind the blanks of its coordinates.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.columns import curves_of
from matxai.signals.spectra.curve import items_of
from matxai.signals.spectra.naming import axis_unit, contradicts
from matxai.signals.spectra.plain import Plain, decode, plain_text
from matxai.signals.spectra.said import metadata_of, number_of
from matxai.signals.spectra.tables import bare, tables_in
from matxai.signals.spectra.wide import wide_in

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = re.compile(r"^#\s*(Acq\. time|Accumulations|AxisType\[\d\]|AxisUnit\[\d\])[^=\n]*=", re.MULTILINE)
_KINDS = {"1/cm": "raman_shift", "nm": "wavelength", "eV": "energy"}


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first lines are LabSpec's."""
    return b"=" in head and head.lstrip(b"\xef\xbb\xbf\xff\xfe")[:1] == b"#" and bool(_MAGIC.search(decode(head) or ""))


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the spectrum, or the spectra of a series or map as one set.

    The axis is what ``AxisUnit[1]`` says (1/cm is the Raman shift); a file without it has the dim ``axis`` unless
    ``axis=`` names it.

    Raises
    ------
    FileError
        If there are no rows of numbers, or ``axis=`` contradicts the file.
    """
    refuse_choices(path, "a LabSpec text", ReadOptions(dataset=options.dataset))
    text = plain_text(path, options.limit)
    metadata = metadata_of([bare(line)[0] for line in text.lines if line.startswith("#")])
    kind, unit = _axis(metadata)
    if options.axis is not None and kind is not None and options.axis != kind:
        msg = f"{path.name} says that its axis is in {unit}, which is {kind}; axis='{options.axis}' contradicts it"
        raise FileError(msg)
    attrs, who = _attrs(metadata), "the header" if kind else "the caller"
    body = Plain(text.name, ["" if line.startswith("#") else line for line in text.lines], text.encoding, text.ended)
    wide = wide_in(body)
    if wide is not None:
        axis = options.axis or kind

        def load() -> Any:
            found = wide.signal(path.name, axis, who)
            found.attrs.update(attrs)
            return found

        return [Item(path.stem, load, wide.values.shape, "float64")]
    curves = [
        replace(curve, attrs={**curve.attrs, **attrs})
        for table in tables_in(body)
        for curve in curves_of(table, file=path.name, name=path.stem, axis=options.axis or kind, who=who)
    ]
    return items_of(curves, path.name)


def _axis(metadata: dict[str, Any]) -> tuple[str | None, str]:
    unit = axis_unit(str(metadata.get("AxisUnit[1]", ""))) or ""
    kind = _KINDS.get(unit)
    return (None, unit) if kind is None or contradicts(kind, unit) else (kind, unit)


def _attrs(metadata: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": metadata}
    laser = next((number_of(str(v)) for k, v in metadata.items() if re.match(r"Laser ?\(nm\)", k)), None)
    if laser:
        found["laser_wavelength"] = laser
    if metadata.get("AxisUnit[0]"):
        found["value_unit"] = metadata["AxisUnit[0]"]
    return found


readers.add(
    "horiba",
    Reader(
        name="horiba",
        suffixes=(".txt",),
        recognises=recognises,
        read=read,
        describes="Horiba LabSpec text",
        by_content=True,
    ),
)
