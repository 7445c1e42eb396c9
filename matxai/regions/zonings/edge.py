"""By an absorption edge: what lies before it, the white line, what follows, and the oscillations far behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.signal import savgol_filter

from matxai.errors import RegionError
from matxai.regions.zonings import CurveFacts, made, zonings

if TYPE_CHECKING:
    from matxai.regions.region import Region
    from matxai.regions.spectral import Curve

PRE_EDGE, EXAFS = -20.0, 50.0
"""Where the pre-edge zone begins and the oscillations begin, relative to E0, in eV."""
_FOOT = 0.15
"""Share of the step that is reached where the edge begins to rise; a pre-edge peak lies below."""
_MOST = 0.3
"""Share of a curve's range that its edge must be to be what the curve shows."""
_WHITE = 25.0
"""How far behind E0 the top of a white line may lie, in eV."""
_SMOOTH = 2.0
"""Window of the slope, in eV."""
_SLOPE = 0.2
"""Share of the steepest slope from which another one may be the edge's."""
_STAYS = 0.22
"""Share of the step above which the curve stays behind its edge."""
_REACH = 150.0
"""How far around an edge its step is measured, in eV; further away the background alone changes."""
_GRID = 8192


@dataclass(frozen=True)
class Edge:
    """Zones relative to E0, which is where the curve rises most or where somebody says."""

    def suits(self, facts: CurveFacts) -> bool:
        """An axis of energy with an edge that is most of what the curve does."""
        if facts.e0 is not None:
            return True
        if facts.dim != "energy":
            return False
        found = _found(facts)
        return found is not None and found[1] > _MOST

    def divide(self, facts: CurveFacts) -> tuple[list[Region], Curve]:
        """Return ``pre_edge``, ``white_line``, ``post_edge`` and ``exafs``, and the step below them.

        The pre-edge goes from 20 eV before E0 to the foot of the rise, the white line from there to the minimum behind
        the first maximum, ``post_edge`` on to 50 eV, ``exafs`` to the end. What lies further before E0 is background.

        Raises
        ------
        RegionError
            If there is no edge, or it lies outside of the curve.
        """
        e0 = facts.e0 if facts.e0 is not None else _edge(facts)
        axis = facts.axis
        if not axis[0] < e0 < axis[-1]:
            raise RegionError(
                f"The edge at {e0:g} lies outside of the curve, which runs from {axis[0]:g} to {axis[-1]:g}."
            )
        off = axis - e0
        front = facts.values[(off < PRE_EDGE) & (off > -_REACH)]
        behind = facts.values[(off > EXAFS) & (off < _REACH)]
        low = float(np.median(front)) if front.size else float(facts.values[axis < e0].min())
        high = float(np.median(behind)) if behind.size else float(facts.values[axis > e0][-1])
        at = int(np.searchsorted(axis, e0))
        foot = _foot(facts, at, low, high)
        end = _behind_white_line(facts, at, e0)
        borders = {
            "pre_edge": (int(np.searchsorted(axis, e0 + PRE_EDGE)), foot),
            "white_line": (foot, end),
            "post_edge": (end, int(np.searchsorted(axis, e0 + EXAFS))),
            "exafs": (max(end, int(np.searchsorted(axis, e0 + EXAFS))), len(axis)),
        }
        baseline = np.where(axis < axis[min(foot, len(axis) - 1)], low, high)
        smooth = ndimage.gaussian_filter1d(facts.values, 1.0)
        zones = []
        for kind, (start, stop) in borders.items():
            if stop - start < 1:
                continue
            mask = np.zeros(len(axis), bool)
            mask[start:stop] = True
            said: dict[str, float | int] = {"e0": e0, "step": high - low}
            top = _top_of_pre_edge(smooth, start, stop) if kind == "pre_edge" else None
            if top is not None:
                net = float(facts.values[top] - baseline[top])
                noise = max(float(facts.noise[top]), 1e-300)
                said |= {"position": float(axis[top]), "channel": top, "height": net, "snr": net / noise}
            zones.append(made(mask, kind, facts, baseline, name=kind, **said))
        return zones, baseline


def _found(facts: CurveFacts) -> tuple[float, float] | None:
    """E0 and the step as a share of the curve's range: the steepest rise that is not taken back; None without one.

    On equal steps, as the points of such scans lie closest at the edge.
    """
    span = float(facts.axis[-1] - facts.axis[0])
    step = max(float(np.quantile(np.diff(facts.axis), 0.1)), span / _GRID)
    grid = np.linspace(facts.axis[0], facts.axis[-1], max(16, round(span / step) + 1))
    curve = np.interp(grid, facts.axis, facts.values)
    width = min(max(5, 2 * round(_SMOOTH / step / 2) + 1), (len(grid) - 1) | 1)
    slope, smooth = savgol_filter(curve, width, 2, deriv=1), savgol_filter(curve, width, 2)
    for at in np.argsort(-slope):
        if slope[at] < _SLOPE * slope.max():
            return None
        off = grid - grid[at]
        before, behind = (off < PRE_EDGE / 2) & (off > -_REACH), (off > -PRE_EDGE) & (off < _REACH)
        if min(before.sum(), behind.sum()) < 3:
            continue
        # what slopes before an edge slopes behind it
        line = np.polynomial.polynomial.polyfit(off[before], smooth[before], 1)
        level = smooth - np.polynomial.polynomial.polyval(off, line)
        rise = float(np.median(level[behind]))
        # behind a pre-edge peak the curve comes down again
        if rise > 0 and level[(off > width * step / 2) & (off < _REACH)].min() > _STAYS * rise:
            share = rise / float(np.ptp(level[np.abs(off) < _REACH]))
            least = max(5 * float(np.median(facts.noise)), 1e-9 * float(np.abs(curve).max()))
            return (float(grid[at]), share) if rise > least else None
    return None


def _edge(facts: CurveFacts) -> float:
    found = _found(facts)
    if found is None:
        raise RegionError("No absorption edge rises in this curve; say where it lies with e0=, or divide it by peaks.")
    return found[0]


def _foot(facts: CurveFacts, at: int, low: float, high: float) -> int:
    """First point of the rise: behind the last one before E0 that lies below a small share of the step.

    A pre-edge peak may be higher than that share: behind it the curve comes down, and the minimum is the foot.
    """
    smooth = ndimage.gaussian_filter1d(facts.values, 1.0)
    below = np.flatnonzero(smooth[: at + 1] < low + _FOOT * (high - low))
    foot = int(below[-1]) + 1 if below.size else 0
    window = np.flatnonzero((facts.axis >= facts.axis[at] + PRE_EDGE) & (np.arange(len(facts.axis)) < at))
    if window.size > 2:
        rises = np.diff(smooth[window]) > 0
        falls = np.flatnonzero(~rises & (-np.diff(smooth[window]) > 3 * facts.noise[window[:-1]] / 4))
        if falls.size and window[falls[-1]] + 1 > foot:
            foot = int(window[falls[-1]]) + 1
    return min(foot, at)


def _behind_white_line(facts: CurveFacts, at: int, e0: float) -> int:
    """First point behind the white line: as far behind its top as twice its half width there."""
    axis, smooth = facts.axis, ndimage.gaussian_filter1d(facts.values, 1.0)
    near = np.flatnonzero((axis >= e0) & (axis <= e0 + _WHITE))
    rest = np.flatnonzero((axis >= e0) & (axis < e0 + EXAFS))
    if near.size < 3:
        return min(at + 1, len(axis))
    top = int(near[np.argmax(smooth[near])])
    rest = rest[rest >= top]
    half = (smooth[top] + smooth[rest].min()) / 2
    down = rest[(smooth[rest] <= half) & (rest > top)]
    end = min(2 * axis[down[0]] - axis[top] if down.size else axis[top], e0 + EXAFS)
    return max(int(np.searchsorted(axis, end)), at + 1)


def _top_of_pre_edge(smooth: Curve, start: int, stop: int) -> int | None:
    """The highest point with lower ones on both sides; None where the curve only rises."""
    inner = np.arange(start + 1, stop - 1)
    tops = inner[(smooth[inner] > smooth[inner - 1]) & (smooth[inner] >= smooth[inner + 1])]
    return int(tops[np.argmax(smooth[tops])]) if tops.size else None


zonings.add("edge", Edge())
