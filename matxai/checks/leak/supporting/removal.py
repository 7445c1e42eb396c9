"""How often the prediction changes when the artefact is filled, beside the same elsewhere in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.factors.changing import grey_of
from matxai.checks.leak.factors.telling import FEWEST_GROUPS
from matxai.checks.leak.records import Support
from matxai.checks.leak.supporting import supporting
from matxai.checks.perturbation import scores_when_filled
from matxai.regions import Region, matched_regions

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case
    from matxai.regions import Boxed

FILLS = ("local_mean", "blur", "noisy_linear")
UNITS, CONTROLS, DRAWS = 24, 7, 2000


@supporting.register("removal")
def removal(case: Case) -> list[Support]:
    """Fill the artefact by several fills and count the predictions that change; then the same at other places.

    The null is the place: in each draw every group gets the artefact's own place or that of one of its translates at
    random. It is no exact null: a bar along an edge has no exchangeable twin inside the picture, and a net that has
    always seen a bar has never seen none.
    """
    chosen = _chosen(case)
    if not len(chosen):
        return []
    flips, free = [], []
    for done, k in enumerate(chosen):
        case.step(done, len(chosen), "removal")
        region = case.region(case.units[k])
        assert region is not None  # noqa: S101 - the units were chosen so
        flips.append(_flips(case, int(k), region))
        free.append(stands_free(region))
    value = float(np.mean([f[0] for f in flips]))
    limit = limit_by_place(flips, case.unit_groups[chosen], case.rng("removal"))
    elsewhere = [float(f[1:].mean()) for f in flips if len(f) > 1]
    standing = bool(np.mean(free) > 0.5)
    return [
        Support(
            name="removal",
            value=value,
            limit=limit,
            beyond=limit is not None and value > limit,
            sentence=sentences.removal(
                value, len(chosen), len(FILLS), float(np.mean(elsewhere)) if elsewhere else None, limit, standing
            ),
            detail={
                "n": len(chosen),
                "fills": FILLS,
                "elsewhere": float(np.mean(elsewhere)) if elsewhere else None,
                "controls": max(len(f) for f in flips) - 1,
                "free_standing": standing,
            },
        )
    ]


def _chosen(case: Case) -> npt.NDArray[np.int64]:
    """Places in ``units`` of those that have the artefact, at most :data:`UNITS` of them, spread evenly."""
    having = np.array([k for k, i in enumerate(case.units) if case.region(i) is not None], np.int64)
    if len(having) <= UNITS:
        return having
    return having[np.linspace(0, len(having) - 1, UNITS).round().astype(np.int64)]


def _flips(case: Case, k: int, region: Boxed) -> npt.NDArray[np.float64]:
    """Share of the fills that change unit ``k``'s prediction: at the artefact first, then at each translate."""
    number = int(case.units[k])
    signal, mask = case.signals[number], region.mask()
    own = Region(mask, _kind(case), "leakage check")
    rng = np.random.default_rng([case.seed, number])
    twins = [r.mask for r in matched_regions(own, grey_of(signal), CONTROLS, rng, allowed=~mask)]
    before = case.clean.top[k]
    changed = [
        scores_when_filled(case.model, signal, [mask, *twins], fill, seed=case.seed, cancel=case.cancel).top != before
        for fill in FILLS
    ]
    return np.asarray(np.mean(changed, axis=0), np.float64)


def _kind(case: Case) -> str:
    assert case.artefact is not None  # noqa: S101 - regions come from an artefact alone
    return case.artefact.kind


def stands_free(region: Boxed) -> bool:
    """Whether a region touches no border of its signal, so that a translate of it could be its twin."""
    return all(b.start > 0 and b.stop < n for b, n in zip(region.box, region.shape, strict=True))


def limit_by_place(
    flips: list[npt.NDArray[np.float64]], groups: npt.NDArray[np.int64], rng: np.random.Generator
) -> float | None:
    """Return the 95 % point of the mean when each group takes one of its places at random.

    Parameters
    ----------
    flips
        Of each unit: a number for the artefact's place first, then for each of its translates.
    groups
        Group of each unit; a draw takes the same place, as far as there are as many, for all of a group.

    Returns
    -------
    float or None
        None where a unit has no translate, or there are fewer than six groups.
    """
    _, dense = np.unique(groups, return_inverse=True)
    if min(len(f) for f in flips) < 2 or int(dense.max()) + 1 < FEWEST_GROUPS:
        return None
    counts = np.array([len(f) for f in flips])
    table = np.full((len(flips), counts.max()), np.nan)
    for row, f in zip(table, flips, strict=True):
        row[: len(f)] = f
    draws = rng.random((DRAWS, int(dense.max()) + 1))[:, dense]
    picked = (draws * counts).astype(np.int64)
    means = table[np.arange(len(flips)), picked].mean(axis=1)
    return float(np.quantile(means, 0.95, method="higher"))
