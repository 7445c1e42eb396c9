"""A cleaned set on disk: readable again, exact, alike for all classes; and the new model beside it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import matxai
from matxai.checks import LabelledSet
from matxai.checks.leak import Artefact, Leakage, examine
from matxai.errors import Cancelled, FileError, MatxaiError, SignalError
from matxai.jobs.remedy import write_remedy
from matxai.jobs.remedy_report import remedy_grids
from matxai.regions import Boxed
from matxai.signals import labelled

SIZE, BAR = 48, slice(42, 48)


def _images(n: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels, groups = np.arange(n) % 2, np.arange(n) % 12
    images = []
    for y in labels:
        image = rng.normal(90 + 50 * y, 20, (SIZE, SIZE))
        image[BAR] = rng.normal(50 + 140 * y, 8, (6, SIZE))
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images, labels, groups


def _bar(n: int) -> Artefact:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[BAR] = True
    return Artefact("info_bar", "info_bar", tuple(Boxed.of(mask) for _ in range(n)), "pixels")


def _set(n: int = 48, **more: Any) -> LabelledSet:
    images, labels, groups = _images(n)
    return LabelledSet(
        tuple(f"{'ab'[y]}/im {k}.tif" for k, y in enumerate(labels)),
        labels,
        ("steel a", "steel b"),
        lambda i: labelled(
            images[i], ("y", "x"), spacing=dict.fromkeys("yx", 2.5), units=dict.fromkeys("yx", "nm"),
            attrs={"metadata": {"kV": 5}},
        ),
        groups,
        mask=lambda i: (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 3).astype(np.int64),
        more={"group": tuple(f"specimen {g}" for g in groups)},
        **more,
    )  # fmt: skip


def _model(data: LabelledSet) -> Any:
    """A residual net of random weights: what is fitted anew is its head."""
    torch.manual_seed(0)
    return matxai.load_model(
        "matxai:defect_resnet", task="classification", classes=list(data.classes), kind="2d", channels=1, scale="dtype",
        name="steels", mean=[0.45], std=[0.2],
    )  # fmt: skip


@pytest.fixture(scope="module")
def checked() -> tuple[Any, LabelledSet, Leakage]:
    data = _set()

    class Bars(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AdaptiveAvgPool2d((8, 4))
            self.head = nn.Linear(32, 2)
            with torch.no_grad():
                self.head.weight.zero_()
                self.head.weight[1, 28:] = 5.0
                self.head.weight[0, 28:] = -5.0
                self.head.bias.copy_(torch.tensor([10.0, -10.0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.pool(x).flatten(1))

    model = matxai.load_model(
        Bars(), task="classification", classes=list(data.classes), kind="2d", channels=1, scale="dtype", name="bars"
    )
    found = examine(model, data, artefacts=[_bar(len(data))], supporting=False, factors=False, draws=300)
    assert found.answer == "leak"
    return model, data, found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_cleaned_set_is_readable_exact_and_the_same_twice(tmp_path, checked) -> None:
    model, data, found = checked
    done = write_remedy(model, data, found, tmp_path / "clean", retrain=())
    assert done.files == 48
    rows = _rows(tmp_path / "clean" / "labels.csv")
    assert list(rows[0]) == ["file", "class", "mask", "group"]
    assert {r["class"] for r in rows} == {"steel a", "steel b"}
    assert rows[0]["group"] == "specimen 0"
    for k in (0, 17):
        back, before = matxai.read(tmp_path / "clean" / rows[k]["file"]), data.read(k)
        np.testing.assert_array_equal(back.values, before.values[:42])
        assert back.dtype == np.uint8
        np.testing.assert_allclose(back.y, before.y[:42])
        assert back.x.attrs["units"] == "nm"
        mask = matxai.read(tmp_path / "clean" / rows[k]["mask"])
        np.testing.assert_array_equal(mask.values, data.mask(k)[:42])
    manifest = _rows(tmp_path / "clean" / "manifest.csv")
    assert manifest[3]["done"] == "info_bar: cropped"
    first = {p.relative_to(tmp_path): p.read_bytes() for p in (tmp_path / "clean").rglob("*") if p.is_file()}
    write_remedy(model, data, found, tmp_path / "clean", retrain=())
    again = {p.relative_to(tmp_path): p.read_bytes() for p in (tmp_path / "clean").rglob("*") if p.is_file()}
    assert again == first
    assert [p.name for p in tmp_path.iterdir()] == ["clean"]


def test_an_exchange_names_its_donors(tmp_path, checked) -> None:
    model, data, found = checked
    write_remedy(model, data, found, tmp_path / "clean", how="exchange", retrain=())
    manifest, rows = _rows(tmp_path / "clean" / "manifest.csv"), _rows(tmp_path / "clean" / "labels.csv")
    for row, label in zip(manifest[:6], rows, strict=False):
        donor = data.names.index(row["donors"])
        back = matxai.read(tmp_path / "clean" / label["file"]).values
        np.testing.assert_array_equal(back[BAR], data.read(donor).values[BAR])
    classes = [int(data.labels[data.names.index(r["donors"])]) for r in manifest]
    assert np.histogram2d(data.labels, classes, 2)[0].tolist() == [[12, 12], [12, 12]]


def test_the_head_is_fitted_anew_and_judged_beside_the_old_one(tmp_path, checked) -> None:
    model, data, found = checked
    done = write_remedy(model, data, found, tmp_path / "clean")
    (new,) = done.anew
    assert new.leakage is not None
    after, before = new.leakage.findings[0].test, found.findings[0].test
    assert before.effect == pytest.approx(1.0)
    assert after.effect < 0.2
    without = new.accuracy["without"]
    assert without.new > 0.95
    assert without.new >= without.old - 0.02
    assert not done.models
    assert any("no card says how its network is built" in n for n in done.notes)
    record = json.loads((tmp_path / "clean" / "remedy.json").read_text())
    assert record["format"] == "matxai-remedy"
    assert record["retrained"]["head"]["answer"] != "leak"
    assert record["cropped"] == [[0, 6], [0, 0]]


def test_a_model_with_a_card_gets_new_ones_with_their_verdicts(tmp_path, checked) -> None:
    _, data, found = checked
    folder = tmp_path / "old"
    folder.mkdir()
    from matxai_models.networks import DefectResNet
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(DefectResNet(2, 1, widths=(4, 8)).state_dict(), folder / "w.safetensors")
    (folder / "matxai.yaml").write_text(
        "version: 1\nname: steels\ntask: classification\nweights: w.safetensors\n"
        "architecture: matxai:defect_resnet?widths=4,8\nclasses: [steel a, steel b]\n"
        "input: {channels: 1, mean: [0.45], std: [0.2]}\n"
    )
    model = matxai.load_model(folder)
    done = write_remedy(model, data, found, tmp_path / "clean", retrain=("head", "recipe"))
    assert done.models == {"head": tmp_path / "clean" / "model", "recipe": tmp_path / "clean" / "model_recipe"}
    for new in done.anew:
        back = matxai.load_model(done.models[new.way])
        assert back.classes == ("steel a", "steel b")
        x = back.preprocessing.prepare(data.read(0)).tensor
        assert x.shape[-2] == (SIZE if new.way == "head" else SIZE - 6)
        with torch.no_grad():
            torch.testing.assert_close(back.module(x), new.model.module(x))
        verdict = json.loads((done.models[new.way] / "verdict.json").read_text())
        assert verdict["format"] == "matxai-verdict"
        assert verdict["answer"] == new.leakage.answer != "leak"
        assert verdict["beside_the_old_model"]["without"]["n"] == 48
        assert "never saw its group" in new.sentence
    trained = done.anew[1]
    assert trained.leakage.answer == "unreachable"
    assert trained.accuracy["as they are"].new == trained.accuracy["without"].new > 0.9  # grey levels 90 and 140
    assert "nothing of the artefacts reaches the network" in trained.sentence
    shown = remedy_grids(done, found)
    assert [g.title for g in shown] == ["The remedy", "The old model and the new"]
    assert shown[0].rows[0] == ("info bar cropped", "48 of 48 images")
    assert shown[1].columns[1:] == ("the model asked about", "its head fitted anew", "trained again by its recipe")
    rows = {row[0]: row[1:] for row in shown[1].rows}
    assert (rows["answer"][0], rows["answer"][2]) == ("leak", "unreachable")
    assert rows["effect of the info bar"][0].startswith("1.00 (0.")
    assert rows["right, artefacts in-painted"][2].startswith(("100 %", "9"))


def test_files_are_compressed_alike(tmp_path, checked) -> None:
    model, _, found = checked
    images, labels, _ = _images(12)
    paths = []
    for k, image in enumerate(images):
        paths.append(tmp_path / "in" / f"{k}{'.jpg' if labels[k] else '.png'}")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(paths[-1], **({"quality": 50} if labels[k] else {}))
    data = LabelledSet(
        tuple(p.name for p in paths), labels, ("a", "b"), lambda i: matxai.read(paths[i]), None, tuple(paths)
    )
    import dataclasses

    nothing = dataclasses.replace(found, findings=())
    done = write_remedy(model, data, nothing, tmp_path / "clean")
    assert "6 files went through the strongest compression" in done.sentence
    Image.fromarray(images[0]).save(tmp_path / "expected.jpg", quality=50)
    first, second = (matxai.read(tmp_path / "clean" / "images" / n).values for n in ("a/0.tif", "b/1.tif"))
    np.testing.assert_array_equal(first, np.array(Image.open(tmp_path / "expected.jpg")))
    np.testing.assert_array_equal(second, np.array(Image.open(paths[1])))
    with pytest.raises(FileError, match="which is of the set itself"):
        write_remedy(model, data, nothing, tmp_path)


def test_what_cannot_be_done_is_said_and_leaves_nothing(tmp_path, checked) -> None:
    model, data, found = checked
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.doc").write_text("mine")
    with pytest.raises(FileError, match="is not empty, and what is there is no earlier remedy"):
        write_remedy(model, data, found, full)
    with pytest.raises(MatxaiError, match="no way 'cut' to clean"):
        write_remedy(model, data, found, tmp_path / "new", how="cut")
    with pytest.raises(MatxaiError, match=r"cannot be retrained by 'recipy'\. Did you mean 'recipe'"):
        write_remedy(model, data, found, tmp_path / "new", retrain=["recipy"])

    class Set:
        def is_set(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        write_remedy(model, data, found, tmp_path / "new", cancel=Set())
    spectra = LabelledSet(
        data.names, data.labels, data.classes, lambda i: labelled(np.arange(48.0), ("energy",)), data.groups
    )
    with pytest.raises(SignalError, match=r"A cleaned set is written of images, \(y, x\)"):
        write_remedy(model, spectra, found, tmp_path / "new", how="exchange")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full"]


def test_nothing_to_remedy_writes_nothing(tmp_path, checked) -> None:
    import dataclasses

    model, data, found = checked
    done = write_remedy(model, data, dataclasses.replace(found, findings=()), tmp_path / "clean")
    assert done.folder is None
    assert "no file was written" in done.sentence
    assert not list(tmp_path.iterdir())
