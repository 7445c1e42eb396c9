"""What showing a map again costs in napari's window, beside what napari itself takes for the same change.

A stack with one Grad-CAM map on it; median milliseconds of a call on the main thread, and with the painting that
follows. The data of a map are exchanged in the slice that it is of, then in another one. Needs a screen.

    xvfb-run -s "-screen 0 1280x1024x24" python tests/benchmarks/plugin_shows.py
    python tests/benchmarks/plugin_shows.py --size 1024 --repeats 60
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PLANES = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """Open a window, show maps, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="pixels along each side")
    parser.add_argument("--repeats", type=int, default=40, help="calls of each kind")
    chosen = parser.parse_args(arguments)
    import napari
    from napari_matxai.presenter import Presenter
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    values = np.random.default_rng(0).random((PLANES, chosen.size, chosen.size), np.float32)
    image = viewer.add_image(values, scale=(2.0, 0.1, 0.1), units=("um",) * 3, axis_labels=("z", "y", "x"))
    presenter = Presenter(viewer)
    answers = _answers(presenter, image)
    (layer,) = presenter.show(answers[0])
    maps = [np.asarray(a.explanation["grad_cam"].values)[None] for a in answers]

    def data(at: int) -> None:
        layer.data = maps[at]

    def moved(at: int) -> None:
        layer.translate = (2.0 * at, 0.0, 0.0)
        layer.data = maps[at]

    def here(at: int, *, live: bool) -> None:
        presenter.show(_placed(answers[at], 0), live=live)

    kinds: dict[str, Callable[[int], Any]] = {
        "napari: data": data,
        "shown again": lambda at: here(at, live=False),
        "shown again, live": lambda at: here(at, live=True),
        "napari: data and place": moved,
        "shown in another slice": lambda at: presenter.show(answers[at]),
        "shown in another slice, live": lambda at: presenter.show(answers[at], live=True),
    }
    print(f"{chosen.size} x {chosen.size} pixels, {chosen.repeats} calls of each kind, median milliseconds")
    print(f"{'':<32}{'call':>10}{'and paint':>12}")
    for name, call in kinds.items():
        alone, painted = [], []
        for turn in range(chosen.repeats):
            QApplication.processEvents()
            began = time.perf_counter()
            call((turn + 1) % PLANES)
            alone.append(time.perf_counter() - began)
            QApplication.processEvents()
            painted.append(time.perf_counter() - began)
        print(f"{name:<32}{1e3 * statistics.median(alone):>10.1f}{1e3 * statistics.median(painted):>12.1f}")
    viewer.close()


def _answers(presenter: Any, image: Any) -> list[Any]:
    """Return an explanation of each plane."""
    from napari_matxai.session.choice import Choice
    from napari_matxai.session.explaining import Explained

    import matxai
    from matxai.signals import labelled

    model, source, found = matxai.load_model("defects"), presenter.source(image), []
    for plane in range(PLANES):
        signal = labelled(image.data[plane], ("y", "x"), spacing={"y": 0.1, "x": 0.1}, units={"y": "um", "x": "um"})
        result = matxai.explain(model, signal)
        found.append(Explained(source, (plane,), signal, model, Choice(), result, 0.0))
    return found


def _placed(answer: Any, plane: int) -> Any:
    from dataclasses import replace

    return replace(answer, step=(plane,))


if __name__ == "__main__":
    main()
