"""A blind reading in the viewer: nothing on it names the model, and afterwards it is as it was."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")

from napari.components import ViewerModel
from napari_matxai.session import blind
from napari_matxai.session.blind import BlindQuestion, Pair, Sitting
from napari_matxai.session.script import write_script
from napari_matxai.session.session import Session

from matxai.errors import MatxaiError


@pytest.fixture(scope="module")
def small() -> object:
    """A reading of six cases, made as the dock makes twenty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blind, "CASES", 6)
        patch.setattr(blind, "MADE", 9)
        session = Session(ViewerModel())
        return BlindQuestion(session, Pair(seed=4)).run(lambda *_: None, threading.Event())


def test_the_viewer_shows_the_maps_and_nothing_that_names_the_model(small) -> None:
    session = Session(ViewerModel())
    viewer = session.presenter.viewer
    own = viewer.add_image(np.zeros((4, 5)), name="mine")
    other = viewer.add_image(np.zeros((4, 5)), name="hidden", visible=False)
    sitting = Sitting(session, small)
    sitting.begin()
    for number, case in enumerate(small.cases, start=1):
        image, shown = viewer.layers[-2:]
        assert [own.visible, other.visible, image.visible, shown.visible] == [False, False, True, True]
        assert len(viewer.layers) == 4
        np.testing.assert_array_equal(image.data, case.signal.values)
        np.testing.assert_array_equal(shown.data, case.explanation["grad_cam"].values)
        np.testing.assert_allclose(shown.extent.world, image.extent.world)
        assert (image.name, shown.name) == (f"case {number}", "map")
        for layer in (image, shown):
            told = repr(layer.metadata)
            assert not any(word in told for word in ("defects", "leaky", "sha256", case.name))
        assert session.presenter.images() == [own, other]
        assert sitting.said == case.said
        sitting.answer(leaky=case.leaky, sure="I am sure")
    assert sitting.done
    assert list(viewer.layers) == [own, other]
    assert [own.visible, other.visible] == [True, False]
    assert sitting.result().right == 6
    assert sitting.result().p == pytest.approx(0.5**6)


def test_a_reading_that_is_stopped_leaves_nothing_whatever_was_deleted_meanwhile(small) -> None:
    session = Session(ViewerModel())
    viewer = session.presenter.viewer
    own = viewer.add_image(np.zeros((4, 5)))
    sitting = Sitting(session, small)
    sitting.begin()
    viewer.layers.remove(viewer.layers[-1])
    sitting.answer(leaky=True)
    viewer.layers.clear()
    sitting.answer(leaky=True)
    sitting.end()
    assert list(viewer.layers) == []
    del own


def test_the_script_makes_the_same_cases_and_counts_the_same_answers(small, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(blind, "MADE", 9)
    session = Session(ViewerModel())
    sitting = Sitting(session, small, Pair(seed=4))
    sitting.begin()
    for number, case in enumerate(small.cases):
        assert session.journal.entries == []
        sitting.answer(leaky=case.leaky if number else not case.leaky)
    write_script(session.journal.entries, tmp_path / "read.py")
    names = runpy.run_path(str(tmp_path / "read.py"))
    assert [c.name for c in names["reading"].cases] == [c.name for c in small.cases]
    for again, case in zip(names["reading"].cases, small.cases, strict=True):
        np.testing.assert_allclose(again.explanation.grad_cam, case.explanation.grad_cam, atol=1e-6)
    assert sitting.result().right == 5
    assert capsys.readouterr().out.strip() == sitting.result().sentence


def test_two_models_are_two_models() -> None:
    with pytest.raises(MatxaiError, match="Choose two different models"):
        BlindQuestion(Session(ViewerModel()), Pair("defects", "defects"))


@pytest.mark.window
def test_the_answers_end_in_a_result_that_can_be_saved(make_napari_viewer, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("qtpy")
    import time

    from qtpy.QtWidgets import QApplication

    monkeypatch.setattr(blind, "CASES", 3)
    monkeypatch.setattr(blind, "MADE", 5)
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Blind reading")
    dock.start_button.click()
    end = time.monotonic() + 60
    while dock.runner.busy or dock.sitting is None:
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end
    assert dock.case_text.text() == "Case 1 of 3"
    for case in dock.sitting.reading.cases:
        assert case.said in dock.what_text.text()
        (dock.leaky_button if case.leaky else dock.sound_button).click()
    assert dock.light.word.text() == "3 of 3 right"
    assert dock.light.sign.kind == "open"
    assert "no number of right answers is beyond guessing" in dock.light.sentence.text()
    assert dock.by_sureness.text().startswith("Where you said 'I think so': 3 of 3 right.\nWhat misled")
    dock.save(tmp_path / "blind.csv")
    assert (tmp_path / "blind.csv").read_text().count("yes") == 3
    assert len(viewer.layers) == 0
    dock.runner.wait()
