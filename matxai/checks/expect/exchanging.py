"""Exchange as the measure of an expectation: every sample judged with the region's content of donors of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.deciding import Decided, undecided
from matxai.checks.expect.records import SampleVerdict
from matxai.checks.expect.saying import chance_said, number, numbers, say
from matxai.checks.leak.case import Case
from matxai.checks.leak.choosing import donors_of, units_of
from matxai.checks.leak.examining import case_test
from matxai.checks.leak.exchange import exchanged
from matxai.checks.leak.records import Artefact
from matxai.checks.leak.statistics import GROUPS_NEEDED, POWER_NEEDED, Levels
from matxai.checks.perturbation import Perturbed
from matxai.checks.verdict import Verdict
from matxai.errors import MatxaiError, SignalError
from matxai.regions import Boxed

if TYPE_CHECKING:
    from matxai.checks.expect.bench import Bench
    from matxai.checks.expect.deciding import Demand
    from matxai.checks.expect.document import Asks
    from matxai.checks.leak.records import Tested


def regions_of(bench: Bench, leaf: Asks) -> tuple[Boxed | None, ...]:
    """Return where the region lies in each sample of the set; errors go to the bench.

    Raises
    ------
    SignalError
        If the set has one class: there is then no other class to exchange with.
    """
    if len(bench.data.present) < 2:
        only = bench.data.classes[bench.data.present[0]]
        raise SignalError(
            f"{bench.asked.file}, line {leaf.line}: 'exchange' needs samples of two classes, and all are '{only}'."
        )
    found: list[Boxed | None] = []
    for i in range(len(bench.data)):
        bench.step(i, len(bench.data), f"looking for {leaf.where.said}")
        try:
            region = leaf.where.region(bench.sample(i))
        except MatxaiError as error:
            bench.errors.setdefault(id(leaf), []).append(error)
            region = None
        found.append(None if region is None else Boxed.of(region))
    return tuple(found)


def exchange(
    bench: Bench, leaf: Asks, demand: Demand, regions: tuple[Boxed | None, ...]
) -> tuple[Decided, tuple[SampleVerdict, ...]]:
    """Return the verdict of an exchange, and how far each sample follows its donors.

    Parameters
    ----------
    bench, leaf, demand
        What is asked of whom.
    regions
        As :func:`regions_of` returns them; at least one is there.
    """
    case, top = bench.once(("exchanged", id(leaf)), lambda: _exchanged(bench, leaf, regions))
    margin = float(demand.threshold) if isinstance(demand.threshold, float) else 0.05
    alpha = demand.alphas[1 if demand.role == "must_not" else 0]  # of the test that finds it
    levels = Levels(min(max(margin, 1e-6), 1.0), alpha, 1, bench.draws, bench.seed)
    tested = case_test(case, top, levels)
    samples = _lines(bench, case, top, demand)
    if tested is None:
        return undecided(demand, say("missing.donors"), len(samples)), samples
    return _decided(bench, demand, tested), samples


def _exchanged(bench: Bench, leaf: Asks, regions: tuple[Boxed | None, ...]) -> tuple[Case, npt.NDArray[np.int64]]:
    case = _case(bench, leaf, regions)
    return case, exchanged(case).top


def _case(bench: Bench, leaf: Asks, regions: tuple[Boxed | None, ...]) -> Case:
    about = np.array(bench.numbers(leaf.fields.classes), np.int64)
    labels, groups = bench.data.labels, bench.numbers_of_groups
    units = about[units_of(labels[about], groups[about], None, np.random.default_rng([bench.seed, 10]))]
    donors = donors_of(labels, groups, units.size, None, np.random.default_rng([bench.seed, 11]))
    clean = bench.clean()
    kind = str(getattr(leaf.where.fields, "artefact", "drawn"))
    artefact = Artefact(leaf.name, kind, regions, leaf.where.said)
    return Case(
        bench.model,
        bench.data,
        units,
        donors,
        Perturbed(clean.scores[units], clean.top[units]),
        groups,
        bench.groups.told,
        bench.signals,
        artefact,
        draws=bench.draws,
        seed=bench.seed,
        progress=bench.progress,
        cancel=bench.cancel,
    )


def _lines(bench: Bench, case: Case, top: npt.NDArray[np.int64], demand: Demand) -> tuple[SampleVerdict, ...]:
    """For each unit: how much more often a class is predicted under its donors than under those of the own class."""
    made = []
    for row, unit in enumerate(case.units.tolist()):
        usable = (top[row] >= 0) & (case.donor_groups != case.groups[unit])
        own = usable & (case.donor_labels == case.data.labels[unit])
        others = [c for c in np.unique(case.donor_labels[usable]) if c != case.data.labels[unit]]
        named = (unit, bench.data.names[unit], bench.data.classes[int(case.data.labels[unit])])
        if not own.any() or not others:
            made.append(SampleVerdict(*named, reason=say("missing.donors")))
            continue
        there = [float((top[row, usable & (case.donor_labels == c)] == c).mean()) for c in others]
        base = [float((top[row, own] == c).mean()) for c in others]
        value = float(np.mean(np.array(there) - base))
        made.append(SampleVerdict(*named, answer=_line_answer(demand, value), value=value))
    return tuple(made)


def _line_answer(demand: Demand, value: float) -> str:
    if not isinstance(demand.threshold, float):
        return ""
    beyond = value > demand.threshold if demand.role == "must" else value < demand.threshold
    return "holds" if beyond else "broken"


def _decided(bench: Bench, demand: Demand, tested: Tested) -> Decided:
    answer, missing = _answer(bench, demand, tested)
    said = numbers(
        "numbers.exchange",
        measure=demand.measure,
        kind=demand.kind,
        effect=tested.effect,
        bounds=tested.interval,
        claim=demand.claim,
        n=tested.n,
        groups=tested.groups,
    )
    key = "may" if demand.role == "may" else answer
    evidence = {
        "measure": demand.measure,
        "threshold": demand.threshold,
        "role": demand.role,
        "levels": list(demand.alphas),
        "interval_levels": [0.95, 0.95],  # the exchange's bounds stand there whatever level its p is held to
        "smallest_p": tested.smallest_p,
        "smallest_effect": tested.smallest_effect,
        "power": tested.power,
        "donors": tested.donors,
        "by_class": dict(tested.by_class),
        **({"missing": missing} if missing else {}),
    }
    verdict = Verdict(
        demand.question,
        answer,
        say(key, name=demand.name, numbers=said, missing=missing),
        effect=tested.effect,
        interval=tested.interval,
        p=tested.p,
        control="the content of donors of the sample's own class",
        n=tested.n,
        groups=tested.groups,
        evidence=evidence,
    )
    return Decided(verdict, missing)


def _answer(bench: Bench, demand: Demand, tested: Tested) -> tuple[str, str]:
    p = tested.p
    if not isinstance(demand.threshold, float):
        return "reported", ""
    if p is None:
        groups = int(np.unique(bench.numbers_of_groups).size)
        return "inconclusive", say("missing.groups", groups=groups, needed=GROUPS_NEEDED)
    above, below = tested.interval[0] > demand.threshold, tested.interval[1] < demand.threshold
    must = demand.role == "must"
    alpha = demand.alphas[0 if must else 1]
    if above and p > alpha:
        return "inconclusive", say("missing.p", p=number(p), alpha=number(alpha), smallest=number(tested.smallest_p))
    if above:
        return ("holds" if must else "broken"), ""
    if not below:
        return "inconclusive", say("missing.width", threshold=number(demand.threshold))
    if must:
        return "broken", ""
    if tested.power < POWER_NEEDED:
        return "inconclusive", say("missing.power", power=number(tested.power))
    chance = bench.accuracy()
    if chance is not None and not chance.beyond(demand.alphas[0]):
        return "inconclusive", say("missing.chance", **chance_said(chance))
    return "holds", ""
