"""Bounds over groups: against scipy, against closed forms, and how often they are right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from matxai.checks.expect.interval import mean_bounds, sign_flip_p
from matxai.errors import MatxaiError


@pytest.mark.parametrize(("k", "n"), [(3, 20), (11, 20), (1, 7)])
def test_proportions_are_never_surer_than_the_exact_test(k: int, n: int) -> None:
    found = mean_bounds(np.arange(n) < k, np.arange(n), low=0, high=1, proportion=True)
    exact = stats.binomtest(k, n).proportion_ci(0.90, "exact")  # one-sided 95 % on either side
    assert found[0] <= exact.low + 1e-9 and found[1] >= exact.high - 1e-9


def test_what_was_never_seen_is_still_possible() -> None:
    zeros = np.zeros(12)
    assert mean_bounds(zeros, np.arange(12), low=0, high=1) == pytest.approx((0.0, 1 - 0.05 ** (1 / 12)))
    assert (
        mean_bounds(np.zeros(59), np.arange(59), low=0, high=1)[1]
        < 0.05
        < mean_bounds(np.zeros(58), np.arange(58), low=0, high=1)[1]
    )
    # the other end: 0.8 in all of twelve leaves room for 22 % at 0
    low, _ = mean_bounds(np.full(12, 0.8), np.arange(12), low=0, high=1)
    assert low == pytest.approx(0.8 * 0.05 ** (1 / 12))


def test_groups_and_not_samples_count() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=8)
    values = np.repeat(centres, 25)
    low, high = mean_bounds(values, np.repeat(np.arange(8), 25), draws=200)
    reach = stats.t.ppf(0.95, 7) * centres.std(ddof=1) / np.sqrt(8)
    assert low <= values.mean() - reach + 1e-9 and high >= values.mean() + reach - 1e-9
    alone = mean_bounds(values, np.arange(200), draws=200)
    assert alone[1] - alone[0] < 0.3 * (high - low)
    assert mean_bounds(values[:5], np.zeros(5, int)) == (-np.inf, np.inf)
    assert mean_bounds(values[:5] * 0 + 0.5, np.zeros(5, int), low=0, high=1) == (0.0, 1.0)


def test_bounds_are_right_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(8), 4)
    missed = 0
    for _ in range(400):
        values = rng.normal(size=8)[groups] + 0.5 * rng.normal(size=32)
        missed += mean_bounds(values, groups, draws=200)[1] < 0
    assert missed <= stats.binom.ppf(0.999, 400, 0.05)


def test_sign_flips_of_groups() -> None:
    # three groups with sums 3, 1, -1: the flips that give at least 3 are +++, ++-, +-- and its like: counted by hand
    values, groups = np.array([1.0, 2.0, 1.0, -1.0]), np.array([0, 0, 1, 2])
    sums = [a * 3 + b * 1 - c * 1 for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    p, smallest = sign_flip_p(values, groups)
    assert (p, smallest) == (np.mean([s >= 3 for s in sums]), 1 / 8)
    many = np.ones(40)
    assert sign_flip_p(many, np.arange(40)) == (1 / 4096, 1 / 4096)


def test_no_values_have_no_bounds() -> None:
    with pytest.raises(MatxaiError, match="values with a group each"):
        mean_bounds(np.zeros(0), np.zeros(0, int))
