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
    text = done.report.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "map lies inside the info bar, which is 12 % of the picture" in text
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


def test_a_result_whose_maps_are_gone_is_made_anew(model, images, tmp_path) -> None:
    out = tmp_path / "out"
    done = run(model, images, out)
    (done.done[1].folder / "explanation.nc").unlink()
    assert [d.seconds > 0 for d in run(model, images, out).done] == [False, True]


def test_a_sidecar_with_another_calibration_counts_as_a_change(model, images, tmp_path) -> None:
    out, first = tmp_path / "out", min(images.iterdir())
    run(model, images, out)
    first.with_suffix(".txt").write_text("$CM_MAG 100\n")
    assert [d.seconds > 0 for d in run(model, images, out).done] == [True, False]


def test_files_of_an_earlier_choice_go_and_those_of_others_stay(model, images, tmp_path) -> None:
    out = tmp_path / "out"
    done = run(model, images, out)
    folder = done.done[0].folder
    (folder / "notes.txt").write_text("mine")
    run(model, images, out, Options(("saliency",), evidence=False))
    names = {p.name for p in folder.iterdir()}
    assert "grad_cam.png" not in names
    assert {"saliency.png", "saliency.tif", "notes.txt"} <= names


def test_a_record_names_nothing_outside_its_folder(model, images, tmp_path) -> None:
    out = tmp_path / "out"
    done = run(model, images, out)
    precious = tmp_path / "out" / "precious.txt"
    precious.write_text("stay")
    record = done.done[0].folder / "result.json"
    content = json.loads(record.read_text())
    content["files"] += ["../../precious.txt", str(precious)]
    content["key"] = "another"
    record.write_text(json.dumps(content))
    run(model, images, out)
    assert precious.read_text() == "stay"


def test_one_scale_over_all_inputs_and_the_numbers_behind(model, images, tmp_path) -> None:
    options = Options(("saliency",), evidence=False, csv=True, common_scale=True)
    done = run(model, images, tmp_path / "out", options)
    from matxai.jobs.outputs import shared_limits

    limits = shared_limits([d.explanation for d in done.done], options)["saliency"]
    assert limits[1] == max(shared_limits([d.explanation], options)["saliency"][1] for d in done.done)
    for one in done.done:
        numbers = pd.read_csv(one.folder / "saliency.csv")
        np.testing.assert_allclose(numbers.iloc[:, -1].sum(), float(one.explanation["saliency"].sum()), rtol=1e-4)
        assert (one.folder / "saliency.png").is_file()
        assert "saliency.png" in json.loads((one.folder / "result.json").read_text())["files"]


def test_an_unknown_method_or_class_is_said_once_before_anything_is_written(model, images, tmp_path) -> None:
    from matxai.errors import MethodError, TargetError

    with pytest.raises(MethodError, match="Did you mean 'grad_cam'"):
        run(model, images, tmp_path / "out", Options(("gradcam",)))
    with pytest.raises(TargetError, match="Did you mean 'pore'"):
        run(model, images, tmp_path / "out", Options(("grad_cam",), target="poer"))
    assert not (tmp_path / "out").exists()
    (tmp_path / "bad.tif").write_bytes(b"")
    with pytest.raises(FileError):
        run(model, tmp_path / "bad.tif", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_reaches_the_engine(model, images, tmp_path) -> None:
    labels: list[str] = []
    run(model, images, tmp_path / "out", progress=lambda done, total, label: labels.append(label))
    assert any(": " in label for label in labels)


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
    for name in ("a", "b"):
        (tmp_path / f"{name}.tif").write_bytes(b"")
    with pytest.raises(FileError, match=r"^a\.tif is empty"):
        run(model, tmp_path / "a.tif", tmp_path / "out")
    inputs, failures = expand([tmp_path / "a.tif", tmp_path / "b.tif"])
    with pytest.raises(FileError, match="None of the inputs could be explained"):
        explain_files(model, inputs, tmp_path / "out", QUICK, failures=failures)
    with pytest.raises(FileError, match="nothing to explain"):
        explain_files(model, [], tmp_path / "out", QUICK)


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


def test_the_command_line_does_the_same(images, tmp_path, capsys) -> None:
    from matxai.cli.main import main

    argv = ["explain", "defects", str(images), "--methods", "grad_cam", "--controls", "2", "--out", str(tmp_path / "o")]
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["results"]) == 2
    assert Path(document["report"]).is_file()
    text = Path(document["report"]).read_text(encoding="utf-8")
    assert "--methods grad_cam" in text
    assert "--controls 2" in text
    assert main([*argv, "--layers", "-1"]) == 0
    capsys.readouterr()
    assert main(argv) == 0
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "taken up from an earlier run" in said
    assert "inside the info bar" in said
    assert main([*argv, "--target", "poer"]) == 2
    error = capsys.readouterr().err
    assert "pore" in error
    assert "Traceback" not in error
    assert main([*argv, "--figures", "gif"]) == 2
    assert main(["explain", "defects", str(images), "--methods", "gradcam", "--out", str(tmp_path / "p")]) == 2
    assert "Did you mean 'grad_cam'" in capsys.readouterr().err
