"""A model fitted anew, judged beside the old one: each signal by a model that never saw its group.

Which models these are, :mod:`matxai.checks.leak.refitting` (the head), :mod:`matxai.checks.leak.tuning` (the whole
network, from its weights) and :mod:`matxai.checks.leak.retrained` (from random ones) say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.asking import stop_if_set
from matxai.checks.leak.bounds import exact_bounds
from matxai.checks.leak.case import said_by
from matxai.checks.leak.near_duplicates import near_duplicates_together
from matxai.checks.leak.remedy import cleaned, plan_remedy
from matxai.checks.perturbation import class_scores
from matxai.errors import SignalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact, Leakage, Tested
    from matxai.checks.leak.remedy import Plan
    from matxai.modelcard import Model

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Progress = Callable[[int, int, str], None]

DRAWS = 2000
FALL, LOSS, LOSS_OF_HEAD = 0.8, 0.02, 0.0
"""What a remedy has to reach: the exchange effect falls by so much of it, and accuracy by no more than that. In-painted
images are new to the old model and none to the new one, which flatters the new; a head, which is not all that can be
done, may lose nothing on them."""
_NEAR = 1e-9


@dataclass(frozen=True)
class Beside:
    """The share of right answers of the old and of the new model on the same signals.

    Parameters
    ----------
    old, new
        Shares; no new model saw the groups that it is judged on.
    old_interval, new_interval
        Their 95 % intervals: by bootstrap over groups, and never narrower than the exact one for as many signals.
    n
        Signals.
    """

    old: float
    new: float
    old_interval: tuple[float, float]
    new_interval: tuple[float, float]
    n: int


@dataclass(frozen=True, eq=False)
class Anew:
    """What came of fitting a model anew.

    Parameters
    ----------
    way
        ``head``, ``network`` or ``recipe``.
    model
        Fitted on all signals; None where it cannot be.
    accuracy
        ``without`` the artefacts (in-painted), and ``as they are``.
    leakage
        The exchange on the signals as they are, each judged by a model fitted without its group.
    sentence
        All this in plain words.
    notes
        Why not.
    """

    way: str
    model: Model | None
    accuracy: Mapping[str, Beside] = field(default_factory=dict)
    leakage: Leakage | None = None
    sentence: str = ""
    notes: tuple[str, ...] = ()


def groups_of(data: LabelledSet, artefacts: Sequence[Artefact], cancel: Any = None) -> Ints:
    """Return the groups of a set as the leakage check has them, ``(N,)``: near-duplicates in one."""

    def shown() -> Iterator[tuple[xr.DataArray, list[Any]]]:
        for i in range(len(data)):
            stop_if_set(cancel)
            yield data.read(i), [r for a in artefacts if (r := a.regions[i]) is not None]

    known = np.arange(len(data), dtype=np.int64) if data.groups is None else np.asarray(data.groups, np.int64)
    return near_duplicates_together(known, shown())[0]


def held_out(labels: Ints, groups: Ints, seed: int, folds: int) -> Ints:
    """Return a fold's number for each signal, groups together.

    Groups are dealt out class by class, so that each fold takes as much of every class as it can: a model that knows
    nothing names the class it saw most, and would never be right where that is the class least held out. There are no
    more folds than the rarest class has groups, and at least two.

    Raises
    ------
    SignalError
        If what remains without one of the folds has one class alone: nothing could be learned from it.
    """
    names, first, dense = np.unique(groups, return_index=True, return_inverse=True)
    own = labels[first]
    count = max(2, min(folds, int(np.unique(own, return_counts=True)[1].min())))
    order = np.lexsort((np.random.default_rng(seed).permutation(len(names)), own))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    fold = np.asarray((rank % count)[dense.ravel()], np.int64)
    for k in range(int(fold.max()) + 1):
        if len(np.unique(labels[fold != k])) < 2:
            msg = (
                "It was not fitted anew: without one part of the groups only one class is left, so that nothing could "
                "be judged by a model that never saw its group. Two classes with images of two groups each are needed."
            )
            raise SignalError(msg)
    return fold


def judged_anew(
    way: str,
    model: Model,
    new: Model,
    judges: Sequence[Model],
    fold: Ints,
    groups: Ints,
    data: LabelledSet,
    artefacts: Sequence[Artefact],
    before: Leakage,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Anew:
    """Return a new model's honest accuracy and its own leakage check, beside the old one's.

    Parameters
    ----------
    way
        ``head``, ``network`` or ``recipe``.
    model, new
        The old model, and the new one fitted on all signals.
    judges, fold
        For each fold the model that was fitted without it, and each signal's fold, ``(N,)``.
    groups
        Of the signals, ``(N,)``.
    data, artefacts, before
        The set as it is, what was dealt with, and the check of the old model.
    seed, progress, cancel
        As everywhere.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.checks.leak.examining import examine

    numbers = np.arange(len(data))
    judge = {int(i): judges[int(fold[i])] for i in numbers}
    plans = {"without": plan_remedy(data, artefacts, how="inpaint", seed=seed), "as they are": None}
    accuracy = {}
    for done, (kind, plan) in enumerate(plans.items()):
        if progress is not None:
            progress(done, len(plans), "old and new model")
        old = class_scores(model, all_of(data, plan, cancel)).top
        top = said_by(judge.__getitem__, numbers, all_of(data, plan, cancel), cancel).top
        accuracy[kind] = _beside(old == data.labels, top == data.labels, groups, seed)
    after = examine(
        new,
        data,
        artefacts=artefacts,
        judges=judge,
        supporting=False,
        factors=False,
        margin=float(before.facts.get("margin", 0.05)),
        draws=int(before.facts.get("draws", DRAWS)),
        seed=seed,
        progress=progress,
        cancel=cancel,
    )
    said = sentences.fitted_anew(
        way,
        largest(before),
        largest(after),
        after.answer,
        accuracy["without"],
        grouped=data.groups is not None,
    )
    return Anew(way, new, accuracy, after, said)


def falls_short(before: Leakage, anew: Anew) -> str:
    """Return why a model fitted anew is no remedy yet, in plain words; empty where it is one.

    The exchange effect has to fall by :data:`FALL`, and the share of right answers on signals without the artefacts by
    no more than :data:`LOSS`, with a new head :data:`LOSS_OF_HEAD`.
    """
    if anew.leakage is None:
        return sentences.SHORT_NONE
    old, new = largest(before), largest(anew.leakage)
    if old is not None and new is not None and old.effect > 0:
        fall = 1 - max(new.effect, 0.0) / old.effect
        if fall < FALL - _NEAR:
            return sentences.SHORT_EFFECT.format(fall=sentences.points(max(fall, 0.0)), wanted=sentences.points(FALL))
    without = anew.accuracy["without"]
    loss = without.old - without.new
    allowed = LOSS_OF_HEAD if anew.way == "head" else LOSS
    if loss > allowed + _NEAR:
        return sentences.SHORT_ACCURACY.format(
            loss=sentences.percentage_points(loss), allowed=sentences.percentage_points(allowed)
        )
    return ""


def all_of(data: LabelledSet, plan: Plan | None, cancel: Any) -> Iterator[xr.DataArray]:
    """Yield the signals of a set, cleaned where there is a plan."""
    for i in range(len(data)):
        stop_if_set(cancel)
        yield data.read(i) if plan is None else cleaned(plan, i, data.read)[0]


def largest(found: Leakage) -> Tested | None:
    """Return the exchange test with the largest effect; None where there was none."""
    tests = [f.test for f in found.findings if f.test is not None and f.artefact is not None]
    return max(tests, key=lambda t: t.effect) if tests else None


def _beside(old: npt.NDArray[np.bool_], new: npt.NDArray[np.bool_], groups: Ints, seed: int) -> Beside:
    first, second = interval_of(old, groups, seed), interval_of(new, groups, seed)
    return Beside(float(old.mean()), float(new.mean()), first, second, len(old))


def interval_of(right: npt.NDArray[np.bool_], groups: Ints, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a share: bootstrap over groups, never narrower than Clopper and Pearson's."""
    share = float(right.mean())
    exact = exact_bounds(share, len(right), 0.975)
    _, at = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(at, right.astype(float)), np.bincount(at)
    picked = np.random.default_rng([seed, 12]).integers(0, len(sizes), (DRAWS, len(sizes)))
    low, high = np.quantile(sums[picked].sum(axis=1) / sizes[picked].sum(axis=1), [0.025, 0.975])
    return min(exact[0], float(low)), max(exact[1], float(high))
