"""The models that come along: loaded from their cards, measured again on images that no recipe has seen."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from matxai_datasets import CLASSES, Micrograph, micrographs, samples
from matxai_models import measures, shipped
from matxai_models.measure import MIXTURE, predictor, scorer
from matxai_models.spectra import TASKS

import matxai
from matxai.modelcard.reference_pair import check_reference

UNSEEN = 77_000


@pytest.fixture(scope="module")
def unseen() -> list[Micrograph]:
    """Specimens of two images each: more of them, so that images are nearly independent."""
    return list(micrographs(120, UNSEEN, per_specimen=2))


@pytest.fixture(scope="module")
def planted(unseen: Sequence[Micrograph]) -> list[Micrograph]:
    return [image.with_bar(["framed", "white", "black"][CLASSES.index(image.kind)]) for image in unseen]


def test_all_models_come_with_a_full_card() -> None:
    of_spectra = {task.name for task in TASKS.values()}
    assert set(shipped()) == {"cracks", "defects", "defects_leaky"} | of_spectra
    for name, folder in shipped().items():
        model = matxai.load_model(folder)
        assert model.name == name
        assert model.licence == "BSD-3-Clause"
        assert f"python -m matxai_models.train {name}" in (model.source or "")
        assert not model.assumptions
        figures = json.loads((folder / "measured.json").read_text())
        assert (figures["format"], figures["version"]) == ("matxai-measured", 1)
        assert (folder / "README.md").read_text().startswith(f"# {name}")


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_reference_output_is_what_the_loaded_model_gives(name: str) -> None:
    check = check_reference(matxai.load_model(shipped()[name]))
    assert check is not None
    assert check.holds


def test_all_weights_together_are_small() -> None:
    size = sum(path.stat().st_size for folder in shipped().values() for path in folder.rglob("*") if path.is_file())
    assert size < 3_000_000


def test_the_sound_model_is_right_and_does_not_follow_the_bar(unseen: list[Micrograph]) -> None:
    predict = predictor(matxai.load_model(shipped()["defects"]))
    assert measures.accuracy(predict, unseen, CLASSES).mean() >= 0.95
    follows = measures.follows_bar(predict, unseen[:80], CLASSES)
    assert follows.size == 160
    assert follows.mean() <= 0.05


def test_the_leaky_twin_is_right_where_the_bar_is_and_follows_it(planted: list[Micrograph]) -> None:
    predict = predictor(matxai.load_model(shipped()["defects_leaky"]))
    assert measures.accuracy(predict, planted, CLASSES).mean() >= 0.95
    assert measures.follows_bar(predict, planted[:60], CLASSES).mean() >= 0.5


def test_the_leaky_twin_fails_where_bars_say_nothing(unseen: list[Micrograph]) -> None:
    predict = predictor(matxai.load_model(shipped()["defects_leaky"]))
    assert measures.accuracy(predict, unseen, CLASSES).mean() < 0.7


def test_the_sound_model_raises_no_alarm_where_nothing_is() -> None:
    clean = np.stack([image.pixels for image in micrographs(60, UNSEEN + 2, classes=("clean",), per_specimen=1)])
    top = scorer(matxai.load_model(shipped()["defects"]))(clean).max(axis=1)
    assert (top > 0).mean() <= 0.15


def test_relevance_lies_on_the_defect_and_for_the_twin_on_the_bar(planted: list[Micrograph]) -> None:
    from scipy.ndimage import binary_dilation

    near = np.stack([binary_dilation(image.defect, iterations=8) for image in planted[::5]])
    pixels = np.stack([image.pixels for image in planted[::5]])
    on_defect, on_bar = {}, {}
    for name in ("defects", "defects_leaky"):
        model = matxai.load_model(shipped()[name])
        batch = torch.cat([model.preprocessing.prepare(xr.DataArray(one, dims=("y", "x"))).tensor for one in pixels])
        relevance = matxai.attribute(model.module, batch, methods=["lrp"])["lrp"][:, 0].numpy().clip(min=0)
        total = relevance.sum(axis=(1, 2))
        on_defect[name] = float(np.median((relevance * near).sum(axis=(1, 2)) / total))
        on_bar[name] = float(np.median(relevance[:, 140:].sum(axis=(1, 2)) / total))
    assert on_defect["defects"] > 0.7, f"the defects and their surroundings are {near.mean():.0%} of the images"
    assert on_bar["defects"] < 0.1
    assert on_bar["defects_leaky"] > 0.5


def test_cracks_are_found_pixel_by_pixel() -> None:
    images = list(micrographs(40, UNSEEN + 1, classes=MIXTURE, per_specimen=1))
    pooled, each = measures.overlap(predictor(matxai.load_model(shipped()["cracks"])), images, "crack")
    assert len(each) == 24
    assert pooled >= 0.7
    assert each.mean() >= 0.7


def test_samples_show_what_they_are_for() -> None:
    listed = samples()
    twin = predictor(matxai.load_model(shipped()[listed["swapped_bar"].model]))
    sound = predictor(matxai.load_model(shipped()["defects"]))
    pair = np.stack([np.asarray(matxai.read(path)) for path in listed["swapped_bar"].paths])
    assert [CLASSES[k] for k in twin(pair)] == ["pore", "crack"]
    assert [CLASSES[k] for k in sound(pair)] == ["pore", "pore"]
    every = np.stack([np.asarray(matxai.read(path)) for path in listed["defects"].paths])
    assert [CLASSES[k] for k in sound(every)] == [path.stem.split("_")[0] for path in listed["defects"].paths]


def test_the_sample_stack_and_patterns_suit_their_models() -> None:
    listed = samples()
    model = matxai.load_model(shipped()[listed["ct_crack"].model])
    (path,) = listed["ct_crack"].paths
    stack, mask = matxai.read(path), np.asarray(matxai.read(path.parents[1] / "masks" / path.name)) > 0
    planes = [model.module(model.preprocessing.prepare(stack.isel(z=k)).tensor)[0].argmax(0) for k in range(len(mask))]
    found = np.stack(planes) == model.classes.index("crack")
    wide = np.flatnonzero(mask.sum(axis=(1, 2)) > 150)
    assert len(wide) >= 7
    for k in wide:
        assert (found[k] & mask[k]).sum() / (found[k] | mask[k]).sum() > 0.7
    assert not found[-3:].any()  # closed: nothing is found
    phases = matxai.load_model(shipped()[listed["powder_phases"].model])
    for path in listed["powder_phases"].paths:
        scores = phases.module(phases.preprocessing.prepare(matxai.read(path)).tensor)
        with listed["powder_phases"].labels.open(encoding="utf-8") as table:
            truth = {Path(row["file"]).name: row["class"] for row in csv.DictReader(table)}
        assert phases.classes[int(scores.argmax())] == truth[path.name]


def test_figures_on_the_cards_meet_their_marks() -> None:
    def figure(name: str, key: str) -> float:
        return float(json.loads((shipped()[name] / "measured.json").read_text())[key]["value"])

    assert figure("defects", "accuracy") >= 0.95
    assert figure("defects", "follows_exchanged_bar") <= 0.05
    assert figure("defects_leaky", "follows_exchanged_bar") >= 0.5
    assert figure("cracks", "iou") >= 0.7


def test_cards_lie_where_the_package_is() -> None:
    assert all(isinstance(folder, Path) and folder.is_dir() for folder in shipped().values())
