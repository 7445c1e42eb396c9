"""The exchange of a region's content between the samples of a set: taken over the whole set, not of one sample."""

from __future__ import annotations

from matxai.checks.expect.measures import Measure, MeasureFields, measures


class ExchangeFields(MeasureFields):
    """Nothing to be told: donors are drawn from the set."""


measures.add(
    "exchange",
    Measure(
        ExchangeFields,
        0,
        1,
        False,
        None,
        "how much more often a class is predicted with the region's content from that class than from the own one",
    ),
)
