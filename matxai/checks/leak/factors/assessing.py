"""Both columns of a factor: what it tells of the label, and what the model does when it is another signal's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.choosing import spread
from matxai.checks.leak.exchange import NOT_JUDGED, Waiting
from matxai.checks.leak.factors.telling import told
from matxai.checks.leak.records import Factor
from matxai.checks.leak.statistics import Levels, exchange_test

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Tested

    Ints = npt.NDArray[np.int64]

UNITS, ALIKE = 80, 0.25  # none of 59 units is what it takes to bound an effect by 5 %


@dataclass(frozen=True, eq=False)
class Varying:
    """A factor as it was found in a set.

    Parameters
    ----------
    numbers
        The signals that it was looked at in, ``(M,)``.
    codes
        The number of each one's value, for the first column, ``(M,)``.
    levels
        The number of each one's value for the intervention, ``(M,)``; often the same.
    values
        What each level stands for.
    change
        ``(number, signal, level) -> signal``: the signal as it would be with that level's value; None where its type
        cannot hold it.
    possible
        ``(M, levels)``: whether the intervention can give that value to that signal; else it stays as it is.
    """

    numbers: Ints
    codes: Ints
    levels: Ints
    values: tuple[Any, ...]
    change: Callable[[int, xr.DataArray, int], xr.DataArray | None]
    possible: npt.NDArray[np.bool_]


def assess(case: Case, name: str, found: Varying, *, specimen: bool) -> Factor | None:
    """Return both columns of a factor; None where it does not vary, or the set has one class.

    Raises
    ------
    Cancelled
        If the case is.
    """
    labels = case.labels[found.numbers]
    if len(np.unique(found.codes)) < 2 or len(np.unique(labels)) < 2:
        return None
    first = told(found.codes, labels, case.groups[found.numbers], seed=case.seed)
    moves = moved(case, name, found)
    effect, interval = (None, None) if moves is None else (moves.effect, moves.interval)
    return Factor(
        name=name,
        specimen=specimen,
        predicts=first.accuracy,
        chance=first.chance,
        moves=moves,
        sentence=sentences.factor(name, first.accuracy, first.chance, effect, interval),
        detail={"signals": len(found.numbers), "groups": first.groups, "by_class": _by_class(case, found)},
    )


def _by_class(case: Case, found: Varying) -> dict[str, dict[str, int]]:
    """How often each value occurs in each class."""
    table: dict[str, dict[str, int]] = {}
    for c, k in zip(case.labels[found.numbers], found.levels, strict=True):
        row = table.setdefault(case.data.classes[int(c)], {})
        said = _said(found.values[k])
        row[said] = row.get(said, 0) + 1
    return table


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def moved(case: Case, name: str, found: Varying) -> Tested | None:
    """Give signals the factor's value of donors of every class, and test whether predictions follow the class.

    Judged are signals that can be given the values of at least half of the other classes' donors. Classes that have the
    factor alike (total variation of its values below a quarter) count as one: a model that takes all JPEGs for one of
    six classes follows the file type as much as one that knew two.

    Returns
    -------
    Tested or None
        None where no signal can be given another value, or too few classes or groups differ.
    """
    place = {int(i): k for k, i in enumerate(found.numbers)}
    donors = np.array([i for i in case.donors if int(i) in place], np.int64)
    if not len(donors):
        return None
    given = found.levels[[place[int(d)] for d in donors]]
    merged, names = alike(found.levels, case.labels[found.numbers], case.data.classes)
    movable = _movable(found, merged[case.labels[found.numbers]], given, merged[case.labels[donors]])
    if not len(movable):
        return None
    there = found.numbers[movable]
    picked = movable[spread(case.labels[there], case.groups[there], UNITS, case.rng(name))]
    units = found.numbers[picked]
    offered = np.unique(given)
    table = _asked(case, name, found, picked, offered)
    top = table[:, np.searchsorted(offered, given)]
    known = np.append(merged, merged.max() + 1)  # a class that the set does not have is one of its own
    top = np.where(top < 0, NOT_JUDGED, known[np.clip(top, 0, len(merged))])
    levels = Levels(case.margin, case.alpha, case.tests, case.draws, case.seed)
    return exchange_test(
        top,
        merged[case.labels[units]],
        merged[case.labels[donors]],
        case.groups[units],
        case.groups[donors],
        grouped=case.grouped,
        names=names,
        levels=levels,
    )


def _movable(found: Varying, labels: Ints, given: Ints, donor_labels: Ints) -> Ints:
    """Places of the signals to which most of what donors of other classes have can be given at all."""
    other = labels[:, None] != donor_labels[None, :]
    can = (found.possible[:, given] & other).sum(axis=1)
    return np.flatnonzero((can > 0) & (2 * can >= other.sum(axis=1)))


def _asked(case: Case, name: str, found: Varying, picked: Ints, offered: Ints) -> Ints:
    """What the model predicts for each unit at each level, ``(units, levels)``."""
    table = np.full((len(picked), len(offered) + 1), NOT_JUDGED, np.int64)  # the last column: as it is
    waiting = Waiting(case)
    for row, k in enumerate(picked):
        case.step(row, len(picked), name.replace("_", " "))
        number = int(found.numbers[k])
        signal = case.signals[number]
        same, places = [signal.values], [(row, len(offered))]
        for column, level in enumerate(offered):
            changed = found.change(number, signal, int(level)) if found.possible[k, level] else None
            if changed is None:
                continue
            if _same_axes(changed, signal):
                same.append(changed.values)
                places.append((row, column))
            else:
                waiting.add(changed, [changed.values], [(row, column)], table)
        waiting.add(signal, same, places, table)
    waiting.ask(table)
    stays = ~found.possible[np.ix_(picked, offered)]
    return np.where(stays, table[:, -1:], table[:, :-1])


def _same_axes(one: xr.DataArray, other: xr.DataArray) -> bool:
    """Return whether two signals are prepared alike: of one shape, and on the same points where these are known."""
    return one.shape == other.shape and all(
        np.array_equal(one[d].values, other[d].values) for d in other.dims if d in other.coords and d in one.coords
    )


def alike(levels: Ints, labels: Ints, classes: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Return for each class the number of the classes that have a factor as it has, and what these are called.

    All stay apart where all are alike, or no two are. Classes without a signal are of their own.
    """
    present = np.unique(labels)
    shares = np.stack([np.bincount(levels[labels == c], minlength=int(levels.max()) + 1) for c in present]).astype(
        float
    )
    shares /= shares.sum(axis=1, keepdims=True)
    leader: dict[int, int] = {}
    for k, c in enumerate(present):
        near = [j for j in leader.values() if np.abs(shares[k] - shares[j]).sum() / 2 < ALIKE]
        leader[int(c)] = near[0] if near else k
    if len(set(leader.values())) == 1:
        leader = {int(c): k for k, c in enumerate(present)}
    order = {k: n for n, k in enumerate(dict.fromkeys(leader.values()))}
    merged = np.arange(len(order), len(order) + len(classes), dtype=np.int64)
    for c, k in leader.items():
        merged[c] = order[k]
    names = tuple(" or ".join(classes[c] for c, k in leader.items() if order[k] == n) for n in range(len(order)))
    return merged, names
