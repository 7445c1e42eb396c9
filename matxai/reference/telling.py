"""What a match says in sentences: templates in one place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.reference.axis_rules import Rule
    from matxai.reference.fitting import Fit, Fitted
    from matxai.reference.match_record import ExpectedLine, MatchedPeak, PhaseMatch

NAMED = 6
LIKELY = 0.05
"""Share of random sets from which a match is called no better than chance."""


def too_few(matched: int, needed: int) -> str:
    """Return why nothing was fitted."""
    peaks = "1 peak matches" if matched == 1 else f"{matched} peaks match"
    return f"Nothing was fitted: {peaks} a line, {needed} are needed; positions are compared as they stand."


def nothing_near() -> str:
    """Return that no line lies in the measured range."""
    return "Nothing was fitted: no line of the references lies within the measured range."


def left_out(displacement: bool, lattice: str, asked: str) -> str:
    """Return which parameters the number of peaks did not allow, or ``""``."""
    gone = [] if displacement else ["displacement"]
    if asked == "axes" and lattice == "scale":
        gone.append("the axes of the lattice each for itself")
    if asked != "fixed" and lattice == "fixed":
        gone.append("the lattice")
    return f"Too few peaks match to fit {' and '.join(gone)} as well." if gone else ""


def sentences(
    peaks: Sequence[MatchedPeak],
    phases: Sequence[PhaseMatch],
    lines: Sequence[ExpectedLine],
    fit: Fit | None,
    rule: Rule,
    measured: tuple[float, float],
    remarks: Sequence[str],
) -> list[str]:
    """Return what a match found, and what it cannot tell."""
    said = [_peaks(peaks, rule.unit), *(_phase(phase, lines) for phase in phases), *remarks]
    if fit is not None:
        said.append(_fit(fit))
        said += [_same(names, r, fit, rule.unit, measured) for names, r in fit.same()]
        said += [_bound(f) for f in fit.fitted if f.at_bound]
    return said


def _peaks(peaks: Sequence[MatchedPeak], unit: str) -> str:
    left = [p for p in peaks if p.assignment == "unexplained"]
    of_tube = sum(bool(p.satellite) for p in peaks)
    tube = f" ({of_tube} by other lines of the tube)" if of_tube else ""
    if not left:
        return f"All {len(peaks)} peaks are explained{tube}."
    named = ", ".join(f"{p.given:.2f}" for p in left[:NAMED]) + (", ..." if len(left) > NAMED else "")
    return f"{len(peaks) - len(left)} of {len(peaks)} peaks are explained{tube}; unexplained at {named} {unit}."


def _phase(phase: PhaseMatch, lines: Sequence[ExpectedLine]) -> str:
    if not phase.expected:
        return f"{phase.name}: no line within the measured range."
    missing = [x for x in lines if x.reference == phase.name and x.status == "absent"]
    missing = sorted(missing, key=lambda x: -x.line.intensity if math.isfinite(x.line.intensity) else 0)
    text = f"{phase.name}: {phase.seen} of {phase.expected} lines are seen, {100 * phase.share:.0f} % of its intensity"
    if missing:
        text += f"; absent: {', '.join(x.line.label for x in missing[:NAMED])}" + (", ..." if missing[NAMED:] else "")
    if phase.chance is None:
        return text + "."
    verdict = "no better than chance" if phase.chance >= LIKELY else "better than chance"
    return f"{text}; {verdict} (p = {phase.chance:.2g} against random peaks)."


def _fit(fit: Fit) -> str:
    together = "Fitted together" if len(fit.fitted) > 1 else "Fitted"
    return f"{together}: " + "; ".join(_value(f) for f in fit.fitted) + "."


def _value(fitted: Fitted) -> str:
    scale, unit = (100.0, "%") if fitted.parameter.unit == "relative" else (1.0, fitted.parameter.unit)
    error = fitted.uncertainty * scale
    digits = max(0, min(6, 1 - math.floor(math.log10(error)))) if error > 0 else 4
    return f"{fitted.parameter.name} {fitted.value * scale:+.{digits}f} +- {error:.2g} {unit}"


def _same(names: tuple[str, ...], correlation: float, fit: Fit, unit: str, measured: tuple[float, float]) -> str:
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return (
        f"Not to be told apart between {measured[0]:.1f} and {measured[1]:.1f} {unit}: {listed} (correlation up to "
        f"{correlation:.3f}); where they put a line together is known to {fit.shift_uncertainty:.2g} {unit}."
    )


def _bound(fitted: Fitted) -> str:
    return f"The {fitted.parameter.name} ran into its bound ({fitted.value:+.3g}): it is no result."
