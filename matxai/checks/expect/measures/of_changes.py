"""Measures of what the model says when the region is changed in the file's own pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from matxai.checks.dosage import possible_steps
from matxai.checks.doses import doses
from matxai.checks.evidence import FILLS
from matxai.checks.expect.measures import Measure, Measured, MeasureFields, measures
from matxai.checks.expect.quantity import spatial_dims
from matxai.errors import RegionError, SignalError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.checks.changes import Change
    from matxai.checks.expect.asking import Asked
    from matxai.regions import Region

FEWEST_STEPS = 3
"""Steps that have to count for a tendency to be read from them."""

Scores = npt.NDArray[np.float64]
Taken = tuple[Scores, Scores]
"""A number for each fill ``(F,)``, and for each control under each fill ``(F, n)``."""


class FillFields(MeasureFields):
    """``fills``: what is put in the region's place, by default the usual ones; the number is a mean over them."""

    fills: list[str] | None = Field(default=None, min_length=1)

    @field_validator("fills", mode="before")
    @classmethod
    def _one_fill_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("fills")
    @classmethod
    def _known_fills(cls, value: list[str] | None) -> list[str] | None:
        from matxai.checks.fills import fills

        for name in value or ():
            if name not in fills:
                msg = f"there is no fill '{name}'. {nearest(name, fills)}"
                raise ValueError(msg)
            if fills[name].needs_donor:
                msg = f"the fill '{name}' takes content from another sample; that is what 'exchange' measures"
                raise ValueError(msg)
        return value


class DoseFields(FillFields):
    """How the region is changed, in which steps, and whether the score has to fall or to rise with them.

    Attributes
    ----------
    change
        One of ``matxai.checks.doses``: ``fade``, ``amplify``, ``shift``, ``scale``, ``repeat``.
    steps
        At least three, ascending; by default those of the change.
    response
        ``falls`` or ``rises``; by default it falls where a higher dose is less of the region, and rises where it is
        more.
    along
        The axis along which it is shifted; by default the last one.
    """

    fills: list[str] | None = Field(default=list(FILLS), min_length=1)
    change: str = "fade"
    steps: list[float] | None = Field(default=None, min_length=3)
    response: Literal["falls", "rises"] | None = None
    along: str | None = None

    @field_validator("change")
    @classmethod
    def _known_change(cls, value: str) -> str:
        if value not in doses:
            msg = f"there is no change by steps '{value}'. {nearest(value, doses)}"
            raise ValueError(msg)
        return value

    @field_validator("steps")
    @classmethod
    def _ascending_steps(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and value != sorted(set(value)):
            msg = "'steps' ascend, as in [0, 0.25, 0.5, 0.75, 1]"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _steps_of_the_change(self) -> Self:
        if self.along is not None and self.change != "shift":
            msg = f"'along' is for what is shifted, and 'change' is {self.change}"
            raise ValueError(msg)
        if self.steps is None:
            return self
        if self.change == "fade" and (self.steps[0] < 0 or self.steps[-1] > 1):
            msg = "'steps' of fade go from 0 (as it is) to 1 (gone)"
            raise ValueError(msg)
        try:
            possible_steps(self.change, self.steps)
        except RegionError as error:
            msg = f"'steps' cannot be: {error}"
            raise ValueError(msg) from None
        return self


def _taken(asked: Asked, region: Region, fields: FillFields, wanted: int, of: Callable[[Change], Taken]) -> Measured:
    """Take a number of each fill that counts, and the same of the controls, which count where all of these fills do.

    Raises
    ------
    RegionError
        If no fill looks to the model like anything real: then there is no number.
    """
    change = asked.changed(region, fields.fills, wanted)
    if not change.counted.any():
        msg = f"Every fill of the region is out of distribution for the model in {asked.sample.name}."
        raise RegionError(msg)
    own, others = of(change)
    parts = own[change.counted]
    if not np.isfinite(parts).all():
        msg = "The model gives no probabilities; take 'score_drop'."
        raise RegionError(msg)
    outside = change.controls.outside
    if outside is not None:
        others = np.where(outside.reshape(others.shape), np.nan, others)
    means = others[change.counted].mean(axis=0)
    names = [f for f, counts in zip(change.fills, change.counted, strict=True) if counts]
    left_out = [f for f in change.fills if f not in names]
    detail = {"fills": names, **({"out_of_distribution": left_out} if left_out else {}), "area": change.share}
    controls = tuple(float(v) for v in means[np.isfinite(means)])
    return Measured(float(parts.mean()), tuple(float(v) for v in parts), controls, detail)


def score_drop(fields: FillFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return by how much the class's score (its logit) falls."""
    return _taken(asked, region, fields, wanted, lambda c: (c.effects, _by_fill(c, c.controls.scores, c.before.scores)))


def probability_drop(fields: FillFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return by how much the class's probability falls."""
    return _taken(
        asked,
        region,
        fields,
        wanted,
        lambda c: (
            -c.probability_changes[:, c.target],
            _by_fill(c, _known(c.controls.probabilities), _known(c.before.probabilities)),
        ),
    )


def invariance(fields: FillFields, asked: Asked, region: Region, _wanted: int) -> Measured:
    """Return 1 minus the total variation between the probabilities of all classes before and after."""
    return _taken(
        asked,
        region,
        fields,
        0,
        lambda c: (1 - 0.5 * np.abs(c.probability_changes).sum(axis=1), np.zeros((len(c.fills), 0))),
    )


def _by_fill(change: Change, scores: Scores, before: Scores) -> Scores:
    """How far the target falls under each control, ``(F, n)``."""
    return np.asarray((before[0, change.target] - scores[:, change.target]).reshape(len(change.fills), -1))


def _known(values: Scores | None) -> Scores:
    assert values is not None  # noqa: S101 - a perturbation always asks for them
    return values


def dose_response(fields: DoseFields, asked: Asked, region: Region, _wanted: int) -> Measured:
    """Return Kendall's tau-b of dose and response: 1 where each step changes the score further in the way expected.

    Steps that are out of distribution do not count, nor does a fill with fewer than three that do.

    Raises
    ------
    RegionError
        If no fill is left, or the change does not fit into the signal.
    SignalError
        If the signal has no axis ``along``.
    """
    found = asked.dosed(region, fields.change, fields.steps, fields.fills or FILLS, _axis(fields.along, asked))
    rises = doses[fields.change].more if fields.response is None else fields.response == "rises"
    parts, left_out = [], []
    for fill, scores in zip(found.fills, found.scores, strict=True):
        counted = np.isfinite(scores)
        if int(counted.sum()) < FEWEST_STEPS:
            left_out.append(fill)
            continue
        parts.append(monotone(found.doses[counted], scores[counted] if rises else -scores[counted]))
    if not parts:
        msg = f"Too few steps of the {fields.change} look to the model like anything real in {asked.sample.name}."
        raise RegionError(msg)
    detail = {
        "change": found.change,
        "steps": found.doses.tolist(),
        "response": "rises" if rises else "falls",
        "scores": {f: [float(s) for s in row] for f, row in zip(found.fills, found.scores, strict=True)},
        **({"out_of_distribution": left_out} if left_out else {}),
    }
    return Measured(float(np.mean(parts)), tuple(parts), (), detail)


def _axis(along: str | None, asked: Asked) -> int:
    dims = spatial_dims(asked.sample.signal)
    if along is None:
        return len(dims) - 1
    if along not in dims:
        raise SignalError(
            f"{asked.sample.name} has the axes {', '.join(dims)}; nothing is shifted along '{along}' there."
        )
    return dims.index(along)


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
        "Kendall's tau of dose and score: 1 where each step by which the region is changed (`change: fade`, `amplify`, "
        "`shift`, `scale` or `repeat`) moves the score further as it should",
    ),
)
