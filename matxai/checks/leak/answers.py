"""From tests to one answer for each artefact and factor, and one in all. Rules and sentences; nothing is computed here.

The rules, first that applies: nothing arrives: `unreachable`; too few groups or images: `cannot tell`; the same in all
images: `not seen`; the exchange's interval above the threshold and significant: `leak`; significant: `suspicious`;
bounded by the margin with the power to have seen it, by a model better than chance: `not seen`; else `cannot tell`,
with what is missing. Supporting tests decide nothing: on nets whose truth is known (tests/benchmarks/leak_truth.py) the
exchange alone gives the same answers as with them. They are told as evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from matxai.checks import sentences
from matxai.checks.leak.bounds import exact_bounds, smallest_n
from matxai.checks.leak.records import LeakFinding
from matxai.checks.leak.statistics import GROUPS_NEEDED, POWER_NEEDED
from matxai.checks.sentences import counted, listed, named, p_value, percentage_points, points
from matxai.checks.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.leak.chance import Accuracy
    from matxai.checks.leak.reach import Reach
    from matxai.checks.leak.records import Artefact, Factor, Support, Tested

GRAVEST_FIRST = ("leak", "suspicious", "cannot tell", "not seen", "unreachable")


class Missing(NamedTuple):
    """One thing that keeps a question open: why, as a part of the verdict's sentence, and what it would take."""

    why: str
    takes: str


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
    def too_few(self) -> list[Missing]:
        """What is missing before anything can be decided: groups, images."""
        missing = []
        n, groups = self.accuracy.n, self.accuracy.groups
        if groups < GROUPS_NEEDED:
            why = sentences.MISSING_GROUPS.format(groups=counted(groups, "group"), needed=GROUPS_NEEDED)
            missing.append(Missing(why, sentences.TAKES["groups"].format(groups=groups, needed=GROUPS_NEEDED)))
        if exact_bounds(0.0, n)[1] > self.threshold:
            needed = smallest_n(self.margin)
            why = sentences.MISSING_IMAGES.format(images=counted(n, "image"), needed=needed)
            missing.append(Missing(why, sentences.TAKES["images"].format(images=n, needed=needed)))
        return missing

    @property
    def no_better_than_chance(self) -> list[Missing]:
        """What is missing if the model is not better than chance, else nothing."""
        a = self.accuracy
        if a.beyond(self.alpha):
            return []
        why = sentences.MISSING_CHANCE.format(
            accuracy=points(a.value),
            images=counted(a.n, "image"),
            low=points(a.interval[0]),
            high=points(a.interval[1]),
            chance=points(a.chance),
        )
        return [Missing(why, sentences.TAKES["chance"])]


def significant(tested: Tested, rules: Rules) -> bool:
    """Return whether a test is significant after its correction, and its interval leaves zero.

    p holds the images fixed; whether other images would do as they do is what the interval says.
    """
    return tested.corrected is not None and tested.corrected <= rules.alpha + 1e-12 and tested.interval[0] > 0


def bounded(tested: Tested, rules: Rules) -> bool:
    """Return whether an effect is shown to lie below the margin, by data that could have shown one of its size."""
    low, high = tested.interval
    return high < rules.margin and tested.power >= POWER_NEEDED and tested.p is not None and low > -rules.threshold


def missing(tested: Tested | None, rules: Rules, what: str) -> list[Missing]:
    """Return what keeps a question open, and what it would take to decide it."""
    takes = sentences.TAKES
    if tested is None:
        names = sentences.MISSING_LEFT_OUT.format(names=listed(rules.left_out)) if rules.left_out else ""
        why = sentences.MISSING_DONORS.format(what=what, left_out=names)
        return [*rules.too_few, Missing(why, takes["donors"].format(what=what))]
    parts = [*rules.too_few, *rules.no_better_than_chance]
    low, high = tested.interval
    numbers = {
        "effect": points(tested.effect),
        "low": points(low),
        "high": points(high),
        "margin": points(rules.margin),
        "p": p_value(tested.p),
        "power": points(tested.power),
        "enough": points(POWER_NEEDED),
        "groups": str(rules.accuracy.groups),
        "images": str(tested.n),
        "smallest_p": p_value(tested.smallest_p),
        "needed": str(GROUPS_NEEDED),
        "what": what,
    }

    def part(why: str, name: str, **more: Any) -> Missing:
        given = {**numbers, **more}
        return Missing(why.format(**given), takes[name].format(**given))

    if high < -rules.margin:
        return [*parts, part(sentences.MISSING_AGAINST, "against")]
    if tested.p is None and not rules.too_few:
        parts.append(part(sentences.MISSING_TAKING_PART, "taking_part"))
    elif tested.p is not None and tested.smallest_p * rules.tests > rules.alpha + 1e-12:
        groups = counted(rules.accuracy.groups, "group")
        level, tests = p_value(rules.alpha / rules.tests), counted(rules.tests, "question")
        why = sentences.MISSING_P.format(groups=groups, smallest_p=numbers["smallest_p"], level=level, tests=tests)
        parts.append(part(why, "p"))
    elif tested.p is not None and tested.power < POWER_NEEDED:
        parts.append(part(sentences.MISSING_POWER, "power"))
    if high >= rules.margin:
        if tested.effect < rules.margin:
            needed = max(smallest_n(rules.margin), math.ceil(tested.n * _wider(tested, rules.margin) ** 2))
            parts.append(part(sentences.MISSING_IMAGES_FOR, "images_for", needed=needed))
        elif tested.p is not None:
            parts.append(part(sentences.MISSING_CLEAR, "clear"))
    elif not parts:
        parts.append(part(sentences.MISSING_BELOW, "below"))
    return parts


def _listed(parts: Sequence[Missing]) -> str:
    return listed([p.why for p in parts])


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
    answer, sentence, open_for = _artefact_answer(artefact, rules, reach, tested, removal)
    beyond = list(dict.fromkeys(s.name.partition(":")[0] for s in support if s.beyond))  # several methods are one test
    if answer == "cannot tell" and beyond:
        names = listed([name.replace("_", " ") for name in beyond])
        tests = counted(len(beyond), "supporting test")
        sentence += sentences.LEAK_BESIDE.format(tests=tests, names=names)
    if reach is not None and reach.path and answer in ("leak", "suspicious"):
        sentence += sentences.LEAK_PATH.format(steps=listed([s.replace("_", " ") for s in reach.path]))
    facts = {"reach": None if reach is None else reach.share, **(evidence or {})}
    if reach is not None:
        facts |= {"elsewhere": reach.elsewhere, "path": list(reach.path), "answers_by_path": reach.by_path}
    if removal is not None:
        facts["removal"] = removal
    verdict = _verdict(what, answer, sentence, rules, tested, _with_missing(facts, open_for))
    share = None if reach is None else reach.share
    return LeakFinding(
        artefact.name, artefact.kind, verdict, share, tested, tuple(support), artefact=artefact, examples=examples
    )


def _artefact_answer(
    artefact: Artefact,
    rules: Rules,
    reach: Reach | None,
    tested: Tested | None,
    removal: float | None,
) -> tuple[str, str, Sequence[Missing]]:
    what = named(artefact.name)
    if reach is not None and reach.share == 0.0:
        return "unreachable", sentences.LEAK_UNREACHABLE.format(what=what), ()
    if rules.too_few:
        few = rules.too_few
        return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=_listed(few)), few
    if artefact.constant:
        images = counted(rules.accuracy.n, "image")
        said = points(removal) if removal is not None else "an unknown share"
        return "not seen", sentences.LEAK_CONSTANT.format(what=what, images=images, removal=said), ()
    if tested is not None:
        numbers = _numbers(tested, rules, what)
        if significant(tested, rules) and tested.interval[0] > rules.threshold:
            return "leak", sentences.LEAK_YES.format(**numbers), ()
        if significant(tested, rules):
            return "suspicious", sentences.LEAK_SIGNIFICANT.format(**numbers), ()
    if tested is not None and bounded(tested, rules) and not rules.no_better_than_chance:
        return "not seen", sentences.LEAK_NOT_SEEN.format(**_numbers(tested, rules, what)), ()
    open_for = missing(tested, rules, what)
    return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=_listed(open_for)), open_for


def _with_missing(facts: dict[str, Any], open_for: Sequence[Missing]) -> dict[str, Any]:
    """The facts with what it would take to decide, where that is open."""
    return facts | {"missing": [m.takes for m in open_for]} if open_for else facts


def answer_factor(factor: Factor, rules: Rules) -> LeakFinding:
    """Return the finding about something that is not in the picture: only what tells the label can have leaked."""
    what = named(factor.name)
    tested = factor.moves
    answer, sentence, open_for = _factor_answer(factor, rules, what)
    facts = {"predicts": factor.predicts, "chance": factor.chance, **factor.detail}
    verdict = _verdict(what, answer, sentence, rules, tested, _with_missing(facts, open_for))
    return LeakFinding(factor.name, "factor", verdict, None, tested, factor=factor)


def _factor_answer(factor: Factor, rules: Rules, what: str) -> tuple[str, str, Sequence[Missing]]:
    if rules.too_few:
        few = rules.too_few
        return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=_listed(few)), few
    predicts = factor.chance is not None and factor.predicts > factor.chance
    tested = factor.moves
    numbers = {} if tested is None else _numbers(tested, rules, what)
    if tested is not None and significant(tested, rules):
        if predicts and not factor.specimen and tested.interval[0] > rules.threshold:
            return "leak", sentences.FACTOR_YES.format(**numbers), ()
        if predicts or not factor.specimen:
            told = sentences.FACTOR_PREDICTS if predicts else sentences.FACTOR_PREDICTS_NOT
            specimen = sentences.FACTOR_SPECIMEN if factor.specimen else ""
            return "suspicious", sentences.FACTOR_SUSPICIOUS.format(predicts=told, specimen=specimen, **numbers), ()
    if not predicts and rules.no_better_than_chance:
        chance = rules.no_better_than_chance
        return "cannot tell", sentences.LEAK_CANNOT_TELL.format(what=what, missing=_listed(chance)), chance
    if not predicts:
        return "not seen", sentences.FACTOR_NOT_TELLING.format(what=what), ()
    if tested is not None and bounded(tested, rules) and not rules.no_better_than_chance:
        return "not seen", sentences.FACTOR_NOT_SEEN.format(**numbers), ()
    none = Missing(sentences.MISSING_INTERVENTION, sentences.TAKES["intervention"].format(what=what))
    parts = [none] if tested is None else missing(tested, rules, what)
    return "cannot tell", sentences.FACTOR_CANNOT_TELL.format(what=what, missing=_listed(parts)), parts


def _numbers(tested: Tested, rules: Rules, what: str) -> dict[str, str]:
    return {
        "what": what,
        "effect": points(tested.effect),
        "low": points(tested.interval[0]),
        "high": points(tested.interval[1]),
        "rise": percentage_points(tested.effect),
        "least": percentage_points(tested.interval[0], ""),
        "most": percentage_points(tested.interval[1], ""),
        "p": p_value(tested.corrected),
        "margin": points(rules.margin),
        "threshold": points(rules.threshold),
    }


def _verdict(
    what: str, answer: str, sentence: str, rules: Rules, tested: Tested | None, facts: dict[str, Any]
) -> Verdict:
    sentence += _resolution(tested)
    if not rules.grouped:
        sentence += sentences.LEAK_UNGROUPED_BARE if tested is None else sentences.LEAK_UNGROUPED
    if tested is not None:
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


def _resolution(tested: Tested | None) -> str:
    if tested is None:
        return sentences.LEAK_NOT_EXCHANGED
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
