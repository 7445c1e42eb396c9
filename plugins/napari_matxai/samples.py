"""Sample data for File > Open Sample: generated micrographs, found through the entry point ``matxai.samples``."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from napari_matxai.layers.images import image_layer

if TYPE_CHECKING:
    from napari_matxai.layers.frame import LayerData


def all_samples() -> dict[str, Any]:
    """Return every sample that an installed distribution announces, by name."""
    found: dict[str, Any] = {}
    for point in importlib.metadata.entry_points(group="matxai.samples"):
        found.update(point.load()())
    return found


def _open(name: str) -> list[LayerData]:
    from matxai.errors import FileError, nearest
    from matxai.signals import read

    known = all_samples()
    if name not in known:
        msg = f"There is no sample '{name}'. {nearest(name, known)}"
        raise FileError(msg)
    layers = [image_layer(read(path), path.stem.replace("_", " "), str(path)) for path in known[name].paths]
    for _, keywords, _ in layers[1:]:
        keywords["visible"] = False  # they are of different field widths: one at a time
    return layers


def defects() -> list[LayerData]:
    """Return six micrographs with cracks, inclusions and pores."""
    return _open("defects")


def swapped_bar() -> list[LayerData]:
    """Return one picture of pores under two info bars."""
    return _open("swapped_bar")


def cracks() -> list[LayerData]:
    """Return a micrograph of a branching crack."""
    return _open("cracks")
