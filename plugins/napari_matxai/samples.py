"""Sample data for File > Open Sample: generated micrographs, found through the entry point ``matxai.samples``."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from napari_matxai.layers import LayerData, image_layer


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
    path = str(known[name].path)
    return [image_layer(read(path), known[name].title, path)]


def crack() -> list[LayerData]:
    """Return a micrograph of a crack."""
    return _open("crack")


def pore() -> list[LayerData]:
    """Return a micrograph of a pore."""
    return _open("pore")


def swapped() -> list[LayerData]:
    """Return a micrograph of a pore that carries another image's info bar."""
    return _open("pore_swapped")
