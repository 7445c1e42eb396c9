"""Read files into calibrated layers. Returns early with None for what the library does not recognise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_matxai.layers.images import image_layer

if TYPE_CHECKING:
    from napari_matxai.layers.frame import LayerData

PathOrPaths = str | Sequence[str]


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerData]] | None:
    """Return a reader for a path, or None where its first bytes are of no format that the library reads.

    A list of paths is one stack in that order.
    """
    from matxai.errors import MatxaiError
    from matxai.signals.reading import find_reader

    first = Path(path if isinstance(path, str) else path[0])
    if not first.exists():
        return None
    try:
        if first.is_file() or _is_saved(first):
            if not _is_saved(first):
                find_reader(first)
        elif not any(first.iterdir()):
            return None
    except (MatxaiError, OSError):
        return None
    return read_layers


def _is_saved(path: Path) -> bool:
    """Whether a path looks like a result of ours; its content is checked when it is opened."""
    return path.suffix == ".nc" or (path.suffix == ".zarr" and path.is_dir())


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Return the layers of a file: its signal, or the image and the maps of a saved explanation.

    Raises
    ------
    MatxaiError
        One sentence that names what is wrong with the file.
    """
    from matxai.errors import ExplanationError, MatxaiWarning
    from matxai.signals import read

    one = path if isinstance(path, str) else (path[0] if len(path) == 1 else None)
    if one is not None and _is_saved(Path(one)):
        try:
            return _saved_layers(Path(one))
        except ExplanationError:
            if Path(one).suffix == ".nc":
                raise
    with warnings.catch_warnings():
        warnings.simplefilter("default", MatxaiWarning)
        signal = read(path if one is None else one)
    name = Path(one).name if one is not None else f"{Path(path[0]).name} ... {Path(path[-1]).name}"
    return [image_layer(signal, name, one)]


def _saved_layers(path: Path) -> list[LayerData]:
    from matxai.explanation import load
    from napari_matxai import versions
    from napari_matxai.layers.frame import frame_of
    from napari_matxai.layers.maps import map_layers

    explanation = load(path)
    signal = explanation.coords["signal"]
    name = str(signal.attrs.get("source") or path.stem)
    maps = map_layers(explanation, name, frame_of(signal), None)
    for number, (_, keywords, _) in enumerate(maps):
        keywords["colormap"] = versions.map_colours(keywords["colormap"])
        keywords["visible"] = number == 0
    return [image_layer(signal, name, None), *maps]
