"""What a map cannot tell: regions finer than its cells, and the layer whose map could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from matxai.errors import LayerError, RegionError
from matxai.explanation.dataset import provenance
from matxai.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import xarray as xr

    from matxai.modelcard import Model
    from matxai.modelcard.placement import Extent

Cells = dict[str, "tuple[Extent, ...]"]


@dataclass(frozen=True)
class Unresolved:
    """A region that a map cannot resolve.

    Parameters
    ----------
    map
        Name of the map in the explanation.
    layer
        The map's own layer; empty where it has none.
    region, cell
        How large the region (its largest piece; of a narrow one its widest place) and the map's cell are along each
        axis, in pixels of the signal.
    finer
        The deepest layer whose cells are no larger than the region; None where there is none, or nobody looked.
    sentence
        All this in plain words.
    """

    map: str
    layer: str
    region: tuple[float, ...]
    cell: tuple[float, ...]
    finer: str | None
    sentence: str


def layer_cells(model: Model, signal: xr.DataArray) -> Cells:
    """Return how large the cells of each of a network's layers are on a signal, in the order of the network.

    Parameters
    ----------
    model
        As loaded from its card; it runs once.
    signal
        What it is given.

    Returns
    -------
    dict
        Along each spatial axis a cell's size in the signal's pixels and units. Empty for a model whose layers cannot be
        seen; layers without as many spatial axes as the signal are left out.
    """
    from matxai.engine.cells import layer_places

    prepared = model.preprocessing.prepare(signal)
    try:
        found = layer_places(model.module, prepared.tensor)
    except LayerError:
        return {}
    many = {name: place for name, place in found.items() if max(place.shape) > 1}
    return {name: prepared.placement.source_spacing(place.step) for name, place in many.items()}


def unresolved(
    explanation: xr.Dataset, region: Region | npt.NDArray[np.bool_], *, cells: Cells | None = None, name: str = "region"
) -> list[Unresolved]:
    """Return the maps of an explanation that cannot resolve a region: a cell of theirs fits nowhere into it.

    The region's largest piece is smaller than a cell along some axis, or, as a crack that runs aslant or branches,
    narrower than a cell wherever it is widest.

    Parameters
    ----------
    explanation
        As :func:`explain` returns it, or as it was saved.
    region
        On the explained signal's pixels ``(*spatial)``.
    cells
        Of the network's layers (:func:`layer_cells`), to name the one that could.
    name
        What the region is called in the sentences.

    Raises
    ------
    RegionError
        If the region is empty, or of another signal.
    """
    mask = region.mask if isinstance(region, Region) else np.asarray(region)
    known = provenance(explanation)
    given = known["input"]
    dims = [d for d in given["dims"] if d != "c"]
    whole = tuple(n for n, d in zip(given["shape"], given["dims"], strict=True) if d != "c")
    if mask.shape != whole or not mask.any():
        raise RegionError(f"A region of {mask.shape} with {int(mask.sum())} pixels is none of a signal of {whole}.")
    piece = _largest(mask)
    found = []
    for map_, record in known["maps"].items():
        layer, cell = _finest(record)
        pixels = tuple(cell[d]["pixels"] for d in dims) if set(dims) <= set(cell) else ()
        if not pixels:
            continue
        sizes, measures = tuple(map(float, piece.shape)), "measures"
        if not _smaller(sizes, pixels):
            sizes, measures = _widest(piece, pixels), "is nowhere wider than"
        if _smaller(sizes, pixels):
            finer = _finer(cells or {}, sizes, layer)
            size = f"{measures} {_said(sizes, cell, dims)}"
            sentence = _sentence(name, map_, layer, size, _said(pixels, cell, dims), finer, cells)
            found.append(Unresolved(map_, layer, sizes, pixels, finer, sentence))
    return found


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Cut the largest piece of a mask out of it."""
    inside = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    pieces, count = ndimage.label(mask[inside])
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel(), minlength=count + 1)[1:]))
    found: npt.NDArray[np.bool_] = pieces[ndimage.find_objects(pieces)[largest - 1]] == largest
    return found


def _widest(piece: npt.NDArray[np.bool_], cell: tuple[float, ...]) -> tuple[float, ...]:
    """How large the largest ellipse of a cell's proportions is that fits into a piece; up to a pixel too large."""
    if piece.all():
        return tuple(map(float, piece.shape))
    cells = 2 * float(ndimage.distance_transform_edt(np.pad(piece, 1), sampling=[1 / c for c in cell]).max())
    return tuple(cells * c for c in cell)


def _finest(record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The layer that a map has its cells from and these; of a map of several layers, its finest."""
    layers: Mapping[str, Any] = record.get("layers") or {}
    if not layers:
        return "", record.get("cell", {})
    finest = min(layers, key=lambda n: float(np.prod([e["pixels"] for e in layers[n]["cell"].values()])))
    return finest, layers[finest]["cell"]


def _smaller(sizes: tuple[float, ...], cell: tuple[float, ...]) -> bool:
    return any(size < c - 1e-6 for size, c in zip(sizes, cell, strict=True))


def _finer(cells: Cells, sizes: tuple[float, ...], layer: str) -> str | None:
    """The last layer in front of the map's own whose cells are small enough; else the last one anywhere."""
    names = list(cells)
    fine = [n for n in names if not _smaller(sizes, tuple(e.pixels for e in cells[n]))]
    before = [n for n in fine if layer in names and names.index(n) < names.index(layer)]
    found = before or fine
    return found[-1] if found else None


def _said(pixels: tuple[float, ...], cell: Mapping[str, Any], dims: list[str]) -> str:
    """Sizes along each axis, in the signal's units where it has some."""
    units = {str(cell[d]["units"]) for d in dims}
    text = " x ".join(f"{p:.3g}" for p in pixels) + " pixels"
    if len(units) == 1 and not units & {"pixel", ""}:
        real = (p * cell[d]["size"] / cell[d]["pixels"] for p, d in zip(pixels, dims, strict=True))
        text = " x ".join(f"{r:.3g}" for r in real) + f" {units.pop()} ({text})"
    return text


def _sentence(name: str, map_: str, layer: str, size: str, cell: str, finer: str | None, cells: Cells | None) -> str:
    at = f" at the layer '{layer}'" if layer else ""
    said = f"The {name} {size}, less than a cell of {map_}{at}, {cell}: this map cannot resolve it."
    if finer is not None and cells is not None:
        own = " x ".join(f"{e.pixels:.3g}" for e in cells[finer])
        return f"{said} A map of the layer '{finer}' could; its cells are {own} pixels."
    if cells and layer:
        return f"{said} No layer of this network has cells so small; a map of the input (lrp, saliency) is finer."
    return said
