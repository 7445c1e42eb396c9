"""Measured peaks matched with reference lines: shifts fitted, each peak assigned or not, each line found or not.

Peaks are arrays of positions (with widths, heights, uncertainties where they are known); nothing here reads a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError
from matxai.reference import telling
from matxai.reference.axis_rules import rule_of
from matxai.reference.lines import ReferenceLine, ReferenceLines
from matxai.reference.match_job import Job
from matxai.reference.match_record import ExpectedLine, Match, MatchedPeak, PhaseMatch
from matxai.reference.pairing import by_chance
from matxai.reference.peak_list import PeakList
from matxai.reference.satellites import satellites_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from matxai.reference.fitting import Fit
    from matxai.reference.match_job import Pairs
    from matxai.reference.shift_models import ShiftModel

    Curve = npt.NDArray[np.float64]

VISIBLE = 2.0
"""How many times the smallest measured height a line must be expected to have before its absence is said."""


def match(
    positions: npt.ArrayLike,
    references: ReferenceLines | Sequence[ReferenceLines],
    *,
    widths: npt.ArrayLike | None = None,
    heights: npt.ArrayLike | None = None,
    uncertainties: npt.ArrayLike | None = None,
    measured: tuple[float, float] | None = None,
    tolerance: float | None = None,
    lattice: str = "scale",
    bounds: tuple[float, float, float] | None = None,
    fit: bool = True,
    aligned: float | None = None,
    least: float = 1.0,
    draws: int = 99,
    seed: int = 0,
) -> Match:
    """Match peaks with the lines of one or several references.

    Parameters
    ----------
    positions
        Of the peaks, on the axis and in the unit of the references, shape ``(n,)``.
    references
        All on one axis; powder lines all for one wavelength.
    widths
        Full widths at half maximum: a line may lie half of one away.
    heights
        Of the peaks, in any unit. With them K-beta and tungsten lines must be weaker than their parents, and a line
        that would be too weak to be seen is not called absent.
    uncertainties
        Of the positions, one standard deviation; without them the spread of the differences is taken.
    measured
        The range of the measurement; by default that of the peaks.
    tolerance
        How far a line may lie from its peak once shifts are taken off: 0.1 degree, 0.5 eV (binding energy; an aligned
        edge), 2 eV (an edge of unknown calibration), 4 1/cm.
    lattice
        ``"fixed"``, ``"scale"`` (one for each phase) or ``"axes"`` (each independent axis of a cell that is not cubic).
    bounds
        Of zero shift and displacement (degrees) and strain, 0.3, 0.3 and 0.01 by default; of a rigid shift the first
        number alone counts, 5 eV or 10 1/cm by default.
    fit
        Whether shifts are fitted at all.
    aligned
        For absorption edges: what to add to the measured energies, as a foil measured beside the sample tells; 0 for
        an axis that is calibrated already. None leaves E0 uncalibrated, and the result says so.
    least
        Lines weaker than this (the strongest has 100) are not expected.
    draws, seed
        Sets of random peaks with which the agreement is compared; 0 leaves that out.

    Returns
    -------
    Match
        Peaks, lines, fitted values, sentences, and a table.

    Raises
    ------
    MatxaiError
        If the peaks are no finite ascending positions, or the references lie on different axes.
    """
    phases = [references] if isinstance(references, ReferenceLines) else list(references)
    rule = rule_of(phases, aligned=aligned)
    peaks = PeakList.of(positions, widths, heights, uncertainties, measured).on(rule.to_axis, rule.add)
    phases = [_only(rule.reference(phase), least, phase.name) for phase in phases]
    limits = rule.bounds if bounds is None else bounds
    if lattice not in {"fixed", "scale", "axes"} or not all(b > 0 for b in limits):
        msg = f"lattice is 'fixed', 'scale' or 'axes' and bounds are positive, not {lattice!r} and {limits}."
        raise MatxaiError(msg)
    window = rule.tolerance if tolerance is None else tolerance
    if not window > 0:
        msg = f"A tolerance must be positive, not {window:g}."
        raise MatxaiError(msg)
    job = Job(peaks, phases, rule, limits, window, lattice)
    model, found, pairs, remarks = job.fitted() if fit and rule.fits else job.unfitted(rule.no_fit)
    return _record(job, model, found, pairs, remarks, draws, seed)


def _only(reference: ReferenceLines, least: float, name: str) -> ReferenceLines:
    """The lines that are strong enough; those of unknown strength all."""
    kept = tuple(line for line in reference.lines if not line.intensity < least)
    if not kept:
        msg = f"'{name}' has no line of at least {least:g} of 100."
        raise MatxaiError(msg)
    return ReferenceLines(name, reference.axis, reference.unit, kept, reference.source, reference.facts)


def _record(
    job: Job, model: ShiftModel, found: Fit | None, pairs: Pairs, remarks: list[str], draws: int, seed: int
) -> Match:
    values = found.values if found is not None else np.zeros(len(model.parameters))
    places = model.lines(values)
    straight = model.corrected(job.peaks.positions, values)
    known = satellites_among(job, model, values, straight, pairs) if job.rule.diffraction else {}
    peaks = tuple(_peak(job, i, pairs[i], places, straight[i], known.get(i, "")) for i in range(len(pairs)))
    lines = tuple(_line(job, p, j, places, pairs) for p, phase in enumerate(job.phases) for j in range(len(phase)))
    rng = np.random.default_rng(seed)
    chances = [_chance(job, p, pairs, lines, found is not None, draws, rng) for p in range(len(job.phases))]
    phases = tuple(_phase(phase, lines, chance) for phase, chance in zip(job.phases, chances, strict=True))
    sentences = telling.sentences(peaks, phases, lines, found, job.rule, job.peaks.measured, remarks)
    return Match(job.rule.axis, job.rule.unit, peaks, lines, phases, found, tuple(sentences))


def _peak(job: Job, i: int, own: Pairs, places: list[Curve], straight: float, satellite: str) -> MatchedPeak:
    phase, index = int(own[0]), int(own[1])
    given, place = float(job.peaks.given[i]), float(job.peaks.positions[i])
    if phase < 0:
        return MatchedPeak(given, place, float(straight), satellite or "unexplained", None, None, None, satellite)
    reference = job.phases[phase]
    line: ReferenceLine = reference.lines[index]
    called = f"{reference.name} {line.label}"
    return MatchedPeak(
        given, place, float(straight), called, reference.name, line, place - float(places[phase][index]), ""
    )


def _line(job: Job, phase: int, index: int, places: list[Curve], pairs: Pairs) -> ExpectedLine:
    reference, place = job.phases[phase], float(places[phase][index])
    line = reference.lines[index]
    own = np.flatnonzero((pairs[:, 0] == phase) & (pairs[:, 1] == index))
    windows = job.peaks.windows(job.window)
    gaps = np.abs(job.peaks.positions - place)
    nearest = int(np.argmin(gaps))
    low, high = job.peaks.measured
    if len(own):
        status, partner = "found", int(own[0])
    elif gaps[nearest] <= windows[nearest] and pairs[nearest, 0] >= 0:
        status, partner = "under another", nearest
    elif not low - job.window <= place <= high + job.window:
        status, partner = "not measured", None
    else:
        status, partner = ("too weak" if _hidden(job, phase, line.intensity, pairs) else "absent"), None
    difference = float(job.peaks.positions[partner] - place) if partner is not None else None
    return ExpectedLine(reference.name, line, place, status, partner, difference)


def _hidden(job: Job, phase: int, intensity: float, pairs: Pairs) -> bool:
    """Whether a line this weak would not have been seen, by the heights of the lines of its phase that were."""
    own = pairs[:, 0] == phase
    if job.peaks.heights is None or np.isnan(intensity) or not own.any():
        return False
    strengths = job.phases[phase].intensities[pairs[own, 1]]
    if np.isnan(strengths).any():
        return False
    scale = np.median(job.peaks.heights[own] / strengths)
    return bool(intensity * scale < VISIBLE * job.peaks.heights.min())


def _chance(
    job: Job,
    phase: int,
    pairs: Pairs,
    lines: Sequence[ExpectedLine],
    fitted: bool,
    draws: int,
    rng: np.random.Generator,
) -> float | None:
    """What chance has to say on the peaks and the lines that no other reference has a claim on."""
    reference = job.phases[phase]
    own = [x.status != "under another" for x in lines if x.reference == reference.name]
    comb = job.comb(reference, np.array(own))
    left = (pairs[:, 0] < 0) | (pairs[:, 0] == phase)
    if not draws or comb is None or left.sum() < 2:
        return None
    shifts = job.shifts() if fitted else np.zeros(1)
    peaks, weights = job.peaks.positions[left], job.peaks.weights[left]
    return by_chance(comb, peaks, weights, shifts, job.window / 2, job.peaks.measured, rng, draws)


def _phase(reference: ReferenceLines, lines: tuple[ExpectedLine, ...], chance: float | None) -> PhaseMatch:
    own = [line for line in lines if line.reference == reference.name]
    expected = [x for x in own if x.status != "not measured"]
    seen = [x for x in expected if x.status in {"found", "under another"}]
    strengths = [np.nan_to_num(x.line.intensity, nan=100.0) for x in expected]
    whole = float(sum(strengths))
    part = float(sum(s for s, x in zip(strengths, expected, strict=True) if x in seen))
    found = sum(x.status == "found" for x in own)
    return PhaseMatch(reference.name, found, len(seen), len(expected), part / whole if whole else 0.0, chance)
