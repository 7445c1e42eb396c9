"""The one class that touches ``viewer.layers``: finds what can be explained, and puts maps on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import SignalError
from napari_matxai import versions
from napari_matxai.layers import Frame, LayerData, map_layers, signal_of

if TYPE_CHECKING:
    import weakref

    import xarray as xr
    from napari.components import ViewerModel
    from napari.layers import Image, Layer


def _is_map(layer: Layer) -> bool:
    return "explanation" in layer.metadata.get("matxai", {})


class Presenter:
    """What the dock may do with a viewer.

    Parameters
    ----------
    viewer
        napari's viewer, or its model alone (tests need no window).
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer

    def candidates(self) -> list[Image]:
        """Return the image layers that can be explained: not our own maps."""
        return [la for la in self.viewer.layers if type(la).__name__ == "Image" and not _is_map(la)]

    def unit_conflicts(self) -> list[str]:
        """Return the names of layers whose units do not go with the explained ones: napari then shows none at all."""
        physical = [la for la in self.viewer.layers if any(str(u) not in ("pixel", "dimensionless") for u in la.units)]
        plain = [la for la in self.viewer.layers if all(str(u) in ("pixel", "dimensionless") for u in la.units)]
        return [la.name for la in plain] if physical else []

    def frame(self, layer: Layer) -> Frame:
        """Return where a layer lies."""
        labels = tuple(str(a) for a in layer.axis_labels)
        return Frame(
            tuple(float(s) for s in layer.scale),
            tuple(float(t) for t in layer.translate),
            tuple(str(u) for u in layer.units),
            labels,
        )

    def step(self, layer: Layer) -> tuple[int, ...]:
        """Return the index of the slice in view along each axis of a layer before the last two."""
        world = self.viewer.dims.point[-layer.ndim :]
        n = layer.ndim - 2
        indices = []
        for axis in range(n):
            index = round((world[axis] - layer.translate[axis]) / layer.scale[axis])
            indices.append(min(max(int(index), 0), layer.data.shape[axis] - 1))
        return tuple(indices)

    def signal(self, layer: Image, kind: str) -> tuple[xr.DataArray, tuple[int, ...] | None]:
        """Return the signal that a model of one kind can take from a layer, and the index of the slice it is.

        Raises
        ------
        SignalError
            If the layer has fewer axes than the model needs.
        """
        data: Any = layer.data[0] if layer.multiscale else layer.data
        frame = self.frame(layer)
        wanted = {"1d": 1, "2d": 2, "3d": 3}[kind]
        if layer.ndim < wanted:
            msg = f"The layer '{layer.name}' has {layer.ndim} axes and the model takes {wanted}. Choose another layer."
            raise SignalError(msg)
        step = self.step(layer) if wanted == 2 and layer.ndim > 2 else None
        attrs = {**layer.metadata.get("matxai", {}).get("attrs", {}), "source": layer.name}
        return signal_of(data, frame, rgb=bool(layer.rgb), attrs=attrs, step=step), step

    def add(self, layer: LayerData) -> Layer:
        """Add what the reader made of a file, and return its layer (of channels, the first)."""
        data, keywords, _ = layer
        added = self.viewer.add_image(data, **keywords)
        versions.show_scale_bar(self.viewer)
        return added[0] if isinstance(added, list) else added

    def show(
        self, explanation: xr.Dataset, source: weakref.ref[Image], name: str, frame: Frame, step: tuple[int, ...] | None
    ) -> list[Layer]:
        """Put the maps of an explanation on the layer that they explain; a map shown before is updated, not doubled.

        Parameters
        ----------
        explanation
            As computed.
        source
            The explained layer; it may have been deleted meanwhile, the maps are shown where it lay.
        name, frame
            Its name and place when the question was asked.
        step
            The explained slice.
        """
        layer = source()
        if layer is not None and layer in self.viewer.layers:
            name = layer.name
        shown = []
        for values, keywords, _ in map_layers(explanation, name, frame, step):
            keywords["colormap"] = versions.map_colours(keywords["colormap"])
            old = next((la for la in self.viewer.layers if _is_map(la) and la.name == keywords["name"]), None)
            if old is not None and old.data.shape == values.shape:
                old.data = values
                old.contrast_limits_range = keywords["contrast_limits"]
                old.contrast_limits = keywords["contrast_limits"]
                old.translate, old.metadata = keywords["translate"], keywords["metadata"]
                shown.append(old)
                continue
            added = self.viewer.add_image(values, **keywords)
            added.visible = not shown  # the first map lies on the image; the others wait to be switched on
            shown.append(added)
        if shown:
            shown[0].visible = True
            self.viewer.layers.selection.active = shown[0]  # whose controls and values napari shows
            versions.show_colour_bar(shown[0])
            versions.show_scale_bar(self.viewer)
            if layer is not None and layer in self.viewer.layers:
                layer.visible = True
        return shown
