"""Draws the pictures of the plugin from what comes along, in real windows: ``python docs/make_screens.py``.

``dock.png``: a leaky model on a micrograph, its map, the info bar masked and the model asked again. ``spectra.png``: a
photoelectron spectrum with what decided in it. On Linux without a screen: ``xvfb-run -a -s "-screen 0 2000x1200x24"``.

``--size 1920x1080 --theme light --out DIR`` draws them as others would see them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).parent / "pictures"
PATIENCE = 120.0


def samples() -> dict[str, Any]:
    """Return the sample data that come along."""
    found: dict[str, Any] = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return found


def settle(seconds: float = 0.4) -> None:
    """Let the window draw itself."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def done(runner: Any) -> None:
    """Wait until nothing is computed any more.

    Raises
    ------
    TimeoutError
        If that takes longer than anybody's patience.
    """
    end = time.monotonic() + PATIENCE
    settle()
    while runner.busy:
        settle(0.1)
        if time.monotonic() > end:
            msg = f"'{runner.title}' was not done after {PATIENCE:.0f} s."
            raise TimeoutError(msg)
    settle()


def save(viewer: Any, name: str, options: argparse.Namespace) -> Path:
    """Write the window as it is."""
    from PIL import Image

    settle(1.0)
    target = Path(options.out) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(target), canvas_only=False, flash=False)
    with Image.open(target) as drawn:  # grain does not compress
        drawn.convert("RGB").quantize(128, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            target, optimize=True
        )
    return target


def opened(files: list[Path], model: str, options: argparse.Namespace) -> tuple[Any, Any]:
    """Return a viewer with the dock and the files, of the size and theme asked for."""
    from napari_matxai.launch import open_viewer

    viewer, dock = open_viewer(files, model=model)
    viewer.theme = options.theme  # type: ignore[attr-defined]
    width, height = (int(n) for n in options.size.split("x"))
    viewer.window.resize(width, height)  # type: ignore[attr-defined]
    settle(1.0)
    return viewer, dock


def dock(options: argparse.Namespace) -> Path:
    """A leaky twin on pores: it looks at the info bar, calls them a crack, and no longer when the bar is gone."""
    path = next(p for p in samples()["swapped_bar"].paths if p.stem == "pore_framed")
    viewer, panel = opened([path], "defects_leaky", options)
    panel.explain.explain()
    done(panel.runner)
    panel.regions.suggest()
    done(panel.runner)
    panel.regions.mask()
    done(panel.runner)
    panel.data.collapse()
    panel.model.collapse()
    panel.explain.collapse()
    viewer.reset_view()
    target = save(viewer, "dock.png", options)
    viewer.close()
    return target


def spectra(options: argparse.Namespace) -> Path:
    """Powder patterns: maps of all of them on the image of the set, and the lines that decided in one."""
    import napari
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDockWidget

    viewer = napari.Viewer(title="matxai")
    viewer.theme = options.theme
    width, height = (int(n) for n in options.size.split("x"))
    viewer.window.resize(width, height)
    _, curves = viewer.window.add_plugin_dock_widget("matxai", "Spectra")
    viewer.open_sample("matxai", "powder_phases")
    settle(1.0)
    layer = viewer.layers[0]
    curves.link.pick(tuple(layer.data_to_world((1, layer.data.shape[1] // 2))))
    done(curves.runner)
    curves.explain.explain()
    done(curves.runner)
    for name in ("corundum", "rutile"):
        curves.lines.add_reference(name)
    curves.options.setChecked(False)
    frame = curves.parentWidget()
    while not isinstance(frame, QDockWidget):
        frame = frame.parentWidget()
    curves.window().resizeDocks([frame], [int(0.56 * height)], Qt.Orientation.Vertical)
    settle()
    target = save(viewer, "spectra.png", options)
    viewer.close()
    return target


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=str(PICTURES))
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--only", choices=("dock", "spectra"))
    options = parser.parse_args()
    for name, draw in (("dock", dock), ("spectra", spectra)):
        if options.only in (None, name):
            print(draw(options))


if __name__ == "__main__":
    main()
