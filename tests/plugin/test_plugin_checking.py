"""Step 5 without a window: the numbers are the library's, the files the command's, and what cannot be told is said."""

from __future__ import annotations

import importlib.metadata
import json
import runpy
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")

from napari.components import ViewerModel
from napari_matxai.layers.images import image_layer
from napari_matxai.session.checking import Asking, LeakageQuestion
from napari_matxai.session.choice import Choice
from napari_matxai.session.drafting import DraftQuestion
from napari_matxai.session.expecting import ExpectationsQuestion
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.reporting import ExampleQuestion, ReportQuestion
from napari_matxai.session.script import write_script
from napari_matxai.session.session import Session

import matxai
from matxai.cli.main import main
from matxai.errors import Cancelled, FileError, MatxaiError
from matxai.jobs import artefacts_of_one

EXPECTED = """
version: 1
model: defects
data: set/
expectations:
  - {name: points at it, classes: all, region: {mask: any}, tolerance: 4 px, measure: pointing_game, method: saliency,
     above: 0.3}
  - {name: borders, region: {border: 8}, role: may, measure: share, method: saliency}
"""


def ask(session: Session, question):
    answer = question.run(lambda *_: None, threading.Event())
    question.show(session, answer)
    return answer


def pore() -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["swapped_bar"].paths if p.stem == "pore_black")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twelve micrographs whose bars give the class away."""
    from matxai_datasets import write

    base = tmp_path_factory.mktemp("data")
    write(base / "set", 12, seed=11, bars="by_class", per_specimen=1, size=(128, 128), test_share=0.0)
    (base / "defects.yaml").write_text(EXPECTED)
    return base


@pytest.fixture
def session() -> Session:
    made = Session(ViewerModel())
    made.choose_model("defects_leaky")
    return made


def shown(session: Session) -> None:
    data, keywords, _ = image_layer(matxai.read(pore()), "pores", str(pore()))
    session.choose_layer(session.presenter.viewer.add_image(data, **keywords))


def test_leakage_of_a_folder_is_what_the_command_writes(session, folder, tmp_path) -> None:
    heard = []
    session.judged.connect(heard.append)
    answer = ask(session, LeakageQuestion(session, Asking(folder / "set", thorough=False)))
    assert heard == [answer]
    assert session.outcome is answer
    options = ["--no-supporting", "--no-factors", "--out", str(tmp_path / "cli"), "--quiet"]
    assert main(["leakage", "defects_leaky", str(folder / "set"), *options]) in (0, 1, 3)
    theirs = json.loads((tmp_path / "cli" / "verdict.json").read_text())
    saved = answer.save(tmp_path / "mine")
    assert {"verdict.json", "report.html", "findings.csv"} <= {p.name for p in saved}
    mine = json.loads((tmp_path / "mine" / "verdict.json").read_text())
    assert mine["findings"] == theirs["findings"]
    assert mine["answer"] == theirs["answer"] == answer.answer
    assert "matxai leakage defects_leaky" in mine["repeat"]["command"]
    for row, finding in zip(answer.rows, theirs["findings"], strict=True):
        assert (row.answer, row.effect, row.p, row.n) == (
            finding["answer"], finding["effect"], finding["p"], finding["n"],
        )  # fmt: skip
        assert [row.low, row.high] == (finding["interval"] or [None, None])
        assert row.sentence == finding["sentence"]
    with pytest.raises(FileError, match="choose an empty folder"):
        answer.save(tmp_path / "mine")
    text = write_script(session.journal.entries, tmp_path / "s.py").path.read_text()
    asked = f"{str(folder / 'set')!r}, seed=0, supporting=False, factors=False)"
    assert "model = matxai.load_model('defects_leaky')" in text
    assert asked in " ".join(text.split()).replace("( ", "(").replace(", )", ")")
    example = ask(session, ExampleQuestion(answer, 0))
    image, mask = session.presenter.viewer.layers[-2:]
    assert type(mask).__name__ == "Labels"
    assert mask.data.astype(bool).sum() == example.mask.sum() > 0
    np.testing.assert_allclose(mask.extent.world, image.extent.world)


def test_one_image_says_what_it_can_and_that_it_decides_nothing(session, tmp_path, capsys) -> None:
    shown(session)
    answer = ask(session, LeakageQuestion(session, Asking()))
    alone = artefacts_of_one(matxai.load_model("defects_leaky"), matxai.read(pore()))
    assert answer.answer == "cannot tell"
    assert "One image cannot tell a leak" in answer.sentence
    assert answer.rows[0].effect == pytest.approx(alone.findings[0].verdict.effect, abs=1e-6)
    assert answer.rows[0].name == "info bar"
    assert answer.report.is_file()
    assert ask(session, ExampleQuestion(answer, 0)).mask.sum() == 160 * 20
    with pytest.raises(MatxaiError, match="Choose a line"):
        ExampleQuestion(answer, 1)
    runpy.run_path(str(write_script(session.journal.entries, tmp_path / "s.py").path))
    said = capsys.readouterr().out
    assert f"{answer.answer} {answer.sentence}" in said
    assert f"info_bar cannot tell {answer.rows[0].effect}" in said


def test_expectations_on_the_folder_and_on_the_image(session, folder, tmp_path, capsys) -> None:
    shown(session)
    file = folder / "defects.yaml"
    session.choose_model("defects")
    answer = ask(session, ExpectationsQuestion(session, Asking(folder / "set"), file))
    theirs = matxai.check(file)
    assert [(r.name, r.effect) for r in answer.rows] == [(f.name, f.verdict.effect) for f in theirs.findings]
    assert [r.answer for r in answer.rows][1] == "reported"
    assert answer.answer == theirs.answer
    worst = answer.example(0)
    numbers = {s.name: s for s in theirs.findings[0].samples}
    assert numbers[worst.name].value == min(s.value for s in numbers.values() if s.value is not None)
    assert worst.mask.any()
    assert worst.mask.shape == worst.signal.shape
    dark = np.zeros((160, 160), np.uint8)
    dark[:138] = matxai.read(pore()).values[:138] < 40
    layer = session.presenter.viewer.add_labels(dark)
    layer.scale, layer.units = session.layer.scale, session.layer.units
    one = ask(session, ExpectationsQuestion(session, Asking(), file, label="pore", mask=layer))
    assert [r.n for r in one.rows] == [1, 1]
    assert one.rows[0].answer == "holds"
    assert one.rows[0].effect == 1.0
    assert one.sentence.startswith("In this image, of 1 expectations 1 hold. One image decides nothing")
    runpy.run_path(str(write_script(session.journal.entries, tmp_path / "s.py").path))
    assert capsys.readouterr().out.count("points at it") >= 2


def test_the_report_of_the_maps_is_one_file(session, tmp_path) -> None:
    shown(session)
    with pytest.raises(MatxaiError, match="Nothing was explained yet"):
        ReportQuestion(session, tmp_path / "r.html")
    session.choose(Choice(("saliency",)))
    ask(session, ExplainQuestion(session))
    written = ask(session, ReportQuestion(session, tmp_path / "r.html"))
    text = written.read_text()
    assert "What defects_leaky looked at" in text
    assert "pores" in text
    assert "saliency" in text.lower()
    script = write_script(session.journal.entries, tmp_path / "s.py")
    written.unlink()
    runpy.run_path(str(script.path))
    assert written.is_file()


def test_a_draft_knows_the_model_and_the_image(session, tmp_path) -> None:
    shown(session)
    path = ask(session, DraftQuestion(session, tmp_path / "mine.yaml"))
    from matxai.checks.expect import read_expectations

    asked = read_expectations(path)
    assert asked.model is not None
    assert "info_bar" in path.read_text()
    with pytest.raises(FileError, match="exists"):
        ask(session, DraftQuestion(session, tmp_path / "mine.yaml"))


def test_what_is_missing_is_said_and_a_cancelled_check_leaves_nothing(session, folder) -> None:
    with pytest.raises(MatxaiError, match="Open an image first, or ask about a folder"):
        LeakageQuestion(session, Asking())
    question = LeakageQuestion(session, Asking(folder / "set"))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        question.run(lambda *_: None, stop)
    assert session.outcome is None
    with pytest.raises(MatxaiError, match="There is no"):
        LeakageQuestion(session, Asking(folder / "none")).run(lambda *_: None, threading.Event())
    session.choose_model(None)
    with pytest.raises(MatxaiError, match="Choose a model first"):
        LeakageQuestion(session, Asking(folder / "set"))
