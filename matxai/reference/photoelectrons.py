"""XPS binding energies of solids, doublets and Auger lines.

General tables give nitrogen, oxygen and fluorine as gases, 10 to 13 eV too high: here are the values of solids, with
the state they were measured in. Levels that the table of solids does not have come from the edges of the elements and
say so. Area ratios of a doublet are those of 2 j + 1. A row of the tables names every source that supports it; rows
that rest on a print that was not at hand when they were checked say so: ``compared`` is False.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from matxai.errors import MatxaiError, nearest
from matxai.reference.levels import GASES, elements, level_energies
from matxai.reference.levels import SOURCE as EDGES
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.shipped import rows

SOURCES = {
    "B": "Biesinger et al., Appl. Surf. Sci. 257, 887 (2010) and 257, 2717 (2011)",
    "C": "Cardiff University, XPSaccess, reference energies",
    "D": "X-ray Data Booklet (2009), table 1-1",
    "H": "Moulder, Stickle, Sobol & Bomben, Handbook of X-ray Photoelectron Spectroscopy (1992)",
    "I": "Iaiche et al., J. Spectrosc. 2015, 836859",
    "L": "The XPS Library, chemical states from survey spectra",
    "N": "HarwellXPS, knowledge base of the elements",
    "T": "Thermo Fisher Scientific, XPS learning centre, table of the elements",
    "X": "Biesinger, X-ray Photoelectron Spectroscopy Reference Pages (xpsfitting.com)",
}
FROM_MEMORY = {"B", "H"}
"""Sources whose print was not at hand when the tables were checked: alone they leave a row without a comparison."""
JS = {"s": ("", ""), "p": ("3/2", "1/2"), "d": ("5/2", "3/2"), "f": ("7/2", "5/2")}
RATIOS = {"p": 1 / 2, "d": 2 / 3, "f": 3 / 4}
"""Area of the line of the smaller j against that of the larger."""
X_RAY_NAMES = {
    "1s": "K", "2s": "L1", "2p1/2": "L2", "2p3/2": "L3",
    "3s": "M1", "3p1/2": "M2", "3p3/2": "M3", "3d3/2": "M4", "3d5/2": "M5",
}  # fmt: skip


class Level(NamedTuple):
    """One row of the table: of a doublet the line of the larger j."""

    element: str
    level: str
    state: str
    energy: float
    uncertainty: float
    splitting: float | None
    sources: str


def binding_energies(what: str) -> ReferenceLines:
    """Return photoelectron lines: of a level (``"Fe 2p"``, ``"Fe 2p3/2"``), an element, or a compound (``"Fe2O3"``).

    Each line has the facts ``element``, ``level``, ``state``, ``uncertainty`` (eV), ``splitting`` (eV), ``area_ratio``,
    ``source``, ``compared`` (False where nothing but the memory of a print supports it) and ``solid`` (False where only
    the table of elements has it). The larger j has the intensity 100.

    Raises
    ------
    MatxaiError
        If nothing is known of it.

    Examples
    --------
    >>> [line.label for line in binding_energies("Au 4f").lines]
    ['Au 4f7/2 Au (metal)', 'Au 4f5/2 Au (metal)']
    """
    words = what.split()
    asked = words[0] if words else ""
    states = {level.state for level in _solids()}
    compound = " ".join(words) if " ".join(words) in states else None
    lines: list[ReferenceLine] = []
    if compound is not None:
        lines = [line for level in _solids() if level.state == compound for line in _doublet(level)]
    elif len(words) in {1, 2}:
        own = [level for level in _solids() if level.element == asked]
        lines = [line for level in own for line in _doublet(level)]
        lines += _of_elements(asked, {str(line.facts["level"]) for line in lines}) if asked in elements() else []
        if len(words) == 2:
            lines = [line for line in lines if str(line.facts["level"]).startswith(words[1])]
    if not lines:
        known = sorted({f"{x.element} {x.level}" for x in _solids()} | states)
        msg = f"No binding energy is known of '{what}'. {nearest(what, known, label='There are')}"
        raise MatxaiError(msg)
    lines.sort(key=lambda line: line.position)
    return ReferenceLines(f"XPS of {what}", "binding_energy", "eV", tuple(lines), _together(lines), {"of": what})


def auger_lines(element: str) -> ReferenceLines:
    """Return the Auger lines of an element, by kinetic energy in eV: the source does not move them there.

    Raises
    ------
    MatxaiError
        If none is known of it.
    """
    table = rows("auger")
    found = []
    for symbol, name, state, energy, error, by in table:
        if symbol == element:
            facts = {"state": state, "uncertainty": float(error), **_cited(by)}
            found.append(ReferenceLine(float(energy), f"{symbol} {name} {state}", facts=facts))
    if not found:
        known = sorted({row[0] for row in table})
        msg = f"No Auger line is known of '{element}'. {nearest(element, known, label='There are')}"
        raise MatxaiError(msg)
    found.sort(key=lambda line: line.position)
    own = {"element": element}
    return ReferenceLines(f"Auger of {element}", "kinetic_energy", "eV", tuple(found), _together(found), own)


def _cited(letters: str) -> dict[str, object]:
    """What a row says of its sources: their names, and whether they were compared."""
    return {"source": "; ".join(SOURCES[letter] for letter in letters), "compared": not set(letters) <= FROM_MEMORY}


def _together(lines: list[ReferenceLine]) -> str:
    """Every source that one of the lines names, once."""
    return "; ".join(sorted({name for line in lines for name in str(line.facts["source"]).split("; ")}))


@functools.cache
def _solids() -> tuple[Level, ...]:
    return tuple(
        Level(element, level, state, float(energy), float(error), float(split) if split else None, by)
        for element, level, state, energy, error, split, by in rows("binding_energies")
    )


def _doublet(level: Level) -> list[ReferenceLine]:
    """The lines of a level: two where it is split by more than a spectrometer hides, else one."""
    letter = level.level[-1]
    facts = {
        "element": level.element,
        "state": level.state,
        "uncertainty": level.uncertainty,
        **_cited(level.sources),
        "solid": True,
    }
    if level.splitting is None:
        own = {**facts, "level": level.level}
        return [ReferenceLine(level.energy, f"{level.element} {level.level} {level.state}", 100.0, own)]
    high, low = JS[letter]
    both = {**facts, "splitting": level.splitting, "area_ratio": RATIOS[letter]}
    return [
        ReferenceLine(
            level.energy + shift,
            f"{level.element} {level.level}{j} {level.state}",
            100.0 * share,
            {**both, "level": f"{level.level}{j}"},
        )
        for j, shift, share in ((high, 0.0, 1.0), (low, level.splitting, RATIOS[letter]))
    ]


def _of_elements(element: str, there: set[str]) -> list[ReferenceLine]:
    """Levels that the table of solids lacks, from the edges; never those that are a gas's."""
    if element in GASES:
        return []
    energies = level_energies(element)
    found = []
    for name, x_ray in X_RAY_NAMES.items():
        if x_ray in energies and not any(level.startswith(name[:2]) for level in there):
            facts = {"element": element, "level": name, "state": "element", "uncertainty": 1.0, "source": EDGES}
            facts["compared"] = True
            found.append(ReferenceLine(energies[x_ray], f"{element} {name}", float("nan"), {**facts, "solid": False}))
    return found
