"""Regions in real windows: draw shapes, let the bar be found, mask, see what changes; what may go wrong meanwhile."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

pytestmark = pytest.mark.window


def sample(stem: str, of: str = "defects") -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples[of].paths if p.stem == stem)


def until(condition, seconds: float = 60.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end, "it never happened"


def settle(dock) -> None:
    """Wait until nothing runs and what is drawn was measured."""
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    until(lambda: not dock.runner.busy and not dock.regions.measuring)


@pytest.fixture
def window(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    yield viewer, dock
    dock.runner.wait()


def choose(dock, model: str) -> None:
    dock.session.choose_model(model)


def explain(dock) -> None:
    from dataclasses import replace

    dock.session.choose(replace(dock.session.choice, methods=("grad_cam",)))
    dock.explain.explain()
    settle(dock)


def cells(table) -> list[list[str]]:
    return [[table.item(r, c).text() for c in range(4)] for r in range(table.rowCount())]


def test_the_info_bar_is_found_masked_and_the_leaky_twin_changes_its_mind(window) -> None:
    viewer, dock = window
    step = dock.regions
    assert not step.mask_button.isEnabled()
    assert "Open an image first" in step.hint.text()
    viewer.open(str(sample("pore_framed", "swapped_bar")), plugin="matxai")
    choose(dock, "defects_leaky")
    assert "Draw a region on the image" in step.hint.text()
    explain(dock)
    step.suggest_button.click()
    settle(dock)
    assert "Found: info bar" in step.found_text.text()
    assert step.layer_box.currentText() == "found · pore_framed.tif"
    assert step.drawn_text.text() == "1 region: 32 µm²"
    step.controls_spin.setValue(3)
    assert step.mask_button.isEnabled()
    step.mask_button.click()
    assert not step.mask_button.isEnabled()
    settle(dock)
    assert step.view.isVisible()
    assert "<b>crack</b> 99.9 % &rarr; <b>pore</b>" in step.view.headline.text()
    assert "without the info bar; another class on top under 3 of 3 fills" in step.view.headline.text()
    rows = cells(step.view.table)
    assert rows[0][0] == "crack"  # the class on top before stands first
    assert {row[0] for row in rows} == {"crack", "pore", "inclusion"}
    change = dock.session.regions.last.asked.change
    by_name = {row[0]: row for row in rows}
    assert float(by_name["crack"][3]) == pytest.approx(change.score_changes[:, change.target].mean(), abs=0.006)
    assert by_name["crack"][3].startswith("-")
    assert "It touches the border" in step.view.sentence.text()
    assert not step.view.strip.isVisible()  # a bar along the border has no controls
    assert step.view.buttons.checkedButton().text() == "Side by side"
    table = step.session.regions.layer.features
    assert table["new_top"].tolist() == ["pore"]
    # on screen the second picture stands beside the first, and goes away
    beside = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int).sum(axis=2)
    step.view.buttons.button(0).click()
    settle(dock)
    before = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int).sum(axis=2)
    middle = beside.shape[0] // 2
    lit = [np.flatnonzero(shot[middle - 20 : middle + 20].max(axis=0) > 60) for shot in (beside, before)]
    assert np.diff(lit[0]).max() > 2  # a gap between two pictures
    assert np.diff(lit[1]).max() <= 2
    # the numbers are readable in both themes
    item = next(step.view.table.item(r, 3) for r in range(3) if step.view.table.item(r, 0).text() == "crack")
    assert item.foreground().color().name() == "#ff9e64"
    viewer.theme = "light"
    item = next(step.view.table.item(r, 3) for r in range(3) if step.view.table.item(r, 0).text() == "crack")
    assert item.foreground().color().name() == "#b3410f"


def test_shapes_are_drawn_measured_and_compared_with_their_controls(window) -> None:
    viewer, dock = window
    viewer.open(str(sample("pore_black")), plugin="matxai")
    choose(dock, "defects")
    explain(dock)
    step = dock.regions
    step.draw_button.click()
    shapes = viewer.layers.selection.active
    assert type(shapes).__name__ == "Shapes"
    assert shapes.mode == "add_rectangle"
    np.testing.assert_allclose(shapes.scale, viewer.layers[0].scale)
    assert shapes.units == viewer.layers[0].units
    assert step.layer_box.currentText() == shapes.name
    shapes.add_rectangles(np.array([[52, 97], [55, 100]]))
    until(lambda: "could; its cells are" in step.drawn_text.text())
    assert "this map cannot resolve it. A map of the layer" in step.drawn_text.text()
    shapes.add_rectangles(np.array([[30, 80], [60, 110]]))
    until(lambda: step.drawn_text.text().startswith("2 regions"))
    shapes.selected_data = {1}
    step.which_box.setCurrentIndex(1)
    until(lambda: step.drawn_text.text() == "1 region: 9 µm²")
    step.controls_spin.setValue(4)
    step._offer_fills()
    for action in step.fill_menu.actions():
        action.setChecked(action.text() == "blur")
        assert action.toolTip() != action.text()  # each in plain words
    assert step.fill_button.text() == "fill: blur"
    step.mask_button.click()
    settle(dock)
    assert step.view.strip.isVisible()
    assert len(step.view.strip.controls) == 4
    assert np.isnan(shapes.features["effect"].iloc[0])
    row = shapes.features.iloc[1]
    assert (row["target"], row["fills"], row["action"], row["model"]) == ("pore", "blur", "remove", "defects")
    assert 1 <= row["rank"] <= row["of"] == 5
    # one by one, with the region that matters most in front
    step.which_box.setCurrentIndex(0)
    step.together_box.setCurrentIndex(1)
    step.mask_button.click()
    settle(dock)
    assert step.view.region_box.isVisible()
    assert step.view.region_box.currentIndex() == dock.session.regions.last.asked.shown
    said = step.view.headline.text()
    step.view.region_box.setCurrentIndex(1 - step.view.region_box.currentIndex())
    assert step.view.headline.text() != said
    # the layer goes while the question runs, and then another question has no layer
    step.mask_button.click()
    viewer.layers.remove(shapes)
    settle(dock)
    assert "Draw a region on the image" in step.hint.text()
    assert not step.mask_button.isEnabled()


def test_an_empty_layer_and_one_outside_are_a_sentence_each(window) -> None:
    viewer, dock = window
    viewer.open(str(sample("pore_black")), plugin="matxai")
    choose(dock, "defects")
    told = []
    dock.runner.failed.connect(lambda question, sentence, details: told.append(sentence))
    step = dock.regions
    step.draw_button.click()
    shapes = viewer.layers.selection.active
    settle(dock)
    assert "holds no region that is meant here" in step.drawn_text.text()
    step.mask_button.click()
    settle(dock)
    shapes.add_rectangles(np.array([[300, 300], [320, 320]]))
    step.mask_button.click()
    settle(dock)
    assert "holds no region that is meant here. Draw one" in told[0]
    assert "they lie outside or have no area. Draw one on the image." in told[1]
    assert len(viewer.layers) == 2
    assert step.mask_button.isEnabled()
