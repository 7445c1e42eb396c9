"""Every template is valid and runs on data made for it; files made from examples have their classes and units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import torch
import xarray as xr
from matxai_datasets import samples
from PIL import Image
from torch import nn

from matxai.checks import LabelledSet
from matxai.checks.expect.document import expectations_of, read_expectations
from matxai.checks.expect.judging import judge
from matxai.checks.expect.templates import template, template_names, title
from matxai.errors import ExpectationError, FileError
from matxai.jobs import draft_expectations
from matxai.modelcard import load_model

NAMES = ("absorption_edges", "ae_events", "crack_tips", "defects", "diffraction_peaks", "phases")
SIZE, SETS = 32, 14


class Blobs(nn.Module):
    """Bright pixels speak for one class and dark ones for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.conv.bias.copy_(torch.tensor([-0.7, 0.3]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)).sum((2, 3))


def images(folder: Path) -> tuple[Any, LabelledSet]:
    """Grey squares with a bright or a dark patch of many sizes and depths, with masks, label images and tips."""
    model = load_model(Blobs(), kind="2d", channels=1, classes=["bright", "dark"], task="classification", scale="none")
    (folder / "tips").mkdir()
    (folder / "phases").mkdir()
    labels = np.arange(SETS) % 2
    masks, values = [], []
    for i in range(SETS):
        rng = np.random.default_rng(i)
        plane = 0.5 + 0.02 * rng.standard_normal((SIZE, SIZE))
        y, x, r = 8 + int(rng.integers(12)), 8 + int(rng.integers(12)), 2 + i // 6
        rows, columns = np.ogrid[:SIZE, :SIZE]
        mask = (rows - y) ** 2 + (columns - x) ** 2 <= r**2
        plane[mask] += (1 - 2 * labels[i]) * (0.25 + 0.015 * i)
        masks.append(mask.astype(np.int64))
        values.append(plane)
        Image.fromarray(mask.astype(np.uint8)).save(folder / "phases" / f"s{i}.png")
        shapes = {"shapes": [{"disc": [x, y, r], "label": "tip"}, {"box": [0, 0, 3, 3], "label": "other"}]}
        (folder / "tips" / f"s{i}.json").write_text(json.dumps(shapes))
    return model, LabelledSet(
        tuple(f"s{i}.tif" for i in range(SETS)),
        labels,
        ("bright", "dark"),
        lambda i: xr.DataArray(values[i], dims=("y", "x"), coords={"y": range(SIZE), "x": range(SIZE)}),
        np.arange(SETS) // 2,
        mask=lambda i: masks[i],
    )


class Line(nn.Module):
    """Each class scores by the mean over a part of the axis, and by the lack of the other's."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 1, bias=False)
        self.line = nn.Linear(weights.shape[1], 2, bias=False)
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.line.weight.copy_(torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(self.conv(x).flatten(1))


def curves(axis: np.ndarray, unit: str, dim: str, shape: Any, weights: np.ndarray) -> tuple[Any, LabelledSet]:
    """Curves of two classes on one axis; ``shape(label, i)`` draws one."""
    model = load_model(Line(weights), kind="1d", channels=1, classes=["a", "b"], task="classification", scale="none")
    labels = np.arange(SETS) % 2
    at = xr.DataArray(axis, dims=dim, attrs={"units": unit})
    values = [
        shape(int(labels[i]), i) + 0.002 * np.random.default_rng(i).standard_normal(len(axis)) for i in range(SETS)
    ]
    return model, LabelledSet(
        tuple(f"s{i}.csv" for i in range(SETS)),
        labels,
        ("a", "b"),
        lambda i: xr.DataArray(values[i], dims=dim, coords={dim: at}),
        np.arange(SETS) // 2,
    )


def diffraction(_: Path) -> tuple[Any, LabelledSet]:
    axis = np.linspace(10, 70, 401)

    def near(*places: float) -> np.ndarray:
        return np.sum([np.exp(-(((axis - p) / 0.15) ** 2)) for p in places], axis=0)

    own, other = near(35.15, 43.35, 57.5), near(28.44, 47.3)
    return curves(
        axis,
        "degree",
        "two_theta",
        lambda c, i: 0.05 + (0.1 + 0.1 * (i // 2)) * (other if c else own),
        np.stack([own - 2 * near(28.44), other - own]),
    )


def absorption(_: Path) -> tuple[Any, LabelledSet]:
    axis = np.linspace(5900, 6250, 351)
    step = 0.5 + np.arctan((axis - 5989) / 2) / np.pi
    line = np.exp(-(((axis - 6005) / 5) ** 2))
    weights = np.where(abs(axis - 6005) < 12, line, 0.0)
    return curves(
        axis,
        "eV",
        "energy",
        lambda c, i: step + (0.02 + 0.06 * (i // 2)) * (line if c else -line),
        np.stack([-weights, weights]),
    )


def emission(_: Path) -> tuple[Any, LabelledSet]:
    axis = np.arange(450) * 1e-6
    decay = np.where(axis >= 200e-6, np.exp(-(axis - 200e-6) / 40e-6), 0.0)
    slow, fast = (decay * np.sin(2 * np.pi * f * (axis - 200e-6)) for f in (3e4, 9e4))
    return curves(
        axis, "s", "time", lambda c, i: (0.03 + 0.1 * (i // 2)) * (fast if c else slow), np.stack([slow, fast])
    )


MADE = {
    "absorption_edges": (absorption, "uses the edge"),
    "ae_events": (emission, "uses the first arrival"),
    "crack_tips": (images, "looks at the tip"),
    "defects": (images, "looks at the defect"),
    "diffraction_peaks": (diffraction, "uses a reflection"),
    "phases": (images, "looks at the phase"),
}


def test_these_are_the_templates() -> None:
    assert template_names() == NAMES == tuple(MADE)
    assert title("defects").startswith("Defects in micrographs: ")
    with pytest.raises(ExpectationError, match=r"no template 'phase'. Did you mean 'phases'\?"):
        template("phase")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_runs_on_what_it_is_for(name: str, tmp_path: Path) -> None:
    make, main = MADE[name]
    model, data = make(tmp_path)
    checked = judge(expectations_of(template(name), tmp_path), model, data)
    answers = {f.name: f.verdict for f in checked.findings}
    assert answers[main].answer == "holds", answers[main].sentence
    assert "broken" not in {v.answer for v in answers.values()}, checked.sentence
    if name == "diffraction_peaks":
        parts = next(f for f in checked.findings if f.name == main).parts
        assert [p.name for p in parts] == ["104", "113", "116"]


def test_a_card_and_data_fill_in_classes_and_paths(tmp_path: Path) -> None:
    found = samples()["defects"].paths[0]
    data = next(p for p in found.parents if (p / "labels.csv").is_file())
    card = Path(__file__).parents[2] / "models" / "matxai_models" / "cards" / "defects"
    file = tmp_path / "mine.yaml"
    text = draft_expectations("defects", [card, data], out=file)
    asked = read_expectations(file)
    assert file.read_text(encoding="utf-8") == text and text.startswith("# Defects in micrographs")
    assert (tmp_path / str(asked.model)).resolve() == card.resolve()
    assert (tmp_path / str(asked.data)).resolve() == data.resolve()
    looks = next(a for a in asked.items if a.name == "looks at the defect")
    assert looks.fields.classes == ["crack", "inclusion", "pore"] and looks.where.kind == "mask"
    with pytest.raises(FileError, match=r"mine\.yaml exists; name a new file"):
        draft_expectations("defects", [card], out=file)


def test_a_label_image_fills_in_its_path_and_labels(tmp_path: Path) -> None:
    (tmp_path / "grains").mkdir()
    labels = np.zeros((20, 20), np.uint8)
    labels[3:9, 3:9], labels[12:, 12:] = 2, 5
    tifffile.imwrite(tmp_path / "grains" / "a.tif", labels)
    asked = expectations_of(draft_expectations("phases", [tmp_path / "grains" / "a.tif"], out=tmp_path / "new.yaml"))
    fields = asked.items[0].where.fields
    assert (fields.labels, fields.value) == ("grains/{stem}.tif", [2, 5])


def test_a_list_of_peaks_becomes_any_of_them(tmp_path: Path) -> None:
    (tmp_path / "peaks.csv").write_text("position,unit,tolerance\n520.5,1/cm,4\n960,1/cm,4\n")
    asked = expectations_of(draft_expectations(None, [tmp_path / "peaks.csv"]))
    parts = asked.items[0].parts
    assert [p.where.fields.peaks for p in parts] == [[520.5], [960.0]]
    assert {(p.where.fields.unit, p.where.fields.tolerance) for p in parts} == {("1/cm", 4.0)}
    (tmp_path / "bad.csv").write_text("position,unit\n520.5,parsnips\n")
    with pytest.raises(FileError, match="gives the unit 'parsnips', which is none"):
        draft_expectations(None, [tmp_path / "bad.csv"])


def test_a_spectrum_fills_in_axis_unit_and_places(tmp_path: Path) -> None:
    axis = np.linspace(100, 1100, 1001)
    counts = 10 + 500 * np.exp(-(((axis - 464) / 4) ** 2)) + 300 * np.exp(-(((axis - 800) / 4) ** 2))
    with h5py.File(tmp_path / "raman.h5", "w") as file:
        group = file.create_group("entry/data")
        file["entry"].attrs["NX_class"] = "NXentry"
        group.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": "raman_shift"})
        group["counts"], group["raman_shift"] = counts, axis
        group["raman_shift"].attrs["units"] = "1/cm"
    asked = expectations_of(draft_expectations("diffraction_peaks", [tmp_path / "raman.h5"]))
    parts = asked.items[0].parts
    assert [p.where.fields.peaks[0] for p in parts][:2] == pytest.approx([464, 800], abs=0.5)
    assert {p.where.fields.unit for p in parts} == {"1/cm"}
    low, high = asked.items[2].where.fields.interval
    assert 100 <= low < high <= 1100


def test_what_is_no_example_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match=r"Name a template with --template \(absorption_edges, ae_events"):
        draft_expectations()
    with pytest.raises(FileError, match=r"The example .*no\.tif is not there"):
        draft_expectations("defects", [tmp_path / "no.tif"])
