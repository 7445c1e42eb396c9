"""Read files into calibrated layers, and single curves onto the shelf of the Spectra dock.

Returns early with None for what the library does not recognise by its first bytes.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_matxai import versions
from napari_matxai.layers.images import image_layer, is_curve
from napari_matxai.session.shelf import Arrival, shelf

if TYPE_CHECKING:
    from napari_matxai.layers.frame import LayerData

PathOrPaths = str | Sequence[str]
#: napari's word for "read, and there is no layer"
NO_LAYER: list[Any] = [(None,)]
MOST = 16
"""How many signals of one file are opened at once."""
SPECTRA = "Spectra"
"""The Spectra dock, as the manifest calls it."""
_TABLES = ("index,axis-0", "index,shape-type")  # how tables of napari's own points and shapes begin


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """Return a reader for a path, or None where its first bytes are of no format that the library reads.

    A list of paths is one stack in that order.
    """
    from matxai.errors import MatxaiError

    first = Path(path if isinstance(path, str) else path[0])
    try:
        known = first.exists() and _recognised(first)
    except (MatxaiError, OSError, ValueError):  # ValueError: a name with a null in it
        return None
    return read_layers if known else None


def _recognised(path: Path) -> bool:
    """Return True, or raise: what a file begins with, or what a folder holds, is of no format that we read."""
    from matxai.explanation.files import is_explanation
    from matxai.signals.reading import find_reader, locate

    if is_explanation(path):
        return True
    if path.suffix.lower() == ".csv" and _is_napari_table(path):
        return False
    where = locate(path)
    find_reader(where[0] if isinstance(where, list) else where)
    return True


def _is_napari_table(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).decode("utf-8", "replace").startswith(_TABLES)


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Return the layers of a file, a folder or a list of files: its signals, or what a saved explanation shows.

    A single spectrum or waveform makes no layer: it is put on the shelf, and the Spectra dock opens for it where a
    viewer is there.

    Raises
    ------
    MatxaiError
        One sentence that names what is wrong with the file.
    """
    from matxai.errors import MatxaiWarning
    from matxai.explanation.files import is_explanation
    from matxai.signals import read_all

    one = path if isinstance(path, str) else (path[0] if len(path) == 1 else None)
    if one is not None and is_explanation(Path(one)):
        return _saved(Path(one))
    several = [str(p) for p in ([one] if one is not None else path)]
    name = Path(several[0]).name if one is not None else f"{Path(several[0]).name} ... {Path(several[-1]).name}"
    source: str | list[str] = several[0] if one is not None else several
    with warnings.catch_warnings():
        warnings.simplefilter("default", MatxaiWarning)  # each file is told of, not the first alone
        signals = read_all(source, most=MOST)
    layers: list[LayerData] = []
    arrivals: list[Arrival] = []
    for signal in signals:
        title = f"{name}: {signal.attrs['item_name']}" if "item_name" in signal.attrs else name
        if is_curve(signal):
            arrivals.append(Arrival(signal, title, one))
        else:
            layers.append(image_layer(signal, title, source))
            layers[-1][1]["visible"] = len(layers) == 1  # of several in one file, one is seen at a time
    shelve(arrivals)
    return layers or NO_LAYER


def _saved(path: Path) -> list[LayerData]:
    """Return the image and the maps of a saved explanation; one of a curve goes to the Spectra dock."""
    from matxai.explanation import load
    from napari_matxai.layers.saved import saved_layers

    explanation = load(path)
    signal = explanation.coords["signal"]
    name = str(signal.attrs.get("source") or path.stem)
    if is_curve(signal):
        shelve([Arrival(signal, name, None, explanation)])
        return NO_LAYER
    return saved_layers(explanation, name)


def shelve(arrivals: Sequence[Arrival]) -> None:
    """Put curves on the shelf for the viewer in front, and open its Spectra dock."""
    if not arrivals:
        return
    viewer = versions.viewer_in_front()
    for arrival in arrivals:
        shelf.put(arrival if viewer is None else replace(arrival, viewer=weakref.ref(viewer)))
    if viewer is not None and shelf.waits(viewer):
        viewer.window.add_plugin_dock_widget("matxai", SPECTRA)
