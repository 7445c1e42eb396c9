"""How often the prediction changes when the artefact is filled, beside the same elsewhere in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.controls import free_ground, stands_free
from matxai.checks.familiar import FEWEST, Reference
from matxai.checks.fills.spot import Spot
from matxai.checks.judging import Judge
from matxai.checks.leak.factors.changing import grey_of
from matxai.checks.leak.factors.telling import FEWEST_GROUPS
from matxai.checks.leak.records import Support
from matxai.checks.leak.supporting import supporting
from matxai.checks.perturbing import variants
from matxai.regions import matched_shifts

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case
    from matxai.regions import Boxed

    Floats = npt.NDArray[np.float64]

FILLS = ("local_mean", "blur", "noisy_linear")
UNITS, CONTROLS, DRAWS = 24, 7, 2000


@supporting.register("removal")
def removal(case: Case) -> list[Support]:
    """Fill the artefact by several fills and count the predictions that change; then the same at other places.

    Copies that look like no real signal to the model are not counted, and the other places keep off whatever is found
    as an artefact in the signal. The null is the place: in each draw every group gets the artefact's own place or that
    of one of its translates at random. It is no exact null: a bar along an edge has no exchangeable twin inside the
    picture, and a net that has always seen a bar has never seen none.
    """
    chosen = _chosen(case)
    if not len(chosen):
        return []
    reference = _reference(case)
    flips, free, kept = [], [], []
    for done, k in enumerate(chosen):
        case.step(done, len(chosen), "removal")
        region = case.region(case.units[k])
        assert region is not None  # noqa: S101 - the units were chosen so
        found = _flips(case, int(k), region, reference)
        if len(found):
            kept.append(k)
            flips.append(found)
            free.append(stands_free(region.touches))
    left_out = len(chosen) - len(kept)
    detail: dict[str, Any] = {
        "n": len(kept),
        "fills": FILLS,
        "checked": reference is not None,
        "out_of_distribution": left_out,
    }
    if not kept:
        return [Support("removal", float("nan"), None, False, sentences.removal_uncounted(left_out), detail)]
    value = float(np.mean([f[0] for f in flips]))
    limit = limit_by_place(flips, case.unit_groups[kept], case.rng("removal"))
    elsewhere = [float(f[1:].mean()) for f in flips if len(f) > 1]
    standing = bool(np.mean(free) > 0.5)
    other = float(np.mean(elsewhere)) if elsewhere else None
    return [
        Support(
            name="removal",
            value=value,
            limit=limit,
            beyond=limit is not None and value > limit,
            sentence=sentences.removal(value, len(kept), len(FILLS), other, limit, standing, left_out),
            detail={
                **detail,
                "elsewhere": other,
                "controls": max(len(f) for f in flips) - 1,
                "free_standing": standing,
            },
        )
    ]


def _reference(case: Case) -> Reference | None:
    """What the signals of the case look like to the model, asked once a run; None where there are too few to say."""
    if len(case.units) < FEWEST:
        return None
    if "reference" not in case.kept:
        signals = (case.signals[i] for i in case.units)
        case.kept["reference"] = Reference.of(case.model, signals, cancel=case.cancel)
    found: Reference = case.kept["reference"]
    return found


def _chosen(case: Case) -> npt.NDArray[np.int64]:
    """Places in ``units`` of those that have the artefact, at most :data:`UNITS` of them, spread evenly."""
    having = np.array([k for k, i in enumerate(case.units) if case.region(i) is not None], np.int64)
    if len(having) <= UNITS:
        return having
    return having[np.linspace(0, len(having) - 1, UNITS).round().astype(np.int64)]


def _flips(case: Case, k: int, region: Boxed, reference: Reference | None) -> Floats:
    """Share of the fills that change unit ``k``'s prediction: at the artefact first, then at each translate.

    Empty where every fill of the artefact is out of distribution. A translate is left out where one of the fills that
    count for the artefact is: a mean over other fills is no match.
    """
    number = int(case.units[k])
    signal = case.signals[number]
    spot = Spot.of(region.mask())
    rng = np.random.default_rng([case.seed, number])
    shifts = matched_shifts(spot.mask(), grey_of(signal), CONTROLS, rng, allowed=_free(case, number) & ~spot.mask())
    spots = (spot, *(spot.moved(s) for s in shifts.shifts))
    ways = variants(signal, FILLS)
    judge = Judge(case.model, signal, None, reference, None, case.cancel)
    writes = (way.write(at, (case.seed, place)) for way in ways for place, at in enumerate(spots))
    said = judge.versions(writes, len(ways) * len(spots))
    changed = (said.top != case.clean.top[k]).reshape(len(ways), len(spots)).astype(float)
    if said.outside is not None:
        changed[said.outside.reshape(changed.shape)] = np.nan
    counted = changed[np.isfinite(changed[:, 0])]
    if not len(counted):
        return np.zeros(0)
    means = counted.mean(axis=0)
    return np.asarray(means[np.isfinite(means)])


def _free(case: Case, number: int) -> npt.NDArray[np.bool_]:
    """Where no artefact is found in a signal, looked for once a run."""
    key = f"free ground {number}"
    if key not in case.kept:
        case.kept[key] = free_ground(case.signals[number])
    found: npt.NDArray[np.bool_] = case.kept[key]
    return found


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
