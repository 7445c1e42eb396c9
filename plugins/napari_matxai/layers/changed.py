"""The image as it was asked about again, and its new maps: on the image, or beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.maps import map_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from napari_matxai.layers.frame import Frame, LayerData

GAP = 1.04
"""How far the second picture begins from the first, in widths of the image."""


def changed_image(
    signal: xr.DataArray, name: str, frame: Frame, step: Sequence[int] | None, like: dict[str, Any]
) -> LayerData:
    """Return a layer tuple for the image as the model was asked about it again.

    Parameters
    ----------
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    name
        Of the layer.
    frame, step
        Where the explained layer lies, and which of its slices this is.
    like
        Keywords of the explained layer's look: ``contrast_limits`` and ``colormap``, or ``rgb``.
    """
    values = np.asarray(signal.values)
    if step is not None:
        values = values.reshape((1,) * len(step) + values.shape)
        n = len(frame.scale)
        frame = frame.cells([*map(float, step), *[0.0] * (n - len(step))], [1.0] * n)
    return values, {"name": name, **frame.as_keywords(), **like, "metadata": {"matxai": {}}}, "image"


def changed_maps(
    explanation: xr.Dataset, name: str, frame: Frame, step: Sequence[int] | None, asked: Frame
) -> list[LayerData]:
    """Return layer tuples for the maps of the changed image, named so that what they are of stands first."""
    found = map_layers(explanation, name, frame, step, asked=asked)
    for _, keywords, _ in found:
        keywords["name"] = f"masked · {keywords['name']}"
    return found


def beside(frame: Frame, columns: int, axes: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return by how much a layer's ``translate`` changes so that it lies to the right of the image.

    Parameters
    ----------
    frame
        Where the image lies.
    columns
        How many pixels it is wide.
    axes
        Of the layer that is moved; those in front of the image's stay.
    """
    n = len(frame.scale)
    moved = frame.cells([0.0] * (n - 1) + [GAP * columns], [1.0] * n)
    shift = np.asarray(moved.translate) - np.asarray(frame.translate)
    return np.concatenate([np.zeros(max(axes - n, 0)), shift])[-axes:]
