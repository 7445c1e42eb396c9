"""One image that answers to a look is certain and no effect: p is 1 until the followers make up the margin."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.checks.leak.answers import Rules, answer_artefact, significant
from matxai.checks.leak.blocks import design_of
from matxai.checks.leak.chance import accuracy
from matxai.checks.leak.records import Artefact
from matxai.checks.leak.statistics import Levels, Permuted, carried, exchange_test, p_of
from matxai.regions import Boxed

LABELS = np.repeat([0, 1, 2], [24, 18, 18])
GROUPS = np.arange(60) // 6
MASK = np.zeros((8, 8), bool)
MASK[6:] = True
ARTEFACT = Artefact("label", "label", (Boxed.of(MASK),) * 60, "pixels")


def _rules() -> Rules:
    clean = accuracy(LABELS, LABELS, GROUPS)
    return Rules("m", clean, True, 0.05, 0.05, 0.15, 1, ("a", "b", "c"))


def _top(followers: int):
    """A model that sees the specimen, but in some images predicts the class whose look the donor has."""
    top = np.repeat(LABELS[:, None], 60, axis=1)
    for k in np.linspace(0, 59, followers).astype(int):
        top[k] = LABELS
    return top


def _tested(followers: int, margin: float = 0.05):
    levels = Levels(margin, draws=500)
    found = exchange_test(_top(followers), LABELS, LABELS, GROUPS, GROUPS, levels=levels)
    return type(found)(**{**vars(found), "corrected": found.p})


def test_one_image_that_answers_is_no_suspicion() -> None:
    one = _tested(1)
    test = Permuted(design_of(_top(1), LABELS, LABELS, GROUPS, GROUPS), Levels(draws=500))
    assert test.p(test.total) <= 0.05  # the permutations alone would say so
    assert one.p == 1.0
    assert not significant(one, _rules())
    assert answer_artefact(ARTEFACT, _rules(), None, one).verdict.answer == "cannot tell"


@pytest.mark.parametrize(("followers", "margin", "small"), [(2, 0.05, False), (3, 0.05, True), (5, 0.1, False)])
def test_p_is_that_of_the_permutations_from_the_margin_on(followers: int, margin: float, small: bool) -> None:
    found = _tested(followers, margin)
    design = design_of(_top(followers), LABELS, LABELS, GROUPS, GROUPS)
    test = Permuted(design, Levels(draws=500))
    assert found.p == (test.p(test.total) if small else 1.0)
    assert (found.p <= 0.05) == small


def test_images_that_go_against_their_donors_take_nothing_from_those_that_follow() -> None:
    effects = np.array([1.0, 1.0, 1.0, -1.0, *[0.0] * 56])
    assert carried(effects) == 3.0
    design = design_of(_top(3), LABELS, LABELS, GROUPS, GROUPS)
    test = Permuted(design, Levels(draws=500))
    assert p_of(test, test.total, effects, Levels(draws=500)) == test.p(test.total)
    assert p_of(test, test.total, effects * 0.99, Levels(draws=500)) == 1.0


@pytest.mark.parametrize(("followers", "answer"), [(10, "suspicious"), (30, "leak")])
def test_many_that_answer_are(followers: int, answer: str) -> None:
    many = _tested(followers)
    assert significant(many, _rules())
    assert answer_artefact(ARTEFACT, _rules(), None, many).verdict.answer == answer
