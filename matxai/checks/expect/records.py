"""What a check of expectations hands on: a verdict and the samples for each, and one answer in all. Records only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.checks.verdict import Verdict


@dataclass(frozen=True)
class SampleVerdict:
    """What one sample says to one expectation.

    Parameters
    ----------
    number, name, label
        The sample: its place in the set, its name, its class.
    answer
        ``holds``, ``broken``, ``inconclusive``; empty where nothing is demanded or it was not judged.
    value, control
        The measure, and the mean of the matched controls where there are any.
    rank, controls
        Place among the controls, 1 the largest, of ``controls + 1``. A rank, not a p value.
    reason
        Why it was not judged; empty where it was.
    detail
        Further names and numbers.
    """

    number: int
    name: str
    label: str
    answer: str = ""
    value: float | None = None
    control: float | None = None
    rank: int | None = None
    controls: int = 0
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """One expectation with its verdict.

    Parameters
    ----------
    name, kind, role
        As the file has them; ``kind`` is the measure, ``any_of``, ``all_of`` or ``absent``.
    verdict
        Question, answer, effect, interval, sentence. What ``may`` be answers ``holds`` and counts nowhere.
    samples
        One line for each sample that it is about.
    weight, source, line
        As the file has them.
    parts
        The parts of ``any_of`` and ``all_of``.
    where
        The region in a few words.
    missing
        What a decision would take; empty where there is one.
    """

    name: str
    kind: str
    role: str
    verdict: Verdict
    samples: tuple[SampleVerdict, ...] = ()
    weight: float = 1.0
    source: str | None = None
    line: int = 1
    parts: tuple[Judged, ...] = ()
    where: str = ""
    missing: str = ""

    @property
    def demanded(self) -> bool:
        """Whether it can be broken at all."""
        return self.role != "may"


@dataclass(frozen=True)
class Checked:
    """What came of all expectations of a file.

    Parameters
    ----------
    answer
        ``broken``, else ``inconclusive``, else ``holds``.
    sentence
        It in plain words.
    findings
        One for each expectation, in the file's order.
    score
        Weight of what holds, divided by that of all that is demanded; None where nothing is.
    facts
        Numbers of samples and groups, accuracy, what was assumed.
    """

    answer: str
    sentence: str
    findings: tuple[Judged, ...]
    score: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)
