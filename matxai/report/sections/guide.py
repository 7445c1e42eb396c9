"""What each method asks, what it guarantees and where it misleads; and the paper that it comes from, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report

ASKED = ("question", "guarantee", "misleads", "paper")


def make(report: Report) -> Markup | None:
    """Return one entry for each method of the report, or None where the maps say nothing about theirs."""
    rows: dict[str, dict[str, str]] = {}
    for item in report.items:
        for array in item.explanation.data_vars.values():
            said = {key: str(array.attrs.get(key, "") or "") for key in ASKED}
            if any(said.values()):
                rows.setdefault(str(array.attrs.get("method", array.name)), said)
    return fill("guide.html.j2", rows=rows) if rows else None


sections.add("guide", Section(order=110, title="How to read these maps", of_report=make))
