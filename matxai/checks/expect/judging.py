"""A file of expectations, a model and a labelled set: every expectation measured on its samples, and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.expect.asking import Asked
from matxai.checks.expect.bench import Bench
from matxai.checks.expect.combining import combined, levels
from matxai.checks.expect.deciding import ASKED, Decided, Demand, decide, of_sample, undecided
from matxai.checks.expect.document import Asks, AsksAbsence, AsksSeveral
from matxai.checks.expect.exchanging import exchange, regions_of
from matxai.checks.expect.inserting import contrast_inserted, peaks_inserted
from matxai.checks.expect.measures import Measured, measures
from matxai.checks.expect.measures.of_changes import FillFields
from matxai.checks.expect.records import Checked, Judged, SampleVerdict
from matxai.checks.expect.saying import classes_said, say
from matxai.checks.verdict import Verdict
from matxai.errors import Cancelled, MatxaiError, MethodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.expect.document import Asked_, Expectations
    from matxai.checks.expect.sample import Sample
    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model
    from matxai.regions import Region

ALPHA = 0.05
"""Level of a file's answer, each way."""
_CONTRAST_SAMPLES = 16


def judge(
    asked: Expectations,
    model: Model,
    data: LabelledSet,
    *,
    draws: int = 2000,
    seed: int = 0,
    progress: Any = None,
    cancel: Any = None,
) -> Checked:
    """Measure every expectation on the samples it is about, and judge it.

    Parameters
    ----------
    asked
        As :func:`read_expectations` returns them.
    model
        As loaded from its card.
    data
        The labelled set.
    draws, seed
        Bootstrap samples of the bounds, and the seed of everything.
    progress, cancel
        As everywhere.

    Returns
    -------
    Checked

    Raises
    ------
    ExpectationError
        If a class is named that does not exist, with its line.
    MatxaiError
        If an expectation can be measured in no sample at all: missing files, masks of another size, other units.
    Cancelled
        If ``cancel`` is set.
    """
    asked.check_classes(data.classes, f"the model '{model.name}'")
    bench = Bench(model, data, asked, draws, seed, progress, cancel)
    _measure(bench)
    return _in_all(bench, _stepped(bench))


def _stepped(bench: Bench) -> tuple[Judged, ...]:
    """Judge all expectations, those that are broken by Holm's steps.

    That all hold is said only where each does at 5 %, and is then wrong in at most 5 % (an intersection-union test,
    Berger, Technometrics 24, 295 (1982)): nothing is to be corrected. That one of them is broken could be said by
    mistake of any, so it is said at 5 % divided by the number that is not broken yet (Holm, Scand. J. Stat. 6, 65
    (1979)).
    """
    items = bench.asked.items
    demanded = {i for i, item in enumerate(items) if item.fields.role != "may"}
    found: dict[int, Judged] = {}
    left, level = set(range(len(items))), max(1, len(demanded))
    while left:
        for i in sorted(left):
            found[i] = _judged(bench, items[i], (ALPHA, ALPHA / level))
        left = {i for i in demanded if found[i].verdict.answer != "broken"}
        if len(left) == level:
            break
        level = len(left)
    return tuple(found[i] for i in range(len(items)))


def _measure(bench: Bench) -> None:
    """Go through the samples once and ask everything of each, so that no map or score is computed twice."""
    leaves = [a for a in bench.asked.leaves() if isinstance(a, AsksAbsence) or measures[a.fields.measure].of]
    changing = any(isinstance(a, Asks) and issubclass(measures[a.fields.measure].fields, FillFields) for a in leaves)
    real = bench.reference() if changing else None
    about = {id(a): set(bench.numbers(a.fields.classes)) for a in leaves}
    wanted = sorted(set().union(*about.values())) if about else []
    for done, number in enumerate(wanted):
        bench.step(done, len(wanted), bench.data.names[number])
        sample = bench.sample(number)
        target = int(bench.data.labels[number])
        asking = Asked(bench.model, sample, target, bench.seed, bench.cancel, real)
        for leaf in leaves:
            if number in about[id(leaf)]:
                bench.lines.setdefault(id(leaf), []).append(_line(bench, leaf, asking))
    bench.step(len(wanted), len(wanted), "samples")


def _line(bench: Bench, leaf: Asks | AsksAbsence, asking: Asked) -> SampleVerdict:
    sample = asking.sample
    named = (sample.number, sample.name, sample.label)
    try:
        region = leaf.where.region(sample)
    except MatxaiError as error:
        bench.errors.setdefault(id(leaf), []).append(error)
        return SampleVerdict(*named, reason=str(error))
    if region is None:
        return SampleVerdict(*named, reason=say("missing.region", n=1))
    try:
        measured = _measured(bench, leaf, asking, region)
    except (Cancelled, MethodError):
        raise  # a method that this model does not have is missing in every sample
    except MatxaiError as error:
        return SampleVerdict(*named, reason=str(error), detail={"region": region.share})
    if leaf.fields.above == "controls" and not measured.controls:
        return SampleVerdict(*named, reason=say("missing.controls"), detail=measured.detail)
    answer, rank = of_sample(_demand(leaf), measured)
    return SampleVerdict(
        *named,
        answer=answer,
        value=measured.value,
        control=float(np.mean(measured.controls)) if measured.controls else None,
        rank=rank,
        controls=len(measured.controls),
        detail={**measured.detail, **({"parts": list(measured.parts)} if measured.parts else {})},
    )


def _measured(bench: Bench, leaf: Asks | AsksAbsence, asking: Asked, region: Region) -> Measured:
    wanted = ASKED if leaf.fields.above == "controls" else 0
    if isinstance(leaf, Asks):
        of = measures[leaf.fields.measure].of
        assert of is not None  # noqa: S101 - what is measured over the set is not asked of a sample
        return of(leaf.fields, asking, region, wanted)
    if leaf.insertion.insert == "peak":
        return peaks_inserted(asking, region, leaf.where.fields, leaf.insertion, wanted)
    own = _mean_of(bench, [asking.sample.label], asking.sample)
    return contrast_inserted(asking, region, own, _mean_of(bench, leaf.insertion.contrast, asking.sample))


def _mean_of(bench: Bench, classes: Sequence[str], sample: Sample) -> Any:
    """The mean of a class's samples of the same shape, but for this one and its group."""
    mine = bench.groups.of[sample.number]
    others = [i for i in bench.numbers(list(classes)) if bench.groups.of[i] != mine]
    same = [bench.signals[i] for i in others[:_CONTRAST_SAMPLES]]
    values = [np.asarray(s.values, np.float64) for s in same if s.shape == sample.signal.shape]
    if not values:
        msg = f"No other sample of {' or '.join(classes)} has the shape of {sample.name}, so none can lend its content."
        raise MatxaiError(msg)
    return np.mean(values, axis=0)


def _demand(leaf: Asks | AsksAbsence, alphas: tuple[float, float] = (0.05, 0.05)) -> Demand:
    fields = leaf.fields
    threshold = fields.above if fields.above is not None else fields.below
    measure = leaf.fields.measure if isinstance(leaf, Asks) else "the fall of the score"
    kind = measures[measure] if isinstance(leaf, Asks) else None
    key = "question.absent" if isinstance(leaf, AsksAbsence) else f"question.{fields.role}"
    question = say(
        key,
        region=leaf.where.said,
        classes=classes_said(fields.classes),
        measure=measure.replace("_", " "),
        threshold="that of matched controls" if threshold == "controls" else threshold,
    )
    return Demand(leaf.name, fields.role, question, threshold, measure, kind, alphas)


def _judged(bench: Bench, item: Asked_, alphas: tuple[float, float]) -> Judged:
    if isinstance(item, AsksSeveral):
        below = levels(item.k, len(item.parts), alphas)
        parts = tuple(_judged(bench, p, below) for p in item.parts)
        decided, samples = combined(item.name, item.k, item.fields.role, parts)
        kind, where = ("all_of" if item.k == len(item.parts) else "any_of"), ""
    else:
        demand = _demand(item, alphas)
        decided, samples = _leaf(bench, item, demand)
        kind, parts, where = (demand.measure if isinstance(item, Asks) else "absent"), (), item.where.said
    fields = item.fields
    return Judged(
        item.name,
        kind,
        fields.role,
        decided.verdict,
        samples,
        fields.weight,
        fields.source,
        item.line,
        parts,
        where,
        decided.missing,
    )


def _leaf(bench: Bench, leaf: Asks | AsksAbsence, demand: Demand) -> tuple[Decided, tuple[SampleVerdict, ...]]:
    about = bench.numbers(leaf.fields.classes)
    if not about:
        return undecided(demand, say("missing.classes", classes=classes_said(leaf.fields.classes))), ()
    if isinstance(leaf, AsksAbsence) or measures[leaf.fields.measure].of is not None:
        samples = tuple(bench.lines.get(id(leaf), ()))
        return _decided(bench, leaf, demand, samples), samples
    if len(bench.data) == 1:
        alone = say("missing.alone", measure=leaf.fields.measure)
        lines = tuple(SampleVerdict(i, bench.data.names[i], bench.sample(i).label, reason=alone) for i in about)
        return undecided(demand, alone, 1), lines
    regions = bench.once(("regions", id(leaf)), lambda: regions_of(bench, leaf))
    if any(r is not None for r in regions):
        return exchange(bench, leaf, demand, regions)
    errors = [str(e) for e in bench.errors.get(id(leaf), [])]
    reason = errors[0] if errors else say("missing.region", n=1)
    samples = tuple(SampleVerdict(i, bench.data.names[i], bench.sample(i).label, reason=reason) for i in about)
    if len(errors) == len(bench.data):
        _refuse(bench, leaf)
    return _nowhere(leaf, demand, samples), samples


def _refuse(bench: Bench, leaf: Asks | AsksAbsence) -> None:
    """Raise the first error of an expectation that has an error in every sample."""
    first = bench.errors[id(leaf)][0]
    said = f"{bench.asked.file}, line {leaf.line}: '{leaf.name}' can be measured in no sample. {first}"
    raise type(first)(said)


def _decided(bench: Bench, leaf: Asks | AsksAbsence, demand: Demand, samples: Sequence[SampleVerdict]) -> Decided:
    used = [s for s in samples if s.value is not None]
    if used:
        chance = bench.accuracy() if demand.role == "must_not" else None
        return decide(demand, samples, bench.groups, chance=chance, draws=bench.draws, seed=bench.seed)
    if samples and len(bench.errors.get(id(leaf), [])) == len(samples):
        _refuse(bench, leaf)
    return _nowhere(leaf, demand, samples)


def _nowhere(leaf: Asks | AsksAbsence, demand: Demand, samples: Sequence[SampleVerdict]) -> Decided:
    """The verdict where nothing was measured: what is found nowhere cannot be used, nor can it be looked at."""
    absent = say("missing.region", n=1)
    reasons = [s.reason for s in samples if s.reason != absent]
    if reasons:
        return undecided(demand, say("missing.reason", reason=reasons[0].rstrip(".")), len(samples))
    if demand.role == "must_not" and leaf.where.kind == "artefact":
        sentence = say("holds.none", name=demand.name, region=leaf.where.said, n=len(samples))
        return Decided(Verdict(demand.question, "holds", sentence, n=len(samples), evidence={"found": 0}))
    return undecided(demand, say("missing.region", n=len(samples)), len(samples))


def _in_all(bench: Bench, findings: tuple[Judged, ...]) -> Checked:
    demanded = [f for f in findings if f.demanded]
    by_answer = {a: [f for f in demanded if f.verdict.answer == a] for a in ("broken", "inconclusive", "holds")}
    answer = next((a for a, some in by_answer.items() if some), "inconclusive")
    counts = {a: len(some) for a, some in by_answer.items()}
    names = ", ".join(f"'{f.name}'" for f in by_answer[answer])
    key = f"answer.{answer}" if demanded else "answer.nothing"
    weight = sum(f.weight for f in demanded)
    groups = len(set(bench.groups.of.values())) if bench.groups.told else None
    return Checked(
        answer,
        say(key, n=len(demanded), names=names, **counts),
        findings,
        sum(f.weight for f in by_answer["holds"]) / weight if weight else None,
        {
            "samples": len(bench.data),
            "near_duplicates": bench.duplicates,
            **_accuracy(bench),
            "groups": groups,
            "classes": {c: len(bench.numbers([c])) for c in bench.data.classes},
            "notes": list(bench.data.notes),
        },
    )


def _accuracy(bench: Bench) -> dict[str, Any]:
    known = bench.accuracy()
    return {} if known is None else {"accuracy": [known.value, *known.interval], "chance": known.chance}
