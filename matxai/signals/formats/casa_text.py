"""Text that CasaXPS exports: blocks of kinetic energy and counts, binding energy and counts a second, fits beside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.signals.formats.axes import clean
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import BINDING, KINETIC, check_axis, photoelectrons
from matxai.signals.spectra.text_lines import columns, text_of
from matxai.signals.vendors.calibration import number, plain

if TYPE_CHECKING:
    from pathlib import Path

_CELLS = {"K.E.": KINETIC, "B.E.": BINDING, "Counts": "counts", "CPS": "counts_per_second"}
_FACTS = re.compile(r"(Characteristic Energy eV|Acquisition Time s)\t\s*([^\t]+)")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the second line gives the source's energy as CasaXPS does, and a row of its column names follows."""
    return b"Characteristic Energy eV\t" in head[:400] and b"\nK.E.\t" in head


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the blocks; those on one axis as a set.

    Raises
    ------
    FileError
        If a block has no rows of numbers, or rows of different length.
    """
    check_axis(path.name, options.axis)
    lines = text_of(path, options.limit).split("\n")
    heads, starts = [], []
    head = 0
    for i, line in enumerate(lines):
        if "Characteristic Energy eV" in line:
            head = max(i - 1, 0)
        elif line.startswith("K.E.\t"):
            starts.append(i)
            heads.append(head)
    names = unique([lines[h].strip() or "block" for h in heads])
    ends = [*heads[1:], len(lines)]
    places = zip(heads, starts, ends, strict=True)
    curves = [_curve(path.name, n, lines, p, options.axis) for n, p in zip(names, places, strict=True)]
    return items_of(curves, path.name)


def _curve(file: str, name: str, lines: list[str], place: tuple[int, int, int], wanted: str | None) -> Curve:
    head, start, end = place
    rows = [line for line in lines[start + 1 : end] if line.strip()]
    labels = [word.strip() for word in lines[start].split("\t") if word.strip()]
    table = columns(file, rows, start + 2)
    if not len(table) or len(labels) != table.shape[1]:
        msg = f"{file}, line {start + 1}: {len(labels)} columns are named and {table.shape[1]} follow; export it again"
        raise FileError(msg)
    said: dict[str, Any] = {}
    for i, label in enumerate(labels):
        word = _CELLS.get(label) or clean(label) or f"column_{i + 1}"
        said[f"{word}_per_second" if word in said else word] = table[:, i]  # the second half is the first in counts/s
    facts = dict(_FACTS.findall("\n".join(lines[head:start])))
    time = number(facts.get("Acquisition Time s"))
    energies = {k: said.pop(k) for k in (KINETIC, BINDING) if k in said}
    values = said.pop("counts", None)
    if values is None:
        msg = f"'{name}' in {file} has no column of counts (it has {', '.join(labels)}); export it with its counts"
        raise FileError(msg)
    metadata = {"block": name, **({"collection_time": time} if time is not None else {})}
    metadata |= {k: plain(v) for k, v in _fits(lines[head:start]).items()}
    photons = number(facts.get("Characteristic Energy eV"))
    attrs = {"value_name": "counts", "value_unit": "counts", "metadata": metadata}
    return photoelectrons(
        file, name, values, energies=energies, photon_energy=photons, axis=wanted, beside=said, attrs=attrs
    )


def _fits(lines: list[str]) -> dict[str, str]:
    """Return the rows on fitted components that are not empty."""
    found = {}
    for line in lines:
        word, *rest = line.split("\t")
        if word in ("Name", "Position", "FWHM", "Area", "Lineshape") and any(r.strip() for r in rest):
            found[f"component_{word.lower()}"] = ", ".join(r.strip() for r in rest if r.strip())
    return found


readers.add(
    "casa_text",
    Reader(
        name="casa_text",
        suffixes=(".txt", ".csv", ".dat"),
        recognises=recognises,
        read=read,
        describes="CasaXPS text export",
        priority=5,
        by_content=True,
    ),
)
