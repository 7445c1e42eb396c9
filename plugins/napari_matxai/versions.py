"""The one place for what depends on napari's version (0.9, 0.10): newer names first, else the older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def show_scale_bar(viewer: Any) -> None:
    """Show the scale bar, whose unit comes from the layers; none where the axes in view measure different things.

    A bar of degrees along a set's samples would say nothing, and napari warns of it each time.
    """
    units = viewer.layers.units
    if units is not None and len({units[i].dimensionality for i in viewer.dims.displayed}) > 1:
        return
    canvas = getattr(viewer, "canvas", None)
    overlays = getattr(canvas, "overlays", None)
    bar = getattr(overlays, "scale_bar", None)
    (viewer.scale_bar if bar is None else bar).visible = True


def show_colour_bar(layer: Any) -> None:
    """Show a layer's colour bar, where napari has one."""
    bar = getattr(layer, "colorbar", None)
    if bar is not None:
        bar.visible = True


def say_on_canvas(viewer: Any, text: str, before: str) -> bool:
    """Show a text on the canvas, or none; return False where the user has put there something else than ``before``."""
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", None)
    overlay = getattr(overlays, "text", None) if overlays is not None else viewer.text_overlay
    if overlay is None or (overlay.text not in ("", before) and overlay.visible):
        return False
    overlay.text = text
    overlay.visible = bool(text)
    return True


def map_colours(colours: Sequence[Sequence[float]]) -> Any:
    """Return napari's colour map for one of ours: colours with opacity, from the lowest value to the highest."""
    from napari.utils import Colormap

    from napari_matxai.layers.colours import SIGNED

    return Colormap(list(colours), name="matxai signed" if colours == SIGNED else "matxai relevance")


def make_layer(data: Any, keywords: dict[str, Any], kind: str) -> Any:
    """Return a layer that is in no viewer yet."""
    from napari.layers import Layer

    return Layer.create(data, keywords, kind)


def closed(viewer: Any) -> bool:
    """Whether a viewer's window was closed; a viewer's model without a window never is."""
    window = getattr(viewer, "window", None)
    return window is not None and not hasattr(window, "_qt_window")


def colour_map_record(colours: Any) -> str | dict[str, Any] | None:
    """Return a layer's colour map as plain values: napari's own by its name, one of ours is None.

    Parameters
    ----------
    colours
        As a layer hands it to a writer: a name, a colour map, or its fields.
    """
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    colours = colours if isinstance(colours, str) else dict(colours)
    name = colours if isinstance(colours, str) else str(colours["name"])
    if name.startswith("matxai"):
        return None
    if name in AVAILABLE_COLORMAPS or isinstance(colours, str):
        return name
    plain = {key: [[float(v) for v in row] for row in colours[key]] for key in ("colors",)}
    return {"name": name, **plain, "controls": [float(v) for v in colours["controls"]]}


def colour_map_of(record: str | dict[str, Any]) -> Any:
    """Return the colour map of such a record; of an unknown name, napari's grey."""
    from napari.utils import Colormap
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    if isinstance(record, str):
        return record if record in AVAILABLE_COLORMAPS else "gray"
    return Colormap(record["colors"], name=record["name"], controls=record["controls"])


def identity(layer: Any) -> str:
    """Return who a layer is for as long as the viewer is open; a new name does not change it."""
    return str(getattr(layer, "unique_id", None) or id(layer))


def viewer_in_front() -> Any:
    """Return the viewer whose window is in front; None where no window is open."""
    import napari

    return plain_viewer(napari.current_viewer())


def plain_viewer(viewer: Any) -> Any:
    """Return a viewer itself where napari hands out a proxy that hides its private side."""
    return getattr(viewer, "__wrapped__", viewer)


def camera(viewer: Any) -> tuple[Any, float]:
    """Return where a viewer looks: the centre and the zoom."""
    now = _camera(viewer)
    return now.center, now.zoom


def set_camera(viewer: Any, seen: tuple[Any, float]) -> None:
    """Look where :func:`camera` said."""
    now = _camera(viewer)
    now.center, now.zoom = seen


def _camera(viewer: Any) -> Any:
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def is_dark(viewer: Any) -> bool:
    """Whether the ground of a viewer's widgets is dark."""
    from napari.utils.theme import get_theme

    red, green, blue = get_theme(viewer.theme).background.as_rgb_tuple(alpha=False)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128


def has_place(name: str) -> bool:
    """Whether the user's napari knows where a plugin's dock was last; asked before the dock is added."""
    from napari.settings import get_settings

    return name in getattr(get_settings().application, "plugin_widget_positions", {})


def place_below(widget: Any, height: int) -> None:
    """Put the dock that holds a widget below the canvas, so high in pixels."""
    from qtpy.QtCore import Qt

    dock = widget.parent()
    window = None if dock is None else dock.window()
    if not hasattr(window, "resizeDocks") or dock.isFloating():
        return
    # as wide as the canvas and not as the window: the docks beside it, which need their height, keep it
    window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
    window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [height], Qt.Orientation.Vertical)
