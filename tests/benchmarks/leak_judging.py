"""One case judged as a user would have it judged, and what its verdict says of each artefact that was planted."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from leak_cases import WEAK
from leak_nets import accuracy
from leak_rules import convictions
from numpy.typing import NDArray

if TYPE_CHECKING:
    from leak_cases import Case
    from leak_worlds import Planted, World

    from matxai import Model
    from matxai.checks.leak.records import Artefact, Leakage, LeakFinding

Row = dict[str, Any]
SAME_THING = 0.5
"""A finding is about a planted artefact if it covers so much of it, on the mean over the images."""
SUPPORT_NEEDED = 2


def judge(
    case: Case,
    world: World,
    model: Model,
    data: Planted,
    *,
    drawn: bool = False,
    leave_out: Collection[str] = (),
    donors: int | None = None,
) -> tuple[list[Row], Leakage]:
    """Return one row for each planted artefact, and the whole verdict.

    With ``drawn`` the check is told where the artefacts are; otherwise it has to find them. ``leave_out``: of it,
    ``factors`` and ``supporting``; ``donors``: how many images give their artefacts.
    """
    from matxai.checks.leak import examine

    start = time.perf_counter()
    told = artefacts_of(case, data) if drawn else None
    parts = {name: name not in leave_out for name in ("factors", "supporting")}
    leakage = examine(model, data.labelled(world.classes), artefacts=told, donors=donors, **parts)
    seconds = time.perf_counter() - start
    right = accuracy(model, data)
    matched = [_match(leakage, masks, p.kind) for p, masks in zip(case.plantings, data.masks, strict=True)]
    about = {f.name for found in matched for f in found}
    rows = []
    for number, (planting, found) in enumerate(zip(case.plantings, matched, strict=True)):
        finding = next((f for f in found if f.kind == planting.kind), None)
        rows.append(
            {
                "case": case.key,
                "about": case.about,
                "world": case.net.world,
                "architecture": case.net.architecture,
                "kind": planting.kind,
                "strength": planting.strength,
                "trained": case.net.plantings[number].strength if number < len(case.net.plantings) else "none",
                "accuracy": right,
                "in_all": leakage.answer,
                "sentence": leakage.sentence,
                "found_as": [f.kind for f in found],
                "elsewhere": [f"{f.name}: {f.verdict.answer}" for f in leakage.findings if f.name not in about],
                **_of_finding(finding),
                "rules": {} if case.about in WEAK else _ruled(model, data, number),
                "seconds": seconds,
            }
        )
    return rows, leakage


def artefacts_of(case: Case, data: Planted) -> list[Artefact]:
    """Return the planted artefacts as the checks know them, with their true masks."""
    from matxai.checks.leak.records import Artefact
    from matxai.regions import Boxed

    return [
        Artefact(p.kind, p.kind, tuple(Boxed.of(m) for m in masks), "drawn", constant=p.strength is None)
        for p, masks in zip(case.plantings, data.masks, strict=True)
    ]


def _match(leakage: Leakage, masks: NDArray[np.bool_], kind: str) -> list[LeakFinding]:
    """Return the findings that are about what was planted; those of its kind first, then by how much they cover."""
    found = []
    for finding in leakage.findings:
        if finding.artefact is None:
            continue
        covered = [
            0.0 if r is None else float((r.mask() & m).sum() / m.sum())
            for r, m in zip(finding.artefact.regions, masks, strict=True)
        ]
        if np.mean(covered) >= SAME_THING:
            found.append((finding.kind != kind, -float(np.mean(covered)), finding))
    return [finding for *_, finding in sorted(found, key=lambda f: f[:2])]


def _ruled(model: Model, data: Planted, number: int) -> dict[str, list[Any]]:
    return {k: [figure, bool(convicts)] for k, (figure, convicts) in convictions(model, data, number).items()}


def _of_finding(finding: LeakFinding | None) -> Row:
    if finding is None:
        names = ("answer", "effect", "interval", "p", "corrected", "power", "reach", "together", "why")
        return dict.fromkeys(names) | {"support": []}
    test = finding.test
    return {
        "answer": finding.verdict.answer,
        "why": finding.verdict.sentence,
        "effect": None if test is None else test.effect,
        "interval": None if test is None else list(test.interval),
        "p": None if test is None else test.p,
        "corrected": None if test is None else test.corrected,
        "power": None if test is None else test.power,
        "reach": finding.reach,
        "together": _together(finding),
        "support": [s.name for s in finding.support if s.beyond],
    }


def _together(finding: LeakFinding) -> str:
    """What the answer would be if two supporting tests beyond their nulls made what is less grave ``suspicious``."""
    beyond = {s.name.partition(":")[0] for s in finding.support if s.beyond}
    more = len(beyond) >= SUPPORT_NEEDED and finding.verdict.answer in ("not seen", "cannot tell")
    return "suspicious" if more else finding.verdict.answer
