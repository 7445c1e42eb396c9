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
    UNDER_ANOTHER,
    UNEXPLAINED,
    ExpectedLine,
    Zone,
    ZoneTable,
    named_line,
    positive,
)
from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference import ReferenceLine, ReferenceLines
    from matxai.reference.match_record import MatchedPeak
    from matxai.regions import CurveZones, Region

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
    if not asked:
        own = tuple(LinePlace(name, x.label, _known(x.intensity), x.position, None) for name, x in inside)
        return Compared(own, {}, (), ("The curve has no peak to match with the reference.",))
    # a doublet is matched by its stronger peak: its splitting is the same in every state, so that two peaks would only
    # seem to be enough for a shift
    key = "e0" if edge else "position"
    of = sorted(asked, key=lambda n: float(cut.zones[n].evidence[key]))
    said = [cut.zones[n].evidence for n in of]
    widths = np.array([e["fwhm"] for e in said], float)
    found = match(
        np.array([float(e[key]) for e in said]),
        list(references),
        widths=widths if np.isfinite(widths).all() else None,
        heights=None if edge else np.maximum(np.array([e["height"] for e in said], float), 0.0),
        measured=(low, high),
        tolerance=tolerance,
        least=WEAKEST,
        draws=0,
    )
    assigned = {
        of[i]: (_called(p), float("nan") if p.difference is None else p.difference)
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


def _called(peak: MatchedPeak) -> str:
    """The assignment of a peak: a line of a reference, or what else the tube makes of it."""
    if peak.line is None or peak.reference is None:
        return peak.assignment
    return named_line(peak.reference, peak.line.label)


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
    cut: CurveZones,
    seen: npt.NDArray[np.bool_],
) -> ZoneTable:
    """Return the table with the assignment of each zone, and what became of each line of the references.

    A line without a peak of its own that lies beside the top of another's peak has no share: nobody can say how much of
    that peak's would be its own.

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
    cut, seen
        The division of the curve, and which of its points ``(L,)`` reached the network.
    """
    zones = list(table.zones)
    for n in found.asked:
        label, offset = found.assigned.get(n, (UNEXPLAINED, float("nan")))
        zones[n] = replace(zones[n], assignment=label, offset=offset if np.isfinite(offset) else None)
    sources = {one.name: one.source for one in references}
    expected = []
    for line in found.lines:
        number = line.zone if line.zone is not None else _home(zones, line.position, tolerance)
        home = None if number is None else zones[number]
        read = home.read if home is not None else bool(seen[np.argmin(np.abs(cut.axis - line.position))])
        own = line.zone is not None or number is None or _on_top(cut.zones[number], line.position)
        share = positive(home) if home is not None and read and own else None
        decided = share is not None and share >= RELEVANT
        answer = NOT_READ if not read else UNDER_ANOTHER if not own else DECIDED if decided else IGNORED
        expected.append(
            ExpectedLine(
                line.label, line.position, line.intensity, "" if home is None else home.name, share, answer,
                line.reference, sources[line.reference],
            )
        )  # fmt: skip
    return replace(
        table,
        zones=tuple(zones),
        reference="; ".join(f"{name} ({source})" for name, source in sources.items()),
        expected=tuple(expected),
        notes=(*table.notes, *found.sentences),
    )


def _home(zones: Sequence[Zone], position: float, tolerance: float) -> int | None:
    """The zone that stands for a line without a peak, else that which it lies in; the background is the last."""
    for n, z in enumerate(zones):
        if z.kind == "line" and abs(z.position - position) <= tolerance:
            return n
    return next((n for n, z in enumerate(zones[:-1]) if z.left <= position <= z.right), None)


def _on_top(zone: Region, position: float) -> bool:
    """Whether a place lies within half the width of a zone's top, or tops; stretches without a width are all top."""
    if zone.kind not in MATCHED or not np.isfinite(zone.evidence["fwhm"]):
        return True
    tops = zone.evidence.get("positions", (zone.evidence["position"],))
    return any(abs(float(top) - position) <= float(zone.evidence["fwhm"]) / 2 for top in tops)


def usual_width(cut: CurveZones) -> float:
    """Return the median width of the peaks, at least two points: how far around a line its stretch reaches."""
    widths = [float(z.evidence["fwhm"]) for z in cut.zones if np.isfinite(z.evidence["fwhm"])]
    step = float(np.median(np.diff(cut.axis)))
    return max(float(np.median(widths)) if widths else 0.0, 2 * step)
