"""A model whose head is fitted anew on cleaned signals, with the heads of the folds that judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.leak.anew import Anew, all_of, groups_of, held_out, judged_anew
from matxai.checks.leak.remedy import plan_remedy
from matxai.checks.leak.retraining import FOLDS, features_of, fitted_head, head_of, with_head
from matxai.errors import ModelError, SignalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact, Leakage
    from matxai.modelcard import Model

    Progress = Callable[[int, int, str], None]

EXCHANGES = 4


def refitted(
    model: Model,
    data: LabelledSet,
    artefacts: Sequence[Artefact],
    before: Leakage,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Anew:
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

    Returns
    -------
    Anew
        Its model has the head fitted on all signals; each signal is judged by a head fitted without its group, on
        features that may have seen it.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    groups = groups_of(data, artefacts, cancel)
    try:
        name = head_of(model, data.read(0))
        fold = held_out(data.labels, groups, seed, FOLDS)
    except (ModelError, SignalError) as reason:
        return Anew("head", None, notes=(str(reason),))
    plans = [plan_remedy(data, artefacts, how="inpaint", seed=seed)]
    plans += [plan_remedy(data, artefacts, how="exchange", seed=seed + k) for k in range(EXCHANGES)]
    versions = []
    for k, plan in enumerate(plans):
        if progress is not None:
            progress(k, len(plans), "features of cleaned images")
        versions.append(features_of(model, name, all_of(data, plan, cancel)))
    features = np.stack(versions, axis=1)

    def fitted(rows: Any, *, shared: bool) -> Model:
        head = fitted_head(features[rows], data.labels[rows], groups[rows], len(data.classes), seed)
        return with_head(model, name, head, shared=shared)

    new = fitted(np.ones(len(data), bool), shared=False)
    judges = [fitted(fold != k, shared=True) for k in range(int(fold.max()) + 1)]
    return judged_anew(
        "head", model, new, judges, fold, groups, data, artefacts, before, seed=seed, progress=progress, cancel=cancel
    )
