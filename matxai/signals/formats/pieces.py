"""When an array is read at once and when piece by piece: small ones at once, large stacks by dask, a chunk a slice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

LAZY_ABOVE = 64 * 2**20
"""Stacks of more bytes than this stay on disk until a slice of them is used."""


def is_lazy(shape: tuple[int, ...], itemsize: int, *, slice_axis: int = 0) -> bool:
    """Whether an array of this size is read slice by slice."""
    several = math.prod(shape[i] for i in _counting(shape, slice_axis)) > 1
    return len(shape) > 2 and several and bytes_of(shape, itemsize) > LAZY_ABOVE


def bytes_of(shape: tuple[int, ...], itemsize: int) -> int:
    """Return the bytes of an array, exactly, however absurd its shape."""
    return math.prod(int(n) for n in shape) * itemsize


def piece_bytes(shape: tuple[int, ...], itemsize: int, *, slice_axis: int = 0) -> int:
    """Return the bytes that are in memory at a time: a slice of a lazy array, else the whole."""
    total = bytes_of(shape, itemsize)
    if is_lazy(shape, itemsize, slice_axis=slice_axis):
        return total // math.prod(shape[i] for i in _counting(shape, slice_axis))
    return total


def whole_or_lazy(stored: Any, *, slice_axis: int = 0) -> Any:
    """Return an array in memory, or for a large stack a dask array with a chunk for each slice.

    Parameters
    ----------
    stored
        What can be sliced like an array: a `MappedArray`, a dataset, a Zarr array.
    slice_axis
        The axis that counts slices (the last one in Velox files); the two others of a stack stay whole.
    """
    shape = tuple(int(n) for n in stored.shape)
    if not is_lazy(shape, stored.dtype.itemsize, slice_axis=slice_axis):
        return np.asarray(stored[...])
    import dask.array as da

    chunks = tuple(1 if i in _counting(shape, slice_axis) else n for i, n in enumerate(shape))
    name = None if hasattr(stored, "__dask_tokenize__") else False  # dask reads all of an array that it must name
    return da.from_array(stored, chunks=chunks, asarray=True, fancy=False, name=name)


class MappedArray:
    """Uncompressed numbers in a file as an array that is read piece by piece; nothing stays mapped in between.

    dask would read a whole memory map to give it a name, so this says what makes it this array.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], *, fortran: bool = False
    ) -> None:
        self.path, self.dtype, self.offset, self.shape, self.ndim = path, dtype, offset, shape, len(shape)
        self._order: Literal["C", "F"] = "F" if fortran else "C"

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        held = np.memmap(self.path, self.dtype, mode="r", offset=self.offset, shape=self.shape, order=self._order)
        return np.array(held[key])

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return what makes this array this array, for dask."""
        stat = self.path.stat()
        where = (str(self.path.resolve()), stat.st_mtime_ns, stat.st_size)
        return (*where, str(self.dtype), self.offset, self.shape, self._order)


def _counting(shape: tuple[int, ...], slice_axis: int) -> tuple[int, ...]:
    """Return the axes that are cut into single slices: all in front of a plane, or of a plane with its colours."""
    if slice_axis:
        return (slice_axis,)
    plane = 3 if len(shape) > 3 and shape[-1] in (3, 4) else 2
    return tuple(range(len(shape) - plane))
