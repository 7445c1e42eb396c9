"""Text of SPECS (SpecsLab 2, Prodigy; ``.xy``): ``# Key: value`` above each region, rows of energy and counts.

The suffix says nothing (most ``.xy`` files are diffraction); the first lines name the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.signals.formats.axes import clean
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import BINDING, KINETIC, check_axis, photoelectrons
from matxai.signals.spectra.text_lines import columns, text_of
from matxai.signals.vendors.calibration import number, plain

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = re.compile(r"(Cycle|Curve|Scan):\s*(\d+)")


@dataclass
class _Block:
    """Rows that follow one another, and what stood above them."""

    words: dict[str, str]
    place: str
    first_line: int
    rows: list[str] = field(default_factory=list)


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first lines name SpecsLab or its XY serializer."""
    start = head[:600]
    return start.lstrip(b"\xef\xbb\xbf").startswith(b"#") and (b"SpecsLab" in start or b"XY-Serializer" in start)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the regions of the file; scans and cycles on one axis are a set.

    Raises
    ------
    FileError
        If a row is no row of numbers, or a region holds fewer values than it says.
    """
    check_axis(path.name, options.axis)
    blocks = _blocks(text_of(path, options.limit))
    if not blocks:
        msg = f"{path.name} is a text of SPECS and holds no rows of numbers; export it again with its data"
        raise FileError(msg)
    regions = [b.words.get("Region", "region") for b in blocks]
    names = unique([f"{r} {b.place}" if regions.count(r) > 1 else r for r, b in zip(regions, blocks, strict=True)])
    return items_of([_curve(path.name, n, b, options.axis) for n, b in zip(names, blocks, strict=True)], path.name)


def _blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    settings: dict[str, str] = {}
    words: dict[str, str] = {}
    place, open_block = "", False
    for i, line in enumerate(text.split("\n")):
        said = line.strip()
        if said.startswith("#"):
            open_block = False
            key, colon, value = said.lstrip("# ").partition(":")
            if not colon:
                continue
            if key == "Region":
                settings = settings or dict(words)  # what stands above the first region holds for all
                words = {**settings, **({"Group": words["Group"]} if "Group" in words else {})}
            if key in ("Cycle", "Curve", "Scan"):
                place = ", ".join(f"{k.lower()} {n}" for k, n in _PLACE.findall(said))
            else:
                words[key.strip()] = value.strip()
        elif said:
            if not open_block:
                blocks.append(_Block(dict(words), place, i + 1))
                open_block = True
            blocks[-1].rows.append(said)
    return blocks


def _curve(file: str, name: str, block: _Block, wanted: str | None) -> Curve:
    table = columns(file, block.rows, block.first_line)
    words = block.words
    claimed = number(words.get("Values/Curve"))
    if claimed is not None and claimed > len(table):
        msg = (
            f"{file} is truncated: '{name}' says that it has {claimed:g} values, and {len(table)} follow; copy it again"
        )
        raise FileError(msg)
    labels = words.get("ColumnLabels", "energy counts").split()
    labels += [f"column_{i + 1}" for i in range(len(labels), table.shape[1])]
    beside = {clean(labels[i]) or f"column_{i + 1}": table[:, i] for i in range(2, table.shape[1])}
    attrs: dict[str, Any] = {
        "value_name": labels[1].split("/")[0],
        "value_unit": "counts/s" if labels[1].endswith("/s") else "counts",
        "metadata": {k: plain(v) for k, v in words.items() if v and k != "XY-Serializer Export Settings"},
    }
    if (function := number(words.get("Eff. Workfunction"))) is not None:
        attrs["work_function"] = function
    if labels[0] != "energy":
        return Curve(name, table[:, 0], table[:, 1], clean(labels[0]) or UNNAMED, None, beside, attrs)
    kind = BINDING if words.get("Energy Axis", "").startswith("Binding") else KINETIC
    photons = number(words.get("Excitation Energy"))
    energies = {kind: table[:, 0]}
    return photoelectrons(
        file, name, table[:, 1], energies=energies, photon_energy=photons, axis=wanted, beside=beside, attrs=attrs
    )


readers.add(
    "specs_text",
    Reader(
        name="specs_text",
        suffixes=(".xy", ".txt"),
        recognises=recognises,
        read=read,
        describes="SPECS text (SpecsLab, Prodigy)",
        priority=5,
        by_content=True,
    ),
)
