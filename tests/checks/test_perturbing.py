"""Regions replaced in one batched pass: closed forms, ranks, controls, and sentences for what cannot be."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import (
    Reference,
    class_scores,
    controls_needed,
    dose_response,
    filled_signal,
    perturb,
    scores_when_filled,
)
from matxai.checks.fills import IMAGE_FILLS
from matxai.errors import Cancelled, MatxaiError, MethodError, ModelError, RegionError, SignalError, TargetError
from matxai.regions import Boxed, Region
from matxai.signals import labelled

RNG = np.random.default_rng
WEIGHTS = RNG(7).standard_normal((3, 40, 50))


class Linear(nn.Module):
    """Three classes, each a weighted sum of the pixels: what a change does to the scores is known exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(WEIGHTS, dtype=torch.float32))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.einsum("bhw,khw->bk", x[:, 0], self.weights) / 100


class Window(nn.Module):
    """Reads the mean of one window and nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = x[:, 0, 10:20, 30:42].mean((1, 2)) / 100
        return torch.stack([torch.full_like(inside, 1.2), inside], dim=1)


def loaded(module: nn.Module, **options):
    given = {"kind": "2d", "channels": 1, "scale": "none", "classes": ["no", "yes"], **options}
    return matxai.load_model(module, **given)


@pytest.fixture
def linear():
    return loaded(Linear(), classes=["a", "b", "c"])


@pytest.fixture
def signal():
    rng = RNG(0)
    values = 90 + 6 * rng.standard_normal((40, 50))
    values[10:20, 30:42] += 70
    return labelled(np.clip(np.rint(values), 0, 255).astype(np.uint8), ("y", "x"))


def mask_of(rows: slice, columns: slice, shape=(40, 50)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


OBJECT = mask_of(slice(10, 20), slice(30, 42))


def test_the_change_of_every_score_is_the_weights_times_the_change_of_the_pixels(linear, signal) -> None:
    found = perturb(linear, signal, OBJECT, target="b", controls=3)
    (change,) = found.changes
    assert change.fills == IMAGE_FILLS
    for row, fill in enumerate(IMAGE_FILLS):
        filled = _filled(signal, OBJECT, fill)
        expected = np.einsum("hw,khw->k", filled - signal.values.astype(float), WEIGHTS) / 100
        np.testing.assert_allclose(change.score_changes[row], expected, atol=2e-4)
    assert change.target == 1
    np.testing.assert_allclose(change.effects, -change.score_changes[:, 1])
    logits = found.before.scores[0] + change.score_changes
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(change.after.probabilities, softmax, rtol=1e-9)
    np.testing.assert_array_equal(change.flips, logits.argmax(1) != found.before.top[0])
    assert found.asked == 5 * 4


def _filled(signal, mask, fill) -> np.ndarray:
    """As the fills draw for region 0, place 0, seed 0."""
    from matxai.checks.fills import fills

    return fills[fill](signal.values, mask, RNG((0, 0, 0))).astype(float)


def test_one_forward_for_each_chunk_and_one_for_the_untouched_signal(linear, signal) -> None:
    before = linear.module.calls
    perturb(linear, signal, OBJECT, controls=15, fills=["blur", "local_mean"])
    assert linear.module.calls - before == 1 + 2


def test_what_decides_ranks_first_and_what_decides_nothing_does_not_move(signal) -> None:
    model = loaded(Window())
    decisive, idle = perturb(model, signal, [OBJECT, mask_of(slice(25, 35), slice(5, 17))], target=1).changes
    assert decisive.rank == 1
    assert decisive.effect > 0.4
    assert decisive.flips.all()
    assert len(decisive.shifts) == 64
    assert "rank 1 of 65" in decisive.sentence
    assert "was not checked" in decisive.sentence
    np.testing.assert_array_equal(idle.effects, 0)
    others = idle.control_effect
    assert idle.rank == 1 + (others >= 0).sum()


def test_the_rank_counts_the_controls_that_do_as_much(linear, signal) -> None:
    change = perturb(linear, signal, mask_of(slice(5, 9), slice(5, 9)), target=0, controls=30, fills=["blur"])[0]
    effects = change.control_effects[0]
    assert effects.shape == (30,)
    assert change.rank == 1 + sum(e >= change.effects[0] for e in effects)
    assert change.spread == 0.0
    for shift, effect in list(zip(change.shifts, effects, strict=True))[:3]:
        moved = mask_of(slice(5 + shift[0], 9 + shift[0]), slice(5 + shift[1], 9 + shift[1]))
        there = scores_when_filled(linear, signal, [moved], "blur").scores[0, 0]
        assert effect == pytest.approx(change.before.scores[0, 0] - there, abs=1e-4)


def test_keeping_only_what_decides_keeps_the_score(signal) -> None:
    kept = perturb(loaded(Window()), signal, OBJECT, target=1, action="keep", controls=8)[0]
    np.testing.assert_allclose(kept.effects, 0, atol=1e-6)
    assert kept.rank == 1
    assert (kept.control_effect < -0.1).all()


def test_inserting_an_object_brings_its_score(signal) -> None:
    dark = signal.copy(data=np.minimum(signal.values, 100))
    there = perturb(loaded(Window()), dark, OBJECT, target=1, action="insert", donors=[signal], controls=8)[0]
    expected = (signal.values[OBJECT].mean() - dark.values[OBJECT].mean()) / 100
    assert there.effect == pytest.approx(expected, abs=1e-5)
    assert there.fills == ("donor",)
    assert there.rank == 1
    assert "Putting in" in there.sentence


def test_a_region_filled_with_itself_changes_nothing(linear, signal) -> None:
    same = perturb(linear, signal, OBJECT, fills=["donor"], donors=[signal], controls=5)[0]
    # the pixels are the same to the bit (tests of the fills); sums over another size of batch round otherwise
    np.testing.assert_allclose(same.score_changes, 0, atol=1e-4)
    np.testing.assert_allclose(same.control_effects, 0, atol=1e-4)
    assert not same.flips.any()


def test_each_donor_is_a_variant_of_its_own(linear, signal) -> None:
    donors = [signal.copy(data=np.roll(signal.values, k, 0)) for k in (3, 9)]
    change = perturb(linear, signal, OBJECT, fills=["blur", "donor"], donors=donors, controls=0)[0]
    assert change.fills == ("blur", "donor", "donor 2")
    for row, donor in enumerate(donors, start=1):
        mixed = signal.copy(data=np.where(OBJECT, donor.values, signal.values))
        np.testing.assert_allclose(change.after.scores[row], class_scores(linear, [mixed]).scores[0], atol=1e-4)


def test_nothing_depends_on_chunks_or_on_the_other_regions(linear, signal, monkeypatch) -> None:
    from matxai.checks import judging

    whole = perturb(linear, signal, OBJECT, controls=9)[0]
    monkeypatch.setattr(judging, "chunk_size", lambda _model, _values: 3)
    parts = perturb(linear, signal, OBJECT, controls=9)[0]
    np.testing.assert_allclose(whole.after.scores, parts.after.scores, atol=1e-5)
    np.testing.assert_allclose(whole.controls.scores, parts.controls.scores, atol=1e-5)
    np.testing.assert_array_equal(whole.shifts, parts.shifts)


def test_a_program_for_a_fixed_batch_is_asked_in_that_batch(linear, signal, tmp_path) -> None:
    class Plain(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("bhw,khw->bk", x[:, 0], self.weights) / 100

    torch.export.save(torch.export.export(Plain().eval(), (torch.zeros(4, 1, 40, 50),)), tmp_path / "four.pt2")
    fixed = matxai.load_model(tmp_path / "four.pt2", classes=["a", "b", "c"], scale="none")
    one, two = (perturb(m, signal, OBJECT, controls=2, fills=["blur"])[0] for m in (fixed, linear))
    np.testing.assert_allclose(one.after.scores, two.after.scores, atol=1e-4)
    np.testing.assert_allclose(one.control_effects, two.control_effects, atol=1e-4)
    real = [signal.copy(data=np.roll(signal.values, k, 1)) for k in range(12)]
    assert perturb(fixed, signal, OBJECT, controls=2, fills=["blur"], reference=Reference.of(fixed, real))[0].checked


def test_it_is_cancelled_between_chunks_and_tells_how_far_it_is(linear, signal) -> None:
    stop, told = threading.Event(), []

    def progress(done: int, total: int, label: str) -> None:
        told.append((done, total, label))
        stop.set()

    linear.module.train()
    before = linear.module.calls
    with pytest.raises(Cancelled):
        perturb(linear, signal, OBJECT, controls=40, progress=progress, cancel=stop)
    assert told == [(16, 5 * 41, "remove with 5 fills")]
    assert linear.module.training
    assert linear.module.calls - before == 2


# -- controls ----------------------------------------------------------------------------------------------------------


def test_as_many_controls_as_the_corrected_level_needs() -> None:
    assert [controls_needed(0.05, m) for m in (1, 2, 4, 10)] == [19, 39, 79, 199]
    assert controls_needed(0.01) == 99
    assert controls_needed(0.5) == 19
    with pytest.raises(RegionError, match="between 0 and 1"):
        controls_needed(0.0)


def test_more_questions_get_more_controls(linear, signal) -> None:
    small = mask_of(slice(20, 23), slice(20, 23))
    change = perturb(linear, signal, small, questions=5, fills=["local_mean"])[0]
    assert (change.wanted, len(change.shifts)) == (99, 99)


def test_a_bar_along_the_border_has_exchange_for_its_control(linear, signal) -> None:
    bar = perturb(linear, signal, mask_of(slice(34, 40), slice(0, 50)), fills=["local_mean"])[0]
    assert len(bar.shifts) == 0
    assert bar.rank is None
    assert "the leakage check exchanges it" in bar.sentence
    wide = perturb(linear, signal, mask_of(slice(5, 35), slice(3, 47)), fills=["local_mean"])[0]
    assert wide.rank is None
    assert "leaves no room" in wide.sentence


def test_few_places_are_said(linear, signal) -> None:
    allowed = mask_of(slice(0, 40), slice(0, 11))
    change = perturb(linear, signal, mask_of(slice(10, 20), slice(20, 30)), allowed=allowed, fills=["local_mean"])[0]
    assert len(change.shifts) == 31 * 2
    assert (change.shifts[:, 1] < -18).all()
    assert "room for 62 of 64" in change.sentence


# -- what is given -----------------------------------------------------------------------------------------------------


def test_regions_come_as_regions_boxes_and_masks_and_records_are_plain(linear, signal) -> None:
    import json

    ways = [OBJECT, Boxed.of(OBJECT), Region(OBJECT, "drawn", "drawn")]
    found = perturb(linear, signal, ways, controls=0, fills=["local_mean"])
    assert len({float(c.effect) for c in found.changes}) == 1
    assert found[2].kind == "drawn"
    record = json.loads(json.dumps(found.to_dict()))
    assert record["changes"][0]["fills"] == ["local_mean"]
    assert len(record["changes"][0]["score_changes"][0]) == 3


def test_what_cannot_be_is_said(linear, signal) -> None:
    with pytest.raises(RegionError, match=r"mask is \(10, 10\), the signal \(40, 50\)"):
        perturb(linear, signal, np.ones((10, 10), bool))
    with pytest.raises(RegionError, match="no control or more, not with -3"):
        perturb(linear, signal, OBJECT, controls=-3)
    with pytest.raises(RegionError, match="shared by one question or more"):
        perturb(linear, signal, OBJECT, questions=0)
    with pytest.raises(RegionError, match=r"boolean mask of the signal's \(40, 50\), not \(40, 50\) int64"):
        perturb(linear, signal, OBJECT, allowed=np.ones((40, 50), np.int64))
    with pytest.raises(RegionError, match="no region to replace"):
        perturb(linear, signal, None)
    with pytest.raises(SignalError, match="type ndarray is no signal"):
        perturb(linear, signal.values, OBJECT)
    with pytest.raises(RegionError, match="is empty"):
        perturb(linear, signal, np.zeros((40, 50), bool))
    with pytest.raises(RegionError, match="covers the whole signal"):
        perturb(linear, signal, np.ones((40, 50), bool))
    with pytest.raises(RegionError, match=r"one of a signal of \(5, 5\)"):
        perturb(linear, signal, Boxed((5, 5), (slice(0, 2), slice(0, 2)), np.ones((2, 2), bool)))
    with pytest.raises(RegionError, match="There is no region"):
        perturb(linear, signal, [])
    with pytest.raises(MethodError, match="There is no fill 'blurr'"):
        perturb(linear, signal, OBJECT, fills=["blurr"])
    with pytest.raises(MethodError, match="for spectra"):
        perturb(linear, signal, OBJECT, fills=["linear_bridge"])
    with pytest.raises(RegionError, match=r"The donor is \(40, 20\)"):
        perturb(linear, signal, OBJECT, donors=[signal[:, :20]])
    with pytest.raises(RegionError, match="cannot be treated by 'delete'"):
        perturb(linear, signal, OBJECT, action="delete")
    with pytest.raises(RegionError, match="comes from another one: give donors="):
        perturb(linear, signal, OBJECT, action="insert")
    with pytest.raises(RegionError, match="allowed for controls"):
        perturb(linear, signal, OBJECT, allowed=np.ones((3, 3), bool))
    with pytest.raises(TargetError, match="no class 9"):
        perturb(linear, signal, OBJECT, target=9)
    with pytest.raises(TargetError, match="no class 'd'"):
        perturb(linear, signal, OBJECT, target="d")


@pytest.mark.parametrize("seed", [-1, 0.5, True, None])
@pytest.mark.parametrize("ask", [perturb, dose_response])
def test_a_seed_that_draws_nothing_is_said(linear, signal, ask, seed) -> None:
    with pytest.raises(MatxaiError, match=f"A seed is a whole number of 0 or more, not {seed}"):
        ask(linear, signal, OBJECT, seed=seed)


@pytest.mark.parametrize("ask", [perturb, dose_response])
def test_a_bare_module_is_no_loaded_model(linear, signal, ask) -> None:
    with pytest.raises(ModelError, match=r"type Linear is no loaded model: matxai\.load_model makes one"):
        ask(linear.module, signal, OBJECT)


def test_a_filled_signal_is_what_the_model_was_asked_about(linear, signal) -> None:
    one = class_scores(linear, [filled_signal(signal, OBJECT, "texture", 5)]).scores
    np.testing.assert_allclose(scores_when_filled(linear, signal, [OBJECT], "texture", seed=5).scores, one, rtol=1e-6)


def test_controls_keep_off_what_is_found_in_the_picture(linear, signal) -> None:
    from matxai.checks.controls import free_ground

    values = np.array(signal.values)
    values[-6:] = 0
    barred = labelled(values, ("y", "x"), attrs={"info_bar": [34, 39]})
    assert not free_ground(barred)[34:].any()
    assert free_ground(barred)[20:34].all()  # the plain bright rectangle above may pass for a label
    change = perturb(linear, barred, mask_of(slice(27, 31), slice(20, 24)), fills=["local_mean"])[0]
    assert len(change.shifts) == 64
    assert (31 + change.shifts[:, 0]).max() <= 34
    elsewhere = labelled(values, ("y", "x"), attrs={"info_bar": [700, 720]})
    assert free_ground(elsewhere).shape == (40, 50)
