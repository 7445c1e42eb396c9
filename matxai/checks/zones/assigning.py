"""Which line of a reference each zone is, and which expected line no map cares for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.zones.records import (
    DECIDED,
    IGNORED,
    NOT_READ,
    RELEVANT,
    UNEXPLAINED,
    ExpectedLine,
    ZoneTable,
    positive,
)
from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference import ReferenceLine, ReferenceLines
    from matxai.regions import CurveZones

WEAKEST = 1.0
"""Intensity, of 100, below which a line of a reference is not expected to be seen."""
MATCHED = ("peak", "doublet", "shoulder")
"""Kinds of zones that lines are looked for at; of an edge it is E0, which is the white line's."""


@dataclass(frozen=True)
class LinePlace:
    """One expected line on a curve.

    Parameters
    ----------
    reference
        Name of what expects it.
    label, intensity
        As the reference says.
    position
        Where it should be on this curve, shifts and lattice included where they were fitted.
    zone
        Number of the zone that shows it, or None.
    """

    reference: str
    label: str
    intensity: float | None
    position: float
    zone: int | None


@dataclass(frozen=True)
class Compared:
    """A curve's zones matched with references.

    Parameters
    ----------
    lines
        Those inside of the curve, one reference after the other.
    assigned
        Number of a zone -> its label and how far it lies from the line.
    asked
        Numbers of the zones that were matched: the others need no explanation.
    sentences
        What was fitted, and what cannot be told.
    """

    lines: tuple[LinePlace, ...]
    assigned: dict[int, tuple[str, float]]
    asked: tuple[int, ...]
    sentences: tuple[str, ...]


def compared(
    cut: CurveZones, references: Sequence[ReferenceLines], dim: str, tolerance: float | None = None
) -> Compared:
    """Match the zones of a curve with references, all at once (:func:`matxai.reference.match`).

    Parameters
    ----------
    cut
        The division of the curve.
    references
        One or several, on the curve's axis.
    dim
        What that is called; an axis without a name is taken as the references'.
    tolerance
        As :func:`matxai.reference.match` takes it.

    Raises
    ------
    RegionError
        If a reference lies on another kind of axis, or none of its lines inside the curve; if two are called alike.
    """
    from matxai.reference import match

    low, high = float(cut.axis[0]), float(cut.axis[-1])
    inside = _inside(references, dim, low, high)
    edge = cut.how == "edge"
    kinds = ("white_line",) if edge else MATCHED
    asked = tuple(n for n, z in enumerate(cut.zones) if z.kind in kinds and z.source == "curve")
    said = [cut.zones[n].evidence for n in asked]
    positions = np.array([float(e["e0"] if edge else e["position"]) for e in said])
    if not asked:
        own = tuple(LinePlace(name, x.label, _known(x.intensity), x.position, None) for name, x in inside)
        return Compared(own, {}, (), ("The curve has no peak to match with the reference.",))
    order = np.argsort(positions, kind="stable")
    widths = np.array([e["fwhm"] for e in said], float)[order]
    found = match(
        positions[order],
        list(references),
        widths=widths if np.isfinite(widths).all() else None,
        heights=None if edge else np.maximum(np.array([e["height"] for e in said], float)[order], 0.0),
        measured=(low, high),
        tolerance=tolerance,
        least=WEAKEST,
        draws=0,
    )
    of = [asked[i] for i in order]
    assigned = {
        of[i]: (p.assignment, float("nan") if p.difference is None else p.difference)
        for i, p in enumerate(found.peaks)
        if p.assignment != UNEXPLAINED
    }
    straight = found.axis == references[0].axis
    lines = tuple(
        LinePlace(x.reference, x.line.label, _known(x.line.intensity), x.expected if straight else x.line.position,
                  None if x.peak is None else of[x.peak])
        for x in found.lines
        if low <= (x.expected if straight else x.line.position) <= high
    )  # fmt: skip
    return Compared(lines, assigned, asked, found.sentences)


def _inside(references: Sequence[ReferenceLines], dim: str, low: float, high: float) -> list[tuple[str, ReferenceLine]]:
    """The lines of all references that lie on the curve, each with the name of its reference."""
    found = []
    for number, one in enumerate(references):
        if dim not in (one.axis, "axis"):
            raise RegionError(
                f"The lines of '{one.name}' lie on an axis '{one.axis}', the spectrum on '{dim}'; convert one."
            )
        if any(one.name == other.name for other in references[:number]):
            raise RegionError(f"Two references are called '{one.name}'; name each of them once.")
        own = [(one.name, x) for x in one.lines if low <= x.position <= high and not x.intensity < WEAKEST]
        if not own:
            raise RegionError(f"None of the {len(one)} lines of '{one.name}' lies between {low:g} and {high:g}.")
        found += own
    return found


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def with_references(
    table: ZoneTable,
    references: Sequence[ReferenceLines],
    found: Compared,
    tolerance: float,
    axis: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
) -> ZoneTable:
    """Return the table with the assignment of each zone, and what became of each line of the references.

    Parameters
    ----------
    table
        Its zones in the order of the division that was matched, the background last.
    references
        What was matched.
    found
        How.
    tolerance
        How far from a line the stretch reaches that stands for it where no zone shows it.
    axis, seen
        The curve's axis ``(L,)``, and which of its points reached the network.
    """
    zones = list(table.zones)
    for n in found.asked:
        label, offset = found.assigned.get(n, (UNEXPLAINED, float("nan")))
        zones[n] = replace(zones[n], assignment=label, offset=offset if np.isfinite(offset) else None)
    sources = {one.name: f"{one.name} ({one.source})" for one in references}
    expected = []
    for line in found.lines:
        home = None if line.zone is None else zones[line.zone]
        if home is None:
            home = next(
                (z for z in zones if z.kind == "line" and abs(z.position - line.position) <= tolerance), None
            ) or next((z for z in zones[:-1] if z.left <= line.position <= z.right), None)
        read = home.read if home is not None else bool(seen[np.argmin(np.abs(axis - line.position))])
        share = positive(home) if home is not None and read else None
        answer = NOT_READ if not read else DECIDED if share is not None and share >= RELEVANT else IGNORED
        expected.append(
            ExpectedLine(
                line.label, line.position, line.intensity, "" if home is None else home.name, share, answer,
                sources[line.reference],
            )
        )  # fmt: skip
    return replace(
        table,
        zones=tuple(zones),
        reference="; ".join(sources.values()),
        expected=tuple(expected),
        notes=(*table.notes, *found.sentences),
    )


def usual_width(cut: CurveZones) -> float:
    """Return the median width of the peaks, at least two points: how far around a line its stretch reaches."""
    widths = [float(z.evidence["fwhm"]) for z in cut.zones if np.isfinite(z.evidence["fwhm"])]
    step = float(np.median(np.diff(cut.axis)))
    return max(float(np.median(widths)) if widths else 0.0, 2 * step)
