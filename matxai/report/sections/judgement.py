"""The answer of a check, first on the page: its word, its sentence, what was judged, and the findings at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.forest import forest_chart
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from matxai.report.content import Report
    from matxai.report.judgement import Judgement, Shown


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


def panels(judgement: Judgement) -> list[dict[str, object]]:
    """Return the charts with their captions: one for each kind of effect, so that no axis has two units."""
    kinds = dict.fromkeys(s.axis for s in judgement.shown)
    made = [_panel(judgement, axis, [s for s in judgement.shown if s.axis == axis]) for axis in kinds]
    return [panel for panel in made if panel["chart"] is not None]


def _panel(judgement: Judgement, axis: str, shown: Sequence[Shown]) -> dict[str, object]:
    measured = [s for s in shown if s.finding.verdict.effect is not None]
    common = () if axis else judgement.thresholds
    marks = [sentences.THRESHOLD.format(value=sentences.number(v), meaning=meaning) for v, meaning in common]
    marks += [
        sentences.ASKED.format(
            name=sentences.printable(s.finding.name.replace("_", " "), longest=48), meaning=s.threshold[1]
        )
        for s in measured
        if s.threshold is not None
    ]
    level = sentences.level_words([s.levels for s in measured if s.finding.verdict.interval is not None])
    return {
        "chart": forest_chart(
            [s.finding for s in shown],
            axis=axis or judgement.axis,
            thresholds=common,
            own=[s.threshold[0] if s.threshold is not None else None for s in shown],
        ),
        "caption": sentences.FOREST.format(marks="; ".join(marks), level=level)
        if marks
        else sentences.FOREST_BARE.format(level=level),
    }


def make(report: Report) -> Markup | None:
    """Return the section, or None where the report is of no check."""
    judgement = report.judgement
    if judgement is None:
        return None
    return fill(
        "judgement.html.j2",
        judgement=judgement,
        answer=sentences.ANSWERS[judgement.answer],
        rows=[row(s) for s in judgement.shown],
        panels=panels(judgement),
        failed=sentences.FAILED.format(count=sentences.counted(len(report.failed), "file")) if report.failed else "",
    )


sections.add("judgement", Section(order=5, title="", of_report=make))
