"""How napari responds with the plugin: its start, the event loop while a long explanation runs, the live map's cost.

It asserts nothing and needs a screen (``xvfb-run -a -s "-screen 0 1280x1024x24"``).

- start: in fresh processes, a napari window by itself, and then the dock; and whether the dock imported torch.
- stall: the longest gap between two turns of the event loop, seen by a timer of 1 ms: while napari adds a layer of its
  own, while torch and a model are loaded, while several methods run on an image of 512 x 512 pixels, when their maps
  are shown.
- live: from the event that another slice is in view to the new data of the map's layer, beside the bare call of
  ``matxai.explain`` on the same slice, and beside what napari needs to draw another slice with the live map off. The
  processor's time of what the plugin does, without any drawing, stands beside that.

    python tests/benchmarks/plugin_responses.py
    python tests/benchmarks/plugin_responses.py --only stall,live --slices 6
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("start", "stall", "live")
AIMS = {"start": 0.2, "stall": 33.0, "live": 1.3}
METHODS = ("grad_cam", "lrp", "smooth_grad", "integrated_gradients", "occlusion", "lime", "kernel_shap")

START = """
import json, sys, time
began = time.perf_counter()
import napari
from qtpy.QtCore import QEventLoop, QTimer
def turn():
    loop = QEventLoop()
    QTimer.singleShot(0, loop.quit)
    loop.exec()
viewer = napari.Viewer(show=True)
turn()
napari_s = time.perf_counter() - began
before = set(sys.modules)
began = time.perf_counter()
viewer.window.add_plugin_dock_widget("matxai", "Explain")
turn()
dock_s = time.perf_counter() - began
new = {m.split(".")[0] for m in set(sys.modules) - before}
print(json.dumps({"napari": napari_s, "dock": dock_s, "torch": "torch" in sys.modules, "new": sorted(new)}))
viewer.close()
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", default=",".join(PARTS), help="which parts, with commas")
    add("--rounds", type=int, default=3, help="fresh processes for the start")
    add("--slices", type=int, default=20, help="slices that the live map follows")
    add("--size", type=int, default=512, help="pixels along each side of an image")
    add("--methods", default=",".join(METHODS), help="of the long explanation")
    add("--model", default="defects")
    add("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


def start(rounds: int) -> dict[str, Any]:
    """Open napari and then the dock, in fresh processes."""
    found = []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    ratio = statistics.median(f["dock"] / f["napari"] for f in found)
    print(f"start: napari {statistics.median(f['napari'] for f in found):.2f} s, ", end="")
    print(
        f"dock {statistics.median(f['dock'] for f in found):.2f} s, ratio {ratio:.3f} (aim {AIMS['start']}), ", end=""
    )
    print(f"torch imported: {any(f['torch'] for f in found)}; new packages: {', '.join(found[0]['new'])}")
    return {"runs": found, "ratio": ratio, "torch": any(f["torch"] for f in found)}


class Probe:
    """The gaps between the turns of the event loop."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.gaps: list[float] = []
        self._last: float | None = None
        self._timer = QTimer()
        self._timer.setInterval(1)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.gaps.append(now - self._last)
        self._last = now

    def during(self, begin: Callable[[], Any], over: Callable[[], bool]) -> float:
        """Return the longest gap in ms from the call of ``begin`` in the loop until ``over`` says so."""
        from qtpy.QtCore import QTimer

        self.gaps, self._last = [], time.perf_counter()
        self._timer.start()
        begun: list[bool] = []
        QTimer.singleShot(0, lambda: (begin(), begun.append(True)))
        wait(lambda: bool(begun) and over())
        self._timer.stop()
        return 1000 * max(self.gaps)


def wait(over: Callable[[], bool]) -> None:
    """Run the event loop until something holds."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, timer = QEventLoop(), QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: loop.quit() if over() else None)
    timer.start()
    loop.exec()
    timer.stop()


def window() -> tuple[Any, Any]:
    """Return a viewer and its dock."""
    import napari

    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    return viewer, dock


def stall(options: argparse.Namespace) -> dict[str, float]:
    """Return the longest gaps in ms."""
    viewer, dock = window()
    probe, runner, session = Probe(), dock.runner, dock.session
    image = np.random.default_rng(0).integers(0, 255, (options.size, options.size), dtype=np.uint8)
    found: dict[str, float] = {}

    def until(seconds: float) -> Callable[[], bool]:
        end = time.perf_counter() + seconds
        return lambda: time.perf_counter() > end

    found["nothing"] = probe.during(lambda: None, until(1.0))
    for label in ("napari adds its first layer", "napari adds another layer"):
        found[label] = probe.during(lambda: viewer.add_image(image, contrast_limits=(0, 255)), until(1.0))
    session.choose_model(options.model)
    loaded = "torch and the model are loaded"
    found[loaded] = probe.during(dock.explain.ask, lambda: session.look is not None and not runner.computing)
    dock.explain.method_list.choose(options.methods.split(","))
    dock.explain._choose()
    for label in ("first run", "a long explanation"):
        found |= _run(label, probe, dock)
    for what, value in found.items():
        print(f"stall: {what}: {value:.1f}" + ("" if what.endswith("seconds") else " ms"))
    print(f"stall: aim {AIMS['stall']:.0f} ms while a long explanation runs")
    viewer.close()
    return found


def _run(label: str, probe: Probe, dock: Any) -> dict[str, float]:
    """Return the longest gaps while the chosen methods run, and while their maps are shown."""
    presenter, ends = dock.session.presenter, []
    inner = presenter.show

    def show(answer: Any) -> Any:
        ends.append(time.perf_counter())
        return inner(answer)

    presenter.show = show
    gc.collect()  # what the last run put off is no part of this one
    began = time.perf_counter()
    probe.during(dock.explain.explain, lambda: bool(ends) and not dock.runner.computing)
    presenter.show = inner
    at, running, shown = began, [0.0], [0.0]
    for gap in probe.gaps:
        at += gap
        (running if at < ends[0] else shown).append(1000 * gap)
    return {label: max(running), f"{label}, maps are shown": max(shown), f"{label}, seconds": ends[0] - began}


def live(options: argparse.Namespace) -> dict[str, Any]:
    """Return what live updates cost beside the bare call, in wall time and in the processor's."""
    from napari_matxai.layers.images import image_layer
    from napari_matxai.session.live import LiveQuestion

    import matxai
    from matxai.signals import labelled

    viewer, dock = window()
    session = dock.session
    values = np.random.default_rng(0).integers(0, 255, (options.slices + 2, options.size, options.size), dtype=np.uint8)
    stack = labelled(values, ("z", "y", "x"), spacing=dict.fromkeys("zyx", 0.1), units=dict.fromkeys("zyx", "um"))
    session.presenter.add(image_layer(stack, "stack"))
    session.choose_model(options.model)
    viewer.dims.set_point(0, 0.0)
    dock.explain.live_box.setChecked(True)
    wait(lambda: len(viewer.layers) > 1 and not dock.runner.computing)
    model, came = session.model, []

    def shown(_: object) -> None:
        came.append(time.perf_counter())

    session.explained.connect(shown)
    pairs, processor = [], []
    for k in range(1, options.slices + 1):
        began, cpu = time.perf_counter(), time.thread_time()
        matxai.explain(model, stack.isel(z=k), ["grad_cam"], seed=0)
        bare, bare_cpu = time.perf_counter() - began, time.thread_time() - cpu
        dock.explain.live_box.setChecked(False)
        own = _drawn(viewer, 0.1 * (k + 1))
        viewer.dims.set_point(0, 0.1 * (k - 1))
        wait_idle()
        dock.explain.live_box.setChecked(True)
        wait(lambda: not dock.runner.computing)
        came.clear()
        began = time.perf_counter()
        viewer.dims.set_point(0, 0.1 * k)
        wait(lambda: bool(came) and not dock.runner.computing)
        pairs.append((came[0] - began, bare, own))
        session.kept.clear()
        cpu = time.thread_time()
        question = LiveQuestion(session)
        answer = question.run(lambda *_: None, threading.Event())
        session.presenter.show(answer, live=True)
        processor.append((time.thread_time() - cpu, bare_cpu))
    again = _again(viewer, dock, came)
    ratio = statistics.median(a / b for a, b, _ in pairs)
    beside = statistics.median(a / (b + c) for a, b, c in pairs)
    of_processor = statistics.median(a / b for a, b in processor)
    median = [1000 * statistics.median(p[i] for p in pairs) for i in (0, 1, 2)]
    print(f"live: {median[0]:.1f} ms, the bare call {median[1]:.1f} ms, napari's slice alone {median[2]:.1f} ms")
    print(f"live: ratio to the bare call {ratio:.2f}, to the bare call and napari's slice {beside:.2f}")
    print(f"live: ratio of the processor's time, without any drawing: {of_processor:.2f} (aim {AIMS['live']})")
    print(f"live: a slice that was seen before: {1000 * again:.1f} ms")
    viewer.close()
    return {
        "pairs": pairs,
        "ratio": ratio,
        "beside_napari": beside,
        "processor": processor,
        "processor_ratio": of_processor,
        "again": again,
    }


def wait_idle() -> None:
    """Let everything be drawn that waits for it."""
    from qtpy.QtWidgets import QApplication

    for _ in range(3):
        QApplication.processEvents()


def _drawn(viewer: Any, place: float) -> float:
    """Return the seconds until napari has drawn another slice, with nothing of ours in the way."""
    wait_idle()
    began = time.perf_counter()
    viewer.dims.set_point(0, place)
    wait_idle()
    return time.perf_counter() - began


def _again(viewer: Any, dock: Any, came: list[float]) -> float:
    """Return the seconds from the event to the map on a slice whose map is kept."""
    for k in (1, 2):
        viewer.dims.set_point(0, 0.1 * k)
        wait(lambda: not dock.runner.computing)
    came.clear()
    began = time.perf_counter()
    viewer.dims.set_point(0, 0.1)
    wait(lambda: bool(came))
    return came[0] - began


def main() -> None:
    """Measure and print."""
    options = parse()
    figures: dict[str, Any] = {"format": "matxai-plugin-responses", "version": 1, "aims": AIMS}
    wanted = options.only.split(",")
    if "start" in wanted:
        figures["start"] = start(options.rounds)
    if "stall" in wanted:
        figures["stall"] = stall(options)
    if "live" in wanted:
        figures["live"] = live(options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
