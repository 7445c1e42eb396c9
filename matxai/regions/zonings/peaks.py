"""By peaks: each with its shoulders, overlapping ones split at the minimum between them, doublets as one zone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions.baseline_of_curve import baseline_of
from matxai.regions.spectral import Curve, peaks, shoulders
from matxai.regions.zonings import CurveFacts, made, place_said, zonings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.regions.region import Region

_FOOT = 0.05
"""Share of a peak's height above the baseline at which its zone ends."""
_CLEAR = 2.0
"""Height in standard deviations of the noise that a top has once smoothed by one point."""
_WIDTHS = 4
"""How many of the usual width a thing must be broad to count as background."""


@dataclass(frozen=True)
class Peaks:
    """Every peak to its foot, or to the minimum in front of the next one."""

    def suits(self, facts: CurveFacts) -> bool:  # noqa: ARG002
        """Any curve."""
        return True

    def divide(self, facts: CurveFacts) -> tuple[list[Region], Curve]:
        """Return peaks, shoulders and doublets, and the baseline below them."""
        width = usual_width(facts)
        baseline = baseline_of(facts.values, facts.noise, _WIDTHS * width)
        net = facts.values - baseline
        smooth = ndimage.gaussian_filter1d(net, 1.0)
        tops = sorted(int(p.evidence["channel"]) for p in peaks(net, facts.axis, least=facts.least, noise=facts.noise))
        tops = [t for t in tops if smooth[t] > _CLEAR * facts.noise[t]]
        spans = _spans(smooth, facts.noise, tops)
        zones: list[Region] = []
        for top, (low, high) in zip(tops, spans, strict=True):
            zones.append(_zone(facts, baseline, low, high, "peak", top))
        zones = _with_shoulders(facts, baseline, zones, width)
        return _doublets(facts, baseline, zones), baseline


def usual_width(facts: CurveFacts) -> int:
    """Return the width at half maximum that is usual in a curve, in points: the median over its peaks, at least 2."""
    found = peaks(facts.values, facts.axis, least=facts.least, noise=facts.noise)
    step = float(np.median(np.diff(facts.axis)))
    return max(2, round(float(np.median([p.evidence["fwhm"] for p in found])) / step)) if found else 8


def _spans(smooth: Curve, noise: Curve, tops: Sequence[int]) -> list[tuple[int, int]]:
    """First and last point of each peak: where it meets its foot, or the minimum in front of its neighbour."""
    borders = [a + int(np.argmin(smooth[a : b + 1])) for a, b in pairwise(tops)]
    found = []
    for number, top in enumerate(tops):
        first = borders[number - 1] + 1 if number else 0
        last = borders[number] if number < len(borders) else len(smooth) - 1
        floor = max(_FOOT * smooth[top], float(noise[top]) / 2)
        below = np.flatnonzero(smooth[first : last + 1] < floor) + first
        left, right = below[below < top], below[below > top]
        span = (int(left[-1]) + 1 if left.size else first, int(right[0]) - 1 if right.size else last)
        if span == (0, len(smooth) - 1):  # one peak that never comes down: the flanks above half of it are its zone
            half = np.flatnonzero(smooth >= smooth[top] / 2)
            span = (max(int(half[0]), 1), min(int(half[-1]), len(smooth) - 2))
        found.append(span)
    return found


def _mask(length: int, low: int, high: int) -> np.ndarray:
    mask = np.zeros(length, bool)
    mask[low : high + 1] = True
    return mask


def _zone(facts: CurveFacts, baseline: Curve, low: int, high: int, kind: str, top: int) -> Region:
    """Return one zone; its place is the vertex of the parabola through its top."""
    net = ndimage.gaussian_filter1d(facts.values - baseline, 1.0)
    at = float(top)
    if 0 < top < len(net) - 1:
        before, here, after = net[top - 1 : top + 2]
        bend = before - 2 * here + after
        at += float(np.clip(0.5 * (before - after) / bend, -1, 1)) if bend < 0 else 0.0
    place = float(np.interp(at, np.arange(len(net)), facts.axis))
    return made(
        _mask(len(net), low, high),
        kind,
        facts,
        baseline,
        name=f"{kind} {place_said(place, facts.axis)}",
        position=place,
    )


def _with_shoulders(facts: CurveFacts, baseline: Curve, zones: list[Region], width: int) -> list[Region]:
    """Give each shoulder the outer part of the peak that it stands on, from the inflection in front of it."""
    window = max(5, min(round(0.6 * width) | 1, (len(facts.values) - 1) | 1))
    found = list(zones)
    for one in shoulders(facts.values, facts.axis, width=window, noise=facts.noise):
        at = int(one.evidence["channel"])
        home = next((z for z in found if z.kind == "peak" and z.mask[at]), None)
        if home is None:
            continue
        inside, top = np.flatnonzero(home.mask), int(home.evidence["channel"])
        own = np.flatnonzero(one.mask)
        low, high = (int(own[0]), int(inside[-1])) if at > top else (int(inside[0]), int(own[-1]))
        kept = (int(inside[0]), low - 1) if at > top else (high + 1, int(inside[-1]))
        if not kept[0] <= top <= kept[1] or low > high:
            continue
        net = facts.values - baseline
        said = {"position": float(facts.axis[at]), "channel": at, "height": float(net[at]), "fwhm": float("nan"),
                "snr": float(net[at] / max(float(facts.noise[at]), 1e-300))}  # fmt: skip
        name = f"shoulder {place_said(float(facts.axis[at]), facts.axis)}"
        piece = made(_mask(len(net), low, high), "shoulder", facts, baseline, name=name, **said)
        found = [z for z in found if z is not home] + [_zone(facts, baseline, *kept, "peak", top), piece]
    return found


def _doublets(facts: CurveFacts, baseline: Curve, zones: list[Region]) -> list[Region]:
    """Join peaks that lie a given distance apart, the nearest to it first; a peak belongs to one pair."""
    single = sorted((z for z in zones if z.kind == "peak"), key=lambda z: float(z.evidence["position"]))
    rest = [z for z in zones if z.kind != "peak"]
    pairs: list[tuple[float, int, int]] = []
    for split, tolerance in facts.doublets:
        if not split > 0 or not tolerance >= 0:
            raise RegionError(f"A doublet is two peaks a distance above 0 apart, not {split:g} within {tolerance:g}.")
        for i, one in enumerate(single):
            for j in range(i + 1, len(single)):
                off = abs(float(single[j].evidence["position"]) - float(one.evidence["position"]) - split)
                if off <= tolerance:
                    pairs.append((off, i, j))
    taken: dict[int, int] = {}
    joined = []
    for _, i, j in sorted(pairs):
        if i in taken or j in taken:
            continue
        taken |= {i: j, j: i}
        a, b = single[i].evidence, single[j].evidence
        strong = a if a["height"] >= b["height"] else b
        name = "doublet " + " + ".join(place_said(float(e["position"]), facts.axis) for e in (a, b))
        said = {k: strong[k] for k in ("position", "fwhm", "height", "snr", "channel")}
        said |= {"positions": (a["position"], b["position"]), "heights": (a["height"], b["height"])}
        mask = single[i].mask | single[j].mask
        joined.append(made(mask, "doublet", facts, baseline, name=name, **said))
    return [*rest, *joined, *(z for i, z in enumerate(single) if i not in taken)]


zonings.add("peaks", Peaks())
