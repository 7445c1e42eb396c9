"""What a factor alone tells of the label: by hand, against brute force, and not above its own chance by chance."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.checks.leak.factors.telling import codes_of, permuted_labels, told
from matxai.errors import SignalError


def test_a_factor_that_names_the_class_tells_all_of_it() -> None:
    labels = np.repeat([0, 1, 2], 20)
    found = told(labels.copy(), labels, None)
    assert found.accuracy == 1.0
    assert found.chance is not None
    assert found.predicts
    assert found.groups == 60


def test_ties_share_their_credit() -> None:
    # of seven classes one is half PNG; what is left is told by chance among the six others
    labels = np.repeat(np.arange(7), 40)
    codes = np.where((labels == 0) & (np.arange(280) % 2 == 0), 1, 0)
    assert told(codes, labels, None).accuracy == pytest.approx((0.5 + 6 * (1 / 6)) / 7, abs=0.02)


def test_what_a_group_shares_tells_nothing_of_another_group() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    labels = (groups % 2).astype(np.int64)
    per_group = rng.normal(size=12)[groups]  # one number a group: 120 images, but 12 facts
    found = told(codes_of(per_group + 1e-9 * rng.normal(size=120)), labels, groups)
    assert not found.predicts
    assert found.groups == 12
    naive = told(codes_of(per_group), labels, None)
    assert naive.accuracy > found.accuracy + 0.2


def test_under_six_groups_there_is_no_chance_to_compare_with() -> None:
    labels = np.repeat([0, 1], 30)
    found = told(labels.copy(), labels, np.repeat(np.arange(5), 12))
    assert found.chance is None
    assert not found.predicts


def test_chance_is_kept_in_the_long_run() -> None:
    rng = np.random.default_rng(4)
    beyond = 0
    for trial in range(60):
        labels = rng.integers(0, 3, 60)
        beyond += told(codes_of(rng.normal(size=60)), labels, None, seed=trial, permutations=99).predicts
    assert beyond <= 7  # binomial with n = 60 and p = 0.05: above 7 in 1 of 60


def test_labels_are_permuted_as_blocks() -> None:
    rng = np.random.default_rng(1)
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 3])
    pure = np.array([0, 0, 1, 1, 1, 0, 1, 1])
    for _ in range(20):
        new = permuted_labels(pure, groups, rng)
        assert all(len(set(new[groups == g])) == 1 for g in range(4))
    mixed = np.array([0, 1, 1, 1, 1, 0, 1, 1])
    seen = {tuple(permuted_labels(mixed, groups, rng)) for _ in range(400)}
    assert len(seen) == 10  # five blocks, two of them of class 0


def test_values_become_numbers_without_the_label() -> None:
    assert codes_of([("a", 1), ("b", 1), ("a", 1)]).tolist() == [0, 1, 0]
    assert codes_of(np.array([2.0, 1.0, 2.0])).tolist() == [1, 0, 1]
    crowded = codes_of(np.array([0.0] * 50 + list(range(1, 12))))  # most quantiles are 0
    assert np.unique(crowded).tolist() == list(range(crowded.max() + 1))
    many = codes_of(np.arange(80.0))
    assert np.bincount(many).tolist() == [10] * 8


def test_one_class_is_refused() -> None:
    with pytest.raises(SignalError, match="at least two classes"):
        told(np.zeros(4, np.int64), np.zeros(4, np.int64), None)
    with pytest.raises(SignalError, match="4 labels and 3 groups"):
        told(np.zeros(4, np.int64), np.array([0, 1, 0, 1]), np.zeros(3, np.int64))
