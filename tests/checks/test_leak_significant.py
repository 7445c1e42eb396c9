"""One image that answers to a look makes p small and a model no suspect: the interval has to leave zero as well."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.checks.leak.answers import Rules, answer_artefact, significant
from matxai.checks.leak.chance import accuracy
from matxai.checks.leak.records import Artefact
from matxai.checks.leak.statistics import Levels, exchange_test
from matxai.regions import Boxed

LABELS = np.repeat([0, 1, 2], [24, 18, 18])
GROUPS = np.arange(60) // 6
MASK = np.zeros((8, 8), bool)
MASK[6:] = True
ARTEFACT = Artefact("label", "label", (Boxed.of(MASK),) * 60, "pixels")


def _rules() -> Rules:
    clean = accuracy(LABELS, LABELS, GROUPS)
    return Rules("m", clean, True, 0.05, 0.05, 0.15, 1, ("a", "b", "c"))


def _tested(followers: int):
    """A model that sees the specimen, but in some images predicts the class whose look the donor has."""
    top = np.repeat(LABELS[:, None], 60, axis=1)
    for k in np.linspace(0, 59, followers).astype(int):
        top[k] = LABELS
    found = exchange_test(top, LABELS, LABELS, GROUPS, GROUPS, levels=Levels(draws=500))
    return type(found)(**{**vars(found), "corrected": found.p})


def test_one_image_that_answers_is_no_suspicion() -> None:
    one = _tested(1)
    assert one.corrected <= 0.05  # the permutations alone would say so
    assert not significant(one, _rules())
    assert answer_artefact(ARTEFACT, _rules(), None, one).verdict.answer == "cannot tell"


@pytest.mark.parametrize(("followers", "answer"), [(10, "suspicious"), (30, "leak")])
def test_many_that_answer_are(followers: int, answer: str) -> None:
    many = _tested(followers)
    assert significant(many, _rules())
    assert answer_artefact(ARTEFACT, _rules(), None, many).verdict.answer == answer
