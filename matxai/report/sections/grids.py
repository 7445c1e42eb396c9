"""Further tables of a check, such as what is not in the picture: file type, size, brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report


def make(report: Report) -> Markup | None:
    """Return the tables, or None where there are none."""
    if report.judgement is None or not report.judgement.grids:
        return None
    return fill("grids.html.j2", tables=report.judgement.grids)


sections.add("grids", Section(order=50, title="Further tables", of_report=make))
