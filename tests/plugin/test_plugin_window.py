"""Real windows under an X server: open through the reader, explain, see where the map lies, cancel, save, reopen."""

from __future__ import annotations

import importlib.metadata
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

import napari_matxai
from napari_matxai.launch import open_viewer

pytestmark = pytest.mark.window


def sample(stem: str) -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["defects"].paths if p.stem == stem)


def until(condition, seconds: float = 30.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end, "it never happened"


@pytest.fixture
def window(make_napari_viewer):
    """A real viewer with the dock, as the menu makes it."""
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    assert dock.model.model_box.currentData() == "defects"  # the model that suits the sample images
    yield viewer, dock
    dock.runner.wait()


def tick(dock, *names: str) -> None:
    from qtpy.QtCore import Qt

    for i in range(dock.explain.method_list.count()):
        item = dock.explain.method_list.item(i)
        item.setCheckState(Qt.CheckState.Checked if item.text() in names else Qt.CheckState.Unchecked)


def explain(dock) -> None:
    dock.explain.run_button.click()
    until(lambda: not dock.runner.busy)


def test_from_an_image_to_a_map_that_lies_on_it(window, tmp_path) -> None:
    viewer, dock = window
    assert not dock.explain.run_button.isEnabled()
    assert "Open an image first" in dock.data.text.text()
    viewer.open(str(sample("pore_black")), plugin="matxai")
    image = viewer.layers[0]
    assert "FEI tag" in dock.data.text.text()
    tick(dock, "grad_cam", "lrp")
    assert dock.explain.run_button.isEnabled()
    explain(dock)
    assert "pore" in dock.explain.result_text.text()
    maps = [la for la in viewer.layers if la is not image]
    assert [la.name for la in maps] == ["grad_cam · pore · stages · pore_black.tif", "lrp · pore · pore_black.tif"]
    assert viewer.layers.selection.active is maps[0]
    assert [la.visible for la in maps] == [True, False]
    for layer in maps:
        np.testing.assert_allclose(layer.extent.world, image.extent.world)
        np.testing.assert_allclose(layer.scale, image.scale)
        assert layer.units == image.units
        assert tuple(layer.axis_labels) == tuple(image.axis_labels)
        assert layer.data.dtype == np.float32
        known = layer.metadata["matxai"]["explanation"]
        assert known["model"]["sha256"]
    signed = next(la for la in maps if "lrp" in la.name)
    assert signed.contrast_limits[0] == -signed.contrast_limits[1]
    # the same values as the library gives
    import matxai

    result = matxai.explain(
        matxai.load_model("defects"), matxai.read(sample("pore_black")), methods=["grad_cam", "lrp"]
    )
    cam = next(la for la in maps if "grad_cam" in la.name)
    np.testing.assert_allclose(cam.data, result["grad_cam"].values, rtol=1e-4, atol=1e-6)
    # a second run updates and does not double
    explain(dock)
    assert len(viewer.layers) == 3
    # saved and opened again, the map lies where it lay
    matxai.save(result, tmp_path / "result.nc")
    viewer.layers.clear()
    viewer.open(str(tmp_path / "result.nc"), plugin="matxai")
    assert len(viewer.layers) == 3
    np.testing.assert_allclose(viewer.layers[1].extent.world, viewer.layers[0].extent.world)


def test_what_is_seen_on_screen_changes_where_the_map_is_high(window) -> None:
    from qtpy.QtWidgets import QApplication

    viewer, dock = window
    viewer.open(str(sample("pore_black")), plugin="matxai")
    tick(dock, "grad_cam")
    for _ in range(10):
        QApplication.processEvents()
    before = viewer.screenshot(canvas_only=True, flash=False).astype(int)
    explain(dock)
    viewer.layers[-1].colorbar.visible = False
    for _ in range(10):
        QApplication.processEvents()
    after = viewer.screenshot(canvas_only=True, flash=False).astype(int)
    assert before.shape == after.shape
    changed = np.abs(after - before)[..., :3].sum(axis=2)
    cam = viewer.layers[-1].data
    peak = np.unravel_index(np.argmax(cam), cam.shape)
    corner, size = viewer.camera.center, viewer.camera.zoom
    world = np.array(viewer.layers[-1].data_to_world(peak))
    middle = np.array(changed.shape) / 2
    pixel = np.round(middle + (world - np.array(corner)[-2:]) * size).astype(int)
    near = changed[max(0, pixel[0] - 5) : pixel[0] + 6, max(0, pixel[1] - 5) : pixel[1] + 6]
    trough = np.unravel_index(np.argmin(cam), cam.shape)
    low = np.array(viewer.layers[-1].data_to_world(trough))
    far = np.round(middle + (low - np.array(corner)[-2:]) * size).astype(int)
    calm = changed[max(0, far[0] - 5) : far[0] + 6, max(0, far[1] - 5) : far[1] + 6]
    assert near.size
    assert calm.size
    assert near.mean() > 60
    assert near.mean() > 5 * calm.mean()


def test_the_dock_scrolls_to_the_answer(window) -> None:
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QScrollArea

    viewer, dock = window
    viewer.window.resize(1000, 640)
    viewer.open(str(sample("pore_black")), plugin="matxai")
    tick(dock, "grad_cam")
    area = dock.findChild(QScrollArea)

    def in_sight(part) -> bool:
        top = part.mapTo(area.viewport(), QPoint(0, 0)).y()
        return part.isVisible() and top >= 0 and top + part.height() <= area.viewport().height()

    until(lambda: area.verticalScrollBar().maximum() > 0)
    assert not in_sight(dock.explain.result_text)
    explain(dock)
    until(lambda: in_sight(dock.explain.result_text))
    dock.regions.suggest()
    until(lambda: not dock.runner.busy and in_sight(dock.regions.found_text))
    dock.explain.collapse()
    before = area.verticalScrollBar().value()
    explain(dock)  # of a step that is folded away nothing is shown
    assert area.verticalScrollBar().value() <= before


def test_cancel_stops_the_engine_and_leaves_the_model_as_it_was(window) -> None:
    viewer, dock = window
    viewer.open(str(sample("pore_black")), plugin="matxai")
    tick(dock, "grad_cam", "lrp", "saliency")
    module = dock.session.models.load("defects").module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    dock.explain.explain()
    dock.runner.cancel()
    until(lambda: not dock.runner.busy)
    assert all((module.state_dict()[k] == v).all() for k, v in before.items())
    assert all(not m._forward_hooks and not m._backward_hooks for m in module.modules())
    assert all(p.grad is None for p in module.parameters())
    tick(dock, "grad_cam")
    explain(dock)
    assert len(viewer.layers) >= 2


def test_a_layer_deleted_meanwhile_loses_nothing(window) -> None:
    viewer, dock = window
    viewer.open(str(sample("crack_framed")), plugin="matxai")
    tick(dock, "grad_cam")
    world = viewer.layers[0].extent.world
    dock.explain.explain()
    viewer.layers.clear()
    until(lambda: not dock.runner.busy)
    assert len(viewer.layers) == 1
    np.testing.assert_allclose(viewer.layers[0].extent.world, world)


def test_a_model_that_cannot_be_read_is_one_sentence(window, tmp_path) -> None:
    from napari.utils.notifications import notification_manager

    _, dock = window
    (tmp_path / "bad.pt2").write_bytes(b"nothing of the kind")
    count = dock.model.model_box.count()
    sentence = dock.model.open(tmp_path / "bad.pt2")
    notice = notification_manager.records[-1]
    assert notice.message == sentence
    assert [name for name, _ in notice.actions] == ["Copy details"]
    assert "bad.pt2" in sentence
    assert "Traceback" not in sentence
    assert dock.model.model_box.count() == count


def test_of_a_stack_the_slice_in_view_is_explained_in_its_place(window) -> None:
    from napari_matxai.layers.images import image_layer
    from napari_matxai.presenter import Presenter

    import matxai

    viewer, dock = window
    plane = matxai.read(sample("pore_black"))
    from matxai.signals import labelled

    stack = labelled(
        np.stack([plane.values] * 4),
        ("z", "y", "x"),
        spacing={"z": 2.0, **{d: float(plane[d][1] - plane[d][0]) for d in ("y", "x")}},
        units={"z": plane.y.attrs["units"], **{d: plane[d].attrs["units"] for d in ("y", "x")}},
    )
    Presenter(viewer).add(image_layer(stack, "stack"))
    viewer.dims.set_point(0, 4.0)
    tick(dock, "grad_cam")
    explain(dock)
    layer = viewer.layers[-1]
    assert layer.data.shape[0] == 1
    assert layer.translate[0] == pytest.approx(4.0)
    np.testing.assert_allclose(layer.extent.world[:, 1:], viewer.layers[0].extent.world[:, 1:])


def test_matxai_view_opens_files_with_the_dock() -> None:
    viewer, dock = open_viewer([sample("crack_plain")], model="cracks")
    try:
        assert viewer.layers[0].name == "crack_plain.tif"
        assert dock.model.model_box.currentData() == "cracks"
        assert "segmentation" in dock.model.text.text()
    finally:
        dock.close()
        viewer.close()
    assert napari_matxai.__name__ == "napari_matxai"


def test_a_dock_that_napari_takes_away_lets_go_of_the_viewer_and_of_the_session(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    events = viewer.layers.events
    before = len(events.inserted.callbacks)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    session = dock.session
    assert len(events.inserted.callbacks) > before
    viewer.window.remove_dock_widget(dock)
    until(lambda: len(events.inserted.callbacks) == before)
    assert [len(s) for s in (session.layer_changed, session.explained, session.looked, session.judged)] == [0] * 4
    viewer.add_image(np.zeros((8, 9)))  # nobody of ours is asked any more
    _, again = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    assert again.session is session
    assert again.data.layer_box.count() == 1


def test_a_window_that_is_closed_leaves_nobody_who_listens(make_napari_viewer) -> None:
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    session, steps = dock.session, dock.steps  # who holds the dock, as a console may, holds no listeners
    signals = (session.layer_changed, session.model_changed, session.choice_changed, session.explained, session.judged)
    assert all(len(s) for s in signals)
    viewer.close()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    until(lambda: not any(len(s) for s in signals))
    session.model_changed.emit()  # as a change of the preferences does
    assert len(steps) == 5
