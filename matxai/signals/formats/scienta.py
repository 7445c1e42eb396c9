"""Text of Scienta Omicron (SES, ``.txt``): sections ``[Region n]``, ``[Info n]``, ``[Data n]``.

The axis stands twice: whole in the header, and as the first column of the data; they must agree. A region with angles
(dimension 2) is one spectrum for each of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

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

_SECTION = re.compile(r"\[(.+?)\s*(\d*)\]\s*$")
_TITLE = re.compile(r"(.*?)\s*(?:\[(.*)\])?$")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the text begins with the section ``[Info]`` and the number of regions."""
    start = head[:400].lstrip(b"\xef\xbb\xbf \r\n")
    return start.startswith(b"[Info]") and b"Number of Regions" in start


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the regions of the file; those on one axis, and the angles of one region, as a set.

    Raises
    ------
    FileError
        If a region has no data, fewer rows than it says, or an axis that its data contradict.
    """
    check_axis(path.name, options.axis)
    sections = _sections(text_of(path, options.limit))
    regions = sorted(int(n) for what, n in sections if what == "Region" and n.isdigit())
    if not regions:
        msg = f"{path.name} is a text of Scienta and has no section [Region 1]; export it again"
        raise FileError(msg)
    curves = [c for n in regions for c in _curves(path.name, str(n), sections, options.axis)]
    return items_of(curves, path.name)


def _sections(text: str) -> dict[tuple[str, str], tuple[int, list[str]]]:
    """Return for (name, number) of every section the number of its first line and its lines."""
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    here: list[str] = []
    for i, line in enumerate(text.split("\n")):
        if match := _SECTION.match(line):
            here = []
            found[match[1], match[2]] = (i + 2, here)
        elif line.strip():
            here.append(line.strip())
    return found


def _words(lines: list[str]) -> dict[str, str]:
    return {k.strip(): v.strip() for k, equals, v in (line.partition("=") for line in lines) if equals}


def _curves(
    file: str, n: str, sections: dict[tuple[str, str], tuple[int, list[str]]], wanted: str | None
) -> list[Curve]:
    region = _words(sections["Region", n][1])
    info = _words(sections.get(("Info", n), (0, []))[1])
    name = region.get("Region Name", f"region {n}")
    first, rows = sections.get(("Data", n), (0, []))
    size = number(region.get("Dimension 1 size"))
    if "Dimension 3 name" in region:
        msg = f"'{name}' in {file} has three dimensions; export its spectra one by one"
        raise FileError(msg)
    if not rows or size is None or len(rows) != size:
        said = "does not say how many" if size is None else f"claims {size:g}"
        msg = f"{file} is truncated or damaged: '{name}' {said} points, and {len(rows)} rows follow; copy it again"
        raise FileError(msg)
    table = columns(file, rows, first)
    scale = _scale(file, region, 1, name)
    if scale.shape != (len(table),) or not np.allclose(scale, table[:, 0], rtol=0, atol=1e-3):
        msg = f"the axis of '{name}' in {file} is another one in its header than in its data; export it again"
        raise FileError(msg)
    title = _TITLE.match(region.get("Dimension 1 name", ""))
    word = clean(title[1]) if title else None
    spectra = _spectra(file, name, region, table)
    attrs: dict[str, Any] = {
        "value_name": "counts",
        "metadata": {k: plain(v) for k, v in {**region, **info}.items() if v and not k.startswith("Dimension")},
    }
    photons = number(info.get("Excitation Energy"))
    if word in (BINDING, KINETIC):
        energies = {str(word): table[:, 0]}
        return [
            photoelectrons(file, spectrum, v, energies=energies, photon_energy=photons, axis=wanted, attrs=attrs)
            for spectrum, v in spectra.items()
        ]
    unit = title[2] if title else None
    return [Curve(spectrum, table[:, 0], v, word or UNNAMED, unit, attrs=attrs) for spectrum, v in spectra.items()]


def _scale(file: str, region: dict[str, str], dimension: int, name: str) -> np.ndarray[Any, Any]:
    text = region.get(f"Dimension {dimension} scale", "")
    try:
        return np.array([float(w) for w in text.split()])
    except ValueError as error:
        msg = f"the axis {dimension} of '{name}' in {file} is no list of numbers ({error})"
        raise FileError(msg) from error


def _spectra(
    file: str, name: str, region: dict[str, str], table: np.ndarray[Any, Any]
) -> dict[str, np.ndarray[Any, Any]]:
    if table.shape[1] == 2:
        return {name: table[:, 1]}
    places = _scale(file, region, 2, name)
    if len(places) != table.shape[1] - 1:
        msg = f"'{name}' in {file} has {table.shape[1] - 1} columns of values and {len(places)} places for them"
        raise FileError(msg)
    title = region.get("Dimension 2 name", "slice")
    names = unique([f"{name}, {title} {p:g}" for p in places])
    return {n: table[:, i + 1] for i, n in enumerate(names)}


readers.add(
    "scienta",
    Reader(
        name="scienta",
        suffixes=(".txt",),
        recognises=recognises,
        read=read,
        describes="Scienta text (SES)",
        priority=5,
        by_content=True,
    ),
)
