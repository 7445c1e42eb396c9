"""Which line of a reference each zone is, and which expected line no map cares for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.zones.records import IGNORED, RELEVANT, UNEXPLAINED, ExpectedLine, ZoneTable, positive
from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference import ReferenceLines
    from matxai.regions import CurveZones

NEAR = 1.0
"""A line belongs to a zone within this many of the usual width at half maximum, where nobody gives a tolerance."""
WEAKEST = 1.0
"""Intensity, of 100, below which a line of a reference is not expected to be seen."""


def usual_tolerance(zones: CurveZones) -> float:
    """Return how far a line may lie from a zone's position: the median width of the peaks, at least two points."""
    widths = [float(z.evidence["fwhm"]) for z in zones.zones if np.isfinite(z.evidence["fwhm"])]
    step = float(np.median(np.diff(zones.axis)))
    return max(NEAR * float(np.median(widths)) if widths else 0.0, 2 * step)


def expected_lines(reference: ReferenceLines, zones: CurveZones, dim: str) -> list[int]:
    """Return the numbers of the lines that the curve could show: inside of it, and not too weak.

    Raises
    ------
    RegionError
        If the reference lies on another kind of axis, or none of its lines inside the curve.
    """
    if dim not in (reference.axis, "axis"):
        raise RegionError(
            f"The lines of '{reference.name}' lie on an axis '{reference.axis}', the spectrum on '{dim}'; convert one."
        )
    low, high = float(zones.axis[0]), float(zones.axis[-1])
    found = [
        i for i, line in enumerate(reference.lines)
        if low <= line.position <= high and not line.intensity < WEAKEST
    ]  # fmt: skip
    if not found:
        raise RegionError(
            f"None of the {len(reference)} lines of '{reference.name}' lies between {low:g} and {high:g}."
        )
    return found


def assigned(
    positions: Sequence[float], lines: npt.NDArray[np.float64], tolerance: float
) -> tuple[dict[int, int], dict[int, int]]:
    """Return which line each zone is, and which zone shows each line: the nearest within the tolerance.

    A zone has one line, the nearest; a zone may show several lines that lie closer than it is wide.

    Returns
    -------
    tuple of dict
        Zone to line, and line to zone.
    """
    of_zone: dict[int, int] = {}
    of_line: dict[int, int] = {}
    if not len(positions) or not len(lines):
        return of_zone, of_line
    off = np.abs(np.asarray(positions, float)[:, None] - lines[None, :])
    for zone in range(off.shape[0]):
        line = int(off[zone].argmin())
        if off[zone, line] <= tolerance:
            of_zone[zone] = line
    for line in range(off.shape[1]):
        zone = int(off[:, line].argmin())
        if off[zone, line] <= tolerance:
            of_line[line] = zone
    return of_zone, of_line


def with_reference(
    table: ZoneTable, reference: ReferenceLines, cut: CurveZones, tolerance: float | None = None
) -> ZoneTable:
    """Return the table with the assignment of each zone, and what became of each line of a reference.

    Raises
    ------
    RegionError
        If the reference lies on another axis, or outside of the curve.
    """
    numbers = expected_lines(reference, cut, table.axis)
    lines = reference.positions[numbers]
    near = usual_tolerance(cut) if tolerance is None else tolerance
    named = [n for n, z in enumerate(table.zones) if z.kind != "background"]
    of_zone, of_line = assigned([table.zones[n].position for n in named], lines, near)
    zones = list(table.zones)
    for k, n in enumerate(named):
        line = reference.lines[numbers[of_zone[k]]] if k in of_zone else None
        if line is None and zones[n].absent:
            continue  # nothing is there that would need an explanation
        zones[n] = replace(
            zones[n],
            assignment=UNEXPLAINED if line is None else line.label,
            offset=None if line is None else zones[n].position - line.position,
        )
    expected = []
    for k, number in enumerate(numbers):
        line = reference.lines[number]
        zone = table.zones[named[of_line[k]]] if k in of_line else None
        share = None if zone is None else positive(zone)
        expected.append(
            ExpectedLine(
                line.label,
                line.position,
                float(line.intensity) if np.isfinite(line.intensity) else None,
                "" if zone is None else zone.name,
                share,
                "relevant" if share is not None and share >= RELEVANT else IGNORED,
            )
        )
    said = f"Lines within {near:.3g} {table.unit} of a zone are its assignment.".replace("  ", " ")
    return replace(
        table,
        zones=tuple(zones),
        reference=f"{reference.name} ({reference.source})",
        expected=tuple(expected),
        notes=(*table.notes, said),
    )
