"""The one class that touches ``viewer.layers``: finds what can be asked about, and puts on it what came of it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import SignalError
from napari_matxai import versions
from napari_matxai.layers.frame import Frame, LayerData, signal_of
from napari_matxai.layers.key import Key, key_of, ours
from napari_matxai.layers.maps import map_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_matxai.session.explaining import Explained, Source

PLAIN = ("pixel", "dimensionless")


@dataclass(frozen=True, eq=False)
class View:
    """What is in view of a layer, held fast: its array (not copied, not read), its place, its slice.

    Parameters
    ----------
    data
        The layer's array, of its finest level.
    frame
        Where it lies.
    step
        Index of the slice in view along each axis before the last two.
    rgb
        Whether the last axis is colour.
    attrs
        The instrument's word and ``source``.
    name
        The layer's name.
    """

    data: Any
    frame: Frame
    step: tuple[int, ...]
    rgb: bool
    attrs: Mapping[str, Any]
    name: str

    def signal(self, kind: str) -> tuple[xr.DataArray, tuple[int, ...] | None]:
        """Return the signal that a model of one kind can take, and the index of the slice that it is; may be slow.

        Raises
        ------
        SignalError
            If the layer has fewer axes than the model needs.
        """
        wanted = {"1d": 1, "2d": 2, "3d": 3}[kind]
        n = len(self.frame.scale)
        if n < wanted:
            msg = f"The layer '{self.name}' has {n} axes and the model takes {wanted}. Choose another layer."
            raise SignalError(msg)
        step = self.step if wanted == 2 and n > 2 else None
        return signal_of(self.data, self.frame, rgb=self.rgb, attrs=self.attrs, step=step), step


class Presenter:
    """What the dock may do with a viewer.

    Parameters
    ----------
    viewer
        napari's viewer, or its model alone (tests need no window).
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer

    # -- what is there -------------------------------------------------------------------------------------------------

    def images(self) -> list[Image]:
        """Return the image layers that can be asked about: not those that we made of others."""
        return [la for la in self.viewer.layers if type(la).__name__ == "Image" and not _made(la)]

    def find(self, key: Key) -> Layer | None:
        """Return the layer with a key, None where there is none (any more)."""
        return next((la for la in self.viewer.layers if key_of(la) == key), None)

    def unit_conflicts(self) -> list[str]:
        """Return the names of layers whose units do not go with the explained ones: napari then shows none at all."""
        physical = [la for la in self.viewer.layers if any(str(u) not in PLAIN for u in la.units)]
        plain = [la for la in self.viewer.layers if all(str(u) in PLAIN for u in la.units)]
        return [la.name for la in plain] if physical else []

    def frame(self, layer: Layer) -> Frame:
        """Return where a layer lies."""
        return Frame(
            tuple(float(s) for s in layer.scale),
            tuple(float(t) for t in layer.translate),
            tuple(str(u) for u in layer.units),
            tuple(str(a) for a in layer.axis_labels),
        )

    def source(self, layer: Image) -> Source:
        """Return who a layer is, for the time when it may be gone."""
        from napari_matxai.session.explaining import Source

        return Source(weakref.ref(layer), versions.identity(layer), layer.name, self.frame(layer))

    def step(self, layer: Layer) -> tuple[int, ...]:
        """Return the index of the slice in view along each axis of a layer before the last two."""
        world = self.viewer.dims.point[-layer.ndim :]
        shape = (layer.data[0] if getattr(layer, "multiscale", False) else layer.data).shape
        indices = []
        for axis in range(layer.ndim - 2):
            index = round((world[axis] - layer.translate[axis]) / layer.scale[axis])
            indices.append(min(max(int(index), 0), shape[axis] - 1))
        return tuple(indices)

    def view(self, layer: Image) -> View:
        """Return what is in view of a layer, without reading it."""
        data: Any = layer.data[0] if layer.multiscale else layer.data
        attrs = {**ours(layer).get("attrs", {}), "source": layer.name, "path": ours(layer).get("path")}
        return View(data, self.frame(layer), self.step(layer), bool(layer.rgb), attrs, layer.name)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def add(self, layer: LayerData) -> Layer:
        """Add what the reader made of a file, and return its layer (of channels, the first)."""
        data, keywords, _ = layer
        added = self.viewer.add_image(data, **keywords)
        versions.show_scale_bar(self.viewer)
        return added[0] if isinstance(added, list) else added

    def put(self, layer: LayerData, key: Key, *, visible: bool = True) -> Layer:
        """Show a layer; one with the same key and shape is updated, not doubled, and keeps what the user set on it.

        Parameters
        ----------
        layer
            Data, keywords of ``add_KIND``, and the kind (``image``, ``labels``, ``shapes``, ``points``).
        key
            What it is.
        visible
            Whether a new layer is shown at once.
        """
        data, keywords, kind = layer
        metadata = {"matxai": {**keywords.pop("metadata", {}).get("matxai", {}), "key": key.record()}}
        old = self.find(key)
        if old is not None and getattr(old.data, "shape", None) == getattr(data, "shape", ()):
            old.data = data
            if "contrast_limits" in keywords:
                old.contrast_limits_range = keywords["contrast_limits"]
                old.contrast_limits = keywords["contrast_limits"]
            old.translate, old.metadata = keywords["translate"], metadata
            return old
        if old is not None:
            self.viewer.layers.remove(old)
        added: Layer = getattr(self.viewer, f"add_{kind}")(data, **keywords, metadata=metadata)
        added.visible = visible
        return added

    def show(self, explained: Explained) -> list[Layer]:
        """Put the maps of an explanation on the layer that they explain; where it was deleted, where it lay."""
        source = explained.source
        layer = source.layer()
        there = layer is not None and layer in self.viewer.layers
        name = layer.name if layer is not None and there else source.name
        shown: list[Layer] = []
        for data, keywords, kind in map_layers(explained.explanation, name, source.frame, explained.step):
            keywords["colormap"] = versions.map_colours(keywords["colormap"])
            about = keywords["metadata"]["matxai"]
            key = Key(source.identity, "map", f"{about['variable']}|{about['attrs'].get('class', '')}")
            # the first map lies on the image; the others wait to be switched on
            shown.append(self.put((data, keywords, kind), key, visible=not shown))
        if shown:
            shown[0].visible = True
            self.viewer.layers.selection.active = shown[0]  # whose controls and values napari shows
            versions.show_colour_bar(shown[0])
            versions.show_scale_bar(self.viewer)
            if layer is not None and there:
                layer.visible = True
        return shown


def _made(layer: Layer) -> bool:
    about = ours(layer)
    return "key" in about or "explanation" in about
