"""Signals and masks of a set, read when they are asked for; those asked for last stay in memory, up to a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import SignalError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr

BYTES = 64 * 2**20
"""Bytes that are kept at most. Checks keep what they work on themselves; this serves whoever reads a set twice."""


class Kept:
    """Reads signals and keeps the latest.

    Parameters
    ----------
    limit
        As ``matxai.read`` takes it.
    most
        Bytes that are kept at most; a larger signal is read each time.
    """

    def __init__(self, *, limit: int | None = None, most: int = BYTES) -> None:
        self.limit = limit
        self.most = most
        self.held = 0
        self._signals: OrderedDict[Path, xr.DataArray] = OrderedDict()
        self._lock = threading.Lock()

    def signal(self, path: Path) -> xr.DataArray:
        """Return the signal of a file, in memory; a copy of one's own, so that nobody's change is another's input.

        Raises
        ------
        FileError, SignalError
            As ``matxai.read``.
        """
        from matxai.signals import read

        with self._lock:
            found = self._signals.get(path)
            if found is not None:
                self._signals.move_to_end(path)
        if found is None:
            found = read(path, limit=self.limit).compute()
            self._keep(path, found)
        return found.copy(deep=False, data=np.array(found.values))

    def _keep(self, path: Path, signal: xr.DataArray) -> None:
        if signal.nbytes > self.most:
            return
        with self._lock:
            if path in self._signals:
                return
            self._signals[path] = signal
            self.held += signal.nbytes
            while self.held > self.most:
                self.held -= self._signals.popitem(last=False)[1].nbytes

    def mask(self, path: Path, mask: Path | None) -> npt.NDArray[np.int64] | None:
        """Return the mask of a signal as whole numbers ``(*spatial)``, 0 the background; None where it has none.

        Raises
        ------
        FileError, SignalError
            As ``matxai.read``; and if the mask is of another size than its signal, or holds fractions or colours.
        """
        from matxai.signals import read

        if mask is None:
            return None
        labels = read(mask, limit=self.limit)
        values = np.asarray(labels.values)
        if "c" in labels.dims:
            channels = np.moveaxis(values, labels.dims.index("c"), 0)[:3]  # a fourth one is how opaque it is
            if not all(np.array_equal(channels[0], c) for c in channels[1:]):
                msg = f"The mask {mask} is a colour picture; a mask holds one whole number for each pixel."
                raise SignalError(msg)
            values = channels[0]
        signal = self.signal(path)
        shape = tuple(n for d, n in signal.sizes.items() if d != "c")
        if values.shape != shape:
            has = f"The mask {mask} is {_size(values.shape)}, and its signal {path.name} {_size(shape)}"
            raise SignalError(f"{has}; both have one size.")
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            msg = f"The mask {mask} holds fractions; a mask holds one whole number for each pixel."
            raise SignalError(msg)
        return whole


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
