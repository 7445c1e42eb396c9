"""From a leakage check to its files: what the report shows, the rows of the table, the record for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matxai.checks.sentences import named
from matxai.jobs.remedy_report import remedy_grids
from matxai.report import Finding, Grid, Judgement, Shown
from matxai.report import sentences as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matxai.checks.leak import Factor, Leakage, LeakFinding, Support, Tested
    from matxai.jobs.data import Data
    from matxai.jobs.remedy import Remedied
    from matxai.report import Example

QUESTION = "Does {model} tell classes by what is not of the specimen? Asked with {images} of {data}."
AXIS = "effect: how much more often a class is predicted with artefacts of that class"
MARGIN = "the margin, below which the interval of what is not seen ends"
LEAK = "above which the interval of a leak lies"
REACHES = "{share} of what varies in it from image to image reaches the network."
FOUND = "Found in {count} of {images}, by {source}{sure}."
SOURCES = {
    "instrument's tag": "the instrument's tags",
    "pixels": "their pixels",
    "folder": "comparing the images with one another",
}
CONSTANT = "It is the same in all of them."
BESIDE = "Tests beside it: none of them convicts alone"
TEST = "The confirmatory test"
NOT_IN_PICTURE = "What is not in the picture"
COLUMNS_NOTE = (
    "Predicts the label: balanced accuracy of the label told from this alone, over held-out groups, and the 95 % point "
    "of the same by chance. Moves the model: the effect of changing it. Only both together speak of a leak."
)
QUIET = frozenset({"not seen", "unreachable"})


def finding_of(found: LeakFinding) -> Finding:
    """Return a finding for the verdict's file, with its tests as plain names and numbers."""
    detail: dict[str, Any] = {}
    if found.reach is not None:
        detail["reach"] = found.reach
    if found.test is not None:
        detail["exchange"] = _tested(found.test)
    if found.support:
        detail["supporting"] = [
            {"name": s.name, "value": s.value, "limit": s.limit, "beyond": s.beyond, "sentence": s.sentence}
            for s in found.support
        ]
    if found.artefact is not None:
        detail["found"] = {
            "images": int(found.artefact.present.sum()),
            "source": found.artefact.source,
            "confidence": found.artefact.confidence,
            "constant": found.artefact.constant,
        }
    if found.factor is not None:
        detail["factor"] = {
            "specimen": found.factor.specimen,
            "predicts": found.factor.predicts,
            "chance": found.factor.chance,
            "sentence": found.factor.sentence,
        }
    return Finding(found.name, found.kind, found.verdict, detail)


def _tested(test: Tested) -> dict[str, Any]:
    names = ("effect", "interval", "p", "corrected", "n", "groups", "donors", "smallest_p", "smallest_effect", "power")
    return {**{name: getattr(test, name) for name in names}, "by_class": dict(test.by_class)}


def rows_of(leakage: Leakage) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the table of tests for each finding, the confirmatory one first."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for found in leakage.findings:
        first: dict[str, Any] = {"test": "intervention" if found.factor is not None else "exchange"}
        if found.reach is not None:
            first["reach"] = found.reach
        if found.test is not None:
            t = found.test
            first |= {"p_corrected": t.corrected, "donors": t.donors, "power": t.power}
            first |= {"smallest_p": t.smallest_p, "smallest_effect": t.smallest_effect}
        more = [
            {"test": s.name, "effect": s.value, "null_limit": s.limit, "beyond_null": s.beyond, "sentence": s.sentence}
            for s in found.support
        ]
        if found.factor is not None:
            f = found.factor
            more.append({"test": "predicts the label", "effect": f.predicts, "null_limit": f.chance})
        rows[found.name] = [first, *more]
    return rows


def judgement_of(
    leakage: Leakage,
    data: Data,
    model: str,
    examples: Callable[[LeakFinding], tuple[Example, ...]] | None = None,
    remedied: Remedied | None = None,
) -> Judgement:
    """Return what the report shows of a leakage check.

    Parameters
    ----------
    leakage
        The outcome.
    data
        What was asked with.
    model
        The model's name.
    examples
        From a finding to its pictures; without it there are none.
    remedied
        What was done about it, where that was asked for.
    """
    images = words.counted(int(leakage.facts.get("images", len(data.labelled))), "image")
    factors = [f.factor for f in leakage.findings if f.factor is not None]
    shown = [f for f in leakage.findings if f.factor is None or f.verdict.answer not in QUIET]
    grids = remedy_grids(remedied, leakage) if remedied is not None else ()
    margin, threshold = leakage.facts.get("margin", 0.05), leakage.facts.get("threshold", 0.15)
    return Judgement(
        question=QUESTION.format(model=model, images=images, data=data.path.name),
        answer=leakage.answer,
        sentence=leakage.sentence,
        shown=tuple(_shown(f, images, examples(f) if examples is not None else ()) for f in shown),
        axis=AXIS,
        thresholds=((margin, MARGIN), (threshold, LEAK)),
        facts=_facts(leakage, data),
        notes=data.labelled.notes,
        grids=(*grids, *((_factors(leakage),) if factors else ())),
    )


def _facts(leakage: Leakage, data: Data) -> dict[str, str]:
    known = leakage.facts
    groups = f" in {words.counted(int(known['groups']), 'group')}" if known.get("grouped") and "groups" in known else ""
    labelled = data.labelled
    value, low, high = leakage.accuracy
    facts = {
        "images": f"{len(labelled)}{groups}, of {words.listed([labelled.classes[k] for k in labelled.present])}",
        "accuracy": f"{words.percent(value)} ({words.percent(low)} to {words.percent(high)}); "
        f"by chance up to {words.percent(leakage.chance)} (95 % point)",
    }
    if not known.get("grouped", labelled.groups is not None):
        facts["groups"] = "none named: images are treated as independent, and the intervals are optimistic"
    if known.get("near_duplicates"):
        facts["near-duplicates"] = f"{known['near_duplicates']}, each counted to the group of its twin"
    if "units" in known and known["units"] != len(labelled):
        facts["judged"] = f"{known['units']} of them, with artefacts of {known.get('donors', '?')} donors"
    return facts


def _shown(found: LeakFinding, images: str, examples: tuple[Example, ...]) -> Shown:
    remarks = []
    if found.artefact is not None:
        count = int(found.artefact.present.sum())
        sure = (
            f" (confidence {words.number(found.artefact.confidence, digits=2)})"
            if found.artefact.confidence < 1
            else ""
        )
        remarks.append(
            FOUND.format(
                count=count, images=images, source=SOURCES.get(found.artefact.source, found.artefact.source), sure=sure
            )
        )
        if found.artefact.constant:
            remarks.append(CONSTANT)
    if found.reach is not None:
        remarks.append(REACHES.format(share=words.percent(found.reach)))
    if found.factor is not None and found.factor.sentence:
        remarks.append(found.factor.sentence)
    grids = [_test_grid(found.test)] if found.test is not None else []
    if found.support:
        grids.append(_support_grid(found.support))
    takes = tuple(found.verdict.evidence.get("missing", ()))
    return Shown(finding_of(found), tuple(remarks), tuple(grids), examples, takes)


def _test_grid(test: Tested) -> Grid:
    rows: list[tuple[Any, ...]] = [
        ("effect", words.effect_words(test.effect, test.interval, bare=True)),
        ("p, and corrected for all artefacts", f"{words.p_words(test.p)}, {words.p_words(test.corrected)}"),
        ("images judged, donors", f"{test.n}, {test.donors}"),
        ("groups", "none named" if test.groups is None else str(test.groups)),
        ("smallest p that these data could give", words.p_words(_finite(test.smallest_p))),
        ("smallest effect that they could show", words.percent(_finite(test.smallest_effect))),
        ("trials with an effect of the margin that were found", words.percent(_finite(test.power))),
    ]
    rows += [(f"effect of donors of class {name}", words.plain_number(value)) for name, value in test.by_class.items()]
    return Grid(TEST, ("", ""), tuple(rows))


def _share(value: float | None) -> str | None:
    finite = _finite(value)
    return None if finite is None else words.plain_number(finite)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _support_grid(support: tuple[Support, ...]) -> Grid:
    rows = tuple(
        (
            s.name.replace("_", " ").replace(":", ": "),
            _share(s.value),
            _share(s.limit),
            s.beyond if s.limit is not None else None,
            s.sentence,
        )
        for s in support
    )
    return Grid(BESIDE, ("test", "found", "95 % point of its null", "beyond it", "in words"), rows)


def _factors(leakage: Leakage) -> Grid:
    columns = ("", "predicts the label", "by chance", "moves the model", "interval", "answer")
    return Grid(NOT_IN_PICTURE, columns, tuple(_factor_rows(leakage)), COLUMNS_NOTE)


def _factor_rows(leakage: Leakage) -> Iterator[tuple[Any, ...]]:
    for found in leakage.findings:
        factor: Factor | None = found.factor
        if factor is None:
            continue
        moves = factor.moves
        interval = "–" if moves is None else " to ".join(words.plain_number(v) for v in moves.interval)
        yield (
            named(factor.name),
            words.plain_number(factor.predicts),
            None if factor.chance is None else words.plain_number(factor.chance),
            "not tried" if moves is None else words.plain_number(moves.effect),
            interval,
            found.verdict.answer,
        )
