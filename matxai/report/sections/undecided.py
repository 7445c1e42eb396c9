"""What a check could not decide, and what it would take to decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report


def make(report: Report) -> Markup | None:
    """Return a line for each undecided finding, or None where nothing was left open."""
    shown = report.judgement.shown if report.judgement is not None else ()
    rows = [
        {"number": i, "name": s.finding.name.replace("_", " "), "takes": s.takes}
        for i, s in enumerate(shown, start=1)
        if s.takes
    ]
    return fill("undecided.html.j2", open=rows) if rows else None


sections.add("undecided", Section(order=40, title="What could not be decided, and what it would take", of_report=make))
