"""A classifier's head fitted anew on what its features say of signals whose artefacts no longer tell the class.

Fitting the last layer alone is often enough to free a net of what it should not read (Kirichenko et al. 2023, "Last
Layer Re-Training is Sufficient for Robustness to Spurious Correlations", arXiv:2204.02937). Here the features' own
variation from artefact to artefact, of one and the same signal, is penalised as well.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.perturbation import evaluating
from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    import xarray as xr
    from torch import nn

    from matxai.modelcard import Model

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

RIDGES, NUISANCES, FOLDS, CHUNK = (1e-3, 1e-2, 1e-1), (1.0, 30.0, 1000.0), 5, 32
STEPS, STEPS_TO_CHOOSE = 300, 100


@dataclass(frozen=True, eq=False)
class Head:
    """A fitted last layer: ``scores = features @ weight.T + bias``.

    Parameters
    ----------
    weight, bias
        ``(classes, features)`` and ``(classes,)``.
    ridge, nuisance
        Penalties on weights, and on what they make of the artefacts' variation; chosen over held-out groups.
    """

    weight: Floats
    bias: Floats
    ridge: float
    nuisance: float

    def scores(self, features: Floats) -> Floats:
        """Return scores ``(..., classes)`` of features ``(..., F)``."""
        return np.asarray(features @ self.weight.T + self.bias)


def head_of(model: Model, signal: xr.DataArray) -> str:
    """Return the name of the linear layer that ends a classifier.

    Raises
    ------
    ModelError
        If its scores are not what a linear layer returns: a convolution, a program, a black box.
    """
    import torch
    from torch import nn

    seen: list[tuple[str, Any]] = []
    hooks = [
        part.register_forward_hook(lambda _m, _i, out, name=name: seen.append((name, out)))
        for name, part in model.module.named_modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        with evaluating(model.module), torch.inference_mode():
            output = model.module(model.preprocessing.prepare(signal).tensor.to(_device(model.module)))
    finally:
        for hook in hooks:
            hook.remove()
    if seen and isinstance(output, torch.Tensor):
        name, last = seen[-1]
        ends = {"softmax": last.softmax(-1), "sigmoid": last.sigmoid()}.get(model.activation, last)
        if output.shape == last.shape and torch.allclose(output, ends, rtol=1e-4, atol=1e-5):
            return name
    msg = (
        f"The head of '{model.name}' cannot be fitted anew: its scores are not those of a last linear layer. "
        "Train it again on the cleaned set."
    )
    raise ModelError(msg)


def _device(module: nn.Module) -> torch.device:
    import torch

    return next((p.device for p in module.parameters()), torch.device("cpu"))


def features_of(model: Model, head: str, signals: Iterable[xr.DataArray]) -> Floats:
    """Return what the head receives of each signal, ``(n, F)``."""
    import torch

    kept: list[torch.Tensor] = []
    layer = model.module.get_submodule(head)
    hook = layer.register_forward_pre_hook(lambda _m, given: kept.append(given[0].detach().double().cpu()))
    try:
        with evaluating(model.module), torch.inference_mode():
            chunk: list[torch.Tensor] = []
            for signal in signals:
                tensor = model.preprocessing.prepare(signal).tensor
                if chunk and (len(chunk) == CHUNK or chunk[0].shape != tensor.shape):
                    model.module(torch.cat(chunk).to(_device(model.module)))
                    chunk = []
                chunk.append(tensor)
            if chunk:
                model.module(torch.cat(chunk).to(_device(model.module)))
    finally:
        hook.remove()
    return np.asarray(torch.cat(kept).numpy(), np.float64)


def fitted_head(features: Floats, labels: Ints, groups: Ints, classes: int, seed: int = 0) -> Head:
    """Fit a head, its penalties chosen over held-out groups.

    Parameters
    ----------
    features
        ``(n, V, F)``: of each signal's versions, which differ in their artefacts.
    labels, groups
        ``(n,)``.
    classes
        Scores.
    seed
        Of the folds.

    Returns
    -------
    Head
        With the strongest penalty on the artefacts' variation whose held-out loss is within a standard error of the
        least (Breiman et al. 1984), and the penalty on weights that serves it best.
    """
    fold, weight = folds_of(groups, seed), weights_of(labels, classes)[labels]
    table: dict[tuple[float, float], Floats] = {}
    for nuisance in NUISANCES:
        for ridge in RIDGES:
            losses = np.zeros(len(labels))
            for k in range(int(fold.max()) + 1):
                held = fold == k
                if held.all() or len(np.unique(labels[~held])) < 2:
                    continue
                head = solved(features[~held], labels[~held], classes, ridge, nuisance, STEPS_TO_CHOOSE)
                losses[held] = weight[held] * _losses(head.scores(features[held]), labels[held]).mean(axis=1)
            table[nuisance, ridge] = losses
    best = min(table.values(), key=lambda one: float(one.mean()))
    within = float(best.mean() + best.std() / np.sqrt(len(best)))
    nuisance = max(key[0] for key, one in table.items() if one.mean() <= within)
    ridge = min(RIDGES, key=lambda r: float(table[nuisance, r].mean()))
    return solved(features, labels, classes, ridge, nuisance)


def folds_of(groups: Ints, seed: int = 0, folds: int = FOLDS) -> Ints:
    """Return a fold's number for each signal; a group is in one fold."""
    _, dense = np.unique(groups, return_inverse=True)
    count = int(dense.max()) + 1
    return np.asarray((np.random.default_rng(seed).permutation(count) % min(folds, count))[dense], np.int64)


def _losses(scores: Floats, labels: Ints) -> Floats:
    """Cross-entropy of scores ``(n, V, K)``, ``(n, V)``."""
    from scipy.special import logsumexp

    own = np.take_along_axis(scores, labels[:, None, None], axis=2)[..., 0]
    return np.asarray(logsumexp(scores, axis=2) - own)


def weights_of(labels: Ints, classes: int) -> Floats:
    """Return a weight for each class, of mean 1 over the signals, under which every class that occurs weighs alike.

    How common a class is in a small set is no knowledge that is worth unlearning the rare ones for.

    Examples
    --------
    >>> weights_of(np.array([0, 0, 0, 1]), 3).round(2).tolist()
    [0.67, 2.0, 0.0]
    """
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, labels.size / np.maximum(counts, 1) / (counts > 0).sum(), 0.0)


def solved(features: Floats, labels: Ints, classes: int, ridge: float, nuisance: float, steps: int = STEPS) -> Head:
    """Fit multinomial logistic regression with penalties on the weights of standardised features.

    Minimised is the mean cross-entropy, every class weighing alike, + ridge/2 |W|^2 + nuisance/2 tr(W S W^T), S the
    covariance of the features within a signal over its versions.
    """
    from scipy.optimize import minimize

    versions, width = features.shape[1:]
    mean = features.mean(axis=(0, 1))
    scale = np.maximum(features.std(axis=(0, 1)), 1e-6)
    z = (features - mean) / scale
    within = (z - z.mean(axis=1, keepdims=True)).reshape(-1, width)
    # in the axes of the penalty it is the same for all weights, and few steps lead to the bottom
    values, axes = np.linalg.eigh(ridge * np.eye(width) + nuisance * (within.T @ within) / len(within))
    turned = axes / np.sqrt(values)
    x, y = z.reshape(-1, width) @ turned, np.repeat(labels, versions)
    rows, weight = np.arange(len(y)), weights_of(y, classes)[y]

    def loss(flat: Floats) -> tuple[float, Floats]:
        w, b = flat[: classes * width].reshape(classes, width), flat[classes * width :]
        scores = x @ w.T + b
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1, keepdims=True)
        value = float((weight * (np.log(total[:, 0]) - scores[rows, y])).mean()) + 0.5 * float((w * w).sum())
        p /= total
        p[rows, y] -= 1.0
        p *= weight[:, None] / len(y)
        return value, np.concatenate([(p.T @ x + w).ravel(), p.sum(axis=0)])

    start = np.zeros(classes * width + classes)
    options = {"maxiter": steps, "ftol": 1e-9, "gtol": 1e-5}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    weight = found[: classes * width].reshape(classes, width) @ turned.T / scale
    return Head(weight, found[classes * width :] - weight @ mean, ridge, nuisance)


def with_head(model: Model, name: str, head: Head, *, shared: bool = False) -> Model:
    """Return a model with another head; the one that was given stays as it is.

    Parameters
    ----------
    model, name, head
        The model, its last layer, what it is to be.
    shared
        Whether everything below the head is the given model's own, and no copy: for models that are only asked.
    """
    import torch

    kept = {id(t): t for t in (*model.module.parameters(), *model.module.buffers())} if shared else {}
    module = copy.deepcopy(model.module, kept)
    layer: Any = module.get_submodule(name)
    weight, bias = head.weight, head.bias
    if layer.out_features == 1:  # one score, of the positive class against the other
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    like = layer.weight
    layer.weight = torch.nn.Parameter(torch.from_numpy(weight).to(like), requires_grad=like.requires_grad)
    layer.bias = torch.nn.Parameter(torch.from_numpy(bias).to(like), requires_grad=like.requires_grad)
    return replace(model, module=module, name=f"{model.name}, head fitted anew", origin=None, sha256=None)
