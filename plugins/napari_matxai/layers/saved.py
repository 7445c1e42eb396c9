"""Between explanations in files and layers: what is opened again looks as it did, what is saved is what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_matxai import versions
from napari_matxai.layers.frame import LayerData, frame_of
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.maps import map_layers

if TYPE_CHECKING:
    import xarray as xr


def saved_layers(explanation: xr.Dataset, name: str) -> list[LayerData]:
    """Return the layers of an explanation that was saved: its image and its maps, the first of them in sight."""
    signal = explanation.coords["signal"]
    maps = map_layers(explanation, name, frame_of(signal), None)
    for number, (_, keywords, _) in enumerate(maps):
        keywords["colormap"] = versions.map_colours(keywords["colormap"])
        keywords["visible"] = number == 0
    return [image_layer(signal, name, None), *maps]
