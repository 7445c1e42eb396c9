"""The confirmatory test: does a model predict the class of the donor? Effect, p, bounds and power, on arrays alone.

Null hypothesis: what the donors bring has nothing to do with their class, or the images that follow it make up less
than the margin. The first part is tested by permutation. It is sharp: where one image alone answers to a look, and all
donors of a class look alike, it is false and p is small, though the effect is a sixtieth. The second part is seen in
the units themselves; the larger p of the two parts is that of both (Berger 1982, Technometrics 24:295). Dividing by a
standard error in its place (Chung and Romano 2013, Annals of Statistics 41:484) spares single images too, but no longer
finds an effect of a quarter in 60 images: a wrong labelling shrinks what all followers do alike, and their standard
error with it. Units are fixed, so p needs no assumption on them; the bounds are for other units and other donors of the
same kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.blocks import Design, design_of, effects_of_units, terms
from matxai.checks.leak.bounds import effect_bounds
from matxai.checks.leak.permuting import labellings, told_apart
from matxai.checks.leak.records import Tested
from matxai.checks.leak.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.leak.blocks import Floats

GROUPS_NEEDED = 6
"""Below so many groups no p is printed and nothing is acquitted."""
POWER_NEEDED = 0.8
"""Share of trials in which a planted effect must be found before its absence says something (Cohen's convention)."""
FOLLOWS = 0.5
"""A unit with at least this effect is one that follows its donors, for the exact bound."""
_TRIALS = 60
_NEAR = 1e-9


@dataclass(frozen=True)
class Levels:
    """What counts as small, and how hard a test tries.

    Parameters
    ----------
    margin
        Largest effect that counts as none.
    alpha
        Level of the test, after the correction for ``tests``.
    tests
        How many questions are asked at once.
    draws
        Permutations and bootstrap samples; at least ``20 tests / alpha`` permutations are drawn.
    seed
        Of everything drawn.
    """

    margin: float = 0.05
    alpha: float = 0.05
    tests: int = 1
    draws: int = 2000
    seed: int = 0

    @property
    def permutations(self) -> int:
        """How many permutations are drawn where not all are looked at."""
        return max(self.draws, int(np.ceil(20 * self.tests / self.alpha)))


def effect(design: Design) -> float:
    """Return the exchange effect of a design; 0 for what is not read, 1 for what alone is read, NaN without units.

    For a unit of class y and another class c: how often c is predicted under donors of class c, less how often it is
    under donors of class y; averaged over the other classes, then over the units. Donors of the unit's own group do not
    count, and groups of one class count alike.
    """
    found = effects_of_units(design)
    return float(found.mean()) if found.size else float("nan")


def effects_by_class(design: Design) -> dict[int, float]:
    """Return the effect of each class that donors came from, averaged over the units of other classes."""
    usable = design.usable
    found: dict[int, float] = {}
    for c in design.classes:
        there = usable & (design.block_labels == c)[None, :]
        own = usable & (design.block_labels[None, :] == design.labels[:, None])
        rows = (design.labels != c) & there.any(axis=1)
        if rows.any():
            share = np.nan_to_num(design.shares[rows, :, c])
            means = [(share * w[rows]).sum(axis=1) / w[rows].sum(axis=1) for w in (there, own)]
            found[c] = float(np.mean(means[0] - means[1]))
    return found


class Permuted:
    """The permutation test of one design, with the terms of single units at hand for its power.

    Attributes
    ----------
    floor
        The smallest p that it can give: one over the number of labellings, or of draws.
    total
        The sum of all units' terms, ``(B, classes)``.
    """

    def __init__(self, design: Design, levels: Levels) -> None:
        rows = labellings(design, levels.permutations, np.random.default_rng([levels.seed, 1]))
        blocks = design.block_labels.size
        offsets = np.arange(blocks) * len(design.classes)
        self.floor = max(1.0 / told_apart(design), 1.0 / len(rows))
        self.terms = terms(design)
        self.total: Floats = self.terms.sum(axis=0)
        self._places = rows + offsets
        self._found = np.array([design.classes.index(int(c)) for c in design.block_labels]) + offsets

    def p(self, total: Floats) -> float:
        """Return the one-sided p of a sum of terms: how often a labelling does at least as well as the one found."""
        flat = total.ravel()
        others = flat[self._places].sum(axis=1)
        return max(self.floor, float((others >= flat[self._found].sum() - _NEAR).mean()))


def carried(effects: Floats) -> float:
    """Return how many units' worth of effect the units make up that follow their donors; others take nothing away."""
    return float(np.maximum(effects, 0.0).sum())


def p_of(test: Permuted, total: Floats, effects: Floats, levels: Levels) -> float:
    """Return p of the whole null hypothesis: 1 where the units that follow make up less than the margin.

    Parameters
    ----------
    test
        The permutation test.
    total
        Sum of the units' terms, ``(B, classes)``.
    effects
        Of the units, ``(n,)``.
    levels
        Of them, the margin.
    """
    if carried(effects) < levels.margin * effects.size - _NEAR:
        return 1.0
    return test.p(total)


def _following(design: Design) -> Floats:
    """The terms of units whose prediction is the donor's class, whatever they show, ``(n, B, classes)``."""
    shares = np.zeros_like(design.shares)
    shares[:, np.arange(design.block_labels.size), design.block_labels] = 1.0
    return terms(design, shares)


def power(test: Permuted, effects: Floats, following: Floats, count: int, levels: Levels) -> float:
    """Return the share of trials in which ``count`` units made to follow the donor are found by the test.

    Parameters
    ----------
    test
        Of the design as it is.
    effects
        Of its units, ``(n,)``; that of a unit made to follow is 1.
    following
        Terms of all units if they followed, ``(n, B, classes)``.
    count
        Units.
    levels
        Margin, level, correction, seed.
    """
    n = len(test.terms)
    rng = np.random.default_rng([levels.seed, 2, count])
    found = 0
    for _ in range(_TRIALS):
        chosen = rng.choice(n, count, replace=False)
        total = test.total + (following[chosen] - test.terms[chosen]).sum(axis=0)
        changed = effects.copy()
        changed[chosen] = 1.0
        found += p_of(test, total, changed, levels) * levels.tests <= levels.alpha + _NEAR
    return found / _TRIALS


def _smallest_effect(test: Permuted, effects: Floats, following: Floats, levels: Levels) -> float:
    """The smallest share of followers that is found often enough, by bisection; NaN where none is."""
    n = len(test.terms)
    low, high = 0, n  # low is not found, high is
    if test.floor * levels.tests > levels.alpha + _NEAR or power(test, effects, following, n, levels) < POWER_NEEDED:
        return float("nan")
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(test, effects, following, middle, levels) >= POWER_NEEDED
        low, high = (low, middle) if enough else (middle, high)
    return high / n


def exchange_test(
    top: npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    donor_labels: npt.NDArray[np.integer],
    groups: npt.NDArray[np.integer],
    donor_groups: npt.NDArray[np.integer],
    *,
    grouped: bool = True,
    names: Sequence[str] = (),
    levels: Levels | None = None,
) -> Tested | None:
    """Test whether predictions follow the class of the donor.

    Parameters
    ----------
    top
        Class predicted for each unit under each donor, ``(n, D)``; negative where a unit was not judged under a donor.
        What a unit does under donors of its own group is never looked at.
    labels, groups
        Class and group of each unit, ``(n,)``.
    donor_labels, donor_groups
        Class and group of each donor, ``(D,)``; groups are numbered as the units' are.
    grouped
        Whether groups were named; it is handed on.
    names
        Names of the classes.
    levels
        Margin, level, correction, draws, seed.

    Returns
    -------
    Tested or None
        None where the data do not have two classes with donors of two groups each.

    Raises
    ------
    MatxaiError
        If shapes differ.
    """
    levels = levels or Levels()
    design = design_of(
        *(np.asarray(a, np.int64) for a in (np.nan_to_num(top, nan=-1), labels, donor_labels, groups, donor_groups))
    )
    if design.labels.size == 0:
        return None
    test = Permuted(design, levels)
    value = float(np.clip(effect(design), -1.0, 1.0))
    n, of_units = design.labels.size, int(np.unique(design.groups).size)
    enough = min(of_units, int(np.unique(design.block_groups).size)) >= GROUPS_NEEDED
    low, high = bootstrap(design, levels.draws, np.random.default_rng([levels.seed, 3]))
    effects = effects_of_units(design)
    exact = effect_bounds(value, n, int((effects >= FOLLOWS).sum()))
    following = _following(design)
    count = min(n, int(np.ceil(levels.margin * n - _NEAR)))
    by_class = effects_by_class(design)
    return Tested(
        effect=value,
        interval=(max(-1.0, min(low, exact[0], value)), min(1.0, max(high, exact[1], value))),
        p=p_of(test, test.total, effects, levels) if enough else None,
        corrected=None,
        n=n,
        groups=of_units if grouped else None,
        donors=design.donors,
        smallest_p=test.floor,
        smallest_effect=_smallest_effect(test, effects, following, levels),
        power=power(test, effects, following, count, levels),
        by_class={names[c] if c < len(names) else str(c): value for c, value in by_class.items()},
    )
