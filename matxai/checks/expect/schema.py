"""What an expectations file may say, field by field. How it is read, and errors with lines, are ``document``'s."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from matxai.checks.expect.measures import measures
from matxai.checks.expect.quantity import Length

VERSION = 1
Role = Literal["must", "may", "must_not"]
Classes = Literal["all"] | list[str]
COMBINATORS = ("any_of", "all_of", "absent")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Common(_Section):
    """What every expectation may say.

    Attributes
    ----------
    name
        What verdicts and tables call it; none twice.
    classes
        ``all``, or the classes whose samples it is about; a sample's own class is the one that is asked about.
    role
        ``must``: the measure lies above a threshold; ``must_not``: below one, and the data could have shown otherwise;
        ``may``: it is measured and reported, and nothing is demanded.
    weight
        What it counts in the score of the whole file.
    source
        Who says so: a paper, a standard, a colleague.
    """

    name: str = Field(min_length=1)
    classes: Classes = "all"
    role: Role = "must"
    weight: float = Field(default=1.0, gt=0)
    source: str | None = None

    @field_validator("classes", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        words = [value] if isinstance(value, str | int) and value != "all" else value
        if words != "all" and not (isinstance(words, list) and all(isinstance(w, str | int) for w in words)):
            msg = "classes are 'all', or a list of names"
            raise ValueError(msg)
        return [str(w) if isinstance(w, int) else w for w in words] if isinstance(words, list) else words

    @field_validator("classes")
    @classmethod
    def _some(cls, value: Classes) -> Classes:
        if not value:
            msg = "'all' or at least one class"
            raise ValueError(msg)
        return value


class Thresholds(_Section):
    """``above`` for what must be, ``below`` for what must not; ``controls`` stands for matched controls."""

    role: Role = "must"
    above: float | Literal["controls"] | None = None
    below: float | None = None

    @field_validator("above", "below", mode="before")
    @classmethod
    def _number(cls, value: Any, info: Any) -> Any:
        wanted = "a number" if info.field_name == "below" else "a number or 'controls'"
        if isinstance(value, bool) or not (isinstance(value, int | float) or value in (None, "controls")):
            msg = f"a threshold is {wanted}"
            raise ValueError(msg)
        if isinstance(value, float) and not math.isfinite(value):
            msg = f"a threshold is {wanted}, and finite"
            raise ValueError(msg)
        if value == "controls" and info.field_name == "below":
            msg = "'controls' are something to lie above; what must not be lies below a number"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_role(self) -> Self:
        given = [n for n in ("above", "below") if getattr(self, n) is not None]
        if self.role == "may" and given:
            msg = f"what may be has no threshold, but '{given[0]}' is given; write must or must_not, or leave it out"
            raise ValueError(msg)
        needed = {"must": "above", "must_not": "below"}.get(self.role)
        if needed is not None and given != [needed]:
            what = f"'{given[0]}' is given" if len(given) == 1 else f"{len(given)} are given"
            msg = f"{self.role} takes the threshold '{needed}', but {what}"
            raise ValueError(msg)
        return self


class Expectation(Common, Thresholds):
    """An expectation of one region and one measure; the measure's own fields come on top."""

    region: dict[str, Any]
    measure: str
    tolerance: Length = Length(0.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        measure = measures[self.measure]
        if self.above == "controls" and not measure.controls:
            msg = f"'{self.measure}' has no matched controls; give 'above' a number"
            raise ValueError(msg)
        name, value = ("above", self.above) if self.above is not None else ("below", self.below)
        if isinstance(value, float) and not (measure.possible(value) and _decides(measure.low, measure.high, self)):
            ends = f"from {measure.low:g} to " if measure.low is not None else "up to "
            ends += f"{measure.high:g}" if measure.high is not None else "any size"
            msg = f"'{name}' is {value:g}, and '{self.measure}' goes {ends}: that decides nothing"
            raise ValueError(msg)
        return self


def _decides(low: float | None, high: float | None, asked: Expectation) -> bool:
    """Whether a threshold leaves values on both of its sides: above 1 no share can lie, below 0 none either."""
    return asked.above != high if asked.above is not None else asked.below != low


class Group(Common):
    """What ``any_of`` and ``all_of`` have beside their parts."""

    role: Literal["must", "may"] = "must"


class AnyOf(Group):
    """At least ``k`` of the parts."""

    any_of: dict[str, Any]


class AllOf(Group):
    """All of the parts."""

    all_of: list[Any] = Field(min_length=1)


class Some(_Section):
    """What stands below ``any_of``: how many, and of which."""

    k: int = Field(default=1, ge=1)
    of: list[Any] = Field(min_length=1)

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.k > len(self.of):
            msg = f"'k' is {self.k}, but there are {len(self.of)} parts"
            raise ValueError(msg)
        return self


class Insertion(_Section):
    """What stands below ``absent``: where the thing would be, and how it is put there.

    Attributes
    ----------
    region
        Where it is absent.
    insert
        ``peak``: a peak with the instrument's profile at each position of a list of peaks; ``contrast``: the mean of
        the contrast classes' samples in the region.
    width, height, profile
        Of a peak: full width at half maximum in the region's unit, height as a part of the signal's range, shape.
    contrast
        The classes that have the thing.
    """

    region: dict[str, Any]
    insert: Literal["peak", "contrast"] = "peak"
    width: float | None = Field(default=None, gt=0)
    height: float = Field(default=0.2, gt=0, le=1)
    profile: Literal["gaussian", "lorentzian"] = "gaussian"
    contrast: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.insert == "peak" and (self.width is None or "peaks" not in self.region):
            msg = "a peak needs a region 'peaks' and its 'width', as the instrument makes it"
            raise ValueError(msg)
        if self.insert == "contrast" and not self.contrast:
            msg = "'contrast' names the classes that have the thing"
            raise ValueError(msg)
        return self


class Absent(Common, Thresholds):
    """The model must use that something is absent: with it put there, the class's score falls."""

    absent: dict[str, Any]


class Head(_Section):
    """The file as a whole; its expectations are checked one by one."""

    version: int
    model: str | None = None
    data: str | None = None
    expectations: list[Any] = Field(min_length=1)


@cache
def with_fields_of(measure: str) -> type[Expectation]:
    """Return what an expectation with that measure may say.

    Raises
    ------
    ExpectationError
        If there is no such measure.
    """
    bases: Any = (Expectation, measures[measure].fields)
    made: type[Expectation] = create_model(f"Expectation_{measure}", __base__=bases)
    return made
