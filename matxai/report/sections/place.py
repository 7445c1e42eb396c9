"""Where each map lies and how fine it is: cell and receptive field in physical units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.reading import facts, fineness
from matxai.report.section import Section, fill, sections
from matxai.report.sections.maps import all_panels

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


def make(_report: Report, item: ReportItem) -> Markup | None:
    """Return a row for each map with its cell, its receptive field and what it cannot tell."""
    rows = []
    for panel in all_panels(item.explanation):
        fine = fineness(panel)
        rows.append({"method": panel.method, "layer": panel.layer or "input", "cell": fine.cell, "field": fine.field})
        rows[-1]["sentence"] = fine.sentence
    if not rows:
        return None
    record = facts(item.explanation)
    steps = record.get("preprocessing") or []
    return fill(
        "place.html.j2",
        rows=rows,
        remarks=list(dict.fromkeys(str(r["sentence"]) for r in rows if r["sentence"])),
        steps=[steps] if isinstance(steps, str) else [sentences.plain(s) for s in steps],
        pixel_size_source=str(record.get("pixel_size_source") or ""),
    )


sections.add("place", Section(order=50, title="Where the maps lie, and how fine they are", of_item=make))
