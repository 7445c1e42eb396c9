"""The answer of a check, first on the page: its word, its sentence, what was judged, and the findings at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.forest import forest_chart
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report
    from matxai.report.judgement import Shown


def row(shown: Shown) -> dict[str, object]:
    """Return what the table says about one finding."""
    verdict = shown.finding.verdict
    answer = sentences.ANSWERS[verdict.answer]
    low, high = verdict.interval or (None, None)
    return {
        "name": shown.finding.name.replace("_", " "),
        "answer": answer.label,
        "kind": answer.kind,
        "effect": "–" if verdict.effect is None else sentences.plain_number(verdict.effect),
        "interval": "–"
        if low is None or high is None
        else f"{sentences.plain_number(low)} to {sentences.plain_number(high)}",
        "p": sentences.p_words(verdict.p),
        "n": verdict.n,
        "groups": verdict.groups,
    }


def make(report: Report) -> Markup | None:
    """Return the section, or None where the report is of no check."""
    judgement = report.judgement
    if judgement is None:
        return None
    chart = forest_chart([s.finding for s in judgement.shown], axis=judgement.axis, thresholds=judgement.thresholds)
    marks = [
        sentences.THRESHOLD.format(value=sentences.number(v), meaning=meaning) for v, meaning in judgement.thresholds
    ]
    return fill(
        "judgement.html.j2",
        judgement=judgement,
        answer=sentences.ANSWERS[judgement.answer],
        rows=[row(s) for s in judgement.shown],
        chart=chart,
        caption=sentences.FOREST.format(marks="; ".join(marks)) if marks else sentences.FOREST_BARE,
        failed=sentences.FAILED.format(count=sentences.counted(len(report.failed), "file")) if report.failed else "",
    )


sections.add("judgement", Section(order=5, title="", of_report=make))
