"""Real windows: one question at a time, cancel in the middle, memory, live as the hand moves, notices, closing."""

from __future__ import annotations

import gc
import importlib.metadata
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

from napari_matxai.session.choice import Choice
from napari_matxai.widgets.progress import said
from napari_matxai.widgets.running import Runner, _jobs

import matxai
from matxai.errors import Cancelled, MatxaiError

pytestmark = pytest.mark.window


def sample(stem: str) -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["defects"].paths if p.stem == stem)


def until(condition, seconds: float = 30.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        time.sleep(0.005)
        assert time.monotonic() < end, "it never happened"


@pytest.fixture
def window(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    yield viewer, dock
    dock.runner.wait()


class Asked:
    """A question that waits until it is let go on."""

    title = "wait"

    def __init__(self, log, *, quiet=False, error=None):
        self.log, self.quiet, self.error = log, quiet, error
        self.go, self.began = threading.Event(), threading.Event()

    def run(self, progress, cancel):
        self.began.set()
        progress(1, 4, "a quarter")
        while not self.go.wait(0.005):
            if cancel.is_set():
                raise Cancelled("Cancelled.")
        if self.error is not None:
            raise self.error
        return self

    def show(self, session, answer):
        self.log.append(answer)


@pytest.fixture
def runner(qtbot):
    made = Runner(None)
    yield made
    made.wait()


def test_one_at_a_time_the_last_wish_counts_and_the_background_gives_way(runner):
    shown, cancelled = [], []
    runner.cancelled.connect(cancelled.append)
    background = Asked(shown, quiet=True)
    runner.follow(background)
    assert not runner.busy
    assert runner.computing
    first = Asked(shown)
    runner.start(first)  # a background question is no reason to refuse
    assert runner.busy
    until(first.began.is_set)
    assert cancelled == [background]
    with pytest.raises(RuntimeError, match="under way"):
        runner.start(Asked(shown))
    late, last = Asked(shown), Asked(shown)
    runner.replace(late)
    runner.replace(last)
    last.go.set()
    until(lambda: not runner.computing)
    assert shown == [last]
    assert cancelled == [background, first]


def test_live_wishes_wait_for_what_is_under_way_and_the_last_one_counts(runner):
    shown = []
    user, one, two = Asked(shown), Asked(shown, quiet=True), Asked(shown, quiet=True)
    runner.start(user)
    runner.follow(one)
    runner.follow(two)
    for question in (user, one, two):
        question.go.set()
    until(lambda: not runner.computing)
    assert shown == [user, two]


def test_two_docks_share_one_engine(qtbot):
    here, there, shown = Runner(None), Runner(None), []
    first, second = Asked(shown), Asked(shown)
    here.start(first)
    until(first.began.is_set)
    there.start(second)
    time.sleep(0.15)
    assert not second.began.is_set()
    first.go.set()
    until(second.began.is_set)
    second.go.set()
    until(lambda: not there.busy)
    assert shown == [first, second]


def of_a_slot(error):
    """Return what a signal raises whose slot raised an error."""
    from psygnal import Signal

    class Emitter:
        signal = Signal()

    def slot():
        raise error

    emitter = Emitter()
    emitter.signal.connect(slot)
    with pytest.raises(Exception, match="does not fit") as raised:
        emitter.signal.emit()
    assert raised.value is not error
    return raised.value


def test_what_goes_wrong_is_a_sentence_with_details_and_no_error_is_held(runner, monkeypatch):
    told = []
    monkeypatch.setattr("napari_matxai.widgets.running.tell", lambda *words: told.append(words))
    for error, sentence in (
        (MatxaiError("This does not fit."), "This does not fit."),
        (MemoryError(), "There is not enough memory for this. Explain a smaller image, or fewer methods at once."),
        (KeyError("x"), "A fault in matxai itself: KeyError: 'x'"),
        (of_a_slot(MatxaiError("This does not fit.")), "This does not fit."),  # not psygnal's page on its own ways
        (ValueError("one\ntwo"), "A fault in matxai itself: ValueError: one"),
    ):
        question = Asked([], error=error)
        question.go.set()
        runner.start(question)
        until(lambda: not runner.computing)
        assert told[-1][0] == sentence
        assert "Traceback" in told[-1][1]
    good = Asked(shown := [])
    good.go.set()
    runner.start(good)
    until(lambda: not runner.computing)
    assert shown == [good]  # the session goes on


def test_times_are_said_as_people_say_them():
    assert [said(s) for s in (0.2, 4.2, 75, 4000)] == ["1 s", "5 s", "1 min 15 s", "1 h 7 min"]


def held_by(module) -> tuple[int, int]:
    """Tensors that are alive, and hooks on a module."""
    import torch

    gc.collect()
    alive = sum(1 for o in gc.get_objects() if issubclass(type(o), torch.Tensor))
    return alive, sum(len(m._forward_hooks) + len(m._backward_hooks) for m in module.modules())


def test_cancel_in_the_middle_stops_the_engine_and_gives_memory_and_hooks_back(window):
    viewer, dock = window
    viewer.open(str(sample("pore_black")), plugin="matxai")
    session = dock.session
    model = session.models.load("defects")
    dock.explain.ask()
    until(lambda: session.look is not None and not dock.runner.computing)
    matxai.forget(model)
    before, state = held_by(model.module), {k: v.clone() for k, v in model.module.state_dict().items()}
    dock.explain.options_form.budget.value = 4000
    dock.explain.method_list.choose(["rise"])
    dock.explain._choose()
    seen = []
    dock.runner.progressed.connect(lambda *told: seen.append(told))
    dock.explain.run_button.click()
    until(lambda: len([s for s in seen if s[1] > 10 and s[0] > 1]) > 2)
    assert dock.progress.isVisible()
    assert not dock.explain.run_button.isEnabled()
    pressed = time.monotonic()
    dock.progress.cancel_button.click()
    assert dock.progress.label.text().startswith("stopping")
    until(lambda: not dock.runner.busy)
    assert time.monotonic() - pressed < 5.0
    assert not dock.progress.isVisible()
    assert dock.explain.run_button.isEnabled()
    assert len(viewer.layers) == 1
    after = held_by(model.module)
    assert after[1] == before[1]
    assert after[0] <= before[0] + len(state)
    assert all((model.module.state_dict()[k] == v).all() for k, v in state.items())


def test_live_in_a_window_follows_slices_and_classes(window):
    from napari_matxai.layers.images import image_layer

    from matxai.signals import labelled

    viewer, dock = window
    planes = [matxai.read(sample(s)) for s in ("pore_black", "crack_plain")]
    unit = planes[0].y.attrs["units"]
    stack = labelled(
        np.stack([p.values for p in planes]), ("z", "y", "x"),
        spacing={"z": 1.0, "y": 0.1, "x": 0.1}, units=dict.fromkeys("zyx", unit),
    )  # fmt: skip
    image = dock.session.presenter.add(image_layer(stack, "stack"))
    viewer.dims.set_point(0, 0.0)
    dock.explain.live_box.setChecked(True)

    def settled() -> bool:
        return len(viewer.layers) == 2 and not dock.runner.computing

    until(settled)
    layer = next(la for la in viewer.layers if la is not image)
    model = dock.session.model
    for point in (1.0, 0.0, 1.0):
        viewer.dims.set_point(0, point)
        until(lambda at=point: layer.translate[0] == pytest.approx(at) and settled())
        expected = matxai.explain(model, stack.isel(z=int(point)), ["grad_cam"])
        np.testing.assert_allclose(layer.data[0], expected["grad_cam"], rtol=1e-4, atol=1e-6)
    box = dock.explain.target_box
    box.setCurrentIndex(box.findData("pore"))
    expected = matxai.explain(model, stack.isel(z=1), ["grad_cam"], target="pore")["grad_cam"].values
    until(lambda: settled() and np.allclose(layer.data[0], expected, rtol=1e-4, atol=1e-6))
    dock.explain.tree.tick("stem")
    until(lambda: settled() and "stem" in layer.name)
    assert dock.session.choice == Choice(("grad_cam",), "pore", ("stem",), dock.explain.extent_form.extent(),
                                         dock.explain.options_form.options())  # fmt: skip
    dock.explain.live_box.setChecked(False)


def test_the_button_of_a_notice_copies_its_details(window):
    from napari._qt.dialogs.qt_notification import NapariQtNotification
    from napari_matxai.widgets.notices import COPY, tell
    from qtpy.QtWidgets import QApplication, QPushButton

    viewer, _ = window

    def notices():
        return viewer.window._qt_window.findChildren(NapariQtNotification)

    tell("One sentence.", "Traceback: here")
    until(lambda: notices())
    (button,) = [b for b in notices()[-1].findChildren(QPushButton) if b.text() == COPY]
    button.click()
    assert QApplication.clipboard().text() == "One sentence.\n\nTraceback: here"


def test_a_viewer_that_is_closed_while_it_runs_stops_the_engine(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    viewer.open(str(sample("pore_black")), plugin="matxai")
    dock.session.models.load("defects")
    dock.explain.options_form.budget.value = 4000
    dock.explain.method_list.choose(["rise"])
    dock.explain._choose()
    seen = []
    dock.runner.progressed.connect(lambda *told: seen.append(told))
    dock.explain.run_button.click()
    until(lambda: len(seen) > 3)
    thread = next(t for t in threading.enumerate() if t.name == "matxai: explain")
    module = dock.session.model.module
    del dock
    viewer.close()
    thread.join(10)
    assert not thread.is_alive()
    until(lambda: not _jobs or all(not j.thread_.is_alive() for j in _jobs))
    assert all(not m._forward_hooks for m in module.modules())
