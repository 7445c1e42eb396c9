"""Models beside each other on the same images: where each looks, and what each says when the bar is swapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.report import sentences
from matxai.report.figures import panel_figure
from matxai.report.layout import own_limits
from matxai.report.pictures import alternative, figure_address
from matxai.report.reading import panels
from matxai.report.record import facts, scores, target_name
from matxai.report.section import Section, fill, sections
from matxai.report.sections.maps import WIDTH_MM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from matxai.report.content import Look, Pair, Report


def exchange_sentence(exchange: Mapping[str, Any] | None) -> str:
    """Return what became of the class when the image got another's info bar."""
    if not exchange:
        return ""
    if exchange.get("sentence"):
        return str(exchange["sentence"])
    return sentences.EXCHANGE.format(
        donor=exchange["donor"],
        after=exchange["after"],
        before=exchange["before"],
        before_p=sentences.number(exchange.get("probability_before"), digits=2),
        after_p=sentences.number(exchange.get("probability_after"), digits=2),
        verdict=sentences.FOLLOWS if exchange["follows"] else sentences.STAYS,
    )


def _look(report: Report, pair: Pair, look: Look, method: str) -> dict[str, Any]:
    ds = look.explanation
    panel = panels(ds, method)[0]
    limits = report.limits.get(panel.name, own_limits(panel))
    inside = [(pair.region, pair.region_name)] if pair.region is not None else []
    figure = panel_figure(ds, panel, width_mm=WIDTH_MM, limits=limits, regions=inside)
    top = next(iter(scores(ds)), None)
    share = ""
    if look.share is not None and pair.region is not None:
        area = sentences.percent(float(pair.region.mean()))
        share = sentences.SHARE_INSIDE.format(share=sentences.percent(look.share), region=pair.region_name, area=area)
    said = sentences.score_words(top.logit, top.probability) if top else ""
    return {
        "label": look.label,
        "address": figure_address(figure, photograph=panel.values.ndim == 2),
        "alt": f"{look.label}: {alternative(panel, target_name(facts(ds)), pair.title)}",
        "says": sentences.SAYS.format(model=look.label.capitalize(), name=top.name, score=f" ({said})" if said else "")
        if top
        else "",
        "share": share,
        "exchange": exchange_sentence(look.exchange),
        "follows": bool(look.exchange and look.exchange.get("follows")),
    }


def make(report: Report) -> Markup | None:
    """Return the comparison, or None where there is none."""
    comparison = report.comparison
    if comparison is None:
        return None
    rows = [
        {"title": pair.title, "looks": [_look(report, pair, look, comparison.method) for look in pair.looks]}
        for pair in comparison.pairs
    ]
    columns = list(dict.fromkeys(name for facts_of in comparison.facts.values() for name in facts_of))
    return fill(
        "comparison.html.j2",
        comparison=comparison,
        sentence=comparison.sentence if comparison.sentence != report.intro else "",
        rows=rows,
        columns=columns,
    )


sections.add("comparison", Section(order=15, title="", of_report=make))
