"""The exchange test on arrays: effects by hand, permutations by brute force, bounds against scipy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from matxai.checks.leak.blocks import design_of, effects_of_units, terms
from matxai.checks.leak.bounds import effect_bounds, exact_bounds, holm, smallest_n
from matxai.checks.leak.chance import accuracy
from matxai.checks.leak.permuting import families, labellings, told_apart
from matxai.checks.leak.resampling import bootstrap
from matxai.checks.leak.statistics import Levels, Permuted, effect, effects_by_class, exchange_test
from matxai.errors import MatxaiError

FEW = Levels(draws=400)


def nested(groups=10, each=6, classes=2, donors=3):
    """Labels and groups of units and donors, each group of one class."""
    of = np.repeat(np.arange(groups), each)
    y = of % classes
    d = np.concatenate([np.flatnonzero(of == g)[:donors] for g in range(groups)])
    return y, of, d


def judged(top, y, of, d, **more):
    return exchange_test(top, y, y[d], of, of[d], levels=more.pop("levels", FEW), **more)


# effect


def test_effect_of_a_table_worked_out_by_hand() -> None:
    # two classes; groups 0 and 1 are of class 0, groups 2 and 3 of class 1; one donor each; two units
    top = np.array([[-1, 0, 1, 0], [1, 0, 1, -1]])
    labels, groups = np.array([0, 1]), np.array([0, 3])
    donor_labels, donor_groups = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    design = design_of(top, labels, donor_labels, groups, donor_groups)
    # unit 0: class 1 is predicted under (2, 3) in 1 of 2, under its own class's other donor (1) in 0 of 1: 0.5
    # unit 1: class 0 is predicted under (0, 1) in 1 of 2, under its own class's other donor (2) in 0 of 1: 0.5
    assert effects_of_units(design).tolist() == [0.5, 0.5]
    assert effects_by_class(design) == {0: 0.5, 1: 0.5}


def test_effect_with_three_classes_averages_over_the_other_classes() -> None:
    labels, groups = np.array([0]), np.array([9])
    donor_labels = np.array([0, 0, 1, 1, 2, 2])
    top = np.array([[0, 2, 1, 0, 2, 2]])
    design = design_of(top, labels, donor_labels, groups, np.arange(6))
    # class 1: 1/2 under its donors, 0 under own; class 2: 1 under its donors, 1/2 under own
    assert effect(design) == pytest.approx(((0.5 - 0.0) + (1.0 - 0.5)) / 2)


def test_groups_of_one_class_count_alike_whatever_their_donors() -> None:
    donor_labels = np.array([0, 0, 1, 1, 1, 1])
    donor_groups = np.array([1, 2, 3, 4, 4, 4])
    top = np.array([[0, 0, 1, 0, 0, 0]])
    design = design_of(top, np.array([0]), donor_labels, np.array([9]), donor_groups)
    assert effect(design) == pytest.approx(0.5)  # not 1/4


def test_the_effect_is_0_for_what_is_not_read_and_1_for_what_alone_is_read() -> None:
    for classes in (2, 3, 5):
        y, of, d = nested(10, classes=classes)
        sound, leaky = np.repeat(y[:, None], d.size, axis=1), np.repeat(y[d][None], y.size, axis=0)
        assert judged(sound, y, of, d).effect == 0.0
        assert judged(leaky, y, of, d).effect == pytest.approx(1.0)


def test_what_a_unit_does_under_its_own_group_is_never_looked_at() -> None:
    y, of, d = nested()
    rng = np.random.default_rng(0)
    top = rng.integers(0, 2, (y.size, d.size))
    other = np.where(of[:, None] == of[d][None], 1 - top, top)
    assert judged(top, y, of, d) == judged(other, y, of, d)


def test_a_class_of_one_group_takes_no_part() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    top = np.zeros((5, 5), int)
    design = design_of(top, labels, labels, np.arange(5) // 1, np.array([0, 1, 2, 3, 4]))
    assert design.classes == (0, 1)
    assert design.left_out == (2,)
    assert exchange_test(top[:2, :2], labels[[0, 2]], labels[[0, 2]], np.arange(2), np.arange(2)) is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MatxaiError, match=r"\(units, donors\) = \(2, 3\), not \(2, 2\)"):
        exchange_test(np.zeros((2, 2), int), np.zeros(2, int), np.zeros(3, int), np.zeros(2, int), np.zeros(3, int))
    with pytest.raises(MatxaiError, match="Each unit and each donor has one group"):
        exchange_test(np.zeros((2, 3), int), np.zeros(2, int), np.zeros(3, int), np.zeros(1, int), np.zeros(3, int))


# permutations


def test_all_labellings_of_few_groups_are_those_of_brute_force() -> None:
    y, of, d = nested(6, 4, donors=1)
    top = np.random.default_rng(1).integers(0, 2, (y.size, d.size))
    design = design_of(top, y, y[d], of, of[d])
    found = {tuple(row) for row in labellings(design, 10, np.random.default_rng(0)).tolist()}
    expected = set(itertools.permutations([0, 1, 0, 1, 0, 1]))
    assert len(found) == told_apart(design) == math.comb(6, 3)
    assert found == expected

    # p by counting: the statistic of every labelling, written out with loops
    every = terms(design).sum(axis=0)
    sums = {row: sum(every[b, c] for b, c in enumerate(row)) for row in expected}
    asis = tuple(design.block_labels.tolist())
    assert Permuted(design, FEW).p(every) == pytest.approx(np.mean([s >= sums[asis] - 1e-9 for s in sums.values()]))


def test_terms_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    y, of, d = nested(9, 2, classes=3, donors=2)
    top = rng.integers(0, 3, (y.size, d.size))
    design = design_of(top, y, y[d], of, of[d])
    found = terms(design)
    for i, (label, group) in enumerate(zip(y, of, strict=True)):
        for b, block_group in enumerate(design.block_groups):
            for c in range(3):
                if block_group == group:
                    expected = 0.0
                else:
                    foreign = [k for k in range(9) if design.block_groups[k] != group]
                    centred = {
                        k: design.shares[i, b, k] - np.mean([design.shares[i, f, k] for f in foreign]) for k in range(3)
                    }
                    value = -sum(centred[k] for k in range(3) if k != label) if c == label else centred[c]
                    expected = value / 3 / 2  # three blocks a class, two other classes
                assert found[i, b, c] == pytest.approx(expected, abs=1e-12)


def test_groups_that_hold_every_class_are_permuted_inside_alone() -> None:
    of = np.repeat(np.arange(4), 4)
    y = np.tile([0, 1, 0, 1], 4)
    design = design_of(np.zeros((16, 16), int), y, y, of, of)
    rows = labellings(design, 10, np.random.default_rng(0))
    assert told_apart(design) == len(rows) == 2**4
    for row in rows:
        for g in range(4):
            assert sorted(row[design.block_groups == g].tolist()) == [0, 1]


def test_groups_with_other_classes_hand_them_on_as_wholes() -> None:
    # two groups hold a and b, one holds b and c: three places for the odd one, two orders inside each
    y = np.array([0, 1, 0, 1, 1, 2, 2])
    of = np.array([0, 0, 1, 1, 2, 2, 3])
    design = design_of(np.zeros((7, 7), int), y, y, of, of)
    assert sorted(len(f.groups) for f in families(design)) == [1, 3]
    assert told_apart(design) == 3 * 2**3
    rows = {tuple(r) for r in labellings(design, 10, np.random.default_rng(0)).tolist()}
    assert len(rows) == 24
    assert tuple(design.block_labels.tolist()) in rows


def test_drawn_labellings_keep_to_the_same_families() -> None:
    y, of, d = nested(16, 1, donors=1)
    design = design_of(np.zeros((16, 16), int), y, y[d], of, of[d])
    rows = labellings(design, 300, np.random.default_rng(0))
    assert rows.shape == (301, 16)
    assert rows[0].tolist() == design.block_labels.tolist()
    assert (rows.sum(axis=1) == 8).all()
    assert len({tuple(r) for r in rows.tolist()}) > 250


def test_donors_that_were_put_to_other_units_are_never_exchanged() -> None:
    # two instruments whose bars do not fit each other: units meet the donors of their own instrument alone
    y, of, d = nested(12, 2, donors=1)
    instrument = of % 4 // 2
    top = np.repeat(y[:, None], d.size, axis=1)
    top[instrument[:, None] != instrument[d][None]] = -1
    design = design_of(top, y, y[d], of, of[d])
    assert sorted(len(f.groups) for f in families(design)) == [6, 6]
    assert told_apart(design) == math.comb(6, 3) ** 2
    assert judged(top, y, of, d).effect == 0.0


def test_p_of_a_model_that_reads_nothing_else_is_the_smallest() -> None:
    y, of, d = nested(8)
    found = judged(np.repeat(y[d][None], y.size, axis=0), y, of, d)
    assert found.p == found.smallest_p == pytest.approx(1 / math.comb(8, 4))


def test_under_six_groups_there_is_no_p() -> None:
    y, of, d = nested(5, 12)
    assert judged(np.repeat(y[d][None], y.size, axis=0), y, of, d).p is None


def test_nothing_read_is_found_no_more_often_than_the_level() -> None:
    rng = np.random.default_rng(5)
    y, of, d = nested(8, 3, donors=2)
    found = []
    for _ in range(200):
        lead = 1.0 * np.eye(2)[y] + rng.normal(0, 0.5, (8, 2))[of]
        content = rng.normal(0, 1, (8, 2))[of[d]]
        top = (lead[:, None] + content[None] + rng.normal(0, 0.3, (y.size, d.size, 2))).argmax(axis=2)
        design = design_of(top, y, y[d], of, of[d])
        test = Permuted(design, FEW)
        found.append(test.p(test.total))
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert 0.3 < np.mean(found) < 0.7


# power


def test_power_and_the_smallest_effect() -> None:
    y, of, d = nested()
    sound = judged(np.repeat(y[:, None], d.size, axis=1), y, of, d)
    assert sound.power == 1.0
    assert sound.smallest_effect == pytest.approx(3 / 60)  # what makes up the margin
    finer = judged(np.repeat(y[:, None], d.size, axis=1), y, of, d, levels=Levels(0.01, draws=400))
    assert finer.smallest_effect == pytest.approx(1 / 60)
    # predictions that jump about whatever the donor's class hide what is small
    swayed = np.random.default_rng(0).integers(0, 2, 10)[of[d]]
    noisy = judged(np.where(np.arange(y.size)[:, None] % 3 == 0, swayed[None], y[:, None]), y, of, d)
    assert noisy.power < 0.8
    assert noisy.smallest_effect > 0.05
    # six groups of two classes cannot give p below 1/20: corrected for two questions nothing is ever found
    y, of, d = nested(6, 10)
    never = judged(np.repeat(y[:, None], d.size, axis=1), y, of, d, levels=Levels(draws=400, tests=2))
    assert never.power == 0.0
    assert math.isnan(never.smallest_effect)


# bounds


@pytest.mark.parametrize(("right", "n"), [(0, 59), (0, 12), (3, 20), (20, 20), (7, 60)])
def test_exact_bounds_are_clopper_and_pearson(right, n) -> None:
    low, high = exact_bounds(right / n, n)
    expected = [binomtest(right, n, alternative=side).proportion_ci(0.95, "exact") for side in ("greater", "less")]
    assert low == pytest.approx(expected[0].low, abs=1e-9)
    assert high == pytest.approx(expected[1].high, abs=1e-9)


def test_none_of_59_leaves_five_percent() -> None:
    assert exact_bounds(0.0, 59)[1] < 0.05 < exact_bounds(0.0, 58)[1]
    assert smallest_n(0.05) == 59
    assert exact_bounds(0.0, 12)[1] == pytest.approx(0.22, abs=0.005)
    assert exact_bounds(0.0, 19)[1] < 0.15 < exact_bounds(0.0, 18)[1]
    with pytest.raises(MatxaiError, match="between 0 and 1"):
        exact_bounds(1.2, 10)


def test_bounds_of_an_effect_are_no_narrower_below_zero_than_at_it() -> None:
    none = exact_bounds(0.0, 60)[1]
    assert effect_bounds(0.0, 60) == (-none, none)
    # less than one image, over images of which none follows: none of 60; one that does is one of 60
    assert effect_bounds(0.012, 60) == effect_bounds(-0.012, 60) == (-none, none)
    assert effect_bounds(0.012, 60, following=1)[1] == exact_bounds(1 / 60, 60)[1]
    assert effect_bounds(0.25, 60) == exact_bounds(0.25, 60)
    for value in (-1.0, -0.3, -0.02, 0.0, 0.004, 0.1, 0.5, 1.0):
        low, high = effect_bounds(value, 60)
        assert -1 <= low <= value <= high <= 1
        assert high >= none


def test_the_bootstrap_has_the_spread_of_the_groups() -> None:
    # all of a group's units follow or none does: the effect is a mean over groups, of known variance
    rng = np.random.default_rng(0)
    y, of, d = nested(20, 5, donors=2)
    covered = []
    for k in range(60):
        follows = (rng.random(20) < 0.5)[of]
        top = np.where(follows[:, None], y[d][None], y[:, None])
        design = design_of(top, y, y[d], of, of[d])
        low, high = bootstrap(design, 300, np.random.default_rng(k))
        assert high - low == pytest.approx(2 * 1.73 * np.sqrt(follows.mean() * (1 - follows.mean()) / 19), rel=0.35)
        covered.append([low <= 0.5, high >= 0.5])
    assert np.mean(covered, axis=0).min() > 0.85


def test_holm_as_worked_out_by_hand() -> None:
    # 0.01 * 4, then max(0.04, 0.02 * 3), max(., 0.03 * 2), max(., 0.5 * 1)
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


# chance


def test_accuracy_against_permuted_groups() -> None:
    y, of, _ = nested(10, 6)
    right = accuracy(y, y, of)
    assert (right.value, right.p, right.n, right.groups) == (1.0, 1 / math.comb(10, 5), 60, 10)
    assert right.beyond(0.05)
    always = accuracy(np.zeros(60, int), y, of)
    assert always.p == 1.0
    assert not always.beyond(0.05)
    # 60 images, but only ten independent ones: eight of ten groups right is not much
    wrong = np.where(np.isin(of, [0, 1]), 1 - y, y)
    counted = sum(math.comb(5, k) ** 2 for k in (4, 5)) / math.comb(10, 5)
    assert accuracy(wrong, y, of).p == pytest.approx(counted)


def test_the_same_seed_gives_the_same_test() -> None:
    y, of, d = nested(16, 3, donors=2)
    top = np.random.default_rng(0).integers(0, 2, (y.size, d.size))
    assert judged(top, y, of, d) == judged(top, y, of, d)
