"""Where the class means differ at the borders of images by more than chance, and by more than they differ inside.

What a finder knows no form for (a shadow at an edge, a line that one instrument leaves) shows in the means. Classes may
well look different, so a difference counts only where it is much larger than any inside the image; and sets are small,
so it counts only beyond what permuted labels give, groups kept whole.
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

Floats = npt.NDArray[np.float32]

SEGMENTS = 8
"""Pieces that each line along a border is cut into."""

BORDER = 0.125
"""Share of a side that counts as border at either end."""

DRAWS = 199
LEVEL = 0.01
LEAST_SIGNALS = 12
INSIDE = 2.0
"""How many times as large as anywhere inside a difference has to be."""

LEAST_SEGMENTS = 2
_EPSILON = 1e-9


@dataclass(eq=False)
class _Size:
    shape: tuple[int, int]
    numbers: list[int] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    columns: list[Floats] = field(default_factory=list)
    covered: npt.NDArray[np.int64] | None = None


class Borders:
    """Gathers the means of short pieces of lines along the borders, and as many inside, image by image.

    Parameters
    ----------
    data
        The set, for its labels and groups; nothing is read from it here.
    """

    def __init__(self, data: LabelledSet) -> None:
        self._data = data
        self._sizes: dict[tuple[int, ...], _Size] = {}

    def add(self, number: int, values: npt.NDArray[Any], covered: npt.NDArray[np.bool_]) -> None:
        """Take image ``number`` into account: ``values`` ``(y, x)`` or with channels, ``covered`` ``(y, x)``."""
        shape = (values.shape[0], values.shape[1])
        if min(shape) < 4 * SEGMENTS or np.iscomplexobj(values):
            return
        grey = values.astype(np.float32)
        grey = grey.mean(axis=-1) if grey.ndim == 3 else grey
        inside = _inside(shape)
        middle = grey[inside[0], inside[1]]
        if not np.isfinite(grey).all():
            return
        scale = float(middle.std()) or 1.0
        grey = (grey - float(middle.mean())) / scale  # brightness and contrast are factors of their own
        size = self._sizes.setdefault(values.shape, _Size(shape))
        size.numbers.append(number)
        size.rows.append(_pieces(grey))
        size.columns.append(_pieces(grey.T))
        size.covered = covered.astype(np.int64) if size.covered is None else size.covered + covered

    def artefact(self, seed: int) -> Artefact | None:
        """Return the zones where class means differ, as one artefact; None where they do not.

        Parameters
        ----------
        seed
            Of the permutations.
        """
        regions: list[Boxed | None] = [None] * len(self._data)
        evidence: dict[str, Any] = {}
        for size in self._sizes.values():
            found = self._zone(size, seed)
            if found is None:
                continue
            boxed = Boxed.of(found[0])
            for number in size.numbers:
                regions[number] = boxed
            evidence["x".join(str(n) for n in size.shape)] = {"signals": len(size.numbers), **found[1]}
        if not evidence:
            return None
        confidence = 1 - max(float(e["p"]) for e in evidence.values())
        return Artefact("class_difference", "class_difference", tuple(regions), "folder", confidence, False, evidence)

    def _zone(self, size: _Size, seed: int) -> tuple[npt.NDArray[np.bool_], dict[str, Any]] | None:
        """Mask of the border where classes differ, and the numbers behind it."""
        numbers = np.array(size.numbers)
        labels = self._data.labels[numbers]
        groups = None if self._data.groups is None else self._data.groups[numbers]
        if len(numbers) < LEAST_SIGNALS or len(np.unique(labels)) < 2:
            return None
        free = [_free(c, len(numbers)) for c in (size.covered, None if size.covered is None else size.covered.T)]
        lines = [np.stack(size.rows), np.stack(size.columns)]
        border = [_border(part.shape[1]) for part in lines]
        outer = [part[:, at] for part, at in zip(lines, border, strict=True)]
        inner = [part[:, ~at][:, :, 1:-1] for part, at in zip(lines, border, strict=True)]
        edges = np.concatenate([o.reshape(len(o), -1) for o in outer], axis=1)
        usable = np.concatenate([f[at].ravel() for f, at in zip(free, border, strict=True)])
        if not usable.any():
            return None
        edges = np.where(usable, edges, 0)
        permuted = _permuted(labels, groups, np.random.default_rng(seed))
        if permuted is None:
            return None
        own = _ratio(edges, labels)
        limit = INSIDE * max(float(_ratio(i.reshape(len(i), -1), labels).max()) for i in inner)
        null = np.array([_ratio(edges, p).max() for p in permuted])
        p = float((1 + (null >= own.max()).sum()) / (1 + len(null)))
        least = max(limit, float(np.quantile(null, 1 - LEVEL)))
        if p > LEVEL or own.max() <= least:
            return None
        mask = _drawn(own > least, border, size.shape)
        if mask is None:
            return None
        return mask, {"p": p, "ratio": float(own.max()), "least": least, "draws": len(null)}


def _inside(shape: tuple[int, int]) -> tuple[slice, slice]:
    first, second = (max(int(BORDER * n), 1) for n in shape)
    return slice(first, shape[0] - first), slice(second, shape[1] - second)


def _pieces(grey: Floats) -> Floats:
    """Mean of each of the pieces of each row, ``(rows, SEGMENTS)``."""
    edges = np.linspace(0, grey.shape[1], SEGMENTS + 1).astype(int)
    sums = np.add.reduceat(grey, edges[:-1], axis=1)
    return np.asarray(sums / np.diff(edges).astype(np.float32), np.float32)


def _border(lines: int) -> npt.NDArray[np.bool_]:
    at = np.zeros(lines, bool)
    width = max(int(BORDER * lines), 1)
    at[:width] = at[-width:] = True
    return at


def _free(covered: npt.NDArray[np.int64] | None, total: int) -> npt.NDArray[np.bool_]:
    """Which pieces no artefact covers that was found in more than a few of the images."""
    if covered is None:
        msg = "no image was added"
        raise AssertionError(msg)
    share = _pieces((covered > 0.02 * total).astype(np.float32))
    return np.asarray(share == 0)


def _ratio(values: Floats, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Variance between the classes' means over the mean variance within, for each column."""
    classes, at = np.unique(labels, return_inverse=True)
    members = np.zeros((len(classes), len(labels)))
    members[at, np.arange(len(labels))] = 1
    counts = members.sum(axis=1, keepdims=True)
    some = values.astype(np.float64)
    means = members @ some / counts
    total = (some**2).sum(axis=0)
    between = (counts * (means - some.mean(axis=0)) ** 2).sum(axis=0)
    within = np.maximum(total - (counts * means**2).sum(axis=0), 0)
    floor = _EPSILON + 1e-3 * float(np.median(within))  # a piece that hardly varies at all is no proof by itself
    freedom = max(len(labels) - len(classes), 1) / max(len(classes) - 1, 1)
    return np.asarray(freedom * between / (within + floor))


def _permuted(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64] | None, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]] | None:
    """Labels permuted: of whole groups where each has one class, within groups where they are mixed, else of images.

    None where so few groups are there that no level of 1 % could be reached.
    """
    from math import lgamma, log

    if groups is None:
        return [rng.permutation(labels) for _ in range(DRAWS)]
    names, at = np.unique(groups, return_inverse=True)
    pure = all(len(np.unique(labels[at == g])) == 1 for g in range(len(names)))
    if not pure:
        draws = []
        for _ in range(DRAWS):
            some = labels.copy()
            for g in range(len(names)):
                own = np.flatnonzero(at == g)
                some[own] = rng.permutation(labels[own])
            draws.append(some)
        return draws
    of_group = np.array([labels[at == g][0] for g in range(len(names))])
    ways = lgamma(len(names) + 1) - sum(lgamma(int(n) + 1) for n in np.bincount(of_group))
    if len(names) < 6 or ways < log(1 / LEVEL):
        return None
    return [rng.permutation(of_group)[at] for _ in range(DRAWS)]


def _drawn(
    beyond: npt.NDArray[np.bool_], border: list[npt.NDArray[np.bool_]], shape: tuple[int, int]
) -> npt.NDArray[np.bool_] | None:
    """Draw the pieces that lie beyond; only those that have a neighbour, as noise has none."""
    from scipy.ndimage import label

    mask = np.zeros(shape, bool)
    split = int(border[0].sum()) * SEGMENTS
    for at, part, turned in ((border[0], beyond[:split], False), (border[1], beyond[split:], True)):
        lines = np.zeros((len(at), SEGMENTS), bool)
        lines[at] = part.reshape(-1, SEGMENTS)
        labels, _ = label(lines)
        large = np.bincount(labels.ravel()) >= LEAST_SEGMENTS
        large[0] = False
        lines = large[labels]
        along = shape[0] if turned else shape[1]
        edges = np.linspace(0, along, SEGMENTS + 1).astype(int)
        whole = np.repeat(lines, np.diff(edges), axis=1)
        mask |= whole.T if turned else whole
    return mask if mask.any() and not mask.all() else None
