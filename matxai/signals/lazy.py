"""Slices that are read when they are used: what a stack's file or files look like to dask, a chunk a slice."""

from __future__ import annotations

import operator
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Slices:
    """An array of which only shape and type are known; ``one(i)`` reads the slice ``i`` along the first axis.

    ``one`` must be picklable (a function of a module, or a partial of one), so that processes can read slices too.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    one: Callable[[int], np.ndarray[Any, Any]]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        """Read what is asked for, a whole slice at a time."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if not isinstance(first, slice):
            return np.asarray(self.one(operator.index(first))[tuple(rest)])
        numbers = range(*first.indices(self.shape[0]))
        if not numbers:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        return np.stack([self.one(i) for i in numbers])[(slice(None), *rest)]


def lazy_stack(shape: tuple[int, ...], dtype: Any, one: Callable[[int], np.ndarray[Any, Any]]) -> Any:
    """Return a dask array whose chunks are the slices ``one(0)``, ``one(1)``, ..."""
    import dask.array as da

    slices = Slices(tuple(shape), np.dtype(dtype), one)
    chunks = (1, *shape[1:])
    meta = np.empty((0,) * len(shape), dtype)
    return da.from_array(slices, chunks=chunks, name=f"slices-{uuid.uuid4().hex}", fancy=False, meta=meta)
