"""Peaks that tell the class of spectra and yet do not rise and fall with the other peaks of that class.

The peaks of one phase, state or mode are collinear: where there is more of it, all of them are higher. A peak of a
sample holder, a glue or a substrate that came with one class stands where that class is, and goes its own way from
specimen to specimen. That takes a class with several peaks of its own and enough specimens in which they vary; where
these are missing nothing is found, and nothing is claimed. The exchange test then asks the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.records import Artefact
from matxai.regions import Boxed

if TYPE_CHECKING:
    from matxai.checks.labelled import LabelledSet

Floats = npt.NDArray[np.float64]

WIDEST = 0.05
"""Share of the axis beyond which a rise is background and no peak."""
LEAST_SIGNALS, LEAST_GROUPS, LEAST_PEAKS = 12, 8, 3
"""Spectra of the set, specimens of a class, peaks that tell it: with fewer, nothing can be said to go its own way."""
TELLS = 2.0
"""Standard deviations between a class's mean and the next one's at which a point tells it."""
OFTEN = 0.02
"""What another artefact covers in more than this share of the spectra is left to that one."""
TOGETHER, APART = 0.7, 0.5
"""The class's own peaks correlate by more with the rest of them; a foreign one, at the upper 95 % bound, by less."""


@dataclass(eq=False)
class _Axis:
    axis: Floats
    shape: tuple[int, ...]
    numbers: list[int] = field(default_factory=list)
    curves: list[Floats] = field(default_factory=list)
    covered: npt.NDArray[np.int64] | None = None


class Peaks:
    """Gathers the peaks of spectra, axis by axis, without what lies below them.

    Parameters
    ----------
    data
        The set, for its labels and groups; nothing is read from it here.
    """

    def __init__(self, data: LabelledSet) -> None:
        self._data = data
        self._axes: dict[tuple[Any, ...], _Axis] = {}

    def add(self, number: int, values: npt.NDArray[Any], covered: npt.NDArray[np.bool_], axis: Floats) -> None:
        """Take spectrum ``number`` into account.

        Parameters
        ----------
        number
            Below the set's length.
        values
            ``(n,)`` or ``(n, c)``.
        covered
            What artefacts cover that were found in it, ``(n,)``.
        axis
            Ascending, ``(n,)``.
        """
        from scipy.ndimage import white_tophat

        if np.iscomplexobj(values) or len(axis) < 64:
            return
        curve = np.asarray(values, np.float64).reshape(len(axis), -1).mean(axis=1)
        if not np.isfinite(curve).all() or curve.min() < 0:
            return
        peaks = white_tophat(curve, max(int(WIDEST * len(axis)), 3))
        area = float(peaks.sum())
        if area <= 0:
            return
        key = (values.shape, float(axis[0]), float(axis[-1]))
        own = self._axes.setdefault(key, _Axis(axis, values.shape[:1]))
        own.numbers.append(number)
        own.curves.append(peaks / area)
        own.covered = covered.astype(np.int64) if own.covered is None else own.covered + covered

    def artefact(self) -> Artefact | None:
        """Return the foreign peaks of all classes as one artefact; None where there are none, or nobody could say."""
        if not self._axes:
            return None
        own = max(self._axes.values(), key=lambda a: len(a.numbers))
        found = self._zones(own)
        if not found:
            return None
        mask = np.zeros(own.shape, bool)
        for zone in found:
            mask[zone["start"] : zone["stop"]] = True
        if mask.all():
            return None
        boxed = Boxed.of(mask)
        regions: list[Boxed | None] = [None] * len(self._data)
        for number in own.numbers:
            regions[number] = boxed
        shown = [{**z, "from": float(own.axis[z["start"]]), "to": float(own.axis[z["stop"] - 1])} for z in found]
        evidence = {"signals": len(own.numbers), "peaks": shown}
        return Artefact("foreign_peak", "foreign_peak", tuple(regions), "folder", 0.9, False, evidence)

    def _zones(self, own: _Axis) -> list[dict[str, Any]]:
        numbers = np.array(own.numbers)
        labels = self._data.labels[numbers]
        groups = numbers if self._data.groups is None else np.asarray(self._data.groups)[numbers]
        present = np.unique(labels)
        if len(numbers) < LEAST_SIGNALS or len(present) < 2:
            return []
        curves = np.stack(own.curves)
        if own.covered is not None:
            curves[:, own.covered > OFTEN * len(numbers)] = 0.0
        by_class = {int(c): _of_groups(curves[labels == c], groups[labels == c]) for c in present}
        found = []
        for c, specimens in by_class.items():
            if len(specimens) >= LEAST_GROUPS:
                found += [{"class": self._data.classes[c], **z} for z in _foreign(c, by_class)]
        return found


def _of_groups(curves: Floats, groups: npt.NDArray[Any]) -> Floats:
    return np.stack([curves[groups == g].mean(axis=0) for g in np.unique(groups)])


def _foreign(c: int, by_class: dict[int, Floats]) -> list[dict[str, Any]]:
    """Return the peaks that tell class ``c`` from all others and go their own way among its specimens."""
    mine = by_class[c]
    others = [v for k, v in by_class.items() if k != c]
    spread = np.sqrt(
        np.mean([v.var(axis=0, ddof=1) if len(v) > 1 else np.zeros(v.shape[1]) for v in by_class.values()], 0)
    )
    floor = 1e-3 * float(mine.mean(axis=0).max())
    higher = mine.mean(axis=0) - np.max([v.mean(axis=0) for v in others], axis=0)
    tells = higher > np.maximum(TELLS * spread, 3 * floor)
    zones = _runs(tells)
    if len(zones) < LEAST_PEAKS:
        return []
    heights = np.stack([mine[:, a:b].sum(axis=1) for a, b in zones], axis=1)  # (specimens, zones)
    ratios = np.log(np.maximum(heights, 1e-12))
    found = []
    together = np.array([_correlation(ratios, k) for k in range(len(zones))])
    for k, (a, b) in enumerate(zones):
        rest = np.delete(together, k)
        bound = float(np.tanh(np.arctanh(np.clip(together[k], -0.999, 0.999)) + 1.645 / np.sqrt(max(len(mine) - 3, 1))))
        if bound < APART and float(np.median(rest)) > TOGETHER:
            wide = max((b - a) // 2, 3)
            start, stop = max(a - wide, 0), min(b + wide, mine.shape[1])
            found.append(
                {"start": int(start), "stop": int(stop), "r": float(together[k]), "of_others": float(np.median(rest))}
            )
    return found


def _correlation(ratios: Floats, k: int) -> float:
    """How a peak's logarithm goes with the median of the other peaks' over the specimens."""
    rest = np.delete(ratios - ratios.mean(axis=0), k, axis=1)
    other, own = np.median(rest, axis=1), ratios[:, k] - ratios[:, k].mean()
    size = float(np.sqrt((other**2).sum() * (own**2).sum()))
    return float((other * own).sum() / size) if size > 0 else 0.0


def _runs(at: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last-but-one point of each run, runs closer than their own length joined; single points are noise."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at.astype(np.int8), [0]])))
    joined: list[tuple[int, int]] = []
    for a, b in edges.reshape(-1, 2).tolist():
        if joined and a - joined[-1][1] <= joined[-1][1] - joined[-1][0]:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return [(a, b) for a, b in joined if b - a >= 3]
