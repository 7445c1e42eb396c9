"""A whole network fitted on from its weights, on signals whose artefacts no longer tell the class; and its judges.

A head can only leave out what stands beside the specimen in the features. Where few features hold both at once (the 32
means of a small residual network, say), a head that no longer follows the artefact no longer sees the specimen either,
and the layers below have to change.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import stop_if_set
from matxai.checks.leak.anew import Anew, groups_of, held_out, judged_anew
from matxai.checks.leak.remedy import plan_remedy
from matxai.checks.leak.retrained import lessons_of
from matxai.checks.leak.retraining import weights_of
from matxai.checks.perturbation import evaluating
from matxai.errors import ModelError, SignalError
from matxai.modelcard.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact, Leakage
    from matxai.modelcard import Model

    Ints = npt.NDArray[np.int64]
    Progress = Callable[[int, int, str], None]

FOLDS, VERSIONS, EPOCHS, BATCH, RATE, SMOOTHING, DECAY = 3, 5, 12, 32, 1e-3, 0.05, 0.02
LABEL = "network fitted on, {number} of {count}"


def tuned(
    model: Model,
    data: LabelledSet,
    artefacts: Sequence[Artefact],
    before: Leakage,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Anew:
    """Fit a whole network on from its weights, on cleaned signals and on those with artefacts of any class; judge it.

    Parameters
    ----------
    model
        A classifier that gives logits; it stays as it is.
    data, artefacts
        The set, and what is to tell its classes no longer.
    before
        The check of the old model.
    seed, progress, cancel
        As everywhere.

    Returns
    -------
    Anew
        Its model was fitted on all signals; each signal is judged by one that was fitted without its group, from
        weights that may have seen it.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    groups = groups_of(data, artefacts, cancel)
    try:
        fold = held_out(data.labels, groups, seed, FOLDS)
        lessons, about = lessons_of(
            data, plan_remedy(data, artefacts, how="inpaint", seed=seed), groups, seed, VERSIONS
        )
        inputs = Prepared(model, lessons)
        _check(model, inputs, len(data.classes))
        numbers = (-1, *range(int(fold.max()) + 1))
        found = [
            fitted_on(
                model,
                inputs,
                lessons.labels,
                np.flatnonzero(fold[about] != k),
                seed=seed,
                label=LABEL.format(number=k + 2, count=len(numbers)),
                progress=progress,
                cancel=cancel,
            )
            for k in numbers
        ]
    except (ModelError, SignalError) as reason:
        return Anew("network", None, notes=(str(reason),))
    new, *judges = found
    return judged_anew(
        "network",
        model,
        new,
        judges,
        fold,
        groups,
        data,
        artefacts,
        before,
        seed=seed,
        progress=progress,
        cancel=cancel,
    )


def _check(model: Model, inputs: Prepared, classes: int) -> None:
    """Refuse models that a cross-entropy of logits does not fit."""
    import torch

    if model.activation != "none":
        msg = f"The network was not fitted on: that takes logits, and '{model.name}' gives scores behind a "
        raise ModelError(f"{msg}{model.activation}.")
    if not any(p.is_floating_point() for p in model.module.parameters()):
        msg = f"The network was not fitted on: '{model.name}' has no weights that could change."
        raise ModelError(msg)
    with evaluating(model.module), torch.inference_mode():
        shape = tuple(model.module(inputs[[0]].to(_device(model.module))).shape)
    if shape != (1, classes):
        msg = f"The network was not fitted on: '{model.name}' gives scores of shape {shape[1:]} for {classes} classes."
        raise ModelError(msg)


def _device(module: nn.Module) -> Any:
    return next(p.device for p in module.parameters())


def fitted_on(
    model: Model,
    inputs: Prepared,
    labels: Ints,
    rows: Ints,
    *,
    seed: int = 0,
    label: str = "",
    progress: Progress | None = None,
    cancel: Any = None,
) -> Model:
    """Return a model whose network was fitted on from its weights; the one that was given stays as it is.

    Every class weighs alike, statistics of normalising layers stay, and AdamW goes through one cycle of the learning
    rate (Smith and Topin 2018, arXiv:1708.07120).

    Parameters
    ----------
    model
        Where it begins.
    inputs, labels
        All signals, and their classes.
    rows
        Which of them are learned from.
    seed
        Of order and dropout; torch's own generator is left as it was.
    label, progress, cancel
        As everywhere.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    import torch
    from torch.nn import functional

    module = copy.deepcopy(model.module)
    device = _device(module)
    trained = [p.requires_grad_() for p in module.parameters() if p.is_floating_point()]
    asked = [p.requires_grad for p in model.module.parameters()]
    weight = torch.from_numpy(weights_of(labels[rows], len(model.classes))).float().to(device)
    steps = -(-len(rows) // BATCH)
    rng = np.random.default_rng([seed, 14])
    with torch.enable_grad(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        optimiser = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps, pct_start=0.25)
        _learning(module)
        for epoch in range(EPOCHS):
            if progress is not None:
                progress(epoch, EPOCHS, label)
            for chosen in np.array_split(rng.permutation(rows), steps):
                stop_if_set(cancel)
                target = torch.from_numpy(labels[chosen]).to(device)
                loss = functional.cross_entropy(
                    module(inputs[chosen].to(device)), target, weight=weight, label_smoothing=SMOOTHING
                )
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                cycle.step()
    for parameter, asks in zip(module.parameters(), asked, strict=True):
        parameter.requires_grad_(asks)
    return replace(model, module=module.eval(), name=f"{model.name}, fitted on", origin=None, sha256=None)


def _learning(module: nn.Module) -> None:
    """Training mode, but for layers that would measure the few signals at hand anew."""
    module.train()
    for part in module.modules():
        if hasattr(part, "running_mean"):
            part.eval()
