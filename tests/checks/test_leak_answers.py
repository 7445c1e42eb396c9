"""The rules from tests to an answer, on records made by hand: what is said where no exchange was possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matxai.checks.leak import records
from matxai.checks.leak.answers import Rules, answer_artefact, answer_factor
from matxai.checks.leak.chance import accuracy
from matxai.checks.leak.reach import Reach
from matxai.checks.leak.records import Artefact, Factor, Support
from matxai.regions import Boxed

LABELS = np.repeat([0, 1], 30)
GROUPS = np.arange(60) // 6
MASK = np.zeros((8, 8), bool)
MASK[6:] = True
BAR = Artefact("info_bar", "info_bar", (Boxed.of(MASK),) * 60, "pixels")
ONE, TWO = (Support(name, 0.9, 0.1, True, "said") for name in ("removal", "artefact_only"))
TESTED = records.Tested(0.96, (0.9, 0.99), 0.001, 0.001, 60, 10, 60, 0.0005, 0.03, 1.0)


def rules(*, chance: bool = False, grouped: bool = True, **more) -> Rules:
    said = np.tile([0, 1], 30) if chance else LABELS
    return Rules("m", accuracy(said, LABELS, GROUPS), grouped, 0.05, 0.05, 0.15, 1, ("a", "b"), **more)


def factor(moves: records.Tested | None = None, predicts: float | None = 0.5, name: str = "size") -> Factor:
    return Factor(name, False, predicts, 0.7, moves, "said")


def test_a_factor_that_tells_nothing_acquits_no_model_at_chance() -> None:
    still = replace(TESTED, effect=0.0, interval=(-0.02, 0.02), p=0.5, corrected=0.5)
    for moves in (None, still):
        verdict = answer_factor(factor(moves), rules(chance=True)).verdict
        assert verdict.answer == "cannot tell"
        assert "no better than chance" in verdict.sentence
        assert verdict.evidence["missing"] == ["a model that is better than chance on these labels"]
        verdict = answer_factor(factor(moves), rules()).verdict
        assert verdict.answer == "not seen"
        assert "could gain nothing" in verdict.sentence
        assert "bounds nothing" in verdict.sentence


STILL = replace(TESTED, effect=0.0, interval=(-0.02, 0.02), p=0.5, corrected=0.5)


@pytest.mark.parametrize("tested", [None, TESTED, STILL, replace(STILL, interval=(-0.1, 0.1))])
def test_supporting_tests_change_no_answer(tested) -> None:
    asked = rules(left_out=("b",))
    alone, together = (answer_artefact(BAR, asked, None, tested, s) for s in ((), (ONE, TWO)))
    assert together.verdict.answer == alone.verdict.answer
    assert together.support == (ONE, TWO)
    beside = (
        " Beside that, beyond their own nulls and deciding nothing: 2 supporting tests (removal and artefact only)."
    )
    assert (beside in together.verdict.sentence) == (alone.verdict.answer == "cannot tell")
    assert together.verdict.sentence.replace(beside, "") == alone.verdict.sentence


def test_two_methods_of_one_supporting_test_are_one() -> None:
    shares = (replace(ONE, name="share:lrp"), replace(ONE, name="share:grad_cam"))
    assert "1 supporting test (share)" in answer_artefact(BAR, rules(), None, None, shares).verdict.sentence


@pytest.mark.parametrize("grouped", [True, False])
def test_every_answer_says_what_the_data_could_have_shown_and_whether_groups_were_named(grouped: bool) -> None:
    asked = rules(grouped=grouped)
    untested = {
        "cannot tell": answer_artefact(BAR, asked, None, None),
        "not seen": answer_artefact(replace(BAR, constant=True), asked, None, None, removal=0.1),
        "unreachable": answer_artefact(BAR, asked, Reach(0.0, 0.0, (), 4), None),
    }
    for answer, finding in untested.items():
        assert finding.verdict.answer == answer
        _says(finding.verdict.sentence, "these data could have shown no effect and no p", grouped, optimistic=False)
    for one in (factor(), factor(predicts=0.9)):
        _says(answer_factor(one, asked).verdict.sentence, "no effect and no p", grouped, optimistic=False)
    for finding in (answer_artefact(BAR, asked, None, TESTED), answer_factor(factor(TESTED, 0.9), asked)):
        assert finding.verdict.answer == "leak"
        _says(finding.verdict.sentence, "an effect of 3 % at best, and p = 0.0005", grouped, optimistic=True)


def test_an_effect_is_said_in_percentage_points() -> None:
    said = "the share of images taken for that class rises by 96 percentage points (at least 90; p = 0.001)"
    assert said in answer_artefact(BAR, rules(), None, TESTED).verdict.sentence
    assert said in answer_factor(factor(TESTED, 0.9), rules()).verdict.sentence
    weak = replace(TESTED, effect=0.01, interval=(0.004, 0.2))
    said = "rises by 1 percentage point (0.4 to 20; p = 0.001)"
    assert said in answer_artefact(BAR, rules(), None, weak).verdict.sentence
    assert said in answer_factor(factor(weak, 0.9), rules()).verdict.sentence


def _says(sentence: str, resolution: str, grouped: bool, *, optimistic: bool) -> None:
    assert resolution in sentence
    assert ("treated as independent" in sentence) is not grouped
    assert ("intervals are optimistic" in sentence) is (optimistic and not grouped)
