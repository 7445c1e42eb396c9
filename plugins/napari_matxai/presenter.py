"""The one class that touches ``viewer.layers``: finds what can be asked about, and puts on it what came of it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai import versions
from napari_matxai.clicks import on_click
from napari_matxai.comparison import Comparison
from napari_matxai.layers.drawings import shapes_layer
from napari_matxai.layers.frame import Frame, LayerData, frame_of_layer, move
from napari_matxai.layers.key import Key, key_of, ours
from napari_matxai.layers.maps import map_layers
from napari_matxai.layers.reopened import joined
from napari_matxai.layers.results import write_results
from napari_matxai.layers.seen import seen_layers
from napari_matxai.layers.suggested import digest, outline, region_labels
from napari_matxai.layers.units import factor, plain
from napari_matxai.layers.unseen import hatch_layer, unseen
from napari_matxai.layers.updating import kept, own, updated
from napari_matxai.layers.view import View
from napari_matxai.legend import Legend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeGuard

    import xarray as xr
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from matxai.modelcard import Seen
    from napari_matxai.session.explaining import Explained, Source
    from napari_matxai.session.masking import Masked
    from napari_matxai.session.suggesting import Suggested

#: roles of layers that show a result, and are nothing to draw on
SHOWN = ("map", "changed", "seen", "unseen")


class Presenter:
    """What the dock may do with a viewer.

    Parameters
    ----------
    viewer
        napari's viewer, or its model alone (tests need no window).
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.legend = Legend(self)
        self.comparison = Comparison(self)

    # -- what is there -------------------------------------------------------------------------------------------------

    def layers(self) -> list[Layer]:
        """Return all layers, the lowest first."""
        return list(self.viewer.layers)

    def images(self) -> list[Image]:
        """Return the image layers that can be asked about: not those that we made of others."""
        return [la for la in self.viewer.layers if type(la).__name__ == "Image" and not _made(la)]

    def without_units(self) -> list[Layer]:
        """Return the layers without units beside others that have them: napari then shows none at all."""
        without = [la for la in self.viewer.layers if plain(self.frame(la))]
        return without if len(without) < len(self.viewer.layers) else []

    def calibrated(self) -> list[Layer]:
        """Return the layers that carry units."""
        return [la for la in self.viewer.layers if not plain(self.frame(la))]

    def annotations(self) -> list[Layer]:
        """Return the layers on which regions are drawn: Shapes, Labels and Points, not those that show a result."""
        kinds = ("Shapes", "Labels", "Points")
        return [
            la
            for la in self.viewer.layers
            if type(la).__name__ in kinds and ours(la).get("key", ("", ""))[1] not in SHOWN
        ]

    def find(self, key: Key) -> Layer | None:
        """Return the layer with a key, None where there is none (any more). A duplicate is the user's, not ours."""
        return next((la for la in self.viewer.layers if key_of(la) == key and _ours_still(la)), None)

    def remove(self, key: Key) -> None:
        """Take the layer with a key away, where there is one."""
        layer = self.find(key)
        if layer is not None:
            self.discard(layer)

    def discard(self, layer: Layer) -> None:
        """Take a layer away."""
        self.viewer.layers.remove(layer)

    def has(self, layer: Layer | None) -> TypeGuard[Layer]:
        """Return whether a layer is on the viewer (still)."""
        return layer is not None and layer in self.viewer.layers

    def of(self, source: str, role: str) -> list[Layer]:
        """Return what we made of a layer to show one thing: its maps, what the network saw of it."""
        return [
            la for la in self.viewer.layers if (k := key_of(la)) is not None and (k.source, k.role) == (source, role)
        ]

    @property
    def active(self) -> Layer | None:
        """The layer that is selected alone."""
        return self.viewer.layers.selection.active

    def follow(self, moved: Callable[[], None]) -> Callable[[], None]:
        """Call ``moved`` whenever another slice comes into view; return what ends that."""

        def tell(event: object = None) -> None:  # noqa: ARG001 - napari passes its event
            moved()

        self.viewer.dims.events.current_step.connect(tell)
        return lambda: self.viewer.dims.events.current_step.disconnect(tell)

    def clicked(self, tell: Callable[[tuple[float, ...]], None]) -> Callable[[], None]:
        """Call ``tell`` with the place of each click that neither drags nor draws; return what ends that."""
        layers = self.viewer.layers
        return on_click(self.viewer, lambda: layers.selection.active, tell)

    def layer(self, identity: str) -> Layer | None:
        """Return the layer of an identity, None where it is gone."""
        return next((la for la in self.viewer.layers if versions.identity(la) == identity), None)

    def frame(self, layer: Layer) -> Frame:
        """Return where a layer lies."""
        return frame_of_layer(layer)

    def source(self, layer: Image) -> Source:
        """Return who a layer is, for the time when it may be gone."""
        from napari_matxai.session.explaining import Source

        for opened in joined(layer, self.viewer.layers):
            if ours(opened).get("axes"):
                self.legend.watch(opened)
        return Source(weakref.ref(layer), versions.identity(layer), layer.name, self.frame(layer))

    def lies(self, source: Source) -> tuple[str, Frame]:
        """Return a source's name and where it lies: as it is now, or as it was where it was deleted meanwhile."""
        layer = source.layer()
        return (layer.name, self.frame(layer)) if self.has(layer) else (source.name, source.frame)

    def step(self, layer: Layer) -> tuple[int, ...]:
        """Return the index of the slice in view along each axis of a layer before the last two."""
        shape = self.shape(layer)
        return tuple(min(max(at, 0), n - 1) for at, n in zip(self.indices(layer), shape, strict=False))

    def indices(self, layer: Layer) -> tuple[int, ...]:
        """Return what :meth:`step` does, of any layer; it may lie outside of the layer's data."""
        found = self._index(layer, self.viewer.dims.point)
        return tuple(round(float(found[axis])) for axis in range(layer.ndim - 2))

    def pixel(self, layer: Layer, world: Sequence[float]) -> tuple[int, ...] | None:
        """Return the index of a layer's pixel at a place of the viewer, None where the layer does not reach."""
        found, shape = np.rint(self._index(layer, world)).astype(int), self.shape(layer)
        inside = all(0 <= i < n for i, n in zip(found, shape, strict=True))
        return tuple(int(i) for i in found) if inside else None

    def _index(self, layer: Layer, world: Sequence[float]) -> np.ndarray[Any, Any]:
        """Return a place of the viewer as an index of a layer's data, between its pixels."""
        frame = self.frame(layer)
        place = np.asarray(world, float)[-layer.ndim :]
        units = self.viewer.layers.units
        if units is not None:  # the viewer's own unit is the smallest of its layers'
            words = [str(u) for u in units[-layer.ndim :]]
            place = place * [factor(w, u) or 1.0 for w, u in zip(words, frame.units, strict=True)]
        return np.asarray(np.linalg.solve(frame.matrix(), [*place, 1.0])[: layer.ndim])

    def shape(self, layer: Layer) -> tuple[int, ...]:
        """Return how many pixels an image has along each of its axes, on its finest level; colour is none."""
        data: Any = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
        return tuple(int(n) for n in data.shape[: layer.ndim])

    def move(self, layer: Layer, frame: Frame) -> None:
        """Give a layer another pixel size, place and units."""
        move(layer, frame)

    def view(self, layer: Image) -> View:
        """Return what is in view of a layer, without reading it."""
        data: Any = layer.data[0] if layer.multiscale else layer.data
        attrs = {**ours(layer).get("attrs", {}), "source": layer.name, "path": ours(layer).get("path")}
        return View(data, self.frame(layer), self.step(layer), bool(layer.rgb), attrs, layer.name)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def add(self, layer: LayerData) -> Layer:
        """Add what the reader made of a file, and return its layer (of channels, the first)."""
        data, keywords, kind = layer
        added = getattr(self.viewer, f"add_{kind}")(data, **keywords)
        versions.show_scale_bar(self.viewer)
        return added[0] if isinstance(added, list) else added

    def hide_all(self) -> list[weakref.ref[Layer]]:
        """Hide the layers that are in view, and return them."""
        found = [weakref.ref(la) for la in self.viewer.layers if la.visible]
        for layer in list(self.viewer.layers):
            layer.visible = False
        return found

    def show_again(self, hidden: Sequence[weakref.ref[Layer]]) -> None:
        """Show layers that were hidden, as far as they are still there."""
        for reference in hidden:
            layer = reference()
            if self.has(layer):
                layer.visible = True

    def look_at_all(self) -> None:
        """Move the camera so that all that is in view fits."""
        self.viewer.reset_view()

    def put(self, layer: LayerData, key: Key, *, visible: bool = True, in_place: bool = False) -> Layer:
        """Show a layer; one with the same key and shape is updated, not doubled, and keeps what the user set on it.

        Parameters
        ----------
        layer
            Data, keywords of ``add_KIND``, and the kind (``image``, ``labels``, ``shapes``, ``points``).
        key
            What it is.
        visible
            Whether a new layer is shown at once.
        in_place
            Write into the array of a layer that is there: cheap, for values that come at every movement of the hand.
        """
        data, keywords, kind = layer
        about = {**keywords.get("metadata", {}).get("matxai", {}), "key": key.record(), "name": keywords.get("name")}
        old = self.find(key)
        hidden = max(0, old.ndim - self.viewer.dims.ndisplay) if old is not None and self._in_order() else 0
        if old is not None and updated(old, data, keywords, kind, about, in_place=in_place, hidden=hidden):
            return old
        layers = self.viewer.layers
        active, place = layers.selection.active, self._above(key)
        keywords = {**keywords, "metadata": {**keywords.get("metadata", {}), "matxai": about}, "visible": visible}
        if old is not None:
            place = layers.index(old)
            keywords |= kept(old, keywords)
            layers.remove(old)
        if isinstance(keywords.get("colormap"), list):
            keywords["colormap"] = versions.map_colours(keywords["colormap"])
        added: Layer = versions.make_layer(own(data), keywords, kind)
        added.metadata = {**added.metadata, "matxai": {**about, "layer": versions.identity(added)}}
        layers.insert(place, added)
        if ours(added).get("axes"):
            self.legend.watch(added)
        if active is not None and active in layers:
            layers.selection.active = active
        return added

    def _in_order(self) -> bool:
        """Whether the last axes are those that are drawn."""
        dims = self.viewer.dims
        return tuple(dims.order) == tuple(range(dims.ndim))

    def show(self, explained: Explained, *, live: bool = False) -> list[Layer]:
        """Put the maps of an explanation on the layer that they explain; where it was deleted, where it lay.

        Nothing is shown on a viewer that was closed meanwhile. ``live`` for maps that follow the hand: they are written
        into their layers' arrays.
        """
        if versions.closed(self.viewer):
            return []
        source = explained.source
        name, frame = self.lies(source)
        self._hatch(explained.explanation, source.identity, name, frame)
        shown: list[Layer] = []
        fresh = False
        maps = map_layers(explained.explanation, name, frame, explained.step, asked=source.frame)
        for data, keywords, kind in maps:
            variable = keywords["metadata"]["matxai"]["variable"]
            key = Key.of_map(source.identity, explained.model.name, variable)
            new = self.find(key) is None
            # the first map lies on the image; the others wait to be switched on
            shown.append(self.put((data, keywords, kind), key, visible=not shown, in_place=live))
            fresh |= new and len(shown) == 1
        self.legend.refresh()
        if fresh:
            self.viewer.layers.selection.active = shown[0]  # whose controls and values napari shows
            versions.show_colour_bar(shown[0])
            versions.show_scale_bar(self.viewer)
            layer = source.layer()
            if self.has(layer):
                layer.visible = True
        return shown

    def show_seen(self, stages: Sequence[Seen], source: Source, step: tuple[int, ...] | None) -> list[Layer]:
        """Put what the network saw beside the layer that it is of: each step a layer, the last one shown."""
        if versions.closed(self.viewer):
            return []
        name, frame = self.lies(source)
        made = seen_layers(stages, name, frame, step)
        shown = []
        for number, one in enumerate(made, 1):
            shown.append(self.put(one, Key(source.identity, "seen", str(number)), visible=number == len(made)))
        for old in [la for la in self.viewer.layers if _stage(la, source.identity) > len(made)]:
            self.discard(old)  # of another model, which has more steps
        if shown:
            self.viewer.layers.selection.active = shown[-1]
        return shown

    def show_changed(self, masked: Masked) -> list[Layer]:
        """Put the changed image and its maps on the viewer, beside the old ones or in their place."""
        return self.comparison.show(masked)

    def new_shapes(self, image: Layer) -> Layer:
        """Add a layer of shapes on an image, with its pixel size, place and units, ready for a rectangle."""
        added = versions.make_layer(*shapes_layer(image.name, self.frame(image), self.shape(image)))
        self.viewer.layers.append(added)
        self.viewer.layers.selection.active = added
        added.mode = "add_rectangle"
        return added

    def map_in_view(self, explained: Explained | None) -> str | None:
        """Return the variable of the uppermost visible map of an explanation, None where there is none."""
        for la in reversed(self.viewer.layers):
            key = key_of(la)
            if explained is not None and key is not None and key.role == "map" and la.visible:
                variable = ours(la).get("variable")
                if key.source == explained.source.identity and variable in explained.explanation.data_vars:
                    return str(variable)
        return None

    def write_results(self, layer: Layer, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """Write what came of its regions into a layer's table."""
        write_results(layer, rows)

    def suggest(self, suggested: Suggested) -> Layer | None:
        """Put regions that were found into a layer of labels, and return it.

        What the user painted on it since it was last put there is theirs: that layer stays, and a new one comes.
        """
        if versions.closed(self.viewer):
            return None
        source = suggested.source
        name, frame = self.lies(source)
        key = Key(source.identity, "region", suggested.title)
        data, keywords, kind = region_labels(suggested.regions, f"{suggested.title} · {name}", frame, suggested.step)
        old = self.find(key)
        if old is not None:
            painted = digest(old.data) != ours(old).get("found")
            if not painted and digest(data) == ours(old).get("found"):
                old.visible = True
                return old  # with the results that its table holds
            if painted:
                old.metadata = {**old.metadata, "matxai": {k: v for k, v in ours(old).items() if k != "key"}}
            else:
                self.discard(old)
        added = self.put((data, keywords, kind), key)
        added.contour = outline(data.shape[-2:])  # what is suggested hides neither the image nor its map
        self.viewer.layers.selection.active = added
        return added

    def _hatch(self, explanation: xr.Dataset, source: str, name: str, frame: Frame) -> None:
        """Hatch what the network never saw; what it sees again loses its hatch."""
        key = Key(source, "unseen")
        mask = unseen(explanation)
        if mask is None:
            self.remove(key)
        else:
            self.put(hatch_layer(mask, name, frame), key)

    def _above(self, key: Key) -> int:
        """Return the place in the list for a new layer: right above its source and what we made of it."""
        places = [
            i
            for i, la in enumerate(self.viewer.layers)
            if versions.identity(la) == key.source or ours(la).get("key", ("",))[0] == key.source
        ]
        return 1 + max(places) if places else len(self.viewer.layers)


def _stage(layer: Layer, source: str) -> int:
    """Return which step of the preprocessing of a source a layer shows; 0 for all others."""
    key = key_of(layer)
    return int(key.name) if key is not None and (key.source, key.role) == (source, "seen") else 0


def _ours_still(layer: Layer) -> bool:
    """Whether a layer is the one that we made, and not a copy of it that the user made."""
    return ours(layer).get("layer") in (None, versions.identity(layer))


def _made(layer: Layer) -> bool:
    about = ours(layer)
    return "key" in about or "explanation" in about
