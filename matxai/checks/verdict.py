"""The frozen record that every check ends in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERS = {
    "expectation": ("holds", "broken", "inconclusive", "reported"),
    "leakage": ("leak", "suspicious", "not seen", "unreachable", "cannot tell"),
}
"""What a verdict may answer, by the family of its question."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one question about one model.

    Parameters
    ----------
    question
        What was asked, as one sentence.
    answer
        One of :data:`ANSWERS`.
    effect, interval, p
        Effect size, its interval (low, high), and the p value; None where the data cannot give one.
    control
        What the effect was compared with.
    n, groups
        Units judged, and independent groups among them (None where nobody said what a group is).
    sentence
        The answer in plain words.
    evidence
        Names and numbers behind it.

    Raises
    ------
    MatxaiError
        If the answer is not one of the known ones, or the interval does not hold the effect.
    """

    question: str
    answer: str
    sentence: str
    effect: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    control: str | None = None
    n: int = 0
    groups: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [a for family in ANSWERS.values() for a in family]
        if self.answer not in known:
            msg = f"A verdict cannot answer '{self.answer}'. It answers one of: {', '.join(known)}."
            raise MatxaiError(msg)
        if self.interval is not None:
            low, high = self.interval
            if low > high or (self.effect is not None and not low <= self.effect <= high):
                msg = f"The interval {self.interval} does not hold the effect {self.effect}."
                raise MatxaiError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain names and values, ready for JSON."""
        return asdict(self)
