"""Absorption edges and X-ray emission lines of the elements.

Elam, Ravel & Sieber, Radiat. Phys. Chem. 63, 121 (2002), by way of XrayDB. Edges are those of the elements as metals
where these are solid; nitrogen, oxygen, fluorine and the noble gases are those of the gas, some ten electronvolts above
the edge in a solid. Emission lines are good to an electronvolt or two.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from matxai.errors import MatxaiError, nearest
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.shipped import rows

SOURCE = "Elam, Ravel & Sieber, Radiat. Phys. Chem. 63, 121 (2002)"
GASES = {"N": 10.0, "O": 13.0, "F": 12.0, "Ne": 1.0, "Cl": 3.0, "Ar": 1.0, "Kr": 1.0, "Xe": 1.0, "Br": 3.0}
"""Elements whose edges are those of the gas, with how far a solid's may lie away, in eV."""


class Element(NamedTuple):
    """Edges in eV by level, and emission lines as (name, energy, share of the vacancies, level)."""

    edges: dict[str, float]
    emission: tuple[tuple[str, float, float, str], ...]


def edges(element: str) -> ReferenceLines:
    """Return the absorption edges K, L1 to L3, M1 to M5 of an element, in eV.

    Raises
    ------
    MatxaiError
        If the element is not in the table (lithium to uranium).

    Examples
    --------
    >>> [(line.label, line.position) for line in edges("Fe").lines if line.label == "Fe K"]
    [('Fe K', 7112.0)]
    """
    found = level_energies(element)
    error = GASES.get(element, 1.0)
    facts = {"uncertainty": error, "gas": element in GASES}
    lines = [ReferenceLine(e, f"{element} {level}", facts={**facts, "level": level}) for level, e in found.items()]
    lines.sort(key=lambda line: line.position)
    return ReferenceLines(f"edges of {element}", "energy", "eV", tuple(lines), SOURCE, {"element": element})


def emission(element: str) -> ReferenceLines:
    """Return the K, L and M emission lines of an element, in eV; the strongest of each series has 100.

    Raises
    ------
    MatxaiError
        If the element is not in the table, or has no line over 50 eV.
    """
    found = _known(element).emission
    strongest: dict[str, float] = {}
    for _, _, share, level in found:
        strongest[level[0]] = max(share, strongest.get(level[0], 0.0))
    lines = [
        ReferenceLine(
            energy, f"{element} {name}", 100 * share / strongest[level[0]], {"level": level, "uncertainty": 2.0}
        )
        for name, energy, share, level in found
    ]
    lines.sort(key=lambda line: line.position)
    return ReferenceLines(f"emission of {element}", "energy", "eV", tuple(lines), SOURCE, {"element": element})


def elements() -> list[str]:
    """Return the elements that have edges here."""
    return list(_table())


def level_energies(element: str) -> dict[str, float]:
    """Return the energies in eV of the levels of an element by their X-ray names: ``{"K": 7112.0, "L1": ...}``.

    Raises
    ------
    MatxaiError
        If the element is not in the table.
    """
    return dict(_known(element).edges)


def _known(element: str) -> Element:
    table = _table()
    if element not in table:
        offered = nearest(element, table, label="There are")
        msg = f"There are no edges of '{element}'; write an element's symbol from Li to U. {offered}"
        raise MatxaiError(msg)
    return table[element]


@functools.cache
def _table() -> dict[str, Element]:
    found = {}
    for symbol, levels, lines in rows("elam", ";"):
        own = dict(part.split("=") for part in levels.split())
        sent = []
        for part in lines.split():
            name, _, numbers = part.partition("=")
            energy, share, level = numbers.split("/")
            sent.append((name, float(energy), float(share), level))
        found[symbol] = Element({level: float(e) for level, e in own.items()}, tuple(sent))
    return found
