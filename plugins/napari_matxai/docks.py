"""What the manifest names as widgets. Qt is imported when a widget is made, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

    from napari_matxai.widgets.blind import BlindDock
    from napari_matxai.widgets.dock import MatxaiDock
    from napari_matxai.widgets.spectra.dock import SpectraDock


def explain_dock() -> MatxaiDock:
    """Make the dock of the five steps for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    from napari_matxai.widgets.dock import MatxaiDock

    return MatxaiDock(_viewer("The matxai dock"))


def spectra_dock() -> SpectraDock:
    """Make the dock for spectra, for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    from napari_matxai.widgets.spectra.dock import SpectraDock

    return SpectraDock(_viewer("The Spectra dock"))


def blind_dock() -> BlindDock:
    """Make the dock for a blind reading, for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    from napari_matxai.widgets.blind import BlindDock

    return BlindDock(_viewer("The dock for blind readings"))


def _viewer(who: str) -> napari.Viewer:
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        msg = f"{who} needs an open napari viewer."
        raise RuntimeError(msg)
    return viewer
