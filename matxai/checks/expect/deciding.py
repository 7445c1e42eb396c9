"""From the samples' numbers to a verdict: a demand holds or is broken where the bounds lie on one side of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from matxai.checks.expect.interval import GROUPS_NEEDED, mean_bounds, sign_flip_p
from matxai.checks.expect.saying import chance_said, number, numbers, say
from matxai.checks.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.checks.expect.measures import Measure, Measured
    from matxai.checks.expect.records import SampleVerdict
    from matxai.checks.leak.chance import Accuracy

CONTROLS = 19
"""Matched controls that a sample's answer takes: the region alone above all of them is the first of twenty."""
ASKED = 24
"""How many are asked for: some may turn out to look like nothing real, and then do not count."""


@dataclass(frozen=True)
class Demand:
    """What is asked of a number.

    Parameters
    ----------
    name, role, question
        As the file has them, and the question in words.
    threshold
        A number, ``controls``, or None where nothing is demanded.
    measure, kind
        The measure's name and the measure.
    alphas
        Level of the bound that makes it hold, and of the one that breaks it.
    """

    name: str
    role: str
    question: str
    threshold: float | Literal["controls"] | None
    measure: str
    kind: Measure | None = None
    alphas: tuple[float, float] = (0.05, 0.05)

    @property
    def claim(self) -> str:
        """What is demanded, in words."""
        return say(f"claim.{self.role}", threshold=self.threshold)


@dataclass(frozen=True)
class Groups:
    """The group of each sample of a set, and whether somebody said what a group is."""

    of: Mapping[int, int]
    told: bool


@dataclass(frozen=True)
class Decided:
    """A verdict, and what it would take where there is none."""

    verdict: Verdict
    missing: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


def of_sample(demand: Demand, measured: Measured) -> tuple[str, int | None]:
    """Return one sample's answer, and its rank among the controls.

    With a number, the answer is decided where all fills agree. With controls, it holds where the region alone is above
    all 19, and is broken where half of them do as well.
    """
    rank = 1 + sum(c >= measured.value for c in measured.controls) if measured.controls else None
    if demand.threshold is None:
        return "", rank
    if demand.threshold == "controls":
        if rank is None:
            return "inconclusive", None
        if 2 * (rank - 1) >= len(measured.controls) or measured.value <= 0:
            return "broken", rank
        return ("holds" if rank == 1 and len(measured.controls) >= CONTROLS else "inconclusive"), rank
    limit = demand.threshold
    parts = measured.parts or (measured.value,)
    beyond = [(p > limit) if demand.role == "must" else (p < limit) for p in parts]
    return ("holds" if all(beyond) else "inconclusive" if any(beyond) else "broken"), rank


def undecided(demand: Demand, missing: str, n: int = 0, **evidence: Any) -> Decided:
    """Return the verdict where there is no number."""
    sentence = say("nothing", name=demand.name, missing=missing)
    verdict = Verdict(demand.question, "inconclusive", sentence, n=n, evidence={"missing": missing, **evidence})
    return Decided(verdict, missing)


def decide(
    demand: Demand,
    samples: Sequence[SampleVerdict],
    groups: Groups,
    *,
    chance: Accuracy | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Decided:
    """Return the verdict over the samples that could be judged.

    Parameters
    ----------
    demand
        What is asked.
    samples
        One line each; those without a value take no part.
    groups
        Which belong together.
    chance
        For what must not be: a model that is not better than chance acquits nobody.
    draws, seed
        Of the bootstrap.
    """
    used = [s for s in samples if s.value is not None]
    against = demand.threshold == "controls"
    values = np.array([_difference(s) if against else float(s.value or 0.0) for s in used])
    ratio = demand.kind is not None and demand.kind.ratio
    values = np.log(values) if ratio else values
    numbers_of = np.array([groups.of[s.number] for s in used], np.int64)
    kind = demand.kind
    ends = (None, None) if against or ratio or kind is None else (kind.low, kind.high)
    proportion = kind is not None and kind.proportion and not against
    hold, broke = demand.alphas if demand.role != "must_not" else demand.alphas[::-1]
    both = [
        mean_bounds(
            values, numbers_of, low=ends[0], high=ends[1], proportion=proportion, alpha=a, draws=draws, seed=seed
        )
        for a in ((hold,) if hold == broke else (hold, broke))
    ]
    bounds = (both[0][0], both[-1][1])
    effect = float(values.mean())
    if ratio:
        effect, bounds = float(np.exp(effect)), (float(np.exp(bounds[0])), float(np.exp(bounds[1])))
    count = int(np.unique(numbers_of).size)
    p, smallest = sign_flip_p(values, numbers_of, seed=seed) if against and count >= GROUPS_NEEDED else (None, None)
    answer, missing = _answer(demand, bounds, count, p, smallest, chance)
    control = float(np.mean([s.control for s in used if s.control is not None])) if against else None
    said = numbers(
        "numbers.difference" if against else "numbers",
        measure=demand.measure,
        kind=kind,
        effect=effect,
        bounds=bounds,
        levels=(1 - hold, 1 - broke),
        claim=say("claim.controls", control=number(control)) if against else demand.claim,
        n=len(used),
        groups=count if groups.told else None,
    )
    key = "may" if demand.role == "may" else answer
    evidence = {
        "measure": demand.measure,
        "threshold": demand.threshold,
        "role": demand.role,
        "levels": list(demand.alphas),
        "interval_levels": [1 - hold, 1 - broke],
        "left_out": len(samples) - len(used),
        "per_sample": _count(used),
        **({"smallest_p": smallest} if smallest is not None else {}),
        **({"mean": float(np.mean([s.value for s in used]))} if against else {}),
        **({"accuracy": chance.value, "chance": chance.chance} if chance is not None else {}),
        **({"missing": missing} if missing else {}),
    }
    verdict = Verdict(
        demand.question,
        answer,
        say(key, name=demand.name, numbers=said, missing=missing),
        effect=effect,
        interval=None if np.isinf(bounds).any() else bounds,
        p=p,
        control=f"matched translates, mean {number(control)}" if against else None,
        n=len(used),
        groups=count if groups.told else None,
        evidence=evidence,
    )
    return Decided(verdict, missing)


def _difference(sample: SampleVerdict) -> float:
    """How far a sample's value lies above its controls, and above 0: a fill that helps elsewhere is no merit here."""
    return float(sample.value or 0.0) - max(float(sample.control or 0.0), 0.0)


def _count(samples: Sequence[SampleVerdict]) -> dict[str, int]:
    answers = [s.answer for s in samples if s.answer]
    return {a: answers.count(a) for a in ("holds", "broken", "inconclusive") if a in answers}


def _answer(
    demand: Demand,
    bounds: tuple[float, float],
    count: int,
    p: float | None,
    smallest: float | None,
    chance: Accuracy | None,
) -> tuple[str, str]:
    if demand.threshold is None:
        return "reported", ""
    if count < GROUPS_NEEDED:
        return "inconclusive", say("missing.groups", groups=count, needed=GROUPS_NEEDED)
    limit = 0.0 if demand.threshold == "controls" else demand.threshold
    above, below = bounds[0] > limit, bounds[1] < limit
    holds, broken = (above, below) if demand.role == "must" else (below, above)
    if holds and p is not None and p > demand.alphas[0]:
        return "inconclusive", say("missing.p", p=number(p), alpha=number(demand.alphas[0]), smallest=number(smallest))
    if holds and demand.role == "must_not" and chance is not None and not chance.beyond(demand.alphas[0]):
        return "inconclusive", say("missing.chance", **chance_said(chance))
    if holds or broken:
        return ("holds" if holds else "broken"), ""
    return "inconclusive", say("missing.width", threshold=number(limit))
