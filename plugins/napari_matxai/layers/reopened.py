"""Maps that were opened with their image become those of that image, as if they had just been made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_matxai import versions
from napari_matxai.layers.key import key_of, ours
from napari_matxai.layers.saved import OPENED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer


def joined(image: Layer, layers: Iterable[Layer]) -> list[Layer]:
    """Make what was opened with an image its own, and return it: asked again, these layers are updated.

    A file knows no identity of a layer, which lives as long as a viewer. So the reader gives image and maps one of its
    own, and it is replaced here, once: copies that a user makes afterwards are the user's.

    Parameters
    ----------
    image
        The layer that is asked about.
    layers
        All of the viewer, oldest first.
    """
    identity = ours(image).get(OPENED)
    if identity is None:
        return []
    found: dict[object, Layer] = {}
    for layer in layers:
        key = key_of(layer)
        if key is not None and key.source == identity and key not in found:
            found[key] = layer
            record = [versions.identity(image), key.role, key.name]
            _note(layer, {**ours(layer), "key": record, "layer": versions.identity(layer)})
    if found:  # else its maps are still to come: napari adds layer after layer, and a dock looks at the first at once
        _note(image, {k: v for k, v in ours(image).items() if k != OPENED})
    return list(found.values())


def _note(layer: Layer, about: dict[str, object]) -> None:
    layer.metadata = {**layer.metadata, "matxai": about}
