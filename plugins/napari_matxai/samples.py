"""Sample data for File > Open Sample: generated, small, found through the entry point ``matxai.samples``.

Each names the model that suits it in its layer's metadata (``model``); the dock chooses that model when it is opened.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
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


def open_sample(name: str, *, together: bool = False) -> list[LayerData]:
    """Return the layers of a sample, the first in sight.

    Parameters
    ----------
    name
        As its distribution announces it.
    together
        Whether its files are one set of spectra. (A sample of single curves is none for napari, which wants a layer.)

    Raises
    ------
    MatxaiError
        If there is no such sample, or its files are gone.
    """
    from matxai.errors import FileError, nearest
    from matxai.signals import read

    known = all_samples()
    if name not in known:
        msg = f"There is no sample '{name}'. {nearest(name, known)}"
        raise FileError(msg)
    sample = known[name]
    paths = [str(path) for path in sample.paths]
    layers: list[LayerData] = []
    for source in [paths] if together else paths:
        signal = read(source)
        title = sample.title if isinstance(source, list) else Path(source).stem.replace("_", " ")
        layer = image_layer(signal, title, source)
        layer[1]["metadata"]["matxai"]["model"] = sample.model
        layer[1]["visible"] = not layers  # they are of different field widths: one at a time
        layers.append(layer)
    return layers


def defects() -> list[LayerData]:
    """Return six micrographs with cracks, inclusions and pores."""
    return open_sample("defects")


def info_bar() -> list[LayerData]:
    """Return a micrograph of a crack above an info bar."""
    return open_sample("info_bar")


def swapped_bar() -> list[LayerData]:
    """Return one picture of pores under two info bars."""
    return open_sample("swapped_bar")


def cracks() -> list[LayerData]:
    """Return a micrograph of a branching crack."""
    return open_sample("cracks")


def ct_crack() -> list[LayerData]:
    """Return slices of a tomogram with a crack that closes with depth."""
    return open_sample("ct_crack")


def powder_phases() -> list[LayerData]:
    """Return a set of powder patterns as an image with a row for each."""
    return open_sample("powder_phases", together=True)


def xps_molybdenum() -> list[LayerData]:
    """Return three photoelectron spectra as an image with a row for each."""
    return open_sample("xps_molybdenum", together=True)
