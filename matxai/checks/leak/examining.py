"""The whole leakage check: artefacts, exchange, support, factors, one answer each and one in all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import check_asked
from matxai.checks.leak.answers import GRAVEST_FIRST, Rules, answer_artefact, answer_factor, in_all
from matxai.checks.leak.bounds import holm
from matxai.checks.leak.cams import METHODS, checked_layers
from matxai.checks.leak.case import Case, Signals, said_by
from matxai.checks.leak.chance import Accuracy, accuracy
from matxai.checks.leak.choosing import donors_of, units_of
from matxai.checks.leak.exchange import Exchanged, exchanged
from matxai.checks.leak.finding import artefacts_of, looked_for
from matxai.checks.leak.near_duplicates import near_duplicates_together
from matxai.checks.leak.permitted import ALPHA, MARGIN, THRESHOLD, check_classifier, check_data, check_levels, some
from matxai.checks.leak.reach import Reach, reach
from matxai.checks.leak.records import Artefact, Leakage, LeakFinding
from matxai.checks.leak.removing import changed_without
from matxai.checks.leak.statistics import Levels, exchange_test
from matxai.errors import MatxaiError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Support, Tested
    from matxai.modelcard import Model

_EXAMPLES = 6
SPECIMENS = frozenset({"brightness", "contrast", "focus", "noise"})
"""Factors that the specimen may cause."""


def examine(
    model: Model,
    data: LabelledSet,
    *,
    artefacts: Sequence[Artefact] | None = None,
    judges: Mapping[int, Model] | None = None,
    kinds: Sequence[str] | None = None,
    methods: Sequence[str] = (),
    layers: Sequence[str | int] | None = None,
    supporting: bool = True,
    factors: bool = True,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    threshold: float = THRESHOLD,
    max_units: int | None = None,
    donors: int | None = None,
    draws: int = 2000,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: Any = None,
) -> Leakage:
    """Ask whether a model tells classes by what is not of the specimen.

    Parameters
    ----------
    model
        A classifier.
    data
        Signals with their classes, and groups where they are known.
    artefacts
        What is exchanged; by default what is found in the signals.
    judges
        From the number of a signal to the model that judges it in the place of ``model``: one that never saw its group.
        For the exchange alone, without supporting tests and factors.
    kinds
        Kinds of artefacts that are looked for; by default all.
    methods
        Attribution methods of the supporting tests.
    layers
        Layers of those that are CAMs, as :func:`matxai.attribute` takes them; by default the last with spatial axes.
    supporting, factors
        Whether the supporting tests, and what is not in the picture, are looked at.
    margin
        Largest effect that counts as none.
    alpha
        Level of the tests, after Holm's correction.
    threshold
        An effect whose interval lies above it is a leak.
    max_units, donors
        How many signals are judged, and how many give their artefacts; by default as many as some thousand
        predictions for each artefact allow.
    draws, seed
        Draws of permutations and of the bootstrap; the seed of everything.
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``.

    Returns
    -------
    Leakage
        The gravest finding first.

    Raises
    ------
    SignalError
        If the data have one class only.
    ModelError
        If the model was not loaded or is no classifier, or its classes are not the data's.
    LayerError
        If the model has no such layer, or it has no spatial axes; that is known before anything is exchanged.
    MatxaiError
        If a level is no share, the seed no whole number of 0 or more, or layers are named for a run without CAMs.
    Cancelled
        If ``cancel`` is set.
    """
    check_asked(model, seed)
    check_classifier(model)
    check_levels(margin, alpha, threshold)
    check_data(model, data)
    if judges and (supporting or factors):
        msg = "Several judges answer the exchange alone; give supporting=False and factors=False with judges=."
        raise MatxaiError(msg)
    at = checked_layers(model, data, layers, methods or METHODS, supporting=supporting)
    case = _case(model, data, judges or {}, max_units=max_units, seed=seed, progress=progress, cancel=cancel)
    case = replace(
        case, methods=tuple(methods), layers=at, margin=margin, alpha=alpha, threshold=threshold, draws=draws
    )
    found, searched = _artefacts(case, artefacts, kinds)
    case, duplicates = _grouped(case, found, donors)
    clean = accuracy(case.clean.top, case.unit_labels, case.unit_groups, draws=draws, seed=seed)
    rules = _rules(case, clean)
    asked = _asked(case, found)
    tests = sum(a.tested is not None for a in asked)
    rules = replace(rules, tests=max(1, tests))
    findings = _findings(asked, case, rules, supporting=supporting)
    if factors:
        findings_of_factors, names = _factors(case, rules)
        findings += findings_of_factors
        searched = (*searched, *names)
    findings.sort(key=lambda f: GRAVEST_FIRST.index(f.verdict.answer))
    answer, sentence = in_all(findings, searched, rules)
    return Leakage(
        answer=answer,
        sentence=sentence,
        findings=tuple(findings),
        looked_for=searched,
        accuracy=(clean.value, *clean.interval),
        chance=clean.chance,
        facts={
            "images": len(data),
            "units": int(case.units.size),
            "donors": int(case.donors.size),
            "groups": clean.groups,
            "grouped": case.grouped,
            "classes": list(rules.classes),
            "near_duplicates": duplicates,
            "majority": clean.majority,
            "better_than_chance": clean.beyond(alpha),
            "passes": sum(a.passes for a in asked) + int(case.units.size),
            "margin": margin,
            "alpha": alpha,
            "threshold": threshold,
            "draws": draws,
            "seed": seed,
            "notes": list(data.notes),
        },
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """An artefact with what was found by asking the model."""

    artefact: Artefact
    reach: Reach | None = None
    exchanged: Exchanged | None = None
    tested: Tested | None = None
    removal: float | None = None

    @property
    def passes(self) -> int:
        return 0 if self.exchanged is None else self.exchanged.passes


def _case(
    model: Model,
    data: LabelledSet,
    judges: Mapping[int, Model],
    *,
    max_units: int | None,
    seed: int,
    progress: Any,
    cancel: Any,
) -> Case:
    """The case before donors and near-duplicates are known: which signals are judged, and what the model says."""
    n = len(data)
    groups = np.arange(n, dtype=np.int64)
    if data.groups is not None:
        groups = np.unique(data.groups, return_inverse=True)[1].ravel().astype(np.int64)
    rng = np.random.default_rng([seed, 10])
    units = units_of(data.labels, groups, max_units, rng)
    signals = Signals(data)

    def told() -> Any:
        for k, i in enumerate(units):
            if progress is not None:
                progress(k, units.size, "predictions")
            yield signals[i]

    clean = said_by(lambda i: judges.get(i, model), units, told(), cancel)
    if clean.scores.shape[1] != len(data.classes):
        msg = (
            f"The model '{model.name}' gives scores for {clean.scores.shape[1]} classes, and the data have "
            f"{len(data.classes)} ({some(data.classes)})."
        )
        raise ModelError(msg)
    return Case(
        model=model,
        data=data,
        units=units,
        donors=units,
        clean=clean,
        groups=groups,
        grouped=data.groups is not None,
        signals=signals,
        seed=seed,
        progress=progress,
        cancel=cancel,
        judges=judges,
    )


def _artefacts(
    case: Case, given: Sequence[Artefact] | None, kinds: Sequence[str] | None
) -> tuple[tuple[Artefact, ...], tuple[str, ...]]:
    n = len(case.data)
    searched: tuple[str, ...] = ()
    if given is None:
        axes = sum(d != "c" for d in case.signals[int(case.units[0])].dims)
        searched = looked_for(axes, kinds)
        read = replace(case.data, read=case.signals.__getitem__)
        given = artefacts_of(read, kinds=kinds, seed=case.seed, progress=case.progress, cancel=case.cancel)
    for artefact in given:
        if len(artefact.regions) != n:
            msg = f"The artefact '{artefact.name}' has regions for {len(artefact.regions)} signals; the set has {n}."
            raise MatxaiError(msg)
    chosen = tuple(a for a in given if kinds is None or a.kind in kinds)
    return chosen, searched or tuple(dict.fromkeys(a.kind for a in chosen))


def _grouped(case: Case, found: Sequence[Artefact], donors: int | None) -> tuple[Case, int]:
    """The case with near-duplicates in one group and donors spread over classes and groups."""

    def shown() -> Any:
        for k, i in enumerate(case.units):
            case.step(k, case.units.size, "near-duplicates")
            yield case.signals[i], [r for a in found if (r := a.regions[int(i)]) is not None]

    merged_groups, duplicates = near_duplicates_together(case.groups[case.units], shown())
    # signals that are not judged belong to their group's images that are; groups without any stand behind these
    joined = dict(zip(case.groups[case.units].tolist(), merged_groups.tolist(), strict=True))
    behind = int(merged_groups.max()) + 1
    groups = np.array([joined.get(g, g + behind) for g in case.groups.tolist()], np.int64)
    if case.units.size < len(case.data):
        groups = np.unique(groups, return_inverse=True)[1].ravel().astype(np.int64)
    rng = np.random.default_rng([case.seed, 11])
    chosen = donors_of(case.unit_labels, merged_groups, case.units.size, donors, rng)
    return replace(case, groups=groups, donors=case.units[chosen]), duplicates


def _rules(case: Case, clean: Accuracy) -> Rules:
    labels, groups = case.unit_labels, case.unit_groups
    names = case.data.classes
    present = np.unique(labels)
    alone = tuple(names[int(c)] for c in present if np.unique(groups[labels == c]).size < 2)
    return Rules(
        model=case.model.name,
        accuracy=clean,
        grouped=case.grouped,
        margin=case.margin,
        alpha=case.alpha,
        threshold=case.threshold,
        tests=1,
        classes=tuple(names[int(c)] for c in present),
        left_out=alone,
    )


def _asked(case: Case, found: Sequence[Artefact]) -> list[_Asked]:
    """Every artefact with its reach and its exchange, corrected over all of them."""
    asked = []
    for artefact in found:
        own = case.about(artefact)
        if artefact.constant:
            asked.append(_Asked(artefact, removal=changed_without(own)))
            continue
        reached = reach(own)
        if reached.share == 0.0:
            asked.append(_Asked(artefact, reached))
            continue
        found_here = exchanged(own)
        if reached.pairs == 0 and found_here.different == 1 and found_here.unusable == 0:
            # whoever described the artefact did not say so, but every donor gives the same
            asked.append(_Asked(replace(artefact, constant=True), removal=changed_without(own)))
            continue
        asked.append(_Asked(artefact, reached, found_here))
    count = max(1, sum(a.exchanged is not None for a in asked))
    levels = Levels(case.margin, case.alpha, count, case.draws, case.seed)
    tested = [a if a.exchanged is None else replace(a, tested=case_test(case, a.exchanged.top, levels)) for a in asked]
    corrected = holm([None if a.tested is None else a.tested.p for a in tested])
    return [
        a if a.tested is None else replace(a, tested=replace(a.tested, corrected=c))
        for a, c in zip(tested, corrected, strict=True)
    ]


def case_test(case: Case, top: npt.NDArray[np.int64], levels: Levels | None = None) -> Tested | None:
    """Return the exchange test of predictions ``(n, D)`` of a case's units under its donors; None where it has none."""
    return exchange_test(
        top,
        case.unit_labels,
        case.donor_labels,
        case.unit_groups,
        case.donor_groups,
        grouped=case.grouped,
        names=case.data.classes,
        levels=levels or Levels(case.margin, case.alpha, case.tests, case.draws, case.seed),
    )


def _findings(asked: Sequence[_Asked], case: Case, rules: Rules, *, supporting: bool) -> list[LeakFinding]:
    findings = []
    for a in asked:
        support: list[Support] = []
        # where nothing arrives, or too few images or groups decide nothing whatever they say, they are not worth it
        if supporting and not rules.too_few and not (a.reach is not None and a.reach.share == 0.0):
            from matxai.checks.leak.supporting import supporting as tests

            own = replace(case.about(a.artefact), tests=rules.tests)
            for name in tests:
                support += tests[name](own)
        evidence = {} if a.exchanged is None else {"unusable": a.exchanged.unusable, "passes": a.exchanged.passes}
        shown = () if a.exchanged is None else _examples(case, a.exchanged)
        findings.append(
            answer_artefact(
                a.artefact, rules, a.reach, a.tested, support, removal=a.removal, examples=shown, evidence=evidence
            )
        )
    return findings


def _examples(case: Case, found: Exchanged) -> tuple[int, ...]:
    """Signals whose answer becomes the class of the donor most often, having been another."""
    other = case.donor_labels[None, :] != case.unit_labels[:, None]
    follows = (found.top == case.donor_labels[None, :]) & (found.top != case.clean.top[:, None]) & other
    often = follows.sum(axis=1) / np.maximum((other & (found.top >= 0)).sum(axis=1), 1)
    order = np.argsort(-often, kind="stable")[:_EXAMPLES]
    return tuple(int(case.units[k]) for k in order if often[k] > 0)


def _factors(case: Case, rules: Rules) -> tuple[list[LeakFinding], tuple[str, ...]]:
    from matxai.checks.leak.factors import factors

    findings = []
    # what the specimen may cause is another question than what it cannot: each has its own correction
    for names in ([n for n in factors if n not in SPECIMENS], [n for n in factors if n in SPECIMENS]):
        own = replace(case.about(None), tests=max(1, len(names)))
        found = [f for name in names if (f := factors[name](own)) is not None]
        corrected = holm([None if f.moves is None else f.moves.p for f in found])
        asked = replace(rules, tests=own.tests)
        for f, c in zip(found, corrected, strict=True):
            moves = None if f.moves is None else replace(f.moves, corrected=c)
            findings.append(answer_factor(replace(f, moves=moves), asked))
    return findings, tuple(factors)
