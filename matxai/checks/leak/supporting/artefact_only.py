"""What is left of the accuracy when nothing but the artefact is left of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.bounds import exact_bounds
from matxai.checks.leak.factors.changing import with_values
from matxai.checks.leak.factors.telling import FEWEST_GROUPS, permuted_labels
from matxai.checks.leak.records import Support
from matxai.checks.leak.supporting import supporting
from matxai.checks.perturbation import class_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from matxai.checks.leak.case import Case

DRAWS = 999


@supporting.register("artefact_only")
def artefact_only(case: Case) -> list[Support]:
    """Ask the model about pictures that are the mean of the set everywhere but in the artefact.

    The accuracy stands beside the majority's and beside what permuted labels give (groups as blocks); its one-sided
    95 % bound is exact (Clopper and Pearson 1934) for independent images. The same with noise in the place of the mean
    is in the detail. Empty where fewer than two classes have the artefact.
    """
    having = np.array([k for k, i in enumerate(case.units) if case.region(i) is not None], np.int64)
    labels = case.unit_labels[having]
    if len(np.unique(labels)) < 2:
        return []
    units = case.units[having]
    case.step(0, 2, "artefact only")
    top = class_scores(case.model, _alone(case, units, noise=False), cancel=case.cancel).top
    case.step(1, 2, "artefact only")
    noisy = class_scores(case.model, _alone(case, units, noise=True), cancel=case.cancel).top
    accuracy, n = float((top == labels).mean()), len(labels)
    low, high = exact_bounds(accuracy, n)
    majority = float(np.bincount(labels).max() / n)
    chance = permuted_accuracy(top, labels, case.unit_groups[having], case.rng("artefact_only"))
    limit = None if chance is None else max(majority, chance)
    return [
        Support(
            name="artefact_only",
            value=accuracy,
            limit=limit,
            beyond=limit is not None and low > majority and accuracy > limit,
            sentence=sentences.artefact_only(accuracy, low, high, n, majority, limit),
            detail={
                "interval": (low, high),
                "n": n,
                "majority": majority,
                "permuted": chance,
                "with_noise": float((noisy == labels).mean()),
            },
        )
    ]


def _alone(case: Case, units: npt.NDArray[np.int64], *, noise: bool) -> Iterator[xr.DataArray]:
    """Yield each unit with nothing but its artefact left."""
    means = mean_pictures(case, units)
    rng = case.rng("artefact_only rest")
    for i in units:
        signal = case.signals[i]
        region = case.region(i)
        assert region is not None  # noqa: S101 - the caller chose those that have one
        rest = means[signal.shape]
        if noise:
            rest = rng.normal(rest.mean(), rest.std() + float(np.asarray(signal.values, np.float64).std()), rest.shape)
        values = rest.copy()
        values[region.mask()] = signal.values[region.mask()]
        yield with_values(signal, values)


def mean_pictures(case: Case, units: npt.NDArray[np.int64]) -> dict[tuple[int, ...], npt.NDArray[np.float64]]:
    """Return the mean of the units without their artefacts, for each shape of signal that occurs.

    A pixel that lies inside the artefact of every unit gets the mean of all others.
    """
    total: dict[tuple[int, ...], Any] = {}
    count: dict[tuple[int, ...], Any] = {}
    for i in units:
        values = np.asarray(case.signals[i].values, np.float64)
        region = case.region(i)
        free = np.ones(values.shape[: values.ndim if region is None else len(region.shape)], bool)
        if region is not None:
            free &= ~region.mask()
        free = np.broadcast_to(free.reshape(free.shape + (1,) * (values.ndim - free.ndim)), values.shape)
        total[values.shape] = total.get(values.shape, 0.0) + np.where(free, values, 0.0)
        count[values.shape] = count.get(values.shape, 0) + free
    found = {}
    for shape, added in total.items():
        mean = added / np.maximum(count[shape], 1)
        found[shape] = np.where(count[shape] > 0, mean, added.sum() / max(float(count[shape].sum()), 1.0))
    return found


def permuted_accuracy(
    top: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> float | None:
    """Return the 95 % point of the accuracy under labels permuted as blocks; None under six groups."""
    _, dense = np.unique(groups, return_inverse=True)
    if int(dense.max()) + 1 < FEWEST_GROUPS:
        return None
    null = [float((top == permuted_labels(labels, dense, rng)).mean()) for _ in range(DRAWS)]
    return float(np.quantile(null, 0.95, method="higher"))
