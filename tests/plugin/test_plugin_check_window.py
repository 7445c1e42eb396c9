"""Step 5 in a real window: what cannot run says why; the answer is a sign, a word and a sentence; tables are copied."""

from __future__ import annotations

import importlib.metadata
import time

import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

from napari_matxai.session.outcome import Outcome, Row, new_folder

pytestmark = pytest.mark.window


def until(condition, seconds: float = 60.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end, "it never happened"


def colour_of(widget) -> set[str]:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_the_step_from_nothing_to_a_saved_report(make_napari_viewer, tmp_path) -> None:
    from napari_matxai.widgets.light import COLOURS
    from qtpy.QtWidgets import QApplication

    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    step = dock.check
    assert not step.run_button.isEnabled()
    assert "Open an image first" in step.hint.text()
    step.of_box.setCurrentIndex(1)
    assert "Choose the folder" in step.hint.text()
    step.data.set(tmp_path)
    assert step.run_button.isEnabled()
    step.question_box.setCurrentIndex(1)
    assert "Choose a file of expectations" in step.hint.text()
    step.question_box.setCurrentIndex(0)
    step.of_box.setCurrentIndex(0)
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    viewer.open(str(samples["swapped_bar"].paths[0]), plugin="matxai")
    dock.session.choose_model("defects_leaky")
    step.run_button.click()
    assert dock.runner.busy
    assert not step.run_button.isEnabled()
    until(lambda: not dock.runner.busy)
    assert step.light.word.text() == "Cannot tell"
    assert "One image cannot tell a leak" in step.light.sentence.text()
    assert COLOURS["open"] in colour_of(step.light.sign)
    assert step.table.number() == 0
    assert "info bar takes up" in step.detail.text()
    step.save(tmp_path / "kept")
    assert (tmp_path / "kept" / "verdict.json").is_file()
    assert "are saved in" in step.said.text()
    step.copy_button.click()
    head, line = QApplication.clipboard().text().split("\n")
    assert head.split("\t")[0] == "Asked about"
    assert line.startswith("info bar\tCannot tell\t")
    # the signs differ in shape and colour, the table sorts by value with what is unknown last
    rows = (
        Row("a", "holds", None, None, None, None, 5, "one"),
        Row("b", "broken", 0.9, 0.5, 1.0, 0.01, 6, "two"),
        Row("c", "suspicious", 0.1, 0.0, 0.2, 0.2, 7, "three"),
    )
    seen = []
    for answer, kind in (("leak", "fails"), ("suspicious", "suspicious"), ("not seen", "passes")):
        dock.session.judge(Outcome("?", answer, "because", rows, new_folder()))
        assert COLOURS[kind] in colour_of(step.light.sign)
        seen.append(step.light.word.text())
    assert seen == ["Leak", "Suspicious", "Not seen"]
    from qtpy.QtCore import Qt

    step.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert [line.split("\t")[0] for line in step.table.as_text().split("\n")[1:]] == ["c", "b", "a"]
    step.table.selectRow(1)
    assert step.detail.text() == "two"
    dock.runner.wait()
