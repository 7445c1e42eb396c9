"""`matxai explain` on spectra: zones as tables and in the report, references, contrasts, everything that applies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import matxai
from matxai import plot
from matxai.cli.main import main
from matxai.errors import FileError, MatxaiError
from matxai.jobs import Options, expand, explain_files
from matxai.jobs.curves import style_of
from matxai.jobs.explaining import default_methods
from matxai.jobs.zoning import stages
from matxai.reference import powder_lines, structure
from matxai.signals import labelled

AXIS = np.round(np.arange(20, 80, 0.1), 4)


def pattern(name: str, seed: int) -> np.ndarray:
    lines = powder_lines(structure(name), two_theta=(20.0, 80.0)).lines
    level = 80 + sum(12 * x.intensity * np.exp(-4 * np.log(2) * ((AXIS - x.position) / 0.4) ** 2) for x in lines)
    return np.random.default_rng(seed).poisson(level)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("patterns")
    for name in ("Si", "Ge"):
        (where / name).mkdir()
        for k in range(2):
            rows = np.column_stack([AXIS, pattern(name, k)])
            np.savetxt(where / name / f"{name}{k}.csv", rows, "%.8g", ",", header="2theta,counts", comments="")
    return where


@pytest.fixture(scope="module")
def model() -> matxai.Model:
    """Templates: counts where silicon has lines less counts where germanium has them, behind two strides."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 4, 5, padding=2), nn.ReLU(),
        nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4 * 150, 2),
    )  # fmt: skip
    x = torch.from_numpy(np.stack([pattern(n, s) for s in range(10, 14) for n in ("Si", "Ge")])).float()[:, None] / 500
    y = torch.tensor([0, 1] * 4)
    steps = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(40):
        steps.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        steps.step()
    return matxai.load_model(net.eval(), kind="1d", channels=1, classes=["Si", "Ge"], scale="none", mean=[0.0],
                             std=[500.0], axis={"name": "two_theta"})  # fmt: skip


def test_zones_are_written_with_the_reference_and_the_contrast(
    model: matxai.Model, folder: Path, tmp_path: Path
) -> None:
    inputs, failures = expand([folder / "Si" / "Si0.csv"], "1d")
    assert not failures
    methods = default_methods(model, contrast=True)
    assert methods == ("grad_cam", "multilayer_grad_cam", "lrp", "input_x_gradient", "deep_lift:mean")
    options = Options(methods, figures=(), controls=5, references=("Si",), contrast=str(folder / "Ge"))
    run = explain_files(model, inputs, tmp_path, options)
    table = pd.read_csv(tmp_path / "zones.csv")
    again = pd.read_parquet(tmp_path / "zones.parquet")
    assert list(again.columns) == list(table.columns)
    np.testing.assert_allclose(again["share_positive"].astype(float), table["share_positive"])
    assert set(table["method"]) == {"all methods", *methods}
    redrawn = table[(table["method"] == "lrp") & (table["kind"] == "peak")]
    assert (redrawn["draws"] == 50).all()
    assert redrawn["share_positive_error"].notna().all()
    peaks = redrawn[~redrawn["absent"]]
    assert {"Si 1 1 1", "Si 2 2 0", "Si 3 1 1"} <= set(peaks["assignment"])
    assert table["absent"].any()  # germanium's lines
    tops = peaks.loc[peaks["removal_effect"].idxmax()]
    assert tops["rank_background"] == 1
    lines = pd.read_csv(tmp_path / "expected_lines.csv")
    assert set(lines["answer"]) <= {"relevant", "ignored"}  # all of them lie on the axis of the network
    assert "1 1 1" in set(lines["label"])
    page = run.report.read_text(encoding="utf-8")
    assert "Which zones decided" in page
    assert "What Si expects" in page
    record = json.loads((run.done[0].folder / "result.json").read_text())
    assert record["zones"]["how"] == "peaks"


def test_two_phases_are_told_apart_in_the_tables_the_report_and_the_plot(
    model: matxai.Model, folder: Path, tmp_path: Path
) -> None:
    inputs, _ = expand([folder / "Si" / "Si0.csv"], "1d")
    options = Options(("lrp",), evidence=False, redraws=0, references=("Si", "Ge"))
    run = explain_files(model, inputs, tmp_path, options)
    lines = pd.read_csv(tmp_path / "expected_lines.csv")
    assert sorted(set(lines["reference"].str.partition(" ")[0])) == ["Ge", "Si"]
    assert {"Si 1 1 1", "Si 2 2 0"} <= set(pd.read_csv(tmp_path / "zones.csv")["assignment"].dropna())
    page = run.report.read_text(encoding="utf-8") if run.report else ""
    assert "What Si expects" in page
    assert "What Ge expects" in page
    assert "no peak: Ge " in page
    figure = plot(run.done[0].explanation, style=style_of(options, inputs[0].load()))
    assert [a.get_label() for a in figure.axes if a.get_label().startswith("sticks")] == ["sticks Si", "sticks Ge"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--doublet", "13.6"], "--doublet 13.6 is no pair of peaks. Write their distance and how far it may be off"),
        (["--band", "a:b"], "--band a:b is no band of frequency. Write its two ends: --band 5e4:2e5."),
        (["--span", "20"], "--span 20 is no part of an axis. Write its two ends: --span 20:60."),
    ],
)
def test_two_numbers_that_are_none_are_said(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "phases", str(folder / "Si" / "Si0.csv"), *words]) == 2
    assert said in capsys.readouterr().err


def test_doublets_and_the_edge_may_be_named_on_the_command_line(
    model: matxai.Model, folder: Path, tmp_path: Path
) -> None:
    from matxai.cli.commands.explain import _again
    from matxai.jobs.zoning import table_of

    signal = expand([folder / "Si" / "Si0.csv"], "1d")[0][0].load()
    explained = matxai.explain(model, signal, methods=["lrp"], target="Si")
    distance = 47.30 - 28.44
    options = Options(("lrp",), evidence=False, redraws=0, doublets=((distance, 0.3),))
    found = table_of(model, explained, options)
    assert not isinstance(found, str | None)
    pair = next(z for z in found.zones if z.kind == "doublet")
    assert (pair.left < 28.44, pair.right > 47.3) == (True, True)
    edge = table_of(model, explained, Options(("lrp",), evidence=False, redraws=0, e0=47.0))
    assert not isinstance(edge, str | None)
    assert edge.how == "edge"
    others = dict.fromkeys(("slices", "dataset", "axis", "wavelength", "arch", "limit", "out", "command", "trust"))
    again = _again(
        "m", ["a.xy"], Options(doublets=((13.6, 0.5), (3.1, 0.2)), e0=7112.0, references=("Si", "Ge")), **others
    )
    assert "--doublet 13.6:0.5 --doublet 3.1:0.2 --e0 7112.0" in again
    assert "--reference Si --reference Ge" in again


def test_everything_that_applies_runs_on_a_spectrum_and_a_fused_cam_has_its_layers(
    model: matxai.Model, folder: Path, tmp_path: Path
) -> None:
    inputs, _ = expand([folder / "Ge" / "Ge0.csv"], "1d")
    assert stages(model, inputs[0].load()) == ["0", "3"]
    options = Options(("all",), figures=(), evidence=False, budget=8)
    run = explain_files(model, inputs, tmp_path, options)
    done = set(pd.read_csv(tmp_path / "zones.csv")["method"]) - {"all methods"}
    from matxai.methods.method import methods

    assert done | set(run.left_out) >= set(methods)
    assert {"lrp", "grad_cam", "multilayer_grad_cam", "occlusion", "kernel_shap"} <= done
    assert not isinstance(run.done[0].zones, str)


def test_what_a_waveform_is_told_by_are_bands() -> None:
    time = np.arange(512) * 1e-6
    net = nn.Sequential(
        nn.Conv1d(1, 4, 9, padding=4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    model = matxai.load_model(net.eval(), kind="1d", channels=1, classes=["a", "b"], scale="none")
    from matxai.jobs.zoning import table_of

    wave = labelled(np.sin(2 * np.pi * 1e5 * time), ("time",), coords={"time": time}, units={"time": "s"})
    explained = matxai.explain(model, wave, methods=["lrp", "grad_cam"], target="a")
    found = table_of(model, explained, Options(bands=((0, 8e4), (8e4, 1.2e5))), methods=["lrp", "grad_cam"])
    assert found is not None
    assert not isinstance(found, str)
    assert (found.axis, found.unit, found.how) == ("frequency", "Hz", "bands")
    assert {s.method for z in found.zones for s in z.shares} == {"all methods", "lrp"}
    assert [(z.left, z.right) for z in found.zones if z.kind == "band"] == [(0, 8e4), (8e4, 1.2e5)]


def test_a_reference_or_contrast_that_is_none_is_said(model: matxai.Model, folder: Path, tmp_path: Path) -> None:
    inputs, _ = expand([folder / "Si" / "Si0.csv"], "1d")
    with pytest.raises(FileError, match="cannot be used"):
        explain_files(model, inputs, tmp_path, Options(("lrp",), contrast=str(tmp_path / "nowhere")))
    with pytest.raises(MatxaiError, match="Sii"):
        explain_files(model, inputs, tmp_path, Options(("lrp",), figures=(), evidence=False, references=("Sii",)))
