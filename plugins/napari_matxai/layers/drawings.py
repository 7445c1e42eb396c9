"""A layer's regions held fast, for the time when they are being asked about and the user draws on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.frame import frame_of_layer
from napari_matxai.layers.masks import Drawing
from napari_matxai.layers.placing import Placing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels, Layer, Points, Shapes

    from napari_matxai.layers.frame import Frame


def shapes_layer(of: str, frame: Frame, shape: Sequence[int]) -> tuple[None, dict[str, Any], str]:
    """Return a layer tuple for shapes on an image of a name, a place and a size, with nothing drawn yet."""
    keywords = {
        "name": f"regions of {of}",
        **frame.as_keywords(),
        "ndim": len(frame.scale),
        "edge_width": max(1.0, max(shape[-2:]) / 200),
        "edge_color": "#ffb000",
        "face_color": "#ffb00030",
    }
    return None, keywords, "shapes"


def placing_of(layer: Layer) -> Placing:
    """Return where a layer's data coordinates lie."""
    return Placing.of(frame_of_layer(layer), layer.name)


def drawing_of(layer: Layer, at: Sequence[int] = (), *, selected: bool = False) -> Drawing:
    """Return a copy of the regions of a Shapes, Labels or Points layer; what lies on disk is not read.

    Parameters
    ----------
    layer
        The layer.
    at
        Index of the slice in view along its axes before the last two.
    selected
        Whether only what is selected is meant: selected shapes and points, the label that the brush paints.
    """
    if type(layer).__name__ == "Labels":
        return _labels(layer, at, selected=selected)
    if type(layer).__name__ == "Points":
        return _points(layer, at, selected=selected)
    return _shapes(layer, at, selected=selected)


def _shapes(layer: Shapes, at: Sequence[int], *, selected: bool) -> Drawing:
    return Drawing(
        "shapes",
        placing_of(layer),
        [np.array(vertices, float) for vertices in layer.data],
        tuple(sorted(map(int, layer.selected_data))) if selected else None,
        types=tuple(map(str, layer.shape_type)),
        widths=tuple(map(float, layer.edge_width)),
        at=tuple(at),
        known=_known(layer),
    )


def _points(layer: Points, at: Sequence[int], *, selected: bool) -> Drawing:
    return Drawing(
        "points",
        placing_of(layer),
        np.array(layer.data, float),
        tuple(sorted(map(int, layer.selected_data))) if selected else None,
        widths=tuple(map(float, np.broadcast_to(layer.size, len(layer.data)))),
        at=tuple(at),
        known=_known(layer),
    )


def _labels(layer: Labels, at: Sequence[int], *, selected: bool) -> Drawing:
    data: Any = layer.data[0] if layer.multiscale else layer.data
    if isinstance(data, np.ndarray):
        data = data.copy()  # the brush paints in place
    return Drawing(
        "labels",
        placing_of(layer),
        data,
        (int(layer.selected_label),) if selected else None,
        at=tuple(at),
        known=_known(layer),
    )


def _known(layer: Layer) -> Mapping[int, Mapping[str, Any]]:
    """What the layer's table says of each region, by its row or its label."""
    table = layer.features
    told = [c for c in ("kind", "source") if c in table]
    if not told:
        return {}
    numbers = table["index"] if "index" in table and type(layer).__name__ == "Labels" else range(len(table))
    rows = zip(numbers, *(table[c] for c in told), strict=True)
    return {int(number): dict(zip(told, values, strict=True)) for number, *values in rows}
