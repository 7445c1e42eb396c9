"""What came of a perturbation: one record for each region, with its fills, its controls and its rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matxai.checks.readings import Perturbed

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ACTIONS = {"remove": 1.0, "keep": -1.0, "insert": -1.0}
"""What may be done with a region, and which way its effect counts: what is lost when it goes, what is there when it
is kept or comes."""

CALLED = {"drawn": "the drawn region", "labels": "the labelled region", "map_top": "the top of the map"}
"""Kinds of region that a sentence calls by more than their name."""


@dataclass(frozen=True, eq=False)
class Change:
    """What happened when one region was replaced, kept alone, or put in; ``F`` fills, ``K`` classes, ``n`` controls.

    Parameters
    ----------
    kind, source, share
        Of the region; the share is that of the signal's positions.
    action
        ``remove``, ``keep`` or ``insert``.
    fills
        What was put where, ``F`` names; donors are ``donor``, ``donor 2``, ...
    target
        Index of the class that effects are of.
    before
        What the model says of the untouched signal: one row.
    after
        The same with the region changed: ``F`` rows.
    controls
        For each fill, the same done to ``n`` matched regions: ``F * n`` rows, fill by fill.
    shifts
        How far each control lies from the region, ``(n, axes)``.
    wanted
        How many controls were asked for.
    no_controls
        Why there are none, or fewer than wanted; empty where all are there.
    """

    kind: str
    source: str
    share: float
    action: str
    fills: tuple[str, ...]
    target: int
    before: Perturbed
    after: Perturbed
    controls: Perturbed
    shifts: npt.NDArray[np.int64]
    wanted: int
    no_controls: str = ""

    @property
    def score_changes(self) -> Floats:
        """After minus before, every class's score under every fill, ``(F, K)``."""
        return self.after.scores - self.before.scores

    @property
    def probability_changes(self) -> Floats:
        """After minus before, every class's probability under every fill, ``(F, K)``."""
        assert self.after.probabilities is not None  # noqa: S101 - readings always give them
        assert self.before.probabilities is not None  # noqa: S101
        return self.after.probabilities - self.before.probabilities

    @property
    def flips(self) -> Bools:
        """Under which fills another class comes on top, ``(F,)``."""
        return np.asarray(self.after.top != self.before.top[0])

    @property
    def counted(self) -> Bools:
        """Which fills count: those not out of distribution, ``(F,)``; all where nothing was checked."""
        return np.ones(len(self.after), bool) if self.after.outside is None else ~self.after.outside

    @property
    def checked(self) -> bool:
        """Whether fills were held against what real signals look like."""
        return self.after.outside is not None

    @property
    def effects(self) -> Floats:
        """By how much the target's score falls when the region is removed (rises, when kept alone or put in), ``(F,)``.

        A region kept alone is compared with the untouched signal: its effect is 0 where it alone makes the score.
        """
        return -ACTIONS[self.action] * self.score_changes[:, self.target]

    @property
    def control_effects(self) -> Floats:
        """The same for each control, ``(F, n)``; NaN where that control's fill is out of distribution."""
        change = self.controls.scores[:, self.target] - self.before.scores[0, self.target]
        effects = -ACTIONS[self.action] * change
        if self.controls.outside is not None:
            effects = np.where(self.controls.outside, np.nan, effects)
        return np.asarray(effects.reshape(len(self.fills), -1))

    @property
    def effect(self) -> float:
        """Mean effect over the fills that count; NaN where none does."""
        return float(self.effects[self.counted].mean()) if self.counted.any() else float("nan")

    @property
    def spread(self) -> float:
        """From the smallest to the largest effect over the fills that count; NaN where none does."""
        return float(np.ptp(self.effects[self.counted])) if self.counted.any() else float("nan")

    @property
    def control_effect(self) -> Floats:
        """Mean effect of each control over the region's own fills that count, ``(m,)``, ``m <= n``.

        A control that is out of distribution under one of them is left out: a mean over other fills is no match.
        """
        if not self.counted.any():
            return np.zeros(0)
        means = self.control_effects[self.counted].mean(axis=0)
        return np.asarray(means[np.isfinite(means)])

    @property
    def rank(self) -> int | None:
        """Place of the effect among the controls', 1 the largest, ties to the controls; None without any.

        A rank, and no p value: translates of one image are not exchangeable with the region.
        """
        others = self.control_effect
        return 1 + int((others >= self.effect).sum()) if others.size else None

    @property
    def iou(self) -> Floats | None:
        """Overlap of the predicted object before and after, ``(F,)``; None for classifiers."""
        return self.after.iou

    @property
    def sentence(self) -> str:
        """All this in plain words."""
        done = {"remove": "Removing", "keep": "Keeping only", "insert": "Putting in"}[self.action]
        what = CALLED.get(self.kind, self.kind.replace("_", " "))
        region = f"{done} {what} ({100 * self.share:.1f} %)"
        if not self.counted.any():
            return f"{region} cannot be judged: every fill is out of distribution."
        change = -ACTIONS[self.action] * self.effect
        over = f"mean over {_fills(int(self.counted.sum()))}, changes from {self._range()}"
        parts = [f"{region} {'raises' if change > 0 else 'lowers'} the score by {abs(change):.3g} ({over})"]
        parts += [f"the class on top changes under {int(self.flips.sum())} of {len(self.fills)}"]
        if self.iou is not None:
            parts.append(f"the predicted object keeps an IoU of {float(self.iou[self.counted].mean()):.2f}")
        left_out = int((~self.counted).sum())
        if left_out:
            parts.append(f"{_fills(left_out)} out of distribution {'is' if left_out == 1 else 'are'} not counted")
        if self.rank is not None:
            parts.append(f"rank {self.rank} of {self.control_effect.size + 1} among matched controls")
        tail = f" {self.no_controls}" if self.no_controls else ""
        unchecked = "" if self.checked else " Whether the fills look real to the model was not checked."
        return "; ".join(parts) + "." + tail + unchecked

    def _range(self) -> str:
        own = self.score_changes[self.counted, self.target]
        return f"{own.min():.3g} to {own.max():.3g}"

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        outside = None if self.after.outside is None else self.after.outside.tolist()
        return {
            "kind": self.kind,
            "source": self.source,
            "share": self.share,
            "action": self.action,
            "fills": list(self.fills),
            "target": self.target,
            "score_changes": self.score_changes.tolist(),
            "probability_changes": self.probability_changes.tolist(),
            "flips": self.flips.tolist(),
            "out_of_distribution": outside,
            "effect": self.effect,
            "effects": self.effects.tolist(),
            "spread": self.spread,
            "control_effects": self.control_effect.tolist(),
            "rank": self.rank,
            "controls": len(self.shifts),
            "wanted": self.wanted,
            "no_controls": self.no_controls,
            "iou": None if self.iou is None else self.iou.tolist(),
            "sentence": self.sentence,
        }


def _fills(count: int) -> str:
    return "1 fill" if count == 1 else f"{count} fills"


@dataclass(frozen=True, eq=False)
class Perturbation:
    """What came of replacing regions of one signal.

    Parameters
    ----------
    before
        What the model says of the untouched signal: one row.
    classes
        Names of the classes, in the model's order.
    target
        Index of the class that effects are of.
    changes
        One for each region, in their order.
    asked
        How many changed signals the model was asked about.
    """

    before: Perturbed
    classes: tuple[str, ...]
    target: int
    changes: tuple[Change, ...]
    asked: int

    def __len__(self) -> int:
        return len(self.changes)

    def __getitem__(self, number: int) -> Change:
        return self.changes[number]

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        assert self.before.probabilities is not None  # noqa: S101 - readings always give them
        return {
            "target": self.classes[self.target] if self.target < len(self.classes) else str(self.target),
            "classes": list(self.classes),
            "scores": self.before.scores[0].tolist(),
            "probabilities": self.before.probabilities[0].tolist(),
            "changes": [c.to_dict() for c in self.changes],
            "asked": self.asked,
        }
