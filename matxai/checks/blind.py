"""How often a blind reader was right, and whether that is more than guessing gives. Counts alone; see `jobs`.

Which model drew a map is decided by a fair coin for every case by itself. A reader who sees nothing in the maps is then
right with a probability of one half, whatever their habit, so the binomial test is exact; with a fixed half of each
model it would not be, since a reader who counts gets the last ones for nothing. Interval: Clopper and Pearson (1934),
Biometrika 26:404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.checks.leak.bounds import exact_bounds
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA = 0.05
COUNTED = "You were right in {right} of {n} cases, which is {share} (exact 95 % interval: {low} to {high})."
BEATS = (
    "Someone who guesses does as well in {p} of such readings. So the maps told you something: with these two models "
    "and images of this kind, looking at them helps to tell which one to trust."
)
GUESSING = (
    "Someone who guesses does as well in {p} of such readings. So this is no better than guessing: with these two "
    "models and images of this kind, do not rest a decision on looking at maps. The leakage check needs no reader."
)
WRONG = (
    "Someone who guesses is right as rarely in {p} of such readings. So the maps told you something, and you drew the "
    "wrong conclusion from it: look at the answers case by case before you rest a decision on maps."
)
ROOM = "With {n} cases, {needed} right answers would have been needed."
NEVER = "With {n} cases no number of right answers is beyond guessing; read five and more."


@dataclass(frozen=True)
class BlindResult:
    """What a blind reading came to.

    Parameters
    ----------
    right, n
        How many of the cases the reader told right.
    interval
        Exact two-sided 95 % interval of the share (Clopper and Pearson).
    p
        How often a reader who guesses has as many right or more (exact binomial).
    p_below
        How often such a reader has as many right or fewer.
    needed
        The smallest number of right answers that is beyond guessing at 5 %; None where there is none.
    sentence
        All this in plain words, with what it means.
    """

    right: int
    n: int
    interval: tuple[float, float]
    p: float
    p_below: float
    needed: int | None
    sentence: str

    @property
    def share(self) -> float:
        """Share of right answers."""
        return self.right / self.n

    @property
    def beats_guessing(self) -> bool:
        """Whether the reader was right more often than guessing explains, at 5 %."""
        return self.p <= ALPHA


def blind_result(truth: Sequence[bool], said: Sequence[bool]) -> BlindResult:
    """Return how often a reader was right, with an exact interval, and whether that beats guessing.

    Parameters
    ----------
    truth
        For each case whether the leaky model drew its map.
    said
        For each case whether the reader said so.

    Raises
    ------
    MatxaiError
        If there is no case, or not one answer for each.
    """
    n = len(truth)
    if n == 0 or len(said) != n:
        raise MatxaiError(f"A blind reading has one answer for each case; here {n} cases have {len(said)} answers.")
    right = sum(bool(a) == bool(b) for a, b in zip(truth, said, strict=True))
    low, high = exact_bounds(right / n, n, 0.975)
    p, below = at_least(right, n), at_least(n - right, n)
    needed = next((k for k in range(n + 1) if at_least(k, n) <= ALPHA), None)
    counted = COUNTED.format(right=right, n=n, share=_percent(right / n), low=_percent(low), high=_percent(high))
    if p <= ALPHA:
        means = BEATS.format(p=_percent(p))
    elif below <= ALPHA:
        means = WRONG.format(p=_percent(below))
    else:
        room = NEVER.format(n=n) if needed is None else ROOM.format(n=n, needed=needed)
        means = f"{GUESSING.format(p=_percent(p))} {room}"
    return BlindResult(right, n, (low, high), p, below, needed, f"{counted} {means}")


def at_least(right: int, n: int) -> float:
    """Return how likely ``right`` or more of ``n`` guesses are right (binomial, one half)."""
    from scipy.special import betainc

    return 1.0 if right <= 0 else float(betainc(right, n - right + 1, 0.5))


def _percent(share: float) -> str:
    shown = 100 * share
    return "less than 0.1 %" if 0 < shown < 0.1 else f"{shown:.1f} %" if 0 < shown < 10 else f"{shown:.0f} %"
