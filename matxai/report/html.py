"""One self-contained HTML file: every section that is registered, in its order; nothing is fetched from outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.report import sentences
from matxai.report.export import write_bytes
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    import os

    from matxai.report.content import Report, ReportItem

FORMAT = "matxai-report"
VERSION = 1
_AFTER = 100


def render_report(report: Report) -> str:
    """Return the report as the text of one HTML file.

    Parameters
    ----------
    report
        What it shows.

    Returns
    -------
    str
        HTML without scripts and without a ``src`` or ``href`` to the outside; all text is escaped.
    """
    ordered = sorted(sections.values(), key=lambda section: section.order)
    shown = replace(report, items=list(report.items)[: report.most])
    return str(
        fill(
            "report.html.j2",
            report=report,
            language=sentences.LANGUAGE,
            before=_of_report(report, [s for s in ordered if s.order < _AFTER]),
            items=[_of_item(shown, item, ordered, i) for i, item in enumerate(shown.items)],
            hidden=len(report.items) - len(shown.items),
            after=_of_report(report, [s for s in ordered if s.order >= _AFTER]),
            generator=f"{FORMAT} {VERSION}",
        )
    )


def write_report(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write the report as one self-contained HTML file.

    Parameters
    ----------
    report
        What it shows.
    path
        Where to, such as ``out/report.html``; the folder must exist.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    target = Path(path)
    write_bytes(target, render_report(report).encode())
    return target


def _of_report(report: Report, ordered: list[Section]) -> list[dict[str, Any]]:
    made = [(s.title, s.of_report(report)) for s in ordered if s.of_report is not None]
    return [{"title": title, "body": body} for title, body in made if body]


def _of_item(report: Report, item: ReportItem, ordered: list[Section], number: int) -> dict[str, Any]:
    made = [(s.title, s.of_item(report, item)) for s in ordered if s.of_item is not None]
    parts = [{"title": title, "body": body} for title, body in made if body]
    return {"title": item.title, "id": f"item-{number + 1}", "parts": parts}
