"""`--methods all` on real files: every method that the project has is done, or left out with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from matxai.explanation import provenance
from matxai.jobs import Options, expand, explain_files
from matxai.methods.method import methods
from matxai.modelcard import Model, load_model

#: Too few copies for good maps, and enough for every method to run.
BUDGET = 40


def spectrum_model(folder: Path) -> Model:
    """An untrained residual classifier of spectra, as a card."""
    from matxai_models.networks import DefectResNet
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = DefectResNet(3, 1, "1d").eval()
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "weights.safetensors")
    (folder / "matxai.yaml").write_text(
        "version: 1\nname: spectra\ntask: classification\nclasses: [a, b, c]\nweights: weights.safetensors\n"
        "architecture: matxai:defect_resnet\ninput: {kind: 1d, channels: 1, size: [256], scale: image}\n",
        encoding="utf-8",
    )
    return load_model(folder)


def explained(model: Model, path: Path, out: Path) -> dict[str, np.ndarray]:
    found, failures = expand([str(path)], model.kind)
    assert not failures
    options = Options(("all",), evidence=False, figures=(), budget=BUDGET)
    run = explain_files(model, found, out, options)
    assert run.report is not None
    (done,) = run.done
    shown = {str(v.attrs["method"]): v.values for v in done.explanation.data_vars.values()}
    assert set(shown) | set(run.left_out) >= set(methods)
    assert all(len(why.split()) > 5 for why in run.left_out.values())
    assert provenance(done.explanation)["left_out"] == run.left_out
    for name in methods:
        if name in shown:
            assert np.isfinite(shown[name]).any(), name
    return {name: values for name, values in shown.items() if name in methods}


@pytest.mark.timeout(120)
def test_a_real_picture_of_steel(data_dir: Path, tmp_path: Path) -> None:
    path = min((data_dir / "xsdd_steel_strip").rglob("*.jpg"))
    maps = explained(load_model("defects"), path, tmp_path / "out")
    assert set(maps) == set(methods)  # a residual net with global pooling allows every method


@pytest.mark.timeout(120)
def test_a_real_spectrum_of_energy_losses(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "em_raw_formats" / "digitalmicrograph" / "1D" / "test-EELS_spectrum.dm3"
    card = tmp_path / "card"
    card.mkdir()
    maps = explained(spectrum_model(card), path, tmp_path / "out")
    assert set(maps) == set(methods)
    assert {values.shape for values in maps.values()} == {(2048,)}
