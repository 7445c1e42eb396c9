"""Reference lines on the axis that is drawn, and what a comparison makes of them: relevant, ignored, unexplained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.checks.zones import ZoneTable
    from matxai.reference import ReferenceLines
    from matxai.report.curves.along import Along
    from napari_matxai.session.curves.spectrum import Spectrum

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sticks:
    """One reference's lines.

    Parameters
    ----------
    name, source
        Of the reference.
    places
        Where the lines lie on the plot, ``(n,)``.
    heights
        From 0 to 1, ``(n,)``.
    intensities
        As the reference says, ``(n,)``; NaN where nobody does.
    labels
        What is written at each.
    answers
        ``relevant``, ``ignored``, ``under another``, ``not read`` (beyond what the network saw), or empty where nothing
        was compared.
    """

    name: str
    source: str
    places: Floats
    heights: Floats
    intensities: Floats
    labels: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """What a comparison says of one place of the curve.

    Parameters
    ----------
    place
        On the axis of the plot.
    kind
        ``expected`` (a relevant zone that a line explains), ``unexplained`` (a relevant zone that none does).
    text
        A sentence for the pointer.
    """

    place: float
    kind: str
    text: str


def lines_for(name: str, spectrum: Spectrum) -> ReferenceLines:
    """Return the lines that a name, a CIF or a table stands for, for one spectrum.

    Raises
    ------
    MatxaiError
        If nothing is called so, the file is not there, or no line lies in its range.
    """
    from matxai.checks.references import reference_for

    return reference_for(name, spectrum.signal)


def sticks_of(lines: ReferenceLines, along: Along, table: ZoneTable | None) -> Sticks:
    """Return a reference's lines as sticks on the axis of the plot.

    Parameters
    ----------
    lines
        The reference.
    along
        The axis of the plot; lines of another wavelength are moved through their spacings.
    table
        The zones of the spectrum, where they were compared with this reference.

    Raises
    ------
    ExplanationError
        If the lines cannot be brought onto that axis.
    """
    from matxai.report.curves.along import sticks_on

    places = sticks_on(lines, along)
    intensities = lines.intensities
    # by the square root, as in print: a line of 1 % can still be seen
    heights = np.where(np.isnan(intensities), 0.6, np.sqrt(np.clip(intensities / 100.0, 0.0025, 1.0)))
    said = {e.label: e.answer for e in table.expected if e.reference == lines.name} if table is not None else {}
    labels = tuple(line.label for line in lines.lines)
    return Sticks(
        lines.name, lines.source, places, heights, intensities, labels, tuple(said.get(x, "") for x in labels)
    )


def short(label: str) -> str:
    """Return the first of several indices that share a line."""
    first, comma, _ = label.partition(",")
    return f"{first} …" if comma else first


def marks_of(table: ZoneTable, along: Along, measured: Along) -> tuple[Mark, ...]:
    """Return the zones that decided, by whether the reference explains them; none where nothing was compared."""
    if not table.reference:
        return ()
    marks = []
    for zone in table.relevant:
        if not zone.assignment:
            continue
        kind = "unexplained" if zone.assignment == "unexplained" else "expected"
        said = f"{zone.name}: relevant, " + (zone.assignment if kind == "expected" else "explained by no line")
        place = float(np.interp(zone.position, measured.places, along.places))
        if np.isfinite(place):
            marks.append(Mark(place, kind, said))
    return tuple(marks)


def nearest(sticks: tuple[Sticks, ...], place: float, within: float) -> tuple[str, float] | None:
    """Return the line nearest to a place and how far it is off, None where none lies within a distance."""
    best: tuple[str, float] | None = None
    for one in sticks:
        off = one.places - place
        if not np.isfinite(off).any():
            continue
        i = int(np.nanargmin(np.abs(off)))
        if abs(off[i]) <= within and (best is None or abs(off[i]) < abs(best[1])):
            best = f"{one.name} {short(one.labels[i])}", float(off[i])
    return best
