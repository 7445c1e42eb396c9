"""Measures of an expectation: what each may be told, which values it can take, and how it is taken of a sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from matxai.errors import ExpectationError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matxai.checks.expect.asking import Asked
    from matxai.regions import Region


class MeasureFields(BaseModel):
    """What an expectation may say to its measure, beside what every expectation may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Measured:
    """What a measure gave for one sample.

    Parameters
    ----------
    value
        The number, as a rule a mean over ``parts``.
    parts
        The same for each fill, where several were used; else empty.
    controls
        The same for each matched control; empty where none was asked for, or the shape leaves no room.
    detail
        Further names and numbers for the table.
    """

    value: float
    parts: tuple[float, ...] = ()
    controls: tuple[float, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """One measure.

    Parameters
    ----------
    fields
        What it may be told.
    low, high
        The smallest and the largest value that it can take; None for no end.
    controls
        Whether a threshold may be ``controls``.
    of
        From the fields, what the model is asked through, the region and the number of controls wanted, to the number.
        None for what is measured over the whole set.
    proportion
        Whether each sample gives 0 or 1, so that the mean is a proportion with an exact interval.
    about
        One line for the documentation.
    unit
        What the number is in, for sentences: empty for a share.
    needs_map
        Whether it needs a method of attribution.
    ratio
        Whether samples are averaged as ratios are: by the geometric mean.
    """

    fields: type[MeasureFields]
    low: float | None
    high: float | None
    controls: bool
    of: Callable[[Any, Asked, Region, int], Measured] | None
    about: str
    proportion: bool = False
    unit: str = ""
    needs_map: bool = False
    ratio: bool = False

    def possible(self, threshold: float) -> bool:
        """Whether a value beyond a threshold exists on both sides of it."""
        return (self.low is None or threshold >= self.low) and (self.high is None or threshold <= self.high)


measures: Registry[Measure] = Registry("measure", package="matxai.checks.expect.measures", error=ExpectationError)
