"""Which share of the relevance lies in the artefact, beside the share that nets without knowledge put there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.cams import METHODS
from matxai.checks.leak.knowing_nothing import can_be_randomised, weight_randomised
from matxai.checks.leak.placing import arriving, shares_inside
from matxai.checks.leak.records import Support
from matxai.checks.leak.supporting import supporting
from matxai.checks.perturbation import evaluating

if TYPE_CHECKING:
    import torch
    from torch import nn

    from matxai.checks.leak.case import Case

    Floats = npt.NDArray[np.float64]

UNITS, NETS = 12, 19


@supporting.register("share")
def share(case: Case) -> list[Support]:
    """Compare the share of positive relevance inside the artefact with that of weight-randomised nets.

    Area is no null: relevance of input x gradient and LRP vanishes where the normalised input does, edges and padding
    attract, and a bar thinner than a CAM cell cannot be resolved. A net of the same layers, asked about the same
    pictures, suffers all of that and knows nothing. The limit is the 95 % point over 19 such nets and all methods
    together, the trained net being the twentieth: asking by more methods makes none of them easier to exceed. Negative
    relevance has its own numbers in the detail.

    Empty for models without weights, and for those with a score for every position.
    """
    chosen = [int(i) for i in case.units if case.region(i) is not None]
    if case.model.black_box or case.model.task != "classification" or not chosen:
        return []
    if not can_be_randomised(case.model.module):
        return []
    if len(chosen) > UNITS:
        chosen = [chosen[k] for k in np.linspace(0, len(chosen) - 1, UNITS).round().astype(int)]
    batches = _prepared(case, chosen)
    methods = case.methods or METHODS
    with evaluating(case.model.module):
        own = _shares(case, case.model.module, batches, methods)
    null: dict[str, list[Floats]] = {m: [] for m in own}
    for seed in range(NETS):
        case.step(seed, NETS, "share of relevance")
        net = weight_randomised(case.model.module, batches[0][0], case.seed + seed)
        for name, found in _shares(case, net, batches, tuple(own)).items():
            null[name].append(found)
    limits = common_limits(np.stack(list(own.values())), np.stack([null[name] for name in own]))
    return [
        _support(name, found, np.array(null[name]), limit, len(chosen))
        for (name, found), limit in zip(own.items(), limits, strict=True)
    ]


def common_limits(own: Floats, null: Floats) -> Floats:
    """Return limits that one net among N + 1 of a kind exceeds, by any method, in one of N + 1 cases.

    Each method's shares are measured in deviations from the mean of all nets, the one that is asked about among them;
    the largest deviation of any other net by any method is the limit of all (the maximum statistic of Westfall and
    Young 1993).

    Parameters
    ----------
    own
        ``(methods, 2)``: positive and negative share of the net that is asked about.
    null
        ``(methods, N, 2)``: the same of N others.

    Returns
    -------
    numpy.ndarray
        ``(methods, 2)``.
    """
    every = np.concatenate([null, own[:, None]], axis=1)
    mean, spread = every.mean(axis=1), np.maximum(every.std(axis=1), 1e-12)
    largest = ((null - mean[:, None]) / spread[:, None]).max(axis=(0, 1))
    return np.asarray(mean + spread * largest)


def _prepared(case: Case, chosen: list[int]) -> list[tuple[torch.Tensor, list[Floats]]]:
    """What the net receives of the units, in batches of one shape each, with the artefact's weight on its pixels."""
    import torch

    by_shape: dict[tuple[int, ...], list[tuple[torch.Tensor, Floats]]] = {}
    for i in chosen:
        prepared = case.model.preprocessing.prepare(case.signals[i])
        region = case.region(i)
        assert region is not None  # noqa: S101 - the caller chose those that have one
        weight = arriving(prepared.placement, region.mask())
        by_shape.setdefault(tuple(prepared.tensor.shape), []).append((prepared.tensor, weight))
    return [(torch.cat([t for t, _ in rows]), [w for _, w in rows]) for rows in by_shape.values()]


def _shares(
    case: Case, module: nn.Module, batches: list[tuple[torch.Tensor, list[Floats]]], methods: tuple[str, ...]
) -> dict[str, Floats]:
    """Mean share of positive and of negative relevance inside the artefact, for each method that applies."""
    from matxai.methods import attribution

    rows: dict[str, list[tuple[float, float]]] = {}
    for batch, weights in batches:
        result = attribution(
            module,
            batch,
            list(methods),
            layers=case.layers,
            relu=False,
            leave_out=True,
            seed=case.seed,
            cancel=case.cancel,
        )
        for name, maps in result.maps.items():
            values: Any = maps
            relevance = values.detach().cpu().double().numpy()
            relevance = relevance.sum(axis=1)  # over channels, or over layers
            rows.setdefault(name, []).extend(shares_inside(r, w) for r, w in zip(relevance, weights, strict=True))
    return {name: _means(np.array(found)) for name, found in rows.items()}


def _means(rows: Floats) -> Floats:
    """Means over the signals that have relevance of that sign; 0 where none has: there is none to lie in a region."""
    there = ~np.isnan(rows)
    return np.asarray(np.where(there, rows, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def _support(name: str, own: Floats, null: Floats, limits: Floats, n: int) -> Support:
    value, limit = float(own[0]), float(limits[0])
    return Support(
        name=f"share:{name}",
        value=value,
        limit=limit,
        beyond=value > limit,
        sentence=sentences.share(name, value, float(null[:, 0].mean()), limit, len(null)),
        detail={
            "n": n,
            "nets": len(null),
            "null_mean": float(null[:, 0].mean()),
            "negative": float(own[1]),
            "negative_limit": float(limits[1]),
        },
    )
