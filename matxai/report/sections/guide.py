"""What each method asks, what it guarantees and where it misleads; and the paper that it comes from, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report

ASKED = ("question", "guarantee", "misleads", "paper")


def make(report: Report) -> Markup | None:
    """Return one entry for each method of the report, or None where the maps say nothing about theirs.

    Variants that say the same stand together; a map of an error is no method.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    for item in report.items:
        for array in item.explanation.data_vars.values():
            said = tuple(str(array.attrs.get(key, "") or "") for key in ASKED)
            label = sentences.method_label(str(array.attrs.get("method", array.name)))
            if any(said) and not array.attrs.get("error_of") and label not in (same := rows.setdefault(said, [])):
                same.append(label)
    entries = [{"names": names, **dict(zip(ASKED, said, strict=True))} for said, names in rows.items()]
    return fill("guide.html.j2", entries=entries) if entries else None


sections.add("guide", Section(order=110, title="How to read these maps", of_report=make))
