"""The sentences of expectations, filled in: what was asked, what came out, what is missing. Templates are elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matxai.checks.sentences import EXPECTATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.expect.measures import Measure
    from matxai.checks.leak.chance import Accuracy


def say(key: str, **values: Any) -> str:
    """Return a template with names and numbers put in."""
    return EXPECTATION[key].format(**values)


def number(value: float | None) -> str:
    """Return a number in three digits, and words for none and for infinity."""
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "any size"
    return f"{value:.3g}"


def classes_said(classes: str | Sequence[str]) -> str:
    """Return which classes, in words."""
    return "samples of all classes" if classes == "all" else f"samples of {' and '.join(classes)}"


def chance_said(chance: Accuracy) -> dict[str, str]:
    """Return the numbers of a model's accuracy, for a sentence."""
    return {
        "accuracy": number(chance.value),
        "low": number(chance.interval[0]),
        "chance": number(chance.chance),
    }


def numbers(
    key: str,
    *,
    measure: str,
    kind: Measure | None,
    effect: float,
    bounds: tuple[float, float] | None,
    levels: tuple[float, float] = (0.95, 0.95),
    claim: str,
    n: int,
    groups: int | None,
) -> str:
    """Return the part of a sentence that holds effect, bounds with the level of each, claim and counts."""
    low, high = bounds or (-math.inf, math.inf)
    return say(
        key,
        measure=measure.replace("_", " "),
        effect=number(effect),
        unit=f" {kind.unit}" if kind is not None and kind.unit else "",
        low="any size" if math.isinf(low) else number(low),
        high=number(high),
        levels=f"{100 * levels[0]:.3g} % each" if levels[0] == levels[1] else _each(levels),
        claim=claim,
        n=n,
        units="sample" if n == 1 else "samples",
        groups=say("groups", groups=groups) if groups is not None else say("groups.unknown"),
    )


def _each(levels: tuple[float, float]) -> str:
    return " and ".join(f"{100 * level:.3g}" for level in levels) + " %"
