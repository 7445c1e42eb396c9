"""Which line of a reference each zone is, and which expected line no map cares for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.zones.records import IGNORED, RELEVANT, UNEXPLAINED, ExpectedLine, ZoneTable, positive
from matxai.errors import RegionError

if TYPE_CHECKING:
    from matxai.reference import ReferenceLines
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
    label, intensity
        As the reference says.
    position
        Where it should be on this curve, shifts and lattice included where they were fitted.
    zone
        Number of the zone that shows it, or None.
    """

    label: str
    intensity: float | None
    position: float
    zone: int | None


@dataclass(frozen=True)
class Compared:
    """A curve's zones matched with a reference.

    Parameters
    ----------
    lines
        Those inside of the curve.
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


def compared(cut: CurveZones, reference: ReferenceLines, dim: str, tolerance: float | None = None) -> Compared:
    """Match the zones of a curve with a reference (:func:`matxai.reference.match`).

    Parameters
    ----------
    cut
        The division of the curve.
    reference
        On the curve's axis.
    dim
        What that is called; an axis without a name is taken as the reference's.
    tolerance
        As :func:`matxai.reference.match` takes it.

    Raises
    ------
    RegionError
        If the reference lies on another kind of axis, or none of its lines inside the curve.
    """
    from matxai.reference import match

    if dim not in (reference.axis, "axis"):
        raise RegionError(
            f"The lines of '{reference.name}' lie on an axis '{reference.axis}', the spectrum on '{dim}'; convert one."
        )
    low, high = float(cut.axis[0]), float(cut.axis[-1])
    inside = [x for x in reference.lines if low <= x.position <= high and not x.intensity < WEAKEST]
    if not inside:
        why = f"None of the {len(reference)} lines of '{reference.name}' lies between {low:g} and {high:g}."
        raise RegionError(why)
    edge = cut.how == "edge"
    kinds = ("white_line",) if edge else MATCHED
    asked = tuple(n for n, z in enumerate(cut.zones) if z.kind in kinds and z.source == "curve")
    said = [cut.zones[n].evidence for n in asked]
    positions = np.array([float(e["e0"] if edge else e["position"]) for e in said])
    if not asked:
        own = tuple(LinePlace(x.label, _known(x.intensity), x.position, None) for x in inside)
        return Compared(own, {}, (), ("The curve has no peak to match with the reference.",))
    order = np.argsort(positions, kind="stable")
    widths = np.array([e["fwhm"] for e in said], float)[order]
    found = match(
        positions[order],
        reference,
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
    straight = found.axis == reference.axis
    lines = tuple(
        LinePlace(x.line.label, _known(x.line.intensity), x.expected if straight else x.line.position,
                  None if x.peak is None else of[x.peak])
        for x in found.lines
        if low <= (x.expected if straight else x.line.position) <= high
    )  # fmt: skip
    return Compared(lines, assigned, asked, found.sentences)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def with_reference(table: ZoneTable, reference: ReferenceLines, found: Compared, tolerance: float) -> ZoneTable:
    """Return the table with the assignment of each zone, and what became of each line of the reference.

    Parameters
    ----------
    table
        Its zones in the order of the division that was matched, the background last.
    reference
        What was matched.
    found
        How.
    tolerance
        How far from a line the stretch reaches that stands for it where no zone shows it.
    """
    zones = list(table.zones)
    for n in found.asked:
        label, offset = found.assigned.get(n, (UNEXPLAINED, float("nan")))
        zones[n] = replace(zones[n], assignment=label, offset=offset if np.isfinite(offset) else None)
    expected = []
    for line in found.lines:
        home = None if line.zone is None else zones[line.zone]
        if home is None:
            home = next(
                (z for z in zones if z.kind == "line" and abs(z.position - line.position) <= tolerance), None
            ) or next((z for z in zones[:-1] if z.left <= line.position <= z.right), None)
        share = None if home is None else positive(home)
        answer = "relevant" if share is not None and share >= RELEVANT else IGNORED
        expected.append(
            ExpectedLine(line.label, line.position, line.intensity, "" if home is None else home.name, share, answer)
        )
    return replace(
        table,
        zones=tuple(zones),
        reference=f"{reference.name} ({reference.source})",
        expected=tuple(expected),
        notes=(*table.notes, *found.sentences),
    )


def usual_width(cut: CurveZones) -> float:
    """Return the median width of the peaks, at least two points: how far around a line its stretch reaches."""
    widths = [float(z.evidence["fwhm"]) for z in cut.zones if np.isfinite(z.evidence["fwhm"])]
    step = float(np.median(np.diff(cut.axis)))
    return max(float(np.median(widths)) if widths else 0.0, 2 * step)
