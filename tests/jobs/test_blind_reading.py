"""The cases of a blind reading: nothing but the map tells which model drew it, and the same seed makes it again."""

from __future__ import annotations

import csv
import importlib.metadata
import threading
from pathlib import Path

import numpy as np
import pytest

import matxai
from matxai.checks import class_scores
from matxai.checks.blind import blind_result
from matxai.errors import Cancelled, MatxaiError
from matxai.jobs import BlindAnswer, blind_reading


@pytest.fixture(scope="module")
def twins():
    return matxai.load_model("defects"), matxai.load_model("defects_leaky")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    catalogue = importlib.metadata.entry_points(group="matxai.datasets")["matxai"].load()()
    made = catalogue["micrographs"].make(tmp_path_factory.mktemp("set"), 15, 3, leak="info_bar", per_specimen=1)
    assert {r.more["bar"] for r in catalogue["micrographs"].load(made)} == {"framed", "white", "black"}
    return made


@pytest.fixture(scope="module")
def reading(twins, folder):
    return blind_reading(*twins, folder, n=8, seed=5)


def test_only_the_map_tells_the_models_apart(reading, twins) -> None:
    assert len(reading) == 8
    assert len({c.name for c in reading.cases}) == 8
    assert {c.leaky for c in reading.cases} == {True, False}
    for case in reading.cases:
        both = [m.classes[int(class_scores(m, [case.signal]).top[0])] for m in twins]
        assert both == [case.said, case.said]
        own = twins[case.leaky]
        again = matxai.explain(own, case.signal, methods=["grad_cam"], target=case.said)
        np.testing.assert_array_equal(case.explanation["grad_cam"].values, again["grad_cam"].values)


def test_the_leaky_maps_lie_on_the_bar(reading) -> None:
    for case in reading.cases:
        values = np.nan_to_num(case.explanation["grad_cam"].values)
        share = values[140:].sum() / values.sum()
        assert (share > 0.3) == case.leaky


def test_the_same_seed_makes_the_same_reading(reading, twins, folder) -> None:
    again = blind_reading(*twins, folder, n=8, seed=5)
    assert [(c.name, c.leaky) for c in again.cases] == [(c.name, c.leaky) for c in reading.cases]
    other = blind_reading(*twins, folder, n=8, seed=6)
    assert [(c.name, c.leaky) for c in other.cases] != [(c.name, c.leaky) for c in reading.cases]


def test_answers_are_judged_and_written(reading, tmp_path: Path) -> None:
    first, *others = reading.cases
    answers = [BlindAnswer(not first.leaky, "guess"), *(BlindAnswer(c.leaky, "sure") for c in others)]
    result = reading.judged(answers)
    assert result == blind_result([c.leaky for c in reading.cases], [a.leaky for a in answers])
    assert result.right == 7
    lines = reading.write_csv(answers, tmp_path / "blind.csv").read_text().splitlines()
    assert lines[0] == "# sound: defects, leaky: defects_leaky, method: grad_cam, seed: 5"
    assert result.sentence in lines[2]
    rows = list(csv.DictReader(lines[3:]))
    assert [r["right"] for r in rows] == ["no"] + ["yes"] * 7
    assert [r["map of"] == "leaky" for r in rows] == [c.leaky for c in reading.cases]
    assert rows[0]["how sure"] == "guess"
    with pytest.raises(MatxaiError, match="8 cases have 7 answers"):
        reading.judged(answers[1:])


def test_bad_input_is_one_sentence(twins, folder) -> None:
    with pytest.raises(MatxaiError, match=r"of the 15 images of .* a reading of 16 cases takes 16"):
        blind_reading(*twins, folder, n=16)
    with pytest.raises(MatxaiError, match="two models of the same classes"):
        blind_reading(twins[0], matxai.load_model("cracks"), folder)
    with pytest.raises(MatxaiError, match="one case or more"):
        blind_reading(*twins, folder, n=0)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        blind_reading(*twins, folder, cancel=stop)
