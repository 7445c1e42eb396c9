"""Each finding of a check: answer, sentence and number, the tests behind it, and examples as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.report import sentences
from matxai.report.section import Section, fill, sections
from matxai.report.shots import shot_addresses

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report
    from matxai.report.judgement import Example, Shown


def _example(example: Example) -> dict[str, Any]:
    addresses = shot_addresses(example.shots)
    shots = [
        {"address": address, "caption": shot.caption, "alt": shot.alt or shot.caption}
        for address, shot in zip(addresses, example.shots, strict=True)
    ]
    return {"title": example.title, "sentence": example.sentence, "shots": shots}


def _finding(shown: Shown) -> dict[str, Any]:
    verdict = shown.finding.verdict
    numbers = [sentences.effect_words(verdict.effect, verdict.interval)]
    numbers += [sentences.p_equals(verdict.p)] if verdict.p is not None else []
    return {
        "title": shown.finding.name.replace("_", " "),
        "answer": sentences.ANSWERS[verdict.answer],
        "numbers": ", ".join(n for n in numbers if n),
        "verdict": verdict,
        "remarks": shown.remarks,
        "grids": shown.grids,
        "examples": [_example(e) for e in shown.examples],
    }


def make(report: Report) -> Markup | None:
    """Return the findings, or None where there are none."""
    if report.judgement is None or not report.judgement.shown:
        return None
    return fill("findings.html.j2", findings=[_finding(s) for s in report.judgement.shown])


sections.add("findings", Section(order=30, title="Each finding", of_report=make))
