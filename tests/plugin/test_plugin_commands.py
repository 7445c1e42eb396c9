"""What the menus offer, done in a real window: on the dock of the viewer in front."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

pytestmark = pytest.mark.window


def until(condition, seconds: float = 90.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)
        assert time.monotonic() < end, "it never happened"


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer(show=True)
    yield made
    dock = dock_of(made)
    if dock is not None:
        dock.runner.wait()


def dock_of(viewer):
    from napari_matxai.widgets.dock import MatxaiDock

    found = [w.inner_widget() for w in viewer.window._wrapped_dock_widgets.values()]
    return next((w for w in found if isinstance(w, MatxaiDock)), None)


def command(name: str) -> None:
    """Do what an item of a menu does."""
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command(f"matxai.{name}").result()


def told() -> str:
    from napari.utils.notifications import notification_manager

    return str(notification_manager.records[-1].message)


def in_menu(menu: str) -> set[str]:
    from napari._app_model import get_app_model

    found = set()
    for item in get_app_model().menus.get_menu(menu):
        found.add(item.submenu if hasattr(item, "submenu") else item.command.id)
    return found


def test_commands_lie_in_the_menus_and_open_the_dock_they_need(viewer) -> None:
    assert "matxai_visualize" in in_menu("napari/layers/visualize")
    assert in_menu("matxai_visualize") == {
        "matxai.explain_image",
        "matxai.explain",
        "matxai.spectra",
        "matxai.blind",
    }
    assert "matxai.mask_info_bar" in in_menu("napari/layers/data")
    assert "matxai.suggest_regions" in in_menu("napari/layers/annotate")
    assert {"matxai.compare_expectations", "matxai.check_leakage"} <= in_menu("napari/layers/measure")
    assert dock_of(viewer) is None
    command("explain_image")
    assert "Open an image first" in told()
    dock = dock_of(viewer)
    assert dock is not None
    command("check_leakage")
    assert dock_of(viewer) is dock
    assert dock.check.question_box.currentData() == "leakage"


def test_a_sample_is_explained_saved_and_opened_again_from_the_menus(viewer, tmp_path) -> None:
    from matxai.explanation import load

    viewer.open_sample("matxai", "info_bar")
    command("explain_image")
    dock = dock_of(viewer)
    until(lambda: not dock.runner.busy)
    maps = [la for la in viewer.layers if "explanation" in la.metadata["matxai"]]
    assert maps
    np.testing.assert_allclose(maps[0].extent.world, viewer.layers[0].extent.world)
    viewer.layers.selection = set(maps)
    (path,) = viewer.layers.save(str(tmp_path / "crack.nc"), selected=True)
    assert set(load(path).data_vars)
    command("compare_expectations")
    assert "Choose a file of expectations" in told()
    before = len(viewer.layers)
    viewer.open(path, plugin="matxai")
    assert len(viewer.layers) == before + 1 + len(maps)
    # another sample brings its own model into the dock
    viewer.open_sample("matxai", "ct_crack")
    assert dock.session.source == dock.model.model_box.currentData() == "cracks"


def test_the_info_bar_is_masked_and_the_model_asked_again_from_the_menu(viewer) -> None:
    command("mask_info_bar")
    assert "Open an image first" in told()
    viewer.open_sample("matxai", "info_bar")
    command("mask_info_bar")
    dock = dock_of(viewer)
    until(lambda: dock.session.regions.last is not None and not dock.runner.busy)
    asked = dock.session.regions.last
    assert asked.model.name == "defects"
    labels = next(la for la in viewer.layers if type(la).__name__ == "Labels")
    mask = np.asarray(labels.data) > 0
    assert mask[140:160].all()
    assert not mask[:140].any()
    assert asked.masks.regions[0].kind == "info_bar"


def test_where_there_is_no_info_bar_it_is_said_and_nothing_is_masked(viewer) -> None:
    viewer.open_sample("matxai", "cracks")
    command("mask_info_bar")
    dock = dock_of(viewer)
    until(lambda: not dock.runner.busy)
    assert "Not found in crack plain: " in told()
    assert dock.session.regions.last is None
    command("suggest_regions")
    until(lambda: not dock.runner.busy)
    assert "Nothing was found that is not of the specimen" in dock.regions.found_text.text()


def test_a_spectrum_opens_its_dock_and_adds_no_layer(viewer, tmp_path) -> None:
    from napari_matxai.widgets.spectra.dock import SpectraDock

    np.savetxt(tmp_path / "a.xy", np.c_[np.linspace(10, 80, 71), np.ones(71)])
    viewer.open(str(tmp_path / "a.xy"), plugin="matxai")
    assert len(viewer.layers) == 0
    docks = [w.inner_widget() for w in viewer.window._wrapped_dock_widgets.values()]
    (dock,) = [w for w in docks if isinstance(w, SpectraDock)]
    assert [s.name for s in dock.session.curves.spectra] == ["a.xy"]
    viewer.open(str(tmp_path / "a.xy"), plugin="matxai")
    assert len(dock.session.curves.spectra) == 2
