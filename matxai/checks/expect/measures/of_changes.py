"""Measures of what the model says when the region is changed in the file's own pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from matxai.checks.evidence import FILLS
from matxai.checks.expect.measures import Measure, Measured, MeasureFields, measures
from matxai.errors import nearest
from matxai.regions import matched_regions

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.checks.expect.asking import Asked
    from matxai.regions import Region

Scores = npt.NDArray[np.float64]


class FillFields(MeasureFields):
    """``fills``: what is put in the region's place; the number is a mean over them."""

    fills: list[str] = Field(default=list(FILLS), min_length=1)

    @field_validator("fills", mode="before")
    @classmethod
    def _one_fill_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("fills")
    @classmethod
    def _known_fills(cls, value: list[str]) -> list[str]:
        from matxai.checks.fills import fills

        for name in value:
            if name not in fills:
                msg = f"there is no fill '{name}'. {nearest(name, fills)}"
                raise ValueError(msg)
        return value


class DoseFields(FillFields):
    """``steps``: how much of the region is faded into the fill, from 0 (as it is) to 1 (gone)."""

    steps: list[float] = Field(default=[0.0, 0.25, 0.5, 0.75, 1.0], min_length=3)

    @field_validator("steps")
    @classmethod
    def _ascending_steps(cls, value: list[float]) -> list[float]:
        if value != sorted(set(value)) or value[0] < 0 or value[-1] > 1:
            msg = "'steps' ascend from 0 to 1 at most, as in [0, 0.25, 0.5, 0.75, 1]"
            raise ValueError(msg)
        return value


def probabilities(scores: Scores) -> Scores:
    """Return softmax probabilities ``(n, K)``; a lone positive class beside its negative has its sigmoid."""
    if scores.shape[1] == 2 and np.array_equal(scores[:, 0], -scores[:, 1]):
        scores = scores / 2  # the pair is -s and s: their softmax would be the sigmoid of 2 s
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _changed(
    fields: FillFields, asked: Asked, region: Region, wanted: int, of: Callable[[Scores, Scores], Scores]
) -> Measured:
    """Take ``of(clean (1, K), changed (n, K)) -> (n,)`` for the region and its twins, under each fill."""
    rng = np.random.default_rng(asked.seed)
    twins = matched_regions(region, asked.sample.grey(), wanted, rng) if wanted else []
    masks = [region.mask, *(t.mask for t in twins)]
    by_fill = np.stack([of(asked.clean, asked.filled(masks, fill)) for fill in fields.fills])
    mean = by_fill.mean(axis=0)
    parts = tuple(float(v) for v in by_fill[:, 0])
    return Measured(float(mean[0]), parts, tuple(float(v) for v in mean[1:]), {"fills": list(fields.fills)})


def score_drop(fields: FillFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return by how much the class's score (its logit) falls."""
    t = asked.target
    return _changed(fields, asked, region, wanted, lambda clean, new: clean[:, t] - new[:, t])


def probability_drop(fields: FillFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return by how much the class's probability falls."""
    t = asked.target
    return _changed(
        fields, asked, region, wanted, lambda clean, new: probabilities(clean)[:, t] - probabilities(new)[:, t]
    )


def invariance(fields: FillFields, asked: Asked, region: Region, _wanted: int) -> Measured:
    """Return 1 minus the total variation between the probabilities of all classes before and after."""
    return _changed(
        fields,
        asked,
        region,
        0,
        lambda clean, new: 1 - 0.5 * np.abs(probabilities(clean) - probabilities(new)).sum(axis=1),
    )


def dose_response(fields: DoseFields, asked: Asked, region: Region, _wanted: int) -> Measured:
    """Return Kendall's tau-b of the dose and the fall of the class's score: 1 where each step lowers it further."""
    parts = []
    curves = {}
    for fill in fields.fills:
        scores = asked.faded(region.mask, fill, fields.steps)[:, asked.target]
        curves[fill] = [float(s) for s in scores]
        parts.append(monotone(np.asarray(fields.steps), scores[0] - scores))
    return Measured(float(np.mean(parts)), tuple(parts), (), {"steps": list(fields.steps), "scores": curves})


def monotone(dose: npt.NDArray[np.float64], response: npt.NDArray[np.float64]) -> float:
    """Return Kendall's tau-b; 0 where the response does not change at all."""
    from scipy.stats import kendalltau

    if float(np.ptp(response)) == 0.0:
        return 0.0
    return float(kendalltau(dose, response).statistic)


measures.add(
    "score_drop",
    Measure(
        FillFields, None, None, True, score_drop, "how far the class's score (logit) falls when the region is replaced"
    ),
)
measures.add(
    "probability_drop",
    Measure(FillFields, -1, 1, True, probability_drop, "how far the class's probability falls then"),
)
measures.add(
    "invariance",
    Measure(
        FillFields,
        0,
        1,
        False,
        invariance,
        "1 minus the total variation of all classes' probabilities when the region is replaced",
    ),
)
measures.add(
    "dose_response",
    Measure(
        DoseFields,
        -1,
        1,
        False,
        dose_response,
        "Kendall's tau of how much of the region is faded and how far the score falls: 1 for a monotone response",
    ),
)
