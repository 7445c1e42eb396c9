"""What the artefacts of each class do to images that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks import sentences
from matxai.checks.leak.choosing import spread
from matxai.checks.leak.exchange import NOT_JUDGED, Waiting
from matxai.checks.leak.factors.telling import FEWEST_GROUPS, permuted_labels
from matxai.checks.leak.records import Support
from matxai.checks.leak.supporting import supporting
from matxai.checks.leak.transplant import Receiver, patch_of

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case

    Ints = npt.NDArray[np.int64]

FEWEST, UNITS, DONORS, DRAWS = 6, 24, 24, 999


@supporting.register("insertion")
def insertion(case: Case) -> list[Support]:
    """Paste donors' artefacts into images that have none, and see whether predictions are drawn to the donor's class.

    The null: the donors' classes permuted as blocks. Empty where fewer than six images have none (each image then has
    one to exchange, and the exchange says it), or the donors are of one class.
    """
    if case.artefact is None:
        return []
    lacking = np.flatnonzero(~case.artefact.present)
    donors = np.array([d for d in case.donors if case.region(d) is not None], np.int64)
    if len(lacking) < FEWEST or len(np.unique(case.labels[donors])) < 2:
        return []
    rng = case.rng("insertion")
    units = lacking[spread(case.labels[lacking], case.groups[lacking], UNITS, rng)]
    donors = donors[spread(case.labels[donors], case.groups[donors], DONORS, rng)]
    top = _pasted(case, units, donors)
    drawn = towards(top, case.labels[units], case.groups[units], case.groups[donors], len(case.data.classes))
    if np.isnan(drawn).all():
        return []
    labels = case.labels[donors]
    value = drawn_to_own(drawn, labels)
    _, dense = np.unique(case.groups[donors], return_inverse=True)
    limit = None
    if int(dense.max()) + 1 >= FEWEST_GROUPS:
        null = [drawn_to_own(drawn, permuted_labels(labels, dense, rng)) for _ in range(DRAWS)]
        limit = float(np.quantile(null, 0.95, method="higher"))
    return [
        Support(
            name="insertion",
            value=value,
            limit=limit,
            beyond=limit is not None and value > limit,
            sentence=sentences.insertion(value, len(units), len(donors), limit),
            detail={"n": len(units), "donors": len(donors)},
        )
    ]


def _pasted(case: Case, units: Ints, donors: Ints) -> Ints:
    """Class predicted for each unit with each donor's artefact, ``(n, D)``."""
    assert case.artefact is not None  # noqa: S101 - the caller asked
    patches = [patch_of(case.signals[d], case.region(d)) for d in donors]
    top = np.full((len(units), len(donors)), NOT_JUDGED, np.int64)
    waiting = Waiting(case)
    for row, unit in enumerate(units):
        case.step(row, len(units), f"insertion of {case.artefact.name}")
        signal = case.signals[unit]
        receiver = Receiver(signal, None, case.artefact.kind, case.fill, case.seed + int(unit))
        given = [receiver.given(p) for p in patches]
        there = [k for k, values in enumerate(given) if values is not None]
        waiting.add(signal, [v for v in given if v is not None], [(row, k) for k in there], top)
    waiting.ask(top)
    return top


def towards(top: Ints, labels: Ints, groups: Ints, donor_groups: Ints, classes: int) -> npt.NDArray[np.float64]:
    """Return how often each class is predicted under each donor, among units of other classes and groups.

    Returns
    -------
    numpy.ndarray
        ``(D, classes)``; NaN where no such unit was judged under the donor.
    """
    judged = (top != NOT_JUDGED) & (groups[:, None] != donor_groups[None, :])
    drawn = np.full((top.shape[1], classes), np.nan)
    for c in range(classes):
        rows = judged & (labels != c)[:, None]
        count = rows.sum(axis=0)
        said = ((top == c) & rows).sum(axis=0)
        drawn[count > 0, c] = said[count > 0] / count[count > 0]
    return drawn


def drawn_to_own(drawn: npt.NDArray[np.float64], labels: Ints) -> float:
    """Return how much more often a class is predicted under donors of it than under others, the mean over classes."""
    found = []
    for c in np.unique(labels):
        own, other = drawn[labels == c, c], drawn[labels != c, c]
        own, other = own[~np.isnan(own)], other[~np.isnan(other)]
        if len(own) and len(other):
            found.append(float(own.mean() - other.mean()))
    return float(np.mean(found)) if found else 0.0
