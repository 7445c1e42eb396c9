"""What a layout of an HDF5 file (NeXus, Velox, HyperSpy, ...) finds, and how that becomes an item of `matxai.read`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.signals.formats.axes import Axis, dims_of, shape_after, signal_of
from matxai.signals.formats.hdf5_file import StoredArray, is_numeric
from matxai.signals.formats.pieces import bytes_of, piece_bytes, whole_or_lazy
from matxai.signals.limits import FREE_BYTES, check_held, check_unfolding
from matxai.signals.reader import Item

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import xarray as xr


@dataclasses.dataclass(frozen=True)
class Found:
    """One signal in an HDF5 file, as its layout describes it.

    Attributes
    ----------
    dataset
        Path of its numbers in the file.
    axes
        One for each axis as stored.
    layout
        Whose description this is; it becomes ``attrs["layout"]`` and the source of the pixel size.
    name
        What the file calls the signal.
    spectral
        Whether the last axis is that of a spectrum even if nothing names it.
    dims
        Names of the axes where the layout fixes them.
    slice_axis
        The axis that counts slices as stored.
    drop
        Axes with one pixel that are an accident of storage (the frame of a single Velox image).
    measured, note
        As in `Item`.
    metadata
        The instrument's words.
    attrs
        What else the signal says of itself: ``sampling_rate``, ``wavelength``, ``anode``, ``notes``.
    """

    dataset: str
    axes: tuple[Axis, ...]
    layout: str
    name: str
    spectral: bool = False
    dims: tuple[str, ...] | None = None
    slice_axis: int = 0
    drop: tuple[int, ...] = ()
    measured: bool = True
    note: str = ""
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    attrs: dict[str, Any] = dataclasses.field(default_factory=dict)


def item_of(found: Found, dataset: Any, path: Path, limit: int | None) -> Item:
    """Return the item that reads what was found, after a look at whether the file can hold what it claims.

    Raises
    ------
    FileError
        If the dataset holds no numbers, or claims more than the file holds.
    UnsafeFileError
        If it would unfold beyond the limit.
    """
    shape, dtype = tuple(int(n) for n in dataset.shape or ()), dataset.dtype
    if not is_numeric(dtype):
        msg = f"'{found.dataset}' in {path.name} holds {_kind(dtype)} and no array of numbers, which a signal is"
        raise FileError(msg)
    if not shape or 0 in shape:
        msg = f"'{found.dataset}' in {path.name} has the shape {shape}; a signal needs at least one value on every axis"
        raise FileError(msg)
    _check_size(found, dataset, shape, path, limit)
    stored = StoredArray(path, found.dataset, shape, dtype)
    kept = [i for i in range(len(shape)) if i not in found.drop]
    axes = [found.axes[i] for i in kept]
    kept_shape = [shape[i] for i in kept]
    dims = found.dims or dims_of(axes, kept_shape, stored.dtype, spectral=found.spectral)

    def load() -> xr.DataArray:
        data = whole_or_lazy(stored, slice_axis=found.slice_axis)
        if found.drop:
            data = data.squeeze(axis=found.drop)
        attrs = {"layout": found.layout, "dataset": found.dataset, "metadata": dict(found.metadata), **found.attrs}
        return signal_of(data, axes, source=f"{found.layout} axes", dims=dims, attrs=attrs, name=found.name)

    return Item(
        found.name,
        load,
        shape_after(kept_shape, dims),
        str(stored.dtype),
        measured=found.measured,
        note=found.note,
    )


def _check_size(found: Found, dataset: Any, shape: tuple[int, ...], path: Path, limit: int | None) -> None:
    size = dataset.dtype.itemsize
    held = int(dataset.id.get_storage_size())
    total = bytes_of(shape, size)
    what = f"dataset '{found.dataset}'"
    if dataset.chunks is None:
        if held or total > FREE_BYTES:  # HDF5 makes no room for numbers that were never written: zeros, if few
            check_held(path.name, total, held, what=what)
        return
    share = held if total == 0 else int(held * piece_bytes(shape, size, slice_axis=found.slice_axis) / total)
    check_unfolding(path.name, piece_bytes(shape, size, slice_axis=found.slice_axis), share, limit, what=what)
    check_unfolding(path.name, bytes_of(tuple(dataset.chunks), size), held, limit, what=f"{what} (one chunk)")


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.names:
        return f"a table ({', '.join(dtype.names[:6])})"
    return "text" if dtype.kind in "SUO" else f"values of type {dtype}"
