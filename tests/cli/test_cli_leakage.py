"""``matxai leakage`` from the command line: verdicts on twins, exit codes, files, one sentence for bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from defusedxml import ElementTree
from matxai_datasets.writing import write

from matxai.cli.commands.leakage import exit_code
from matxai.cli.main import main

BARE = ["--artefacts", "info_bar", "--no-supporting", "--no-factors"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twenty-four images in eight specimens, whose bars give the class away."""
    base = tmp_path_factory.mktemp("leakage")
    return write(base / "set", 24, seed=11, bars="by_class", per_specimen=3, size=(128, 128))


@pytest.fixture
def few(tmp_path) -> Path:
    """Twelve images, each of a specimen of its own."""
    return write(tmp_path / "few", 12, seed=3, bars="by_class", per_specimen=1, size=(128, 128))


@pytest.fixture(scope="module")
def leaky(folder) -> tuple[int, Path]:
    """Exit code and outputs of the check of the leaky twin."""
    out = folder.parent / "leaky"
    line = ["leakage", "defects_leaky", str(folder), "--split", "all", "--out", str(out), "--artefacts", "info_bar"]
    return main([*line, "--methods", "grad_cam", "--no-factors"]), out


def test_the_leaky_twin_is_convicted_of_its_bar(leaky):
    code, out = leaky
    assert code == 1
    record = json.loads((out / "verdict.json").read_text())
    assert record["format"] == "matxai-verdict"
    assert record["answer"] == "leak"
    (bar,) = (f for f in record["findings"] if f["name"] == "info_bar")
    assert bar["answer"] == "leak"
    assert bar["interval"][0] > 0.15
    assert bar["groups"] == 8
    assert bar["detail"]["exchange"]["smallest_p"] < 0.05
    assert {s["name"] for s in bar["detail"]["supporting"]} >= {"removal", "artefact_only"}
    assert record["repeat"]["command"].startswith("matxai leakage defects_leaky")
    assert len(record["repeat"]["hashes"]["data"]) == 64
    suite = ElementTree.parse(out / "junit.xml").getroot()[0]
    assert int(suite.get("failures")) == 1
    table = pd.read_csv(out / "findings.csv")
    assert table.loc[0, "finding"] == "info_bar"
    assert table.loc[0, "answer"] == "leak"
    assert len(pd.read_parquet(out / "findings.parquet")) == len(table)


def test_its_report_shows_the_strongest_images_before_and_after(leaky):
    page = (leaky[1] / "report.html").read_text()
    text = page.split("</style>")[1]
    assert '<p class="word">Leak</p>' in text
    assert text.count("The strongest: images/") == 2
    assert "and no longer" in text
    assert text.count('<img src="data:image/jpeg;base64,') >= 6
    assert text.index("The model reads what is not of the specimen: info bar") < text.index(
        "Tests beside it: none of them convicts alone"
    )


def test_the_sound_twin_is_not_convicted_and_programs_get_json(folder, tmp_path, capsys):
    line = ["leakage", "defects", str(folder), "--split", "all", *BARE, "--out", str(tmp_path), "--json"]
    code = main(line)
    document = json.loads(capsys.readouterr().out)
    assert "supporting" not in document["findings"][0]["detail"]
    assert (code, document["answer"]) in {(0, "not seen"), (3, "cannot tell"), (0, "suspicious")}
    (bar,) = (f for f in document["findings"] if f["name"] == "info_bar")
    assert bar["interval"][1] < 0.15
    assert Path(document["files"]["report"]).is_file()


def test_in_python_it_is_the_same_call_and_twelve_images_tell_nothing(few, tmp_path):
    import matxai

    seen: list[tuple[int, int, str]] = []
    found = matxai.leakage("defects_leaky", few, split="all", supporting=False, progress=lambda *s: seen.append(s))
    assert found.answer == "cannot tell"
    assert "takes at least 59" in next(f for f in found.findings if f.name == "info_bar").verdict.sentence
    assert seen[0][2] == "reading"
    assert list(tmp_path.iterdir()) == [few]  # nothing is written where nobody named a folder


def test_exit_codes_follow_the_answer_in_all():
    answers = ("leak", "suspicious", "cannot tell", "not seen", "unreachable")
    assert [exit_code(a, strict=False) for a in answers] == [1, 0, 3, 0, 0]
    assert [exit_code(a, strict=True) for a in answers] == [1, 1, 1, 0, 0]


def test_bad_files_are_named_and_the_rest_is_done_remedy_included(few, tmp_path, capsys):
    broken = min((few / "images").iterdir())
    broken.write_bytes(b"II*\0")
    out = tmp_path / "o"
    cleaned = tmp_path / "cleaned"
    keep = ["--remedy", str(cleaned), "--retrain", "head"]
    line = ["leakage", "defects_leaky", str(few), "--split", "all", "--out", str(out), *BARE, *keep]
    assert main(line) == 3
    said = capsys.readouterr().out
    assert broken.name in said
    assert said.startswith("cannot tell")
    table = pd.read_csv(out / "findings.csv")
    assert table.loc[table["kind"] == "file", "finding"].tolist() == [f"images/{broken.name}"]
    page = (out / "report.html").read_text()
    assert broken.name in page
    assert "The remedy" in page
    assert "remedy: " in said
    assert len(pd.read_csv(cleaned / "labels.csv")) == 11


def _bad(kind: str, folder: Path, base: Path) -> list[str]:
    """Data that cannot be, and what is said of them."""
    if kind == "one class":
        for path in sorted((folder / "images").glob("*crack*"))[:3]:
            (base / "crack").mkdir(exist_ok=True)
            shutil.copy(path, base / "crack")
        return ["All images are of one class, 'crack'"]
    if kind == "empty class":
        for name in ("crack", "pore", "inclusion"):
            (base / name).mkdir()
            if name != "pore":
                shutil.copy(next((folder / "images").glob(f"*{name}*")), base / name)
        return ["The class 'pore' of the model 'defects' has no image"]
    if kind == "unknown class":
        (base / "cracks").mkdir()
        shutil.copy(next((folder / "images").glob("*crack*")), base / "cracks")
        return ["'cracks'", "Did you mean 'crack'?"]
    if kind == "nothing readable":
        (base / "labels.csv").write_text("file,class\na.tif,crack\nb.tif,pore\n")
        return ["None of the files", "There is no file"]
    (base / "crack").mkdir()
    (base / "pore").mkdir()
    (base / "inclusion").mkdir()
    for name in ("crack", "pore", "inclusion"):
        tifffile.imwrite(base / name / "stack.tif", np.zeros((7, 40, 40), np.uint8), photometric="minisblack")
    return ["None of the files"]


@pytest.mark.parametrize("kind", ["one class", "empty class", "unknown class", "nothing readable", "stacks"])
def test_bad_data_are_one_sentence_and_exit_code_2(kind, folder, tmp_path, capsys):
    base = tmp_path / "data"
    base.mkdir()
    words = _bad(kind, folder, base)
    assert main(["leakage", "defects", str(base), "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err.strip()
    assert all(w in said for w in words), said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "o" / "verdict.json").exists()


def test_a_model_that_is_no_classifier_is_named_before_the_data(tmp_path, capsys):
    assert main(["leakage", "cracks", str(tmp_path), "--out", str(tmp_path / "o")]) == 2
    assert "Leakage is asked of a classifier; the model 'cracks' is for segmentation." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--group", "specimn"], "no column 'specimn' for the groups"),
        (["--split", "tset"], "has no split 'tset'. Did you mean 'test'?"),
        (["--artefacts", "infobar"], "no kind of artefact 'infobar'. Did you mean 'info_bar'?"),
        (["--methods", "gradcam"], "no method 'gradcam'. Did you mean 'grad_cam'"),
        (["--margin", "0"], "margin"),
        (["--layers", "fetures"], "The model has no layer 'fetures'."),
        (["--layers", "-1", "--no-supporting"], "Layers are those of the CAMs among the supporting tests"),
        (["--layers", "-1", "--methods", "lrp"], "Layers are those of CAMs, and none is among the methods (lrp)"),
        (["--limit", "much"], "--limit much is no size"),
        (["--device", "gpu7"], "gpu7"),
        (["--remedy", "."], "no earlier remedy; name a new folder"),
        (["--retrain", "recipe"], "--retrain recipe is about a cleaned set; name its folder with --remedy DIR"),
        (["--remedy", "new", "--retrain", "haed"], "cannot be retrained by 'haed'. Did you mean 'head'?"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_code_2(options, words, folder, tmp_path, capsys):
    assert main(["leakage", "defects", str(folder), "--out", str(tmp_path / "o"), *options]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--margin", "0"], "margin is a share between 0 and 1, as in margin=0.05; it is 0.0."),
        (["--margin", "0.2"], "it lies below the threshold of a leak, 0.15"),
        (["--methods", "gradcam"], "no method 'gradcam'"),
    ],
)
def test_options_are_checked_before_a_file_is_read(options, words, tmp_path, capsys):
    import matxai

    assert main(["leakage", "no_such_model.pt", str(tmp_path / "nothing"), *options]) == 2
    assert words in capsys.readouterr().err
    asked = {options[0][2:]: [options[1]] if options[0] == "--methods" else float(options[1])}
    with pytest.raises(matxai.errors.MatxaiError, match=words.replace(".", r"\.")):
        matxai.leakage("no_such_model.pt", tmp_path / "nothing", **asked)


def test_an_interrupt_ends_with_130_and_says_what_is_kept(folder, tmp_path, capsys, monkeypatch):
    import matxai.checks.leak.examining as module

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_asked", stopped)
    out = tmp_path / "o"
    assert main(["leakage", "defects", str(folder), "--out", str(out)]) == 130
    assert "a verdict needs the whole set, so none was written" in capsys.readouterr().err
    assert not (out / "verdict.json").exists()
