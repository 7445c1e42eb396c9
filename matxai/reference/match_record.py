"""What a match is: peaks with their assignments, lines with their partners, references with how well they are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from matxai.reference.fitting import Fit
    from matxai.reference.lines import ReferenceLine


@dataclass(frozen=True)
class MatchedPeak:
    """One measured peak.

    Attributes
    ----------
    given
        Its position as it was handed in.
    position
        The same on the axis of the match (two-theta where d or q were given; aligned where energies were).
    corrected
        With the instrument's shifts taken off.
    assignment
        ``"Si 1 1 1"``, ``"K-beta of Si 1 1 1"`` or ``"unexplained"``.
    reference, line
        The name of the reference and its line; None for a satellite and for a peak that nothing explains.
    difference
        Measured less expected, shifts and lattice included; None likewise.
    satellite
        What it is where another line of the tube made it, else ``""``.
    """

    given: float
    position: float
    corrected: float
    assignment: str
    reference: str | None
    line: ReferenceLine | None
    difference: float | None
    satellite: str


@dataclass(frozen=True)
class ExpectedLine:
    """One line of a reference.

    Attributes
    ----------
    reference
        Its name.
    line
        The line.
    expected
        Where it should be measured, shifts and lattice included.
    status
        ``"found"``; ``"under another"`` (its peak is a stronger line's); ``"absent"``; ``"too weak"`` to be seen;
        ``"not measured"``.
    peak
        Index of its peak in `Match.peaks`, or None.
    difference
        Measured less expected, or None.
    """

    reference: str
    line: ReferenceLine
    expected: float
    status: str
    peak: int | None
    difference: float | None


@dataclass(frozen=True)
class PhaseMatch:
    """How well one reference is there.

    Attributes
    ----------
    name
        Of the reference.
    found
        Lines with a peak of their own.
    seen
        Those, and lines under the peak of another.
    expected
        Lines within the measured range.
    share
        The share of the expected intensity that is seen.
    chance
        The share of sets of random peaks that agree as well, the search for shifts included, among the peaks that no
        other reference explains; None where not drawn.
    """

    name: str
    found: int
    seen: int
    expected: int
    share: float
    chance: float | None


@dataclass(frozen=True)
class Match:
    """Peaks and lines, matched.

    Attributes
    ----------
    axis, unit
        What positions are on.
    peaks
        In ascending order.
    lines
        Of every reference, in its order.
    phases
        One for each reference.
    fit
        Shifts and lattices with uncertainties and correlations; None where nothing was fitted.
    sentences
        What was found, and what cannot be told.
    """

    axis: str
    unit: str
    peaks: tuple[MatchedPeak, ...]
    lines: tuple[ExpectedLine, ...]
    phases: tuple[PhaseMatch, ...]
    fit: Fit | None
    sentences: tuple[str, ...]

    @property
    def unexplained(self) -> tuple[MatchedPeak, ...]:
        """The peaks that are neither a line of a reference nor a satellite of one."""
        return tuple(p for p in self.peaks if p.assignment == "unexplained")

    def value(self, name: str) -> tuple[float, float]:
        """Return a fitted value and its uncertainty by the parameter's name.

        Raises
        ------
        MatxaiError
            If no parameter of that name was fitted.
        """
        from matxai.errors import MatxaiError, nearest

        names = [f.parameter.name for f in self.fit.fitted] if self.fit else []
        if self.fit is None or name not in names:
            msg = f"Nothing called '{name}' was fitted. {nearest(name, names, label='Fitted')}"
            raise MatxaiError(msg)
        found = self.fit.fitted[names.index(name)]
        return found.value, found.uncertainty

    def table(self) -> pd.DataFrame:
        """Return one row for each peak, then one for each line without a peak of its own."""
        import pandas as pd

        rows = [
            {
                "measured": p.given,
                "corrected": p.corrected,
                "assignment": p.assignment,
                "expected": None if p.difference is None else p.position - p.difference,
                "difference": p.difference,
                "intensity": None if p.line is None else p.line.intensity,
                "status": "found" if p.line is not None else "satellite" if p.satellite else "unexplained",
            }
            for p in self.peaks
        ]
        rows += [
            {
                "assignment": f"{x.reference} {x.line.label}",
                "expected": x.expected,
                "difference": x.difference,
                "intensity": x.line.intensity,
                "status": x.status,
            }
            for x in self.lines
            if x.status != "found"
        ]
        return pd.DataFrame(
            rows, columns=["measured", "corrected", "assignment", "expected", "difference", "intensity", "status"]
        )
