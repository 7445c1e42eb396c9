"""The first thing on the page: what was asked, what came out, and one line for each input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.reading import map_names
from matxai.report.record import facts, scores
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem

MOST_NAMED = 6
"""Up to so many methods are named in the first sentence; more are counted, and their pictures follow."""


def introduction(report: Report) -> str:
    """Return the report's first sentences: the caller's, else one made from its items, and the remark behind it."""
    return f"{_first(report)} {report.remark}".strip()


def _first(report: Report) -> str:
    if report.intro:
        return report.intro
    if not report.items:
        return sentences.NOTHING
    first = report.items[0].explanation
    methods = [sentences.method_label(str(first[n].attrs.get("method", n))) for n in map_names(first, errors=False)]
    named = sentences.listed(methods) if len(methods) <= MOST_NAMED else sentences.counted(len(methods), "map")
    model = facts(first).get("model") or {}
    name = model.get("name", "") if isinstance(model, dict) else str(model)
    return sentences.INTRO.format(
        inputs=sentences.counted(len(report.items), "input"), methods=named, model=name or "given"
    )


def row(item: ReportItem) -> dict[str, object]:
    """Return what the table says about one input: the class on top, its score, and the evidence's rank."""
    ranked = scores(item.explanation)
    dense = bool(ranked) and ranked[0].share is not None
    top = next((s for s in ranked if s.target and dense), ranked[0] if ranked else None)
    evidence = next((e for e in item.evidences if e.get("top_drop") is not None), None)
    return {
        "title": item.title,
        "model": str(item.explanation.attrs.get("model", "")),
        "says": f"{top.name} ({sentences.percent(top.share)} of it)" if top and dense else top.name if top else "–",
        "probability": top.probability if top and not dense else None,
        "logit": top.logit if top and not dense else None,
        "truth": item.truth,
        "right": top is not None and top.name == item.truth,
        "method": str(evidence.get("method", "map")) if evidence else "",
        "drop": evidence["top_drop"] if evidence else None,
        "rank": evidence.get("rank") if evidence else None,
        "of": (evidence.get("n_controls") or 0) + 1 if evidence else None,
    }


def make(report: Report) -> Markup | None:
    """Return the summary's markup; None for a check without single inputs, whose answer stands in its place."""
    if report.judgement is not None and not report.items:
        return None
    rows = [row(item) for item in report.items]
    return fill(
        "summary.html.j2",
        introduction=introduction(report),
        failed=sentences.FAILED.format(count=sentences.counted(len(report.failed), "file")) if report.failed else "",
        rows=rows,
        most=report.most,
        with_model=len({r["model"] for r in rows}) > 1,
        with_truth=any(r["truth"] for r in rows),
        with_drop=next((r["method"] for r in rows if r["method"]), ""),
        caution=sentences.MAP_IS_NOT_CAUSE,
    )


sections.add("summary", Section(order=10, title="", of_report=make))
