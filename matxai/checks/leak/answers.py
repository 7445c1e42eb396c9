"""From tests to one answer for each artefact and factor, and one in all. Rules and sentences; nothing is computed here.

The rules, first that applies: nothing arrives: `unreachable`; too few groups or images: `cannot tell`; the same in all
images: `not seen`; the exchange's interval above the threshold and significant: `leak`; significant, or two supporting
tests beyond their own null: `suspicious`; bounded by the margin with the power to have seen it, by a model better than
chance: `not seen`; else `cannot tell`, with what is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.checks import sentences
from matxai.checks.leak.bounds import exact_bounds, smallest_n
from matxai.checks.leak.records import LeakFinding
from matxai.checks.leak.statistics import GROUPS_NEEDED, POWER_NEEDED
from matxai.checks.sentences import counted, listed, named, p_value, points
from matxai.checks.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.leak.chance import Accuracy
    from matxai.checks.leak.reach import Reach
    from matxai.checks.leak.records import Artefact, Factor, Support, Tested

GRAVEST_FIRST = ("leak", "suspicious", "cannot tell", "not seen", "unreachable")
SUPPORT_NEEDED = 2
"""So many supporting tests beyond the 95 % point of their own null make a model suspicious."""


@dataclass(frozen=True)
class Rules:
    """What a run asks for, and what holds for all its questions.

    Parameters
    ----------
    model
        Name of the model.
    accuracy
        Of the clean images.
    grouped
        Whether groups were named.
    margin, alpha, threshold
        As in :func:`matxai.checks.leak.examine`.
    tests
        Confirmatory tests of the run.
    classes
        Names of the classes that occur.
    left_out
        Names of those whose images are all of one group.
    """

    model: str
    accuracy: Accuracy
    grouped: bool
    margin: float
    alpha: float
    threshold: float
    tests: int
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def too_few(self) -> list[str]:
        """What is missing before anything can be decided: groups, images."""
        missing = []
        if self.accuracy.groups < GROUPS_NEEDED:
            groups = counted(self.accuracy.groups, "group")
            missing.append(sentences.MISSING_GROUPS.format(groups=groups, needed=GROUPS_NEEDED))
        if exact_bounds(0.0, self.accuracy.n)[1] > self.threshold:
            images = counted(self.accuracy.n, "image")
            missing.append(sentences.MISSING_IMAGES.format(images=images, needed=smallest_n(self.margin)))
        return missing

    @property
    def no_better_than_chance(self) -> list[str]:
        """A sentence's part if the model is not better than chance, else nothing."""
        a = self.accuracy
        if a.beyond(self.alpha):
            return []
        return [
            sentences.MISSING_CHANCE.format(
                accuracy=points(a.value),
                images=counted(a.n, "image"),
                low=points(a.interval[0]),
                high=points(a.interval[1]),
                chance=points(a.chance),
            )
        ]


def significant(tested: Tested, rules: Rules) -> bool:
    """Return whether a test is significant after its correction."""
    return tested.corrected is not None and tested.corrected <= rules.alpha + 1e-12


def bounded(tested: Tested, rules: Rules) -> bool:
    """Return whether an effect is shown to lie below the margin, by data that could have shown one of its size."""
    low, high = tested.interval
    return high < rules.margin and tested.power >= POWER_NEEDED and tested.p is not None and low > -rules.threshold


def missing(tested: Tested | None, rules: Rules, what: str) -> list[str]:
    """Return what it would take to decide, one part of a sentence each."""
    if tested is None:
        names = sentences.MISSING_LEFT_OUT.format(names=listed(rules.left_out)) if rules.left_out else ""
        return [*rules.too_few, sentences.MISSING_DONORS.format(what=what, left_out=names)]
    parts = [*rules.too_few, *rules.no_better_than_chance]
    low, high = tested.interval
    numbers = {
        "effect": points(tested.effect),
        "low": points(low),
        "high": points(high),
        "margin": points(rules.margin),
        "p": p_value(tested.p),
        "power": points(tested.power),
    }
    if high < -rules.margin:
        return [*parts, sentences.MISSING_AGAINST.format(**numbers)]
    if tested.p is not None and tested.smallest_p * rules.tests > rules.alpha + 1e-12:
        groups = counted(rules.accuracy.groups, "group")
        level = p_value(rules.alpha / rules.tests)
        smallest = p_value(tested.smallest_p)
        tests = counted(rules.tests, "question")
        parts.append(sentences.MISSING_P.format(groups=groups, smallest_p=smallest, level=level, tests=tests))
    elif tested.p is not None and tested.power < POWER_NEEDED:
        parts.append(sentences.MISSING_POWER.format(**numbers))
    if high >= rules.margin:
        if tested.effect < rules.margin:
            needed = max(smallest_n(rules.margin), math.ceil(tested.n * _wider(tested, rules.margin) ** 2))
            parts.append(sentences.MISSING_IMAGES_FOR.format(needed=needed, **numbers))
        elif tested.p is not None:
            parts.append(sentences.MISSING_CLEAR.format(**numbers))
    return parts


def _wider(tested: Tested, margin: float) -> float:
    """How many times too wide the upper side of the interval is; it narrows with the root of the number of images."""
    return (tested.interval[1] - tested.effect) / max(margin - tested.effect, 1e-9)


def answer_artefact(
    artefact: Artefact,
    rules: Rules,
    reach: Reach | None,
    tested: Tested | None,
    support: Sequence[Support] = (),
    *,
    removal: float | None = None,
    examples: tuple[int, ...] = (),
    evidence: dict[str, Any] | None = None,
) -> LeakFinding:
    """Return the finding about one artefact.

    Parameters
    ----------
    artefact
        What it is about.
    rules
        Of the run.
    reach
        Step 0; None where nothing could be exchanged.
    tested
        The exchange, corrected; None where there was none.
    support
        Supporting tests.
    removal
        Share of answers that change without the artefact, for one that is the same in all images.
    examples, evidence
        For the record.
    """
    what = named(artefact.name)
    beyond = list(dict.fromkeys(s.name.partition(":")[0] for s in support if s.beyond))  # several methods are one test
    answer, sentence = _artefact_answer(artefact, rules, reach, tested, beyond, removal)
    if reach is not None and reach.path and answer in ("leak", "suspicious"):
        sentence += sentences.LEAK_PATH.format(steps=listed([s.replace("_", " ") for s in reach.path]))
    facts = {"reach": None if reach is None else reach.share, **(evidence or {})}
    if reach is not None:
        facts |= {"elsewhere": reach.elsewhere, "path": list(reach.path), "answers_by_path": reach.by_path}
    if removal is not None:
        facts["removal"] = removal
    verdict = _verdict(what, answer, sentence, rules, tested, facts)
    share = None if reach is None else reach.share
    return LeakFinding(
        artefact.name, artefact.kind, verdict, share, tested, tuple(support), artefact=artefact, examples=examples
    )


def _artefact_answer(
    artefact: Artefact,
    rules: Rules,
    reach: Reach | None,
    tested: Tested | None,
    beyond: Sequence[str],
    removal: float | None,
) -> tuple[str, str]:
    what = named(artefact.name)
    if reach is not None and reach.share == 0.0:
        return "unreachable", sentences.LEAK_UNREACHABLE.format(what=what)
    undecided = sentences.LEAK_CANNOT_TELL.format(what=what, missing=listed(missing(tested, rules, what)))
    if rules.too_few:
        few = listed(rules.too_few)
        return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=few)
    if artefact.constant:
        images = counted(rules.accuracy.n, "image")
        said = points(removal) if removal is not None else "an unknown share"
        return "not seen", sentences.LEAK_CONSTANT.format(what=what, images=images, removal=said)
    if tested is not None:
        numbers = _numbers(tested, rules, what)
        if significant(tested, rules) and tested.interval[0] > rules.threshold:
            return "leak", sentences.LEAK_YES.format(**numbers)
        if significant(tested, rules):
            return "suspicious", sentences.LEAK_SIGNIFICANT.format(**numbers)
        if len(beyond) >= SUPPORT_NEEDED and not rules.no_better_than_chance:
            tests = f"{len(beyond)} supporting tests"
            names = listed([name.replace("_", " ") for name in beyond])
            return "suspicious", sentences.LEAK_SUPPORT.format(tests=tests, names=names, **numbers)
        if bounded(tested, rules) and not rules.no_better_than_chance:
            return "not seen", sentences.LEAK_NOT_SEEN.format(**numbers)
    return "cannot tell", undecided


def answer_factor(factor: Factor, rules: Rules) -> LeakFinding:
    """Return the finding about something that is not in the picture: only what tells the label can have leaked."""
    what = named(factor.name)
    tested = factor.moves
    answer, sentence = _factor_answer(factor, rules, what)
    facts = {"predicts": factor.predicts, "chance": factor.chance, **factor.detail}
    verdict = _verdict(what, answer, sentence, rules, tested, facts)
    return LeakFinding(factor.name, "factor", verdict, None, tested, factor=factor)


def _factor_answer(factor: Factor, rules: Rules, what: str) -> tuple[str, str]:
    if rules.too_few:
        return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=listed(rules.too_few))
    if factor.predicts is None:
        return "not seen", sentences.FACTOR_CONSTANT.format(what=what)
    predicts = factor.chance is not None and factor.predicts > factor.chance
    tested = factor.moves
    numbers = {} if tested is None else _numbers(tested, rules, what)
    if tested is not None and significant(tested, rules):
        if predicts and not factor.specimen and tested.interval[0] > rules.threshold:
            return "leak", sentences.FACTOR_YES.format(**numbers)
        if predicts or not factor.specimen:
            told = sentences.FACTOR_PREDICTS if predicts else sentences.FACTOR_PREDICTS_NOT
            specimen = sentences.FACTOR_SPECIMEN if factor.specimen else ""
            return "suspicious", sentences.FACTOR_SUSPICIOUS.format(predicts=told, specimen=specimen, **numbers)
    if not predicts:
        return "not seen", sentences.FACTOR_NOT_TELLING.format(what=what)
    if tested is not None and bounded(tested, rules) and not rules.no_better_than_chance:
        return "not seen", sentences.FACTOR_NOT_SEEN.format(**numbers)
    parts = [sentences.MISSING_INTERVENTION] if tested is None else missing(tested, rules, what)
    return "cannot tell", sentences.FACTOR_CANNOT_TELL.format(what=what, missing=listed(parts))


def _numbers(tested: Tested, rules: Rules, what: str) -> dict[str, str]:
    return {
        "what": what,
        "effect": points(tested.effect),
        "low": points(tested.interval[0]),
        "high": points(tested.interval[1]),
        "p": p_value(tested.corrected),
        "margin": points(rules.margin),
        "threshold": points(rules.threshold),
    }


def _verdict(
    what: str, answer: str, sentence: str, rules: Rules, tested: Tested | None, facts: dict[str, Any]
) -> Verdict:
    if tested is not None and answer != "unreachable":
        sentence += _resolution(tested)
        if not rules.grouped:
            sentence += sentences.LEAK_UNGROUPED
        facts |= {
            "corrected_p": tested.corrected,
            "smallest_p": tested.smallest_p,
            "smallest_effect": tested.smallest_effect,
            "power": tested.power,
            "donors": tested.donors,
        }
    return Verdict(
        question=sentences.LEAK_QUESTION.format(model=rules.model, what=what),
        answer=answer,
        sentence=sentence,
        effect=None if tested is None else tested.effect,
        interval=None if tested is None else tested.interval,
        p=None if tested is None else tested.p,
        control=None if tested is None else sentences.LEAK_CONTROL,
        n=rules.accuracy.n if tested is None else tested.n,
        groups=rules.accuracy.groups if rules.grouped else None,
        evidence=facts,
    )


def _resolution(tested: Tested) -> str:
    if tested.p is None:
        return sentences.LEAK_RESOLUTION_WITHOUT_P
    if math.isnan(tested.smallest_effect):
        return sentences.LEAK_NO_RESOLUTION
    return sentences.LEAK_RESOLUTION.format(
        smallest_effect=points(tested.smallest_effect), smallest_p=p_value(tested.smallest_p)
    )


def in_all(findings: Sequence[LeakFinding], looked_for: Sequence[str], rules: Rules) -> tuple[str, str]:
    """Return the gravest answer and its sentence; `not seen` where nothing was found."""
    searched = sentences.LEAK_LOOKED_FOR.format(names=listed([named(k) for k in looked_for])) if looked_for else ""
    ungrouped = "" if rules.grouped else sentences.LEAK_UNGROUPED
    answers = {f.verdict.answer for f in findings}
    answer = next((a for a in GRAVEST_FIRST if a in answers), "not seen")
    if not findings:
        return answer, sentences.LEAK_NOTHING_FOUND + searched + ungrouped
    names = listed([named(f.name) for f in findings if f.verdict.answer == answer])
    return answer, sentences.LEAK_OVERALL[answer].format(names=names) + searched + ungrouped
