"""Dose and response in closed form: what a linear reader says to a content that fades, moves, grows and comes again."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import Reference, donors_from, dose_response
from matxai.checks.doses import doses
from matxai.checks.labelled import LabelledSet
from matxai.errors import Cancelled, RegionError
from matxai.signals import labelled

LEVEL, HIGH = 40, 200


class Area(nn.Module):
    """Class 1 scores how many pixels are bright, class 0 where their middle lies."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = (x[:, 0] - LEVEL) / (HIGH - LEVEL)
        columns = torch.arange(light.shape[2], dtype=light.dtype)
        total = light.sum((1, 2))
        return torch.stack([(light * columns).sum((1, 2)) / total.clamp(min=1e-6), total], dim=1)


@pytest.fixture
def model():
    return matxai.load_model(Area(), kind="2d", channels=1, classes=["where", "how much"], scale="none")


@pytest.fixture
def signal():
    values = np.full((40, 50), LEVEL, np.uint8)
    values[10:20, 10:18] = HIGH
    return labelled(values, ("y", "x"))


MASK = np.zeros((40, 50), bool)
MASK[10:20, 10:18] = True


def test_a_faded_region_takes_the_score_with_it_in_proportion(model, signal) -> None:
    found = dose_response(model, signal, MASK, target="how much", fills=["local_mean", "blur"])
    np.testing.assert_allclose(found.response, 80 * (1 - found.doses), atol=1e-3)
    assert found.scores.shape == (2, 5)
    assert found.spearman == pytest.approx(-1.0)
    assert found.isotonic == 1.0
    assert "rank correlation -1.00" in found.sentence
    assert json.loads(json.dumps(found.to_dict()))["change"] == "fade"


def test_contrast_is_multiplied_within_what_the_type_holds(model, signal) -> None:
    found = dose_response(model, signal, MASK, target=1, change="amplify", fills=["local_mean"], steps=[0, 0.5, 1, 2])
    # twice the contrast would be 360, and eight bits end at 255
    np.testing.assert_allclose(found.response, [0, 40, 80, 80 * (255 - LEVEL) / (HIGH - LEVEL)], atol=1e-3)


@pytest.mark.parametrize("axis", [1, -1])
def test_a_shifted_region_is_followed(model, signal, axis: int) -> None:
    found = dose_response(
        model, signal, MASK, target="where", change="shift", steps=[-4, 0, 3, 10], axis=axis, fills=["local_mean"]
    )
    np.testing.assert_allclose(found.response, 13.5 + np.array([-4, 0, 3, 10]), atol=1e-4)
    assert found.spearman == pytest.approx(1.0)
    down = dose_response(model, signal, MASK, target=0, change="shift", steps=[0, 5], axis=0, fills=["local_mean"])
    assert down.response[0] == down.response[1]
    assert (down.spearman, down.isotonic) == (0.0, 0.0)


def test_a_scaled_region_has_the_area_of_its_factor(model, signal) -> None:
    found = dose_response(model, signal, MASK, target=1, change="scale", steps=[0.5, 1, 1.5, 2], fills=["local_mean"])
    np.testing.assert_allclose(found.response, [20, 80, 180, 320], atol=1e-3)


def test_a_repeated_region_counts_as_often_as_it_is_there(model, signal) -> None:
    found = dose_response(model, signal, MASK, target=1, change="repeat", fills=["local_mean"])
    np.testing.assert_allclose(found.response, [0, 80, 160, 240, 320], atol=1e-3)


def test_the_dose_that_changes_nothing_is_the_signal_itself(model, signal) -> None:
    for name, way in doses.items():
        steps = [way.untouched, way.untouched + 1]
        found = dose_response(model, signal, MASK, target=1, change=name, steps=steps, fills=["texture"])
        assert found.response[0] == pytest.approx(found.before.scores[0, 1], abs=1e-4)


def test_the_isotonic_share_is_that_of_the_best_monotone_curve() -> None:
    from matxai.checks import DoseResponse
    from matxai.checks.readings import Perturbed

    y = np.array([0.0, 2.0, 1.0, 3.0])
    rows = Perturbed(y[:, None], np.zeros(4, np.int64))
    found = DoseResponse("fade", "", np.arange(4.0), ("blur",), 0, rows[:1], rows)
    # pooling the two in the middle leaves 0.5 of a total of 5
    assert found.isotonic == pytest.approx(1 - 0.5 / 5)
    assert found.spearman == pytest.approx(0.8)


def test_steps_out_of_distribution_are_not_counted(model) -> None:
    rng = np.random.default_rng(0)
    real = [labelled((LEVEL + rng.normal(0, 2, (40, 50))).astype(np.float32), ("y", "x")) for _ in range(12)]
    hot = real[0].copy(data=real[0].values + np.where(MASK, 160, 0).astype(np.float32))
    box = matxai.load_model(
        matxai.black_box(lambda x: np.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], axis=1)),
        kind="2d", channels=1, classes=["a", "b"], scale="none",
    )  # fmt: skip
    found = dose_response(box, hot, MASK, target=0, fills=["noisy_linear"], reference=Reference.of(box, real))
    assert np.isnan(found.response[0])
    assert np.isfinite(found.response[-1])
    assert "out of distribution" in found.sentence


def test_what_cannot_be_dosed_is_said(model, signal) -> None:
    cases = [
        ({"change": "fad"}, "There is no change by steps 'fad'. Did you mean 'fade'"),
        ({"steps": [0.5]}, "at least two different doses"),
        ({"steps": [-0.5, 1]}, "'fade' lie between 0 and 1 .*, not at -0.5; 'amplify' goes beyond"),
        ({"steps": [0, 1, 1.5]}, "between 0 and 1 .* not at 1.5"),
        ({"change": "shift", "steps": [0, 1.5]}, "whole numbers"),
        ({"change": "shift", "steps": [0, 40]}, "shifted by 40 it leaves the signal"),
        ({"change": "shift", "axis": 2}, "no axis 2"),
        ({"change": "scale", "steps": [0, 1]}, "a factor above 0"),
        ({"change": "scale", "steps": [1, 4]}, "would leave the signal"),
        ({"change": "repeat", "steps": [-1, 1]}, "not negative"),
        ({"change": "repeat", "steps": [1, 90]}, "There is room for"),
    ]
    for options, sentence in cases:
        with pytest.raises(RegionError, match=sentence.replace("(", r"\(")):
            dose_response(model, signal, MASK, target=1, fills=["local_mean"], **options)
    with pytest.raises(RegionError, match="is empty"):
        dose_response(model, signal, np.zeros_like(MASK))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        dose_response(model, signal, MASK, cancel=stop)


# -- donors ------------------------------------------------------------------------------------------------------------


def the_set(groups=None) -> LabelledSet:
    signals = [labelled(np.full((4, 5 if k != 3 else 6), k, np.uint8), ("y", "x")) for k in range(7)]
    return LabelledSet(
        tuple(f"s{k}" for k in range(7)), np.array([0, 0, 1, 1, 2, 0, 1]), ("a", "b", "c"), signals.__getitem__,
        groups=groups,
    )  # fmt: skip


def numbers(found) -> set[int]:
    return {int(s.values[0, 0]) for s in found}


def test_donors_are_chosen_by_class_and_have_the_same_size() -> None:
    data = the_set()
    assert numbers(donors_from(data, 0, of="own", n=9)) == {1, 5}
    assert numbers(donors_from(data, 0, of="other", n=9)) == {2, 4, 6}  # the fourth has another size
    assert numbers(donors_from(data, 0, of="c", n=9)) == {4}
    assert len(donors_from(data, 0)) == 1
    grouped = the_set(np.array([0, 0, 1, 1, 2, 3, 1]))
    assert numbers(donors_from(grouped, 0, of="own")) == {5}  # of another specimen before its own
    with pytest.raises(RegionError, match="Did you mean 'other'"):
        donors_from(data, 0, of="othr")
    with pytest.raises(RegionError, match="none has this size"):
        donors_from(data, 3, of="a")
    with pytest.raises(RegionError, match="there is no signal 7"):
        donors_from(data, 7)
