"""Save maps as the explanation that they are of: File > Save Selected Layers, with a name that ends in .nc or .zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.layers.frame import LayerData


def write_maps(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Save the explanation that layers show, with their maps alone, and return the path in a list.

    ``matxai.load`` and *File > Open* get it back, with the signal, the provenance, and what was changed about colours
    and limits.

    Raises
    ------
    ExplanationError
        If a layer is no map, the maps are of several explanations, or the path cannot be written.
    """
    from matxai.explanation import save
    from napari_matxai.layers.saved import explanation_of

    return [str(save(explanation_of(layers), path))]
