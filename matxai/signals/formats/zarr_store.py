"""Zarr and OME-Zarr: folders and zip files of chunks, versions 2 and 3; level 0 of a multiscale image with its axes.

The axes of OME-Zarr are those of NGFF (https://ngff.openmicroscopy.org) 0.1 to 0.5: names and units in ``axes``, sizes
in ``coordinateTransformations``. Others are read as xarray writes them: named axes, arrays of their places beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, nearest
from matxai.signals.formats.axes import Axis, dims_of, shape_after, signal_of
from matxai.signals.formats.pieces import bytes_of, piece_bytes, whole_or_lazy
from matxai.signals.formats.zarr_metadata import Node, Store, nodes_of
from matxai.signals.limits import check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

MARKS = ("zarr.json", ".zgroup", ".zarray")


def recognises(path: Path, head: bytes) -> bool:
    """Whether a folder has a Zarr store's metadata, or a zip file with a store's suffix begins like one."""
    if path.is_dir():
        return any((path / m).is_file() for m in MARKS)
    if head[:4] != b"PK\x03\x04":
        return False
    return path.name.lower().endswith((".zarr.zip", ".zarr", ".ozx")) or any(m.encode() in head for m in MARKS)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the signals of a Zarr store.

    Raises
    ------
    FileError
        If the metadata are damaged, or leave open which array is meant (the sentence lists them).
    UnsafeFileError
        If an array would be unpickled, a name leads out of a zip file, or something unfolds beyond the limit.
    """
    store = Store(path, options.limit)
    nodes = {n.path: n for n in nodes_of(store)}
    if not nodes:
        msg = f"{path.name} holds no Zarr metadata (zarr.json, .zgroup or .zarray)"
        raise FileError(msg)
    if options.dataset:
        return [_named(store, nodes, options.dataset, options.limit)]
    root = nodes.get("")
    if root is not None and root.attrs.get("format") == "matxai-explanation":
        msg = f"{path.name} is a saved explanation and no signal; matxai.load opens it"
        raise FileError(msg)
    images = [n for n in nodes.values() if _multiscales(n)]
    if images:
        return [_ome(store, nodes, n, options.limit) for n in images]
    return [_only(store, nodes, options.limit)]


def _multiscales(node: Node) -> dict[str, Any] | None:
    """Return what a group says of the image in it, or None: at its top up to NGFF 0.4, below ``ome`` since 0.5."""
    ome = node.attrs.get("ome")
    said = (ome if isinstance(ome, dict) else node.attrs).get("multiscales")
    if node.array is None and isinstance(said, list) and said and isinstance(said[0], dict):
        return said[0]
    return None


def _ome(store: Store, nodes: dict[str, Node], group: Node, limit: int | None) -> Item:
    said = _multiscales(group) or {}
    levels = said.get("datasets")
    first = levels[0] if isinstance(levels, list) and levels and isinstance(levels[0], dict) else {}
    path = "/".join(p for p in (group.path, str(first.get("path", ""))) if p)
    node = nodes.get(path)
    if node is None or node.array is None:
        msg = f"{store.path.name} announces an image at '{path}' and has no array there; the store is incomplete"
        raise FileError(msg)
    rank = len(node.shape)
    names, units = _ngff_axes(said, rank)
    scale, shift = np.ones(rank), np.zeros(rank)
    for transform in [*_list(first.get("coordinateTransformations")), *_list(said.get("coordinateTransformations"))]:
        values = transform.get(str(transform.get("type"))) if isinstance(transform, dict) else None
        if not isinstance(values, list) or len(values) != rank:
            continue
        if transform["type"] == "scale":
            scale, shift = scale * np.asarray(values, float), shift * np.asarray(values, float)
        elif transform["type"] == "translation":
            shift = shift + np.asarray(values, float)
    axes = [Axis(n, u, float(s), float(t)) for n, u, s, t in zip(names, units, scale, shift, strict=True)]
    title = str(said.get("name") or group.path or "image")
    return _item(store, node, axes, title, "OME-Zarr", limit, names=tuple(names), metadata=_ome_words(group))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _ngff_axes(said: dict[str, Any], rank: int) -> tuple[list[str], list[str | None]]:
    axes = _list(said.get("axes"))
    if len(axes) != rank:  # NGFF 0.1 and 0.2 have none: always t, c, z, y, x
        return list("tczyx")[5 - rank :], [None] * rank
    names = [str(a.get("name") if isinstance(a, dict) else a).lower() for a in axes]
    return names, [a.get("unit") if isinstance(a, dict) else None for a in axes]


def _ome_words(group: Node) -> dict[str, Any]:
    ome = group.attrs.get("ome")
    omero = (ome if isinstance(ome, dict) else group.attrs).get("omero")
    channels = _list(omero.get("channels")) if isinstance(omero, dict) else []
    labels = [str(c.get("label", "")) for c in channels if isinstance(c, dict)]
    return {"channels": ", ".join(labels)} if any(labels) else {}


def _plain(store: Store, nodes: dict[str, Node], node: Node, limit: int | None) -> Item:
    """Describe an array by the names of its axes and the arrays of their places beside it, as xarray writes them."""
    parent = node.path.rsplit("/", 1)[0] + "/" if "/" in node.path else ""
    axes = []
    for name, size in zip(node.names, node.shape, strict=True):
        beside = nodes.get(f"{parent}{name}") if name else None
        if beside is None or beside.shape != (size,) or beside.path == node.path:
            axes.append(Axis(name=name))
            continue
        unit = beside.attrs.get("units")
        axes.append(Axis(name=name, unit=str(unit) if unit else None, values=_opened(store, beside)[...]))
    return _item(store, node, axes, node.path or store.path.stem, "Zarr array", limit)


def _item(
    store: Store,
    node: Node,
    axes: list[Axis],
    title: str,
    layout: str,
    limit: int | None,
    *,
    names: tuple[str, ...] | None = None,
    metadata: dict[str, Any] | None = None,
) -> Item:
    array = _opened(store, node)
    shape, dtype = tuple(int(n) for n in array.shape), np.dtype(array.dtype)
    if dtype.kind not in "biufc" or not shape or 0 in shape:
        kind = f"values of type {dtype}" if dtype.kind not in "biufc" else f"the shape {shape}"
        msg = f"the array '{node.path or '/'}' of {store.path.name} has {kind} and is no array of numbers"
        raise FileError(msg)
    what = f"array '{node.path or '/'}'"
    unfolded = max(piece_bytes(shape, dtype.itemsize), bytes_of(node.chunk, dtype.itemsize))
    stored = store.stored(node.path, unfolded // 100 + 1)
    check_unfolding(store.path.name, unfolded, stored, limit, what=what)
    drop = tuple(i for i, n in enumerate(names or ()) if n in ("t", "c", "z") and shape[i] == 1)
    kept = [i for i in range(len(shape)) if i not in drop]
    kept_shape, kept_axes = [shape[i] for i in kept], [axes[i] for i in kept]
    dims = tuple(names[i] for i in kept) if names else dims_of(kept_axes, kept_shape, dtype)

    def load() -> xr.DataArray:
        data = whole_or_lazy(_opened(store, node))
        data = data.squeeze(axis=drop) if drop else data
        attrs = {"layout": layout, "dataset": node.path, "metadata": dict(metadata or {})}
        return signal_of(
            data.astype(dtype.newbyteorder("="), copy=False),
            kept_axes,
            source=f"{layout} axes",
            dims=dims,
            attrs=attrs,
            name=title,
        )

    return Item(title, load, shape_after(kept_shape, dims), str(dtype.newbyteorder("=")))


def _opened(store: Store, node: Node) -> Any:
    """Open one array whose codecs have been looked at; only the metadata that were looked at are used."""
    import zarr

    try:
        where: Any = store.path
        if store.path.is_file():
            where = zarr.storage.ZipStore(store.path, mode="r")
        version = 3 if "zarr_format" in (node.array or {}) and (node.array or {})["zarr_format"] == 3 else 2
        inside = (store.root + node.path).strip("/")
        return zarr.open_array(where, path=inside or None, mode="r", zarr_format=version)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        said = str(error).split("\n", maxsplit=1)[0]
        msg = f"the array '{node.path or '/'}' of {store.path.name} cannot be opened; its metadata are damaged ({said})"
        raise FileError(msg) from error


def _only(store: Store, nodes: dict[str, Node], limit: int | None) -> Item:
    arrays = [n for n in nodes.values() if n.array is not None]
    named = {name for n in arrays for name in n.names if name}
    signals = [n for n in arrays if not (len(n.shape) == 1 and n.path.rsplit("/", 1)[-1] in named) and n.shape != ()]
    if len(signals) == 1:
        return _plain(store, nodes, signals[0], limit)
    if not signals:
        msg = f"{store.path.name} holds no array that could be a signal"
        raise FileError(msg)
    listed = _listed(signals)
    msg = f"{store.path.name} does not say which of its arrays is meant; it has {listed}. Name one with dataset=..."
    raise FileError(msg)


def _named(store: Store, nodes: dict[str, Node], wanted: str, limit: int | None) -> Item:
    node = nodes.get(wanted.strip("/"))
    if node is None:
        arrays = [n for n in nodes.values() if n.array is not None]
        near = nearest(wanted, [n.path for n in arrays])
        near = f" {near}" if near.startswith("Did") else ""
        msg = f"{store.path.name} has no dataset '{wanted}'; it has {_listed(arrays)}.{near} Name one with dataset=..."
        raise FileError(msg)
    if node.array is not None:
        for group in nodes.values():
            said = _multiscales(group)
            levels = _list(said.get("datasets")) if said else []
            head = f"{group.path}/" if group.path else ""
            if levels and isinstance(levels[0], dict) and f"{head}{levels[0].get('path')}" == node.path:
                return _ome(store, nodes, group, limit)
        return _plain(store, nodes, node, limit)
    if _multiscales(node):
        return _ome(store, nodes, node, limit)
    inside = [n for n in nodes.values() if n.array is not None and n.path.startswith(f"{node.path}/")]
    if len(inside) == 1:
        return _plain(store, nodes, inside[0], limit)
    msg = f"'{wanted}' in {store.path.name} is a group and no array; it has {_listed(inside)}"
    raise FileError(msg)


def _listed(nodes: list[Node]) -> str:
    ranked = sorted(nodes, key=lambda n: (-bytes_of(n.shape, 1), n.path))
    shown = ", ".join(f"'{n.path}' {n.shape}" for n in ranked[:8]) or "no array"
    return shown + (f" and {len(nodes) - 8} more" if len(nodes) > 8 else "")


readers.add(
    "zarr",
    Reader(
        name="zarr",
        suffixes=(".zarr", ".zip", ".ozx"),
        recognises=recognises,
        read=read,
        describes="Zarr or OME-Zarr",
        folders=True,
    ),
)
