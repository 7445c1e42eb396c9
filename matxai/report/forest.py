"""The chart of effects with their intervals, as SVG: one row for each finding, thresholds marked."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from matxai.report import sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from matxai.report.verdicts import Finding

_WIDTH, _LEFT, _RIGHT = 600.0, 12.0, 588.0
_TOP, _ROW, _FOOT, _LINE = 30.0, 50.0, 50.0, 24.0
NOT_MEASURED = "no effect measured"
_LETTERS = 52
"""So many letters fit in a line where a narrow screen makes them large."""


def forest_chart(
    findings: Sequence[Finding],
    *,
    axis: str = "",
    thresholds: Sequence[tuple[float, str]] = (),
    own: Sequence[float | None] = (),
) -> Markup | None:
    """Return the effects of findings as a forest plot in SVG; None where none has an effect.

    Parameters
    ----------
    findings
        Those without an effect have their name and answer in it, and no mark.
    axis
        What the effect is.
    thresholds
        Values that are marked, with what each means.
    own
        For each finding the value that is marked beside its interval alone; None for none.

    Returns
    -------
    markupsafe.Markup or None
        The name of each finding, its answer and its numbers stand above its interval, so that nothing rests on colour.
    """
    from markupsafe import Markup

    rows = list(findings)
    limits = list(own) if own else [None] * len(rows)
    if all(f.verdict.effect is None for f in rows):
        return None
    low, high = _range(rows, [*(value for value, _ in thresholds), *(v for v in limits if v is not None)])

    def place(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)

    bottom = _TOP + _ROW * len(rows)
    lines = textwrap.wrap(axis, _LETTERS) or [""]
    parts = [
        Markup('<svg class="chart forest" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{label}">').format(
            w=_WIDTH, h=bottom + _FOOT + _LINE * (len(lines) - 1), label=_label(rows)
        ),
        Markup('<path class="zero" d="{d}"/>').format(
            d=" ".join(f"M{place(0):.1f} {_TOP + _ROW * k + 25:.0f} v{_ROW - 25:.0f}" for k in range(len(rows)))
        ),
    ]
    for i, (value, _) in enumerate(thresholds):
        x = place(value)
        # beside the intervals alone: through a row's words it would be read as a stroke of them
        down = " ".join(f"M{x:.1f} {_TOP + _ROW * k + 25:.0f} v{_ROW - 25:.0f}" for k in range(len(rows)))
        parts.append(Markup('<path class="mark" d="M{x:.1f} 20 v8 {down}"/>').format(x=x, down=down))
        anchor = "end" if i == 0 and len(thresholds) > 1 else "start"
        parts.append(
            Markup('<text x="{x:.1f}" y="16" class="{a}">{t}</text>').format(
                x=x + (4 if anchor == "end" else -4), a=anchor, t=sentences.number(value)
            )
        )
    for k, limit in enumerate(limits):
        if limit is not None:
            d = f"M{place(limit):.1f} {_TOP + _ROW * k + 25:.0f} v{_ROW - 25:.0f}"
            parts.append(Markup('<path class="mark" d="{d}"/>').format(d=d))
    for i, finding in enumerate(rows):
        parts += _row(finding, _TOP + _ROW * i, place)
    parts.append(Markup('<line class="axis" x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>').format(a=_LEFT, b=_RIGHT, y=bottom))
    for tick in _ticks(low, high):
        parts.append(
            Markup('<text x="{x:.1f}" y="{y}" class="middle">{t}</text>').format(
                x=min(max(place(tick), 24.0), 576.0), y=bottom + 20, t=sentences.number(tick)
            )
        )
    for k, line in enumerate(lines):
        y = bottom + 44 + _LINE * k
        parts.append(Markup('<text x="{x}" y="{y}" class="middle">{t}</text>').format(x=_WIDTH / 2, y=y, t=line))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def _range(rows: Sequence[Finding], marks: Sequence[float]) -> tuple[float, float]:
    every = [0.0, *marks]
    for finding in rows:
        every += [float(finding.verdict.effect or 0.0), *(finding.verdict.interval or ())]
    finite = [v for v in every if math.isfinite(v)]
    low, high = min(finite), max(finite)
    pad = 0.05 * ((high - low) or 1.0)
    return low - pad, high + pad


def _row(finding: Finding, top: float, place: Callable[[float], float]) -> list[Markup]:
    from markupsafe import Markup

    verdict = finding.verdict
    effect = float(verdict.effect or 0.0)
    kind = sentences.ANSWERS[verdict.answer].kind
    y = top + 35.0
    measured = verdict.effect is not None
    numbers = sentences.effect_words(verdict.effect, verdict.interval, bare=True) if measured else NOT_MEASURED
    said = Markup(
        '<text x="{x}" y="{y}"><tspan class="name">{name}</tspan> <tspan class="{kind}">{answer}</tspan> '
        "{numbers}</text>"
    ).format(
        x=_LEFT,
        y=top + 20.0,
        name=sentences.printable(finding.name.replace("_", " "), longest=20),
        kind=kind,
        answer=sentences.ANSWERS[verdict.answer].label.lower(),
        numbers=numbers,
    )
    if not measured:
        return [said]
    drawn = [said]
    if verdict.interval is not None:
        a, b = (place(v) for v in verdict.interval)
        drawn.append(
            Markup('<path class="range {kind}" d="M{a:.1f} {y} H{b:.1f} M{a:.1f} {t} v10 M{b:.1f} {t} v10"/>').format(
                kind=kind, a=a, b=b, y=y, t=y - 5
            )
        )
    x = place(effect)
    points = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 7:.1f} {x - 7:.1f},{y:.1f}"
    drawn.append(Markup('<polygon class="point {kind}" points="{points}"/>').format(kind=kind, points=points))
    return drawn


def _ticks(low: float, high: float) -> list[float]:
    """Round values on the axis, three to six of them."""
    rough = (high - low) / 4.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1.0, 2.0, 2.5, 5.0, 10.0) if power * k >= rough)
    first = math.ceil(low / step)
    return [round(step * k, 12) for k in range(first, math.floor(high / step) + 1)]


def _label(rows: Sequence[Finding]) -> str:
    """The chart in words."""
    return "; ".join(f"{f.name}: {_measured(f)}, {f.verdict.answer}" for f in rows)


def _measured(finding: Finding) -> str:
    verdict = finding.verdict
    return NOT_MEASURED if verdict.effect is None else sentences.effect_words(verdict.effect, verdict.interval)
