"""What the score loses when the top of a map is removed, beside matched regions and random maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.pictures import drop_chart
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


def make(_report: Report, item: ReportItem) -> Markup:
    """Return the evidence of one item, or the sentence that there is none."""
    shown = [
        {
            "method": str(e.get("method", "")),
            "sentence": str(e.get("sentence", "")),
            "chart": drop_chart(e),
            "fills": sentences.listed([str(f).replace("_", " ") for f in e.get("fills", ())]),
            "flips": e.get("flips"),
            "n_fills": len(e.get("fills", ())),
        }
        for e in item.evidences
        if e.get("top_drop") is not None
    ]
    return fill("evidence.html.j2", shown=shown, limits=sentences.EVIDENCE_LIMITS, without=sentences.NO_EVIDENCE)


sections.add(
    "evidence", Section(order=40, title="Evidence: what the score loses without the top of the map", of_item=make)
)
