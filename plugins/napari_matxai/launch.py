"""Open napari with the dock: what ``matxai view`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def view(files: Sequence[Path] = (), *, model: str | None = None) -> int:
    """Open a viewer with the dock and the files; return 0 when its window is closed.

    Parameters
    ----------
    files
        Files for the library's reader.
    model
        Name or path of a model to choose.

    Raises
    ------
    MatxaiError
        If a file or the model cannot be read; no window stays open then.
    """
    import napari

    viewer, _ = open_viewer(files, model=model)
    napari.run()
    del viewer
    return 0


def open_viewer(files: Sequence[Path] = (), *, model: str | None = None) -> tuple[object, object]:
    """Open a viewer with the dock and the files, and return both."""
    import napari

    from matxai.errors import MatxaiError
    from napari_matxai.presenter import Presenter
    from napari_matxai.reader import NO_LAYER, SPECTRA, read_layers
    from napari_matxai.session.shelf import shelf
    from napari_matxai.widgets.dock import MatxaiDock

    read = [read_layers(str(path)) for path in files]  # before the window: a bad file opens none
    layers = [layer for found in read if found is not NO_LAYER for layer in found]
    viewer = napari.Viewer(title="matxai")
    try:
        _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
        for layer in layers:
            Presenter(viewer).add(layer)
        if shelf.waits(viewer):
            viewer.window.add_plugin_dock_widget("matxai", SPECTRA)
        if model is not None and isinstance(dock, MatxaiDock):
            why_not = dock.model.open(model)
            if why_not:
                raise MatxaiError(why_not)
    except BaseException:
        viewer.close()
        raise
    return viewer, dock
