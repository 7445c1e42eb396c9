"""``any_of`` and ``all_of``: the answers of several expectations as one, in the logic of three values.

At least k of n parts hold: surely where k of them hold, surely not where more than n - k are broken, else nobody knows.
Parts are judged at levels that keep the whole at 5 %: that any k of n hold by chance is likelier than that one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.checks.expect.deciding import Decided
from matxai.checks.expect.records import SampleVerdict
from matxai.checks.expect.saying import say
from matxai.checks.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.expect.records import Judged


def at_least(k: int, answers: Sequence[str]) -> str:
    """Return whether at least ``k`` of the answers hold: ``holds``, ``broken`` or ``inconclusive`` (Kleene's logic)."""
    if answers.count("holds") >= k:
        return "holds"
    return "broken" if answers.count("broken") > len(answers) - k else "inconclusive"


def levels(k: int, n: int, alphas: tuple[float, float] = (0.05, 0.05)) -> tuple[float, float]:
    """Return the level at which a part may hold, and that at which it may be broken.

    Where fewer than k parts truly hold, n - k + 1 do not, and one of these must be taken to hold by mistake: the level
    is divided by their number. Where at least k truly hold, one of k must be taken to be broken: divided by k.
    """
    return alphas[0] / (n - k + 1), alphas[1] / k


def combined(name: str, k: int, role: str, parts: Sequence[Judged]) -> tuple[Decided, tuple[SampleVerdict, ...]]:
    """Return the verdict of at least ``k`` parts, and that of each sample that all of them judged."""
    answers = [p.verdict.answer for p in parts]
    answer = at_least(k, answers)
    counts = {"holding": answers.count("holds"), "broken": answers.count("broken")}
    said = {"holds": "holds", "broken": "is broken", "inconclusive": "could not be decided"}[answer]
    sentence = say("several", name=name, answer=said, n=len(parts), k=k, **counts)
    missing = " ".join(p.missing for p in parts if p.missing) if answer == "inconclusive" else ""
    samples = _samples(k, parts)
    known = [p.verdict.groups for p in parts if p.verdict.groups is not None]
    verdict = Verdict(
        say("question.several", name=name, k=k, n=len(parts)),
        answer if role == "must" else "reported",
        sentence + "".join(f" {p.verdict.sentence}" for p in parts),
        n=max((p.verdict.n for p in parts), default=0),
        groups=min(known) if known else None,
        evidence={
            "k": k,
            "role": role,
            "answer": answer,
            "parts": [{"name": p.name, "kind": p.kind, **p.verdict.to_dict()} for p in parts],
        },
    )
    return Decided(verdict, missing), samples


def _samples(k: int, parts: Sequence[Judged]) -> tuple[SampleVerdict, ...]:
    by_number: dict[int, list[SampleVerdict]] = {}
    for part in parts:
        for one in part.samples:
            by_number.setdefault(one.number, []).append(one)
    made = []
    for number in sorted(by_number):
        lines = by_number[number]
        answers = [one.answer or "inconclusive" for one in lines]
        answers += ["inconclusive"] * (len(parts) - len(lines))
        detail = {"holding": answers.count("holds"), "of": len(parts)}
        made.append(SampleVerdict(number, lines[0].name, lines[0].label, at_least(k, answers), detail=detail))
    return tuple(made)
