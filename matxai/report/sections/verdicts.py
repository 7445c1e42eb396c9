"""The answers of checks on one input, each as its sentence with effect, interval and control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


def make(_report: Report, item: ReportItem) -> Markup | None:
    """Return the verdicts of one item, or None where there are none."""
    return fill("verdicts.html.j2", verdicts=list(item.verdicts)) if item.verdicts else None


sections.add("verdicts", Section(order=70, title="Verdicts", of_item=make))
