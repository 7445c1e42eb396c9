"""A file of expectations, a model and a labelled set: every expectation measured on its samples, and judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.expect.asking import Asked
from matxai.checks.expect.combining import combined, levels
from matxai.checks.expect.deciding import CONTROLS, Chance, Decided, Demand, Groups, decide, of_sample, undecided
from matxai.checks.expect.document import Asks, AsksAbsence, AsksSeveral
from matxai.checks.expect.inserting import contrast_inserted, peaks_inserted
from matxai.checks.expect.interval import exact_bounds
from matxai.checks.expect.measures import Measured, measures
from matxai.checks.expect.records import Checked, Judged, SampleVerdict
from matxai.checks.expect.sample import Sample
from matxai.checks.expect.saying import classes_said, say
from matxai.checks.leak.case import Signals
from matxai.checks.perturbation import class_scores
from matxai.checks.verdict import Verdict
from matxai.errors import Cancelled, MatxaiError, MethodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.expect.document import Asked_, Expectations
    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model
    from matxai.regions import Region

_CONTRAST_SAMPLES = 16


@dataclass(eq=False)
class Bench:
    """All that expectations of one run share: model, data, groups, and what was computed once.

    Parameters
    ----------
    model, data, asked
        Whose answers, on what, and to which file.
    draws, seed, progress, cancel
        As everywhere.
    """

    model: Model
    data: LabelledSet
    asked: Expectations
    draws: int = 2000
    seed: int = 0
    progress: Any = None
    cancel: Any = None
    _chance: list[Chance | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        told = self.data.groups
        numbers = np.arange(len(self.data)) if told is None else told
        self.groups = Groups({i: int(g) for i, g in enumerate(numbers)}, told is not None)
        self.signals = Signals(self.data)
        self.lines: dict[int, list[SampleVerdict]] = {}
        self.errors: dict[int, list[MatxaiError]] = {}

    def sample(self, number: int) -> Sample:
        """Return a sample with its signal read."""
        mask = self.data.mask
        return Sample(
            number,
            self.data.names[number],
            self.data.classes[int(self.data.labels[number])],
            self.signals[number],
            self.asked.base,
            None if mask is None else lambda: mask(number),
        )

    def numbers(self, classes: str | Sequence[str]) -> list[int]:
        """Return the numbers of the samples of some classes."""
        names = [self.data.classes[int(k)] for k in self.data.labels]
        return [i for i, name in enumerate(names) if classes == "all" or name in classes]

    def chance(self) -> Chance | None:
        """Return how often the model is right on the whole set; None for what does not classify."""
        if not self._chance:
            self._chance.append(self._accuracy() if self.model.task == "classification" else None)
        return self._chance[0]

    def _accuracy(self) -> Chance:
        said = class_scores(self.model, (self.signals[i] for i in range(len(self.data))), cancel=self.cancel)
        right = int((said.top == self.data.labels).sum())
        largest = float(np.bincount(self.data.labels).max()) / len(self.data)
        return Chance(right / len(self.data), exact_bounds(right, len(self.data))[0], largest)


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
    findings = tuple(_judged(bench, item, (0.05, 0.05)) for item in asked.items)
    return _in_all(bench, findings)


def _measure(bench: Bench) -> None:
    """Go through the samples once and ask everything of each, so that no map or score is computed twice."""
    leaves = [a for a in bench.asked.leaves() if isinstance(a, AsksAbsence) or measures[a.fields.measure].of]
    about = {id(a): set(bench.numbers(a.fields.classes)) for a in leaves}
    wanted = sorted(set().union(*about.values())) if about else []
    for done, number in enumerate(wanted):
        if bench.cancel is not None and bench.cancel.is_set():
            msg = f"Cancelled after {done} of {len(wanted)} samples."
            raise Cancelled(msg)
        if bench.progress is not None:
            bench.progress(done, len(wanted), bench.data.names[number])
        sample = bench.sample(number)
        target = int(bench.data.labels[number])
        asking = Asked(bench.model, sample, target, bench.seed, bench.cancel)
        for leaf in leaves:
            if number in about[id(leaf)]:
                bench.lines.setdefault(id(leaf), []).append(_line(bench, leaf, asking))
    if bench.progress is not None and wanted:
        bench.progress(len(wanted), len(wanted), "samples")


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
    wanted = CONTROLS if leaf.fields.above == "controls" else 0
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
        samples = tuple(bench.lines.get(id(item), ()))
        decided = _decided(bench, item, demand, samples)
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


def _decided(bench: Bench, leaf: Asks | AsksAbsence, demand: Demand, samples: Sequence[SampleVerdict]) -> Decided:
    about = bench.numbers(leaf.fields.classes)
    if not about:
        return undecided(demand, say("missing.classes", classes=classes_said(leaf.fields.classes)))
    used = [s for s in samples if s.value is not None]
    if used:
        chance = bench.chance() if demand.role == "must_not" else None
        return decide(demand, samples, bench.groups, chance=chance, draws=bench.draws, seed=bench.seed)
    errors = bench.errors.get(id(leaf), [])
    if errors and len(errors) == len(samples):
        said = f"{bench.asked.file}, line {leaf.line}: '{leaf.name}' can be measured in no sample. {errors[0]}"
        raise type(errors[0])(said)
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
            "groups": groups,
            "classes": {c: len(bench.numbers([c])) for c in bench.data.classes},
            "notes": list(bench.data.notes),
        },
    )
