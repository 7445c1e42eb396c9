"""Of a spectrum: which zones decided, what they are, and what is missing; the whole table is beside the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matxai.report import sentences
from matxai.report.judgement import Grid
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.checks.zones import ZoneTable
    from matxai.checks.zones.records import Share, Zone
    from matxai.report.content import Report, ReportItem

NO_BREAK = "\u00a0"

_MOST = 24
"""Zones that the report shows: those with the largest shares; the file beside it has all of them."""


def _percent(share: float | None, error: float | None) -> str | None:
    if share is None:
        return None
    own = f"{100 * share:.1f}" if error is None else f"{100 * share:.1f} ± {100 * error:.1f}"
    return f"{own} %".replace(" ", NO_BREAK)


def _both(shares: list[Share], side: str) -> str | None:
    known = [s for s in shares if getattr(s, side) is not None]
    if not known:
        return None
    whole = sum(getattr(s, side) for s in known)
    errors = [getattr(s, f"{side}_error") for s in known]
    return _percent(whole, errors[0] if len(known) == 1 else None)


def _row(zone: Zone, methods: list[str], table: ZoneTable) -> tuple[Any, ...]:
    from matxai.checks.zones.records import named_line

    said = [w for w, so in (("S/N below 3", zone.weak and not zone.absent), ("not read", not zone.read)) if so]
    name = zone.name + (f" ({', '.join(said)})" if said else "")
    removal = zone.removal
    expected = [e for e in table.expected if e.zone == zone.name] if zone.kind == "line" else []
    here = [named_line(e.reference, e.label) for e in expected]
    cells: list[Any] = [
        name,
        *((zone.assignment or (f"no peak: {', '.join(here)}" if here else None),) if table.reference else ()),
        zone.width,
        zone.height if math.isfinite(zone.height) else None,
        zone.snr,
    ]
    for method in methods:
        own = [s for s in zone.shares if s.method == method]
        positive, negative = _both(own, "positive"), _both(own, "negative")
        cells.append(positive if negative is None or negative.startswith("0.0") else f"{positive}\n−{negative}")
    cells.append(None if removal is None else removal.effect)
    for rank, n in (("rank_peaks", "n_peaks"), ("rank_background", "n_background")):
        place = None if removal is None else getattr(removal, rank)
        cells.append(None if place is None else f"{place} of {getattr(removal, n) + 1}")
    return tuple(cells)


def grids(table: ZoneTable) -> list[Grid]:
    """Return the zones, and the expected lines where there are any, as small tables."""
    from matxai.checks.zones.records import positive

    methods = list(dict.fromkeys(s.method for z in table.zones for s in z.shares))
    methods = [*(m for m in methods if m.startswith("all")), *(m for m in methods if not m.startswith("all"))]
    shown = sorted(table.zones[:-1], key=lambda z: -positive(z))[:_MOST]
    rows = [_row(z, methods, table) for z in sorted(shown, key=lambda z: z.position)]
    rows += [_row(z, methods, table) for z in table.zones[-1:]]
    unit = f" / {table.unit}" if table.unit else ""
    columns = (
        "zone", *(("assignment",) if table.reference else ()), f"width{unit}", "height", "S/N",
        *(sentences.method_label(m) for m in methods), "score lost without it", "rank, like zones",
        "rank, background",
    )  # fmt: skip
    found = [Grid("", columns, tuple(rows), " ".join((sentences.ZONES_NOTE, *table.notes)))]
    for reference in dict.fromkeys(e.reference for e in table.expected):
        own = [e for e in table.expected if e.reference == reference][: 2 * _MOST]
        lines = tuple(
            (e.label, f"{e.position:.6g}", e.intensity, e.zone or None, _percent(e.share, None), e.answer) for e in own
        )
        title = sentences.EXPECTED_LINES.format(reference=reference)
        answers = {e.answer for e in own}
        note = " ".join(
            [f"Source: {own[0].source}."] + [why for said, why in sentences.EXPECTED_ANSWERS.items() if said in answers]
        )
        found.append(Grid(title, ("line", f"position{unit}", "intensity", "zone", "share", "answer"), lines, note))
    return found


def make(report: Report, item: ReportItem) -> Markup | None:  # noqa: ARG001
    """Return the tables of one item, or None where it is no spectrum."""
    if item.zones is None:
        return None
    return fill("zones.html.j2", lead=sentences.zones_lead(item.zones), tables=grids(item.zones))


sections.add("zones", Section(order=22, title="Which zones decided", of_item=make))
