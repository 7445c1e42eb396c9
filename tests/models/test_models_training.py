"""Recipes: a small run writes a card that loads; measures agree with values worked out by hand."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from matxai_datasets import CLASSES, micrograph, micrographs
from matxai_models import fitting, measures
from matxai_models.measure import measure
from matxai_models.recipe import RECIPES, Settings
from matxai_models.recipes.steel import near_duplicates
from matxai_models.train import main, train

import matxai
from matxai.errors import FileError, ModelError


def test_a_small_run_writes_a_card_that_loads_and_keeps_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matxai_models.recipes import crack_segmentation

    from matxai.modelcard.reference_pair import check_reference

    monkeypatch.setattr(crack_segmentation, "UNSEEN", 5)
    seen: list[tuple[int, int, str]] = []
    settings = Settings(images=16, epochs=2, seed=3, progress=lambda *step: seen.append(step))
    folder = train("cracks", tmp_path / "model", settings)
    model = matxai.load_model(folder)
    assert (model.name, model.task, model.classes) == ("cracks", "segmentation", ("background", "crack"))
    check = check_reference(model)
    assert check is not None
    assert check.holds
    assert seen == [(1, 2, "training"), (2, 2, "training")]
    assert json.loads((folder / "measured.json").read_text())["training_images"] == 16
    assert "--seed 3 --images 16 --epochs 2" in (model.source or "")


def test_sentence_and_table_of_a_card_round_a_figure_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matxai_models.recipes import crack_segmentation

    # 0.91452 is 0.915, and 0.914 once it has been rounded to 0.9145
    monkeypatch.setattr(crack_segmentation, "UNSEEN", 2)
    monkeypatch.setattr(measures, "overlap", lambda *_: (0.91452, np.array([0.91452])))
    folder = train("cracks", tmp_path / "model", Settings(images=4, epochs=1))
    readme = (folder / "README.md").read_text()
    assert "is 0.915 over all pixels, and 0.915 in the mean" in readme
    assert "| iou | 0.915 |" in readme
    assert "0.914" not in readme
    figures = json.loads((folder / "measured.json").read_text())
    assert figures["iou"] == {"value": 0.9145, "n": 2}


def test_training_is_repeatable_and_lowers_the_loss() -> None:
    images = np.stack([m.pixels for m in micrographs(12, 5, per_specimen=1, size=(120, 120))])
    truth = np.arange(12) % 3
    scaling = fitting.Scaling.of(images)

    def run(epochs: int) -> tuple[torch.nn.Module, float]:
        from matxai_models import matxai_architecture

        torch.manual_seed(0)
        module = matxai_architecture("defect_resnet", classes=3, channels=1)
        fitting.fit(module, images, truth, scaling, fitting.cross_entropy, epochs=epochs, seed=0, batch=6)
        with torch.inference_mode():
            return module, float(fitting.cross_entropy(module(scaling.tensor(images)), torch.from_numpy(truth)))

    (one, early), (_, later), (again, _) = run(2), run(14), run(2)
    assert not one.training
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    assert later < early


def test_scaling_gives_mean_zero_and_deviation_one() -> None:
    images = np.random.default_rng(0).integers(20, 200, size=(6, 30, 40, 3)).astype(np.uint8)
    x = fitting.Scaling.of(images).tensor(images)
    assert x.shape == (6, 3, 30, 40)
    assert torch.allclose(x.mean(dim=(0, 2, 3)), torch.zeros(3), atol=2e-3)
    assert torch.allclose(x.std(dim=(0, 2, 3)), torch.ones(3), atol=2e-3)


def test_the_dice_part_is_zero_for_a_perfect_answer_and_one_for_its_opposite() -> None:
    truth = torch.zeros(1, 40, 40, dtype=torch.long)
    truth[:, 10:30, 10:30] = 1
    scores = torch.stack([(truth == 0), (truth == 1)], dim=1) * 40.0
    assert float(fitting.cross_entropy_and_dice(scores, truth)) == pytest.approx(0, abs=1e-4)
    opposite = fitting.cross_entropy_and_dice(scores.flip(1), truth) - torch.nn.functional.cross_entropy(
        scores.flip(1), truth
    )
    assert float(opposite) == pytest.approx(1, abs=2e-3)


def test_each_class_is_judged_by_itself_and_minus_one_is_none() -> None:
    scores = torch.tensor([[8.0, -8.0, -8.0], [-8.0, -8.0, -8.0]])
    good = fitting.each_by_itself(scores, torch.tensor([0, -1]))
    bad = fitting.each_by_itself(scores, torch.tensor([-1, 0]))
    # -log sigmoid(8) = 0.000335 and 8.000335 for the other side; targets are 0.98 and 0.02
    assert float(good) == pytest.approx(0.000335 + 0.02 * 8, abs=1e-5)
    assert float(bad) == pytest.approx(float(good) + 2 / 6 * 0.96 * 8, abs=1e-5)


def test_overlap_by_hand() -> None:
    images = [micrograph(1, "crack", bar=None), micrograph(2, "pore", bar=None)]
    size = int(images[0].defect.sum())

    def half_and_ten(pixels: np.ndarray) -> np.ndarray:
        found = np.zeros(pixels.shape, dtype=np.int64)
        places = np.flatnonzero(images[0].defect)[: size // 2]
        found[0].reshape(-1)[places] = 1
        found[1, :2, :5] = 1  # false on the image without a crack
        return found

    pooled, each = measures.overlap(half_and_ten, images, "crack")
    assert each == pytest.approx([(size // 2) / size])
    assert pooled == pytest.approx((size // 2) / (size + 10))


def test_following_counts_the_exchanged_bar_alone() -> None:
    images = list(micrographs(6, 1, per_specimen=1, bars="by_class"))
    bottom = {CLASSES.index(k): images[n].pixels[150, 2:8] for n, k in enumerate(m.kind for m in images)}
    assert len(bottom) == 3

    def reads_the_bar(pixels: np.ndarray) -> np.ndarray:
        frame = (pixels[:, -1] == 255).mean(axis=1) > 0.9  # white last row: framed or white
        white = pixels[:, -2, 1] == 255
        return np.where(frame & ~white, 0, np.where(white, 1, 2))

    assert measures.accuracy(reads_the_bar, images, CLASSES).all()
    follows = measures.follows_bar(reads_the_bar, images, CLASSES)
    assert follows.shape == (6, 2)
    assert follows.all()
    assert not measures.follows_bar(lambda x: np.full(len(x), -1), images, CLASSES).any()


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, Table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611
    assert measures.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert measures.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert measures.wilson(0, 0) == (0.0, 1.0)


def test_near_duplicates_are_one_group_within_a_class_only() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, size=(6, 64, 64, 3)).astype(np.uint8)
    images[3] = np.clip(images[0].astype(int) + rng.integers(-4, 5, images[0].shape), 0, 255)
    images[5] = images[1]
    groups = near_duplicates(images, np.array([0, 0, 0, 0, 1, 1]))
    assert groups[0] == groups[3]
    assert groups[1] != groups[5], "of another class"
    assert len(set(groups.tolist())) == 5


def test_recipes_are_listed_and_misspelt_ones_get_the_nearest(tmp_path: Path) -> None:
    assert set(RECIPES) >= {"defects", "defects_leaky", "cracks", "steel", "phases", "diffraction", "raman"}
    with pytest.raises(ModelError, match="Did you mean 'cracks'"):
        train("crack", tmp_path)
    with pytest.raises(ModelError, match="trains on the data set 'xsdd_steel_strip'"):
        train("steel", tmp_path)
    with pytest.raises(FileError, match="is not the data set 'xsdd_steel_strip'"):
        train("steel", tmp_path / "out", Settings(data=tmp_path))
    with pytest.raises(ModelError, match="There is no model 'defect'"):
        measure("defect")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ModelError, match="taken cannot be written"):
        train("cracks", tmp_path / "taken")
    with pytest.raises(ModelError, match="number of epochs of 1 or more, and was given 0"):
        train("cracks", tmp_path / "out", Settings(epochs=0))


def test_the_command_line_ends_with_two_and_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert main(["stel", "--out", str(tmp_path)]) == 2
    assert "There is no recipe 'stel'. Did you mean 'steel'?" in caplog.text


@pytest.mark.data
def test_the_steel_recipe_trains_on_the_real_set(data_dir: Path, tmp_path: Path) -> None:
    from matxai_datasets import catalogue

    settings = Settings(data=data_dir / "xsdd_steel_strip", images=120, epochs=2)
    folder = train("steel", tmp_path / "steel", settings)
    model = matxai.load_model(folder)
    assert model.classes == catalogue()["xsdd_steel_strip"].classes
    figures = json.loads((folder / "measured.json").read_text())
    assert figures["training_images"] + len(figures["test_files"]) == pytest.approx(120, abs=10)
    assert {f"recall_{name}" for name in model.classes} <= set(figures)
    image = matxai.read(data_dir / "xsdd_steel_strip" / figures["test_files"][0])
    with torch.inference_mode():
        assert model.module(model.preprocessing.prepare(image).tensor).shape == (1, 7)
