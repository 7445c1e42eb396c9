"""Which peak is which line: how well two lists of positions agree, the shift at which they do, and the pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Curve = npt.NDArray[np.float64]

INERTIA = 0.05
"""Agreement (of at most 2) that a shift of its whole bound must win: ties go to no shift."""


class Comb(NamedTuple):
    """One reference at each strain of the search."""

    strains: Curve
    base: Curve  # positions without strain, ascending, (n,)
    weights: Curve  # (n,)
    strained: Callable[[Curve, Curve], Curve]  # positions and strains to positions


def agreement(comb: Comb, peaks: Curve, peak_weights: Curve, shifts: Curve, width: float) -> Curve:
    """Return how well lines and peaks agree, shape ``(strains, shifts)``; from 0 to 2.

    The share of the lines' weight that has a peak nearby plus the share of the peaks' weight that has a line nearby,
    nearness by a Gaussian of standard deviation ``width``. Peaks are taken back to the lattice without strain, where
    one sorted list of lines serves every strain; widths change by a hundredth there.
    """
    strains, moved = comb.strains[:, None, None], shifts[None, :, None]
    lines = _near(comb.strained(comb.base, strains) + moved, peaks, width) @ (comb.weights / comb.weights.sum())
    back = comb.strained(peaks - moved, 1 / (1 + strains) - 1)
    return np.asarray(lines + _near(back, comb.base, width) @ (peak_weights / peak_weights.sum()), float)


def _near(wanted: Curve, there: Curve, width: float) -> Curve:
    """Nearness of each wanted place to the nearest of those there (ascending)."""
    right = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    gap = np.minimum(np.abs(there[right] - wanted), np.abs(there[np.maximum(right - 1, 0)] - wanted))
    return np.asarray(np.exp(-0.5 * (gap / width) ** 2), float)


class Found(NamedTuple):
    """Where a search ended: the shift, the strain of each reference, the agreement of each."""

    shift: float
    strains: list[float]
    agreements: list[float]


def search(combs: Sequence[Comb], peaks: Curve, peak_weights: Curve, shifts: Curve, width: float) -> Found:
    """Return the shift, common to all references, and the strain of each at which they agree best with the peaks."""
    grids = [agreement(comb, peaks, peak_weights, shifts, width) for comb in combs]
    reach = max(float(np.abs(shifts).max(initial=0)), 1e-12)
    costs = [g - INERTIA * _pull(comb.strains)[:, None] for g, comb in zip(grids, combs, strict=True)]
    total = sum(cost.max(axis=0) for cost in costs) - INERTIA * len(combs) * (shifts / reach) ** 2
    at = int(np.argmax(total))
    rows = [int(np.argmax(cost[:, at])) for cost in costs]
    strains = [float(comb.strains[row]) for comb, row in zip(combs, rows, strict=True)]
    return Found(float(shifts[at]), strains, [float(g[row, at]) for g, row in zip(grids, rows, strict=True)])


def _pull(strains: Curve) -> Curve:
    return np.asarray((strains / max(float(np.abs(strains).max(initial=0)), 1e-12)) ** 2, float)


def by_chance(
    comb: Comb,
    peaks: Curve,
    peak_weights: Curve,
    shifts: Curve,
    width: float,
    measured: tuple[float, float],
    rng: np.random.Generator,
    draws: int,
) -> float:
    """Return the share of draws in which as many random peaks agree as well as these, the search included.

    The smallest value is 1 / (draws + 1). Random peaks lie anywhere in the measured range with the heights of the real.
    """
    own = search([comb], peaks, peak_weights, shifts, width).agreements[0]
    as_good = 0
    for _ in range(draws):
        places = np.sort(rng.uniform(*measured, size=len(peaks)))
        weights = rng.permutation(peak_weights)
        as_good += search([comb], places, weights, shifts, width).agreements[0] >= own
    return (1 + as_good) / (1 + draws)


def pair(lines: Curve, weights: Curve, peaks: Curve, windows: Curve) -> npt.NDArray[np.int64]:
    """Return the line of each peak, or -1: every line at most once, nearer and stronger lines first.

    Parameters
    ----------
    lines, weights
        Expected positions and relative intensities, shape ``(n,)``.
    peaks, windows
        Measured positions, and how far from each a line may be, shape ``(m,)``.
    """
    gaps = np.abs(peaks[:, None] - lines)
    worth = np.where(gaps <= windows[:, None], weights * np.exp(-0.5 * (2 * gaps / windows[:, None]) ** 2), 0)
    chosen = np.full(len(peaks), -1, dtype=np.int64)
    for flat in np.argsort(-worth, axis=None, kind="stable"):
        peak, line = divmod(int(flat), len(lines))
        if worth[peak, line] <= 0:
            break
        if chosen[peak] < 0 and line not in chosen:
            chosen[peak] = line
    return chosen
