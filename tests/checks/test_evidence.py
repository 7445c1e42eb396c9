"""Removal finds the region that a network reads, and finds nothing where it reads nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import (
    class_scores,
    evidence_of_maps,
    exchange_bars,
    exchange_rows,
    filled_signal,
    top_region_evidence,
)
from matxai.errors import MethodError, RegionError, TargetError
from matxai.signals import labelled


class Corner(nn.Module):
    """Scores the mean of a window: what decides is known."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.pool.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.pool(x)[:, 0, 10:20, 30:45].mean((1, 2))
        return torch.stack([torch.zeros_like(inside), 10 * inside], dim=1)


@pytest.fixture(scope="module")
def model():
    return matxai.load_model(Corner(), kind="2d", channels=1, classes=["no", "yes"], scale="none")


@pytest.fixture
def signal():
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, 0.2, (60, 80)).astype(np.float32)
    values[10:20, 30:45] += 5.0
    return labelled(values, ("y", "x"), attrs={"info_bar": [55, 59]})


def heat(rows=slice(10, 20), columns=slice(30, 45)) -> np.ndarray:
    values = np.zeros((60, 80))
    values[rows, columns] = 1.0
    return values


def test_removing_what_decides_beats_every_control(model, signal) -> None:
    found = top_region_evidence(model, signal, heat(), 1, share=150 / 4800, controls=9, random_maps=4)
    assert found.score == pytest.approx(50.0, abs=1.0)
    assert found.top_drop > 25
    assert (found.rank, found.n_controls) == (1, 9)
    assert found.top_drop > 3 * max(*found.control_drops, *found.random_drops)
    assert "rank 1 of 10" in found.sentence
    assert found.flips == 0
    assert found.target == "yes"


def test_removing_what_decides_nothing_changes_nothing(model, signal) -> None:
    found = top_region_evidence(model, signal, heat(slice(30, 40), slice(5, 20)), 1, controls=5, random_maps=2)
    assert abs(found.top_drop) < 0.5


def test_controls_stay_out_of_the_info_bar(model, signal) -> None:
    low = heat(slice(44, 54), slice(30, 45))
    values = np.array(signal.values)
    values[55:] = 1000.0
    found = top_region_evidence(model, signal.copy(data=values), low, 1, controls=9, random_maps=1)
    assert found.n_controls == 9


def test_the_same_seed_gives_the_same_evidence(model, signal) -> None:
    one, two = (top_region_evidence(model, signal, heat(), 1, controls=4, random_maps=2, seed=3) for _ in range(2))
    assert one == two


def test_an_empty_map_and_a_wrong_class_are_said(model, signal) -> None:
    with pytest.raises(RegionError, match="no positive value"):
        top_region_evidence(model, signal, np.zeros((60, 80)), 1)
    with pytest.raises(TargetError, match="there is no class 7"):
        top_region_evidence(model, signal, heat(), 7, controls=1, random_maps=1)
    with pytest.raises(RegionError, match="at least one fill"):
        top_region_evidence(model, signal, heat(), 1, fills=())


def test_a_fill_keeps_type_and_rest() -> None:
    signal = labelled(np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8), ("y", "x"))
    mask = np.zeros((20, 30), bool)
    mask[5:9, 5:9] = True
    for fill in ("local_mean", "blur", "noisy_linear"):
        filled = filled_signal(signal, mask, fill)
        assert filled.dtype == np.uint8
        np.testing.assert_array_equal(filled.values[~mask], signal.values[~mask])
    with pytest.raises(RegionError, match="has the size of its signal"):
        filled_signal(signal, mask[:5], "blur")
    with pytest.raises(MethodError, match="no fill"):
        filled_signal(signal, mask, "nothing")


def test_scores_do_not_depend_on_the_chunks(model, signal) -> None:
    many = class_scores(model, [signal * k for k in range(1, 21)])
    single = np.concatenate([class_scores(model, [signal * k]).scores for k in range(1, 21)])
    np.testing.assert_allclose(many.scores, single, rtol=1e-6)


def test_a_program_exported_for_a_fixed_batch_is_asked_in_that_batch(model, signal, tmp_path) -> None:
    program = torch.export.export(Corner().eval(), (torch.zeros(2, 1, 60, 80),))
    torch.export.save(program, tmp_path / "fixed.pt2")
    fixed = matxai.load_model(tmp_path / "fixed.pt2", classes=["no", "yes"], scale="none")
    assert fixed.batch == 2
    many = [signal * k for k in range(1, 4)]
    np.testing.assert_allclose(class_scores(fixed, many).scores, class_scores(model, many).scores, rtol=1e-6)


def test_the_module_keeps_its_mode(signal) -> None:
    module = Corner().train()
    loaded = matxai.load_model(module, kind="2d", channels=1, classes=["no", "yes"], scale="none")
    module.train()
    module.pool.eval()
    class_scores(loaded, [signal])
    assert module.training
    assert not module.pool.training


def test_bars_are_exchanged_row_for_row(model, signal) -> None:
    donor = signal.copy(data=np.asarray(signal.values) * 0 + 7)
    swapped = exchange_rows(signal, donor)
    np.testing.assert_array_equal(swapped.values[55:60], 7)
    np.testing.assert_array_equal(swapped.values[:55], signal.values[:55])
    asked = exchange_bars(model, signal, donor)
    assert (asked.before, asked.after, asked.follows) == ("yes", "yes", False)
    with pytest.raises(RegionError, match="whose instruments state"):
        exchange_rows(signal, labelled(np.zeros((60, 80)), ("y", "x")))
    other = labelled(np.zeros((60, 80)), ("y", "x"), attrs={"info_bar": [50, 59]})
    with pytest.raises(RegionError, match="cannot be exchanged"):
        exchange_rows(signal, other)


def test_several_maps_are_asked_about_in_one_pass_with_one_clean_score_and_one_set_of_random_tops(signal) -> None:
    class Counted(Corner):
        seen = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Counted.seen += len(x)
            return super().forward(x)

    model = matxai.load_model(Counted(), kind="2d", channels=1, classes=["no", "yes"], scale="none")
    maps = {"one": heat(), "two": heat(slice(30, 40), slice(5, 20)), "none": np.zeros((60, 80))}
    options = {"share": 150 / 4800, "controls": 3, "random_maps": 4}
    Counted.seen = 0
    found = evidence_of_maps(model, signal, maps, 1, **options)
    assert Counted.seen == 1 + 3 * (2 * (1 + 3) + 4)
    assert isinstance(found["none"], RegionError)
    for method in ("one", "two"):
        alone = top_region_evidence(model, signal, maps[method], 1, method=method, **options)
        assert found[method].top_drop == pytest.approx(alone.top_drop, abs=1e-4)
        np.testing.assert_allclose(found[method].control_drops, alone.control_drops, atol=1e-4)
    np.testing.assert_array_equal(found["one"].random_drops, found["two"].random_drops)
