"""The five classes that the network gives most, with their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report.record import scores
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem

MOST = 5


def make(_report: Report, item: ReportItem) -> Markup | None:
    """Return the classes as bars: of the share of positions (dense outputs), the probability, else the logit."""
    ranked = scores(item.explanation)[:MOST]
    if not ranked:
        return None
    logits = [s.logit for s in ranked if s.logit is not None]
    low, high = (min(0.0, *logits), max(0.0, *logits)) if logits else (0.0, 1.0)
    rows = []
    for score in ranked:
        length = score.share if score.share is not None else score.probability
        if length is None and score.logit is not None:
            length = (score.logit - low) / ((high - low) or 1.0)
        rows.append({"score": score, "length": 100.0 * min(max(length or 0.0, 0.0), 1.0)})
    return fill(
        "classes.html.j2",
        rows=rows,
        with_probability=any(s.probability is not None for s in ranked),
        with_share=any(s.share is not None for s in ranked),
    )


sections.add("classes", Section(order=30, title="The classes it gives most", of_item=make))
