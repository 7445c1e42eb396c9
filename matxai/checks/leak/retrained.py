"""A model of the same architecture trained from random weights on a cleaned set, and those of the folds that judge it.

How it is trained is a recipe's (:mod:`matxai.modelcard.recipes`); here is what it is trained on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.leak.anew import Anew, groups_of, held_out, judged_anew
from matxai.checks.leak.case import Signals
from matxai.checks.leak.remedy import cleaned, plan_remedy
from matxai.errors import SignalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact, Leakage
    from matxai.checks.leak.remedy import Margins, Plan
    from matxai.modelcard import Model

    Ints = npt.NDArray[np.int64]
    Progress = Callable[[int, int, str], None]

FOLDS, VERSIONS = 3, 3
"""How many networks judge (each without a third of the groups), and how many versions of each image they learn from."""


def retrained(
    model: Model,
    data: LabelledSet,
    artefacts: Sequence[Artefact],
    before: Leakage,
    *,
    how: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Anew:
    """Train a model of the same architecture on the cleaned set, and judge it beside the old one.

    Rows that the remedy crops are cut off by the new model's own preprocessing, so that it takes images as the
    instrument gives them. Of every other artefact it sees three versions of each image: cleaned as the set is, and with
    artefacts that no longer tell the class.

    Parameters
    ----------
    model
        A classifier whose card names its architecture; it stays as it is.
    data, artefacts
        The set, and what is to tell its classes no longer.
    before
        The check of the old model.
    how
        As :func:`~matxai.checks.leak.remedy.plan_remedy` takes it.
    seed, progress, cancel
        As everywhere.

    Returns
    -------
    Anew
        Its model was trained on all signals; each signal is judged by one that was trained without its group.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.modelcard.recipes import trained_again

    groups = groups_of(data, artefacts, cancel)
    try:
        fold = held_out(data.labels, groups, seed, FOLDS)
    except SignalError as reason:
        return Anew("recipe", None, notes=(str(reason),))
    plan, fresh = _planned(model, data, artefacts, how, seed)
    lessons, about = lessons_of(data, plan, groups, seed)
    count = int(fold.max()) + 1
    found: list[Model] = []
    for k in (-1, *range(count)):  # all signals first: a recipe that cannot says so at once
        one = trained_again(
            fresh,
            lessons.only(np.flatnonzero(fold[about] != k)),
            seed=seed,
            progress=_numbered(progress, k + 2, count + 1),
            cancel=cancel,
        )
        if isinstance(one, str):
            return Anew("recipe", None, notes=(one,))
        found.append(one)
    new, *judges = found
    return judged_anew(
        "recipe", model, new, judges, fold, groups, data, artefacts, before, seed=seed, progress=progress, cancel=cancel
    )


def _numbered(progress: Progress | None, number: int, count: int) -> Progress | None:
    if progress is None:
        return None
    tell = progress
    return lambda done, total, label: tell(done, total, f"{label}, network {number} of {count}")


def _planned(
    model: Model, data: LabelledSet, artefacts: Sequence[Artefact], how: str | None, seed: int
) -> tuple[Plan, Model]:
    """What is done to the set, and the model whose preprocessing does the cropping of it.

    In the place of a crop that no step of the model's can make, artefacts are in-painted.
    """
    plan = plan_remedy(data, artefacts, how=how, seed=seed)
    if not any(any(m) for m in plan.margins):
        return plan, model
    fresh = with_crop(model, plan.margins)
    if fresh is None:
        hows = tuple("inpaint" if h == "crop" else h for h in plan.hows)
        return replace(plan, hows=hows, margins=()), model
    return replace(plan, margins=()), fresh


def with_crop(model: Model, margins: Margins) -> Model | None:
    """Return a model that cuts these rows off before all else; None where its steps cannot.

    Where each image's own range is its scale, that range is taken of what the crop leaves.
    """
    from matxai.modelcard.preprocessing import Preprocessing

    spec = model.card.input
    taken = any("crop_rows" in (step if isinstance(step, str) else next(iter(step))) for step in spec.steps)
    if len(margins) != 2 or any(margins[1]) or taken:
        return None
    top, bottom = margins[0]
    steps: list[Any] = [{"crop_rows": {k: v for k, v in (("top", top), ("bottom", bottom)) if v}}]
    scale = spec.scale
    if scale == "image":
        scale = "none"
        steps.append("minmax")
    spec = spec.model_copy(update={"steps": [*steps, *spec.steps], "scale": scale})
    card = model.card.model_copy(update={"input": spec})
    return replace(model, card=card, preprocessing=Preprocessing.from_card(card.input))


def lessons_of(
    data: LabelledSet, plan: Plan, groups: Ints, seed: int, versions: int = VERSIONS
) -> tuple[LabelledSet, Ints]:
    """Return the set that a network learns from, and of which signal each of its signals is a version.

    Cropped artefacts are left to the preprocessing. Where there are others, each signal comes as the remedy writes it,
    and again with the artefacts of signals of any class.
    """
    others = [h for h in plan.hows if h != "crop"]
    plans = [plan]
    for k in range(1, versions if others else 1):
        hows = tuple("crop" if h == "crop" else "exchange" for h in plan.hows)
        dealt = [a for a, h in zip(plan.artefacts, hows, strict=True) if h == "exchange"]
        drawn = plan_remedy(data, dealt, how="exchange", seed=seed + k)
        plans.append(replace(plan, hows=hows, donors=drawn.donors, seed=seed + k))
    n = len(data)
    originals = Signals(data)

    def read(i: int) -> xr.DataArray:
        return cleaned(plans[i // n], i % n, originals.__getitem__)[0]

    times = len(plans)
    lessons = replace(
        data,
        names=tuple(f"{name}, version {k + 1}" for k in range(times) for name in data.names),
        labels=np.tile(data.labels, times),
        groups=np.tile(groups, times),
        read=read,
        files=(),
        mask=None,
        more={},
    )
    return replace(lessons, read=Signals(lessons).__getitem__), np.tile(np.arange(n), times)
