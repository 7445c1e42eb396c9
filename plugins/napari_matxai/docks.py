"""What the manifest names as widgets. Qt is imported when a widget is made, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_matxai.widgets.blind import BlindDock
    from napari_matxai.widgets.dock import MatxaiDock
    from napari_matxai.widgets.spectra.dock import SpectraDock


def explain_dock() -> MatxaiDock:
    """Make the dock for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    import napari

    from napari_matxai.widgets.dock import MatxaiDock

    viewer = napari.current_viewer()
    if viewer is None:
        msg = "The matxai dock needs an open napari viewer."
        raise RuntimeError(msg)
    return MatxaiDock(viewer)


def spectra_dock() -> SpectraDock:
    """Make the dock for spectra, for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    import napari

    from napari_matxai.widgets.spectra.dock import SpectraDock

    viewer = napari.current_viewer()
    if viewer is None:
        msg = "The Spectra dock needs an open napari viewer."
        raise RuntimeError(msg)
    return SpectraDock(viewer)


def blind_dock() -> BlindDock:
    """Make the dock for a blind reading, for the viewer in front.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    import napari

    from napari_matxai.widgets.blind import BlindDock

    viewer = napari.current_viewer()
    if viewer is None:
        msg = "The dock for blind readings needs an open napari viewer."
        raise RuntimeError(msg)
    return BlindDock(viewer)
