"""Recipes on spectra of the user: chosen classes, spectra of no class, patterns from CIF files, a real round robin."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matxai_models.measured_spectra import chosen_classes, moved
from matxai_models.recipe import Settings
from matxai_models.recipes.diffraction import LATTICE, simulated
from matxai_models.train import main, train

import matxai
from matxai.errors import FileError, ModelError
from matxai.reference.cif import read_cif


def test_classes_are_labels_or_several_labels_under_one_name() -> None:
    found = chosen_classes(["calcite=n+s", "PST"], ["PST", "n", "s", "Si"])
    assert found == {"calcite": ("n", "s"), "PST": ("PST",)}
    with pytest.raises(ModelError, match=r"No class of the data is called 'PTS'\. Did you mean 'PST'"):
        chosen_classes(["PTS", "n"], ["PST", "n"])
    with pytest.raises(ModelError, match="'n' is in two of the classes"):
        chosen_classes(["a=n+s", "b=n"], ["n", "s"])
    with pytest.raises(ModelError, match="two classes or more, and 1 would be told apart"):
        chosen_classes(["n"], ["n", "s"])


def test_a_spectrum_that_is_moved_far_is_of_no_class_and_one_that_is_moved_little_keeps_its_own() -> None:
    x = torch.zeros(200, 1, 100)
    x[..., 50] = 1.0
    y = torch.full((200,), 2)
    got, classes = moved(x, y, np.random.default_rng(0), jitter=3, least=20)
    steps = got[:, 0].argmax(dim=1) - 50
    assert torch.equal(got.sum(dim=(1, 2)), torch.ones(200))
    assert set(classes.tolist()) == {-1, 2}
    assert int(steps[classes == 2].abs().max()) == 3
    assert int(steps[classes == -1].abs().min()) >= 20


def test_classes_that_are_fixed_cannot_be_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert main(["phases", "--out", str(tmp_path), "--classes", "a,b"]) == 2
    assert "The classes of the recipe 'phases' are fixed; those of diffraction, raman may be chosen." in caplog.text
    with pytest.raises(ModelError, match="'diffraction' trains on a folder of CIF files; give it with --data"):
        train("diffraction", tmp_path / "out")
    with pytest.raises(FileError, match=r"There is no CIF file in .*; the recipe 'diffraction' trains on one"):
        train("diffraction", tmp_path / "out", Settings(data=tmp_path))


@pytest.mark.data
def test_a_simulated_pattern_has_its_strongest_line_where_bragg_says(data_dir: Path) -> None:
    crystal = read_cif(data_dir / "xrd_limntiof" / "References" / "MnO_225.cif")
    axis, counts = simulated(crystal, np.random.default_rng(1))
    wanted = 2 * np.degrees(np.arcsin(1.54056 / crystal.cell[0]))  # 2 0 0: d = a / 2
    slack = 2 * np.degrees(LATTICE * np.tan(np.radians(wanted / 2))) + 0.15
    assert abs(axis[int(counts.argmax())] - wanted) < slack


@pytest.mark.data
def test_a_small_run_on_cif_files_writes_a_card_that_reads_a_measured_pattern(data_dir: Path, tmp_path: Path) -> None:
    source, data = data_dir / "xrd_limntiof", tmp_path / "data"
    data.mkdir()
    for name in ("References/MnO_225.cif", "References/TiO2_141.cif", "Spectra/MnO.xy"):
        shutil.copy(source / name, data)
    folder = train("diffraction", tmp_path / "model", Settings(data=data, images=8, epochs=2))
    model = matxai.load_model(folder)
    assert model.classes == ("MnO_225", "TiO2_141")
    figures = json.loads((folder / "measured.json").read_text())
    assert figures["accuracy"]["n"] == 2 * 6
    assert list(figures["measured_patterns"]) == ["MnO.xy"]
    assert matxai.explain(model, matxai.read(data / "MnO.xy", axis="two_theta"), methods=["lrp"]) is not None
    assert "--images 8 --epochs 2" in (model.source or "")
