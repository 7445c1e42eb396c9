"""Explaining files: everything is written, bad files do not stop the others, and nothing is computed twice."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import matxai
from matxai.errors import Cancelled, FileError
from matxai.jobs import Options, expand, explain_files

QUICK = Options(methods=("grad_cam",), evidence=False)


@pytest.fixture(scope="module")
def model():
    return matxai.load_model("defects")


@pytest.fixture
def images(tmp_path) -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    folder = tmp_path / "images"
    folder.mkdir()
    for path in samples["defects"].paths[:2]:
        shutil.copy(path, folder)
    return folder


def run(model, images, out, options=QUICK, **kwargs):
    inputs, failures = expand([images])
    return explain_files(model, inputs, out, options, failures=failures, **kwargs)


def test_everything_that_is_promised_is_written(model, images, tmp_path) -> None:
    done = run(model, images, tmp_path / "out", Options(("grad_cam", "saliency"), controls=3, figures=("png", "svg")))
    assert done.report == tmp_path / "out" / "report.html"
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert set(table["file"]) == {p.name for p in images.iterdir()}
    parquet = pd.read_parquet(tmp_path / "out" / "table.parquet")
    assert list(parquet.columns) == list(table.columns)
    for column in ("score", "share_positive", "effect", "area_um2"):
        np.testing.assert_allclose(parquet[column].astype(float), table[column].astype(float))
    for one in done.done:
        names = {p.name for p in one.folder.iterdir()}
        assert {"explanation.nc", "result.json", "grad_cam.tif", "grad_cam.png", "saliency.svg"} <= names
        again = matxai.load(one.folder / "explanation.nc")
        assert again.identical(one.explanation)
        signal = matxai.read(one.folder / "grad_cam.tif")
        assert signal.dtype == np.float32
        np.testing.assert_allclose(signal.y, one.explanation.y, rtol=1e-6)
        assert {e["method"] for e in one.evidence} == {"grad_cam", "saliency"}
        assert all(e["n_controls"] == 3 for e in one.evidence if "top_drop" in e)


def test_a_second_run_takes_up_what_is_finished_and_redoes_what_changed(model, images, tmp_path) -> None:
    out = tmp_path / "out"
    run(model, images, out)
    again = run(model, images, out)
    assert [d.seconds for d in again.done] == [0.0, 0.0]
    first = min(images.iterdir())
    values = tifffile.imread(first)
    tifffile.imwrite(first, values[::-1])
    third = run(model, images, out)
    assert [d.seconds > 0 for d in third.done] == [True, False]
    assert all(d.seconds > 0 for d in run(model, images, out, Options(("saliency",), evidence=False)).done)


def test_a_broken_record_is_made_anew(model, images, tmp_path) -> None:
    out = tmp_path / "out"
    done = run(model, images, out)
    (done.done[0].folder / "result.json").write_text("{", encoding="utf-8")
    assert [d.seconds > 0 for d in run(model, images, out).done] == [True, False]


def test_bad_files_are_named_and_the_rest_is_done(model, images, tmp_path) -> None:
    (images / "empty.tif").write_bytes(b"")
    (images / "text.tif").write_text("no picture")
    tifffile.imwrite(images / "nan.tif", np.full((160, 160), np.nan, np.float32))
    done = run(model, images, tmp_path / "out")
    assert len(done.done) == 2
    assert {name for name, _ in done.failures if "tif" in name} >= {"nan.tif"}
    assert len(done.failures) == 3
    html = done.report.read_text(encoding="utf-8")
    assert "nan.tif" in html
    assert "empty.tif" in html


def test_without_one_usable_file_there_is_one_sentence(model, tmp_path) -> None:
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(FileError, match="None of the inputs could be explained"):
        run(model, tmp_path / "a.tif", tmp_path / "out")


def test_a_folder_that_refuses_is_told_before_anything_is_computed(model, images, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        run(model, images, tmp_path / "file" / "out")


def test_a_folder_that_refuses_half_way_keeps_what_is_finished(model, images, tmp_path, monkeypatch) -> None:
    import matxai.signals.writing as writing

    original, calls = writing.write_tiff, []

    def full(path, array, **kwargs):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return original(path, array, **kwargs)

    monkeypatch.setattr(writing, "write_tiff", full)
    out = tmp_path / "out"
    done = run(model, images, out)
    assert len(done.done) == 1
    assert "No space left on device" in done.failures[0][1]
    monkeypatch.undo()
    assert [d.seconds > 0 for d in run(model, images, out).done] == [False, True]


def test_a_cancelled_run_keeps_what_is_finished(model, images, tmp_path) -> None:
    cancel, out = threading.Event(), tmp_path / "out"

    def progress(done: int, total: int, label: str) -> None:
        if done == 1:
            cancel.set()

    with pytest.raises(Cancelled):
        run(model, images, out, progress=progress, cancel=cancel)
    assert [d.seconds > 0 for d in run(model, images, out).done] == [False, True]


def test_all_means_all_that_apply_and_says_what_was_left_out(model, images, tmp_path) -> None:
    from matxai.methods.method import methods

    done = run(model, min(images.iterdir()), tmp_path / "out", Options(("all",), evidence=False, figures=()))
    shown = {str(v.attrs["method"]) for v in done.done[0].explanation.data_vars.values()}
    assert shown | set(done.left_out) >= set(methods)
    assert "grad_cam" in shown
    assert all(why for why in done.left_out.values())


def test_the_command_line_does_the_same(images, tmp_path, capsys) -> None:
    from matxai.cli.main import main

    argv = ["explain", "defects", str(images), "--methods", "grad_cam", "--controls", "2", "--out", str(tmp_path / "o")]
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["results"]) == 2
    assert Path(document["report"]).is_file()
    assert main([*argv, "--target", "poer"]) == 2
    error = capsys.readouterr().err
    assert "pore" in error
    assert "Traceback" not in error
    assert main([*argv, "--figures", "gif"]) == 2
    assert main(["explain", "defects", str(images), "--methods", "gradcam", "--out", str(tmp_path / "p")]) == 2
    assert "Did you mean 'grad_cam'" in capsys.readouterr().err
