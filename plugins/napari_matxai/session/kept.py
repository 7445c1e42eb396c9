"""Answers that were worked out before, as far as they fit: the map that a hand comes back to is not computed again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

MOST_BYTES = 256 * 2**20


class KeptMaps:
    """Explanations by what was asked; the ones that were not used for longest go first. Safe from any thread.

    Parameters
    ----------
    most
        Bytes that are kept.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: OrderedDict[Any, xr.Dataset] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def nbytes(self) -> int:
        """How many bytes are kept."""
        return self._bytes

    def get(self, key: Any) -> xr.Dataset | None:
        """Return what was kept under a key."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def has(self, key: Any) -> bool:
        """Return whether something is kept under a key."""
        return key in self._held

    def put(self, key: Any, answer: xr.Dataset) -> None:
        """Keep an answer; older ones go where they do not all fit. One that is too large by itself is not kept."""
        size = int(answer.nbytes)
        with self._lock:
            before = self._held.pop(key, None)
            self._bytes -= int(before.nbytes) if before is not None else 0
            if size > self._most:
                return
            self._held[key] = answer
            self._bytes += size
            while self._bytes > self._most:
                _, gone = self._held.popitem(last=False)
                self._bytes -= int(gone.nbytes)

    def clear(self) -> None:
        """Let all go."""
        with self._lock:
            self._held.clear()
            self._bytes = 0
