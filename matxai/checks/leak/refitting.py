"""A model with its head fitted anew on cleaned signals, judged beside the old one: accuracy by groups, and leakage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.bounds import exact_bounds
from matxai.checks.leak.remedy import cleaned, plan_remedy
from matxai.checks.leak.retraining import features_of, fitted_head, folds_of, head_of, with_head
from matxai.checks.perturbation import class_scores
from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact, Leakage
    from matxai.checks.leak.remedy import Plan
    from matxai.modelcard import Model

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Progress = Callable[[int, int, str], None]

EXCHANGES = 4


@dataclass(frozen=True)
class Beside:
    """The share of right answers of the old and of the new model on the same signals, each with exact bounds.

    Parameters
    ----------
    old, new
        Shares; the new head never saw the groups that it is judged on.
    old_interval, new_interval
        One-sided 95 % bounds, below and above.
    n
        Signals.
    """

    old: float
    new: float
    old_interval: tuple[float, float]
    new_interval: tuple[float, float]
    n: int


@dataclass(frozen=True, eq=False)
class Refitted:
    """What came of fitting a head anew.

    Parameters
    ----------
    model
        With the head fitted on all signals; None where it has no head that can be.
    accuracy
        ``without`` the artefacts (in-painted), and ``as they are``.
    leakage
        The check of the new model, on the signals that its head was fitted on.
    sentence
        All this in plain words.
    notes
        Why not.
    """

    model: Model | None
    accuracy: Mapping[str, Beside] = field(default_factory=dict)
    leakage: Leakage | None = None
    sentence: str = ""
    notes: tuple[str, ...] = ()


def refitted(
    model: Model,
    data: LabelledSet,
    artefacts: Sequence[Artefact],
    before: Leakage,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Refitted:
    """Fit a head anew on signals without their artefacts and with those of others, and judge it beside the old one.

    Parameters
    ----------
    model
        A classifier that ends in a linear layer; it stays as it is.
    data, artefacts
        The set, and what is to tell its classes no longer.
    before
        The check of the old model.
    seed, progress, cancel
        As everywhere.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.checks.leak.examining import examine

    try:
        name = head_of(model, data.read(0))
    except ModelError as reason:
        return Refitted(None, notes=(str(reason),))
    plans = [plan_remedy(data, artefacts, how="inpaint", seed=seed)]
    plans += [plan_remedy(data, artefacts, how="exchange", seed=seed + k) for k in range(EXCHANGES)]
    versions = []
    for k, plan in enumerate(plans):
        if progress is not None:
            progress(k, len(plans) + 1, "features of cleaned images")
        versions.append(features_of(model, name, _all(data, plan, cancel)))
    features = np.stack(versions, axis=1)
    as_they_are = features_of(model, name, _all(data, None, cancel))
    groups = np.arange(len(data)) if data.groups is None else data.groups
    classes = len(data.classes)
    head = fitted_head(features, data.labels, groups, classes, seed)
    top = _held_out(
        {"without": features[:, 0], "as they are": as_they_are}, features, data.labels, groups, classes, seed
    )
    old = {
        "without": class_scores(model, _all(data, plans[0], cancel)).top,
        "as they are": class_scores(model, _all(data, None, cancel)).top,
    }
    accuracy = {kind: _beside(old[kind] == data.labels, top[kind] == data.labels) for kind in top}
    new = with_head(model, name, head)
    facts = before.facts
    after = examine(
        new,
        data,
        artefacts=artefacts,
        supporting=False,
        factors=False,
        margin=float(facts.get("margin", 0.05)),
        draws=int(facts.get("draws", 2000)),
        seed=seed,
        progress=progress,
        cancel=cancel,
    )
    without = accuracy["without"]
    said = sentences.head_fitted(_effect(before), _effect(after), without.old, without.new, without.n)
    return Refitted(new, accuracy, after, said)


def _all(data: LabelledSet, plan: Plan | None, cancel: Any) -> Iterator[xr.DataArray]:
    from matxai.checks.asking import stop_if_set

    for i in range(len(data)):
        stop_if_set(cancel)
        yield data.read(i) if plan is None else cleaned(plan, i, data.read)[0]


def _held_out(
    asked: Mapping[str, Floats], features: Floats, labels: Ints, groups: Ints, classes: int, seed: int
) -> dict[str, Ints]:
    """What heads fitted on other groups say of each signal."""
    fold = folds_of(groups, seed)
    top = {kind: np.full(len(labels), -1, np.int64) for kind in asked}
    for k in range(int(fold.max()) + 1):
        held = fold == k
        if held.all() or len(np.unique(labels[~held])) < 2:
            continue  # nothing to learn from: these count as wrong
        head = fitted_head(features[~held], labels[~held], groups[~held], classes, seed)
        for kind, given in asked.items():
            top[kind][held] = head.scores(given[held]).argmax(axis=1)
    return top


def _beside(old: npt.NDArray[np.bool_], new: npt.NDArray[np.bool_]) -> Beside:
    n = len(old)
    first, second = float(old.mean()), float(new.mean())
    return Beside(first, second, exact_bounds(first, n), exact_bounds(second, n), n)


def _effect(found: Leakage) -> float | None:
    """The largest exchange effect of a check; None where there was no test."""
    effects = [f.test.effect for f in found.findings if f.test is not None and f.artefact is not None]
    return max(effects) if effects else None
