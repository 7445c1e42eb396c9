"""The one place for what depends on napari's version (0.9, 0.10): newer names first, else the older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def show_scale_bar(viewer: Any) -> None:
    """Show the scale bar, whose unit comes from the layers."""
    canvas = getattr(viewer, "canvas", None)
    overlays = getattr(canvas, "overlays", None)
    bar = getattr(overlays, "scale_bar", None)
    (viewer.scale_bar if bar is None else bar).visible = True


def show_colour_bar(layer: Any) -> None:
    """Show a layer's colour bar, where napari has one."""
    bar = getattr(layer, "colorbar", None)
    if bar is not None:
        bar.visible = True


def map_colours(colours: Sequence[Sequence[float]]) -> Any:
    """Return napari's colour map for one of ours: colours with opacity, from the lowest value to the highest."""
    from napari.utils import Colormap

    from napari_matxai.layers.colours import SIGNED

    return Colormap(list(colours), name="matxai signed" if colours == SIGNED else "matxai relevance")


def identity(layer: Any) -> str:
    """Return who a layer is for as long as the viewer is open; a new name does not change it."""
    return str(getattr(layer, "unique_id", None) or id(layer))


def plain_viewer(viewer: Any) -> Any:
    """Return a viewer itself where napari hands out a proxy that hides its private side."""
    return getattr(viewer, "__wrapped__", viewer)
