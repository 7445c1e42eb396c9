"""The files that could not be used and why, and the methods that were left out and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report


def make(report: Report) -> Markup | None:
    """Return both tables, or None where all was done."""
    if not report.failed and not report.left_out:
        return None
    return fill("failures.html.j2", failed=report.failed, left_out=report.left_out)


sections.add("failures", Section(order=120, title="What was not done", of_report=make))
