"""The Spectra dock in a real window: files open in it, curves take colour, zones are dragged, pixels are clicked."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")
pytest.importorskip("pyqtgraph", reason="the Spectra dock draws with pyqtgraph")

import matxai
from matxai.modelcard.finding import shipped_paths
from matxai.signals import labelled

pytestmark = pytest.mark.window


def settle(turns: int = 8) -> None:
    from qtpy.QtWidgets import QApplication

    for _ in range(turns):
        QApplication.processEvents()
        time.sleep(0.01)


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        settle(1)
        assert time.monotonic() < end, "it never happened"
    settle()


@pytest.fixture
def window(make_napari_viewer):
    """A real viewer; the dock as the menu makes it."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 900)
    found = []

    def dock():
        if not found:
            found.append(viewer.window.add_plugin_dock_widget("matxai", "Spectra")[1])
            settle()
        return found[0]

    yield viewer, dock
    for one in found:
        if one._links:  # else it was taken away
            one.close()


def painted(dock) -> np.ndarray:
    """The plot as it is on screen, ``(height, width, 3)``."""
    from qtpy.QtGui import QImage

    image = dock.plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(bytes(image.constBits()), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def at(dock, place: float, height: float) -> tuple[int, int]:
    """Row and column of a place of the plot."""
    point = dock.plot.mapFromScene(dock.plot.main.vb.mapViewToScene(SimplePoint(place, height)))
    return point.y(), point.x()


def SimplePoint(x: float, y: float):
    from qtpy.QtCore import QPointF

    return QPointF(x, y)


def test_a_file_becomes_a_curve_in_the_colours_of_what_decided(window, data_dir) -> None:
    viewer, dock = window
    viewer.open(str(data_dir / "xrd_limntiof" / "Spectra" / "TiO2.xy"), plugin="matxai")
    settle()
    spectra = dock()
    assert len(viewer.layers) == 0
    chosen = spectra.curves.chosen
    assert chosen.name == "TiO2.xy"
    assert spectra.spectra.kind_box.isVisibleTo(spectra.spectra)
    assert not spectra.run_button.isEnabled()
    assert "Say first what the axis is" in spectra.explain.result.text()
    spectra.curves.say_axis(chosen, "two_theta")
    spectra.curves.say_wavelength(chosen, 1.54056)
    assert spectra.curves.model == "phases"
    spectra.lines.add_reference("TiO2 (anatase)")
    settle()
    before = painted(spectra)
    assert spectra.run_button.isEnabled()
    spectra.run_button.click()
    until(lambda: not spectra.runner.busy)
    assert "anatase" in spectra.explain.result.text()
    spectra.curves.refer(())  # the same rows as before, but for the strips
    after = painted(spectra)
    lane = spectra.drawn.lanes[0]
    top = int(np.nanargmax(lane.values))
    row, column = at(spectra, lane.places[top], lane.heights[top])
    near = after[row - 4 : row + 12, column - 4 : column + 5].reshape(-1, 3)
    redness = (near[:, 0] - near[:, 1:].max(axis=1)).max()
    assert redness > 60  # what spoke for the class is red
    calm = int(np.argmin(np.abs(lane.places - 96.0)))  # beyond what the network got
    row, column = at(spectra, lane.places[calm], lane.heights[calm])
    patch = after[row - 4 : row + 5, column - 6 : column + 7].reshape(-1, 3)
    assert (patch.max(axis=1) - patch.min(axis=1)).max() < 40  # grey
    assert (before[..., 0] - before[..., 1:].max(axis=2)).max() < 60  # nothing red before it was asked


def test_zones_are_dragged_on_any_axis_and_masked(window) -> None:
    _, dock = window
    spectra = dock()
    from napari_matxai.session.curves.spectrum import Spectrum

    path = shipped_paths()["phases"] / "reference_input.xy"
    chosen = spectra.curves.add(Spectrum(matxai.read(path), "pattern", str(path)))
    spectra.curves.draw(axis="q")
    spectra.zones.add_button.click()
    assert len(spectra.plot.zones.items) == 1
    spectra.plot.zones.items[0].setRegion((2.0, 2.5))
    (zone,) = chosen.intervals
    q = [4 * np.pi * np.sin(np.radians(t / 2)) / 1.54056 for t in (zone.low, zone.high)]
    np.testing.assert_allclose(q, (2.0, 2.5), atol=2e-3)
    spectra.zones.again_button.click()
    until(lambda: not spectra.runner.busy)
    table = spectra.zones.changes
    cells = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount())]
    expected = sorted(chosen.again.rows, key=lambda r: -r.probability_before)
    assert [(name, before, after) for name, before, after, _ in cells] == [
        (r.name, f"{100 * r.probability_before:.1f} %", f"{100 * r.probability_after:.1f} %") for r in expected
    ]
    assert len(cells) == 3
    assert any("zones masked" in s.name for s in spectra.drawn.strips)
    module = spectra.session.models.load("phases").module
    assert all(not m._forward_hooks and not m._backward_hooks for m in module.modules())


def test_a_click_into_a_spectrum_image_shows_its_spectrum_and_map(window) -> None:
    viewer, dock = window
    from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
    from napari_matxai.layers.images import image_layer

    spectra = dock()
    signal = matxai.read(shipped_paths()["phases"] / "reference_input.xy")
    factors = 1 + np.arange(6.0).reshape(2, 3)
    made = labelled(
        signal.values[:, None, None] * factors,
        ("two_theta", "y", "x"),
        coords={"two_theta": signal.two_theta.values, "y": 5 * np.arange(2.0), "x": 5 * np.arange(3.0)},
        units={"two_theta": "degree", "y": "nm", "x": "nm"},
        attrs={"wavelength": 1.54056},
    )
    spectra.session.presenter.add(image_layer(made, "map"))
    spectra.curves.ask(methods=("lrp",))

    def click(world) -> None:
        event = SimpleNamespace(button=1, modifiers=(), position=world, pos=(3, 3), type="mouse_press", handled=False)
        mouse_press_callbacks(viewer, event)
        event.type = "mouse_release"
        mouse_release_callbacks(viewer, event)

    click((20.0, 5.0, 10.0))
    until(lambda: not spectra.runner.busy)
    chosen = spectra.curves.chosen
    assert chosen.name == "map [y 1, x 2]"
    np.testing.assert_array_equal(chosen.signal.values, made.values[:, 1, 2])
    alone = matxai.explain(matxai.load_model("phases"), made.isel(y=1, x=2, drop=True), methods=["lrp"])
    np.testing.assert_allclose(spectra.drawn.lanes[0].values, alone["lrp"].values, rtol=1e-4, atol=1e-7)
    viewer.dims.set_point(0, 45.0)
    assert spectra.plot.marker.isVisible()
    assert spectra.plot.marker.value() == pytest.approx(45.0)
    ends = len(viewer.mouse_drag_callbacks)
    viewer.window.remove_dock_widget(spectra)  # as napari's x does: nothing is closed
    assert len(viewer.mouse_drag_callbacks) == ends - 1
    settle()


def test_the_plot_follows_the_theme_and_nothing_is_cut_in_a_small_dock(window) -> None:
    viewer, dock = window
    spectra = dock()
    from napari_matxai.session.curves.spectrum import Spectrum
    from qtpy.QtGui import QFontMetrics

    path = shipped_paths()["phases"] / "reference_input.xy"
    spectra.curves.add(Spectrum(matxai.read(path), "pattern", str(path)))
    settle()
    for theme, dark in (("light", False), ("dark", True)):
        viewer.theme = theme
        settle()
        corner = painted(spectra)[3, 3]
        assert (corner.mean() < 100) == dark
        assert abs(np.mean(spectra.theme.ink) - np.mean(spectra.theme.ground)) > 100
    frame = spectra.parent()
    frame.setFloating(True)
    frame.resize(400, 340)
    settle()
    assert spectra.width() <= 400
    assert spectra.height() <= 320
    assert spectra.graph.isVisible()
    assert not spectra.pages.isVisible()
    assert spectra.plot.main.vb.height() >= 90
    spectra.options.setChecked(True)
    settle()
    assert not spectra.graph.isVisible()
    for page in (spectra.spectra, spectra.explain, spectra.zones, spectra.lines):
        spectra.pages.setCurrentWidget(page)
        settle(2)
        for one in page.findChildren(type(spectra.run_button)):
            if one.isVisible():
                assert QFontMetrics(one.font()).horizontalAdvance(one.text()) <= one.width(), one.text()


def test_what_does_not_fit_is_one_sentence_and_the_session_goes_on(window) -> None:
    from napari.utils.notifications import notification_manager
    from napari_matxai.session.curves.spectrum import Spectrum
    from napari_matxai.session.shelf import Arrival, shelf

    viewer, dock = window
    spectra = dock()
    said: list[str] = []
    notification_manager.notification_ready.connect(lambda notice: said.append(notice.message))
    shelf.put(Arrival(labelled(np.ones(20, complex), ("energy",)), "transmission"))
    assert any("complex numbers" in s for s in said)
    far = labelled(np.ones(200), ("two_theta",), coords={"two_theta": np.linspace(120, 150, 200)})
    far.two_theta.attrs["units"] = "degree"
    spectra.curves.add(Spectrum(far.assign_attrs(wavelength=1.54056), "far"))
    spectra.run_button.click()
    until(lambda: not spectra.runner.busy)
    assert len(said) == 2
    assert "Nothing of far lies where the network looks: the signal was resampled from 200 points" in said[1]
    path = shipped_paths()["phases"] / "reference_input.xy"
    spectra.curves.add(Spectrum(matxai.read(path), "pattern", str(path)))
    spectra.run_button.click()
    until(lambda: not spectra.runner.busy)
    assert spectra.curves.chosen.explained is not None
    del viewer
