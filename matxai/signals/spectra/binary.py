"""Numbers and words at places in a file's bytes, each asked for only where the file holds it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.limits import MOST_BYTES, check_held, said_bytes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class Fields:
    """A small binary file in memory; all numbers are little-endian.

    Raises
    ------
    FileError
        If the file is larger than any measurement of its kind.
    """

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        if size > MOST_BYTES:
            msg = f"{path.name} has {said_bytes(size)}, more than the {said_bytes(MOST_BYTES)} that a scan has"
            raise FileError(msg)
        self.name = path.name
        self.raw = path.read_bytes()

    def __len__(self) -> int:
        return len(self.raw)

    def _at(self, code: str, at: int) -> Any:
        try:
            return struct.unpack_from(f"<{code}", self.raw, at)[0]
        except struct.error as error:
            msg = f"it is cut off: a field at byte {at} is behind its end ({len(self.raw)} bytes)"
            raise SignalError(msg) from error

    def u16(self, at: int) -> int:
        """Return the unsigned 16-bit number at a byte."""
        return int(self._at("H", at))

    def u32(self, at: int) -> int:
        """Return the unsigned 32-bit number at a byte."""
        return int(self._at("I", at))

    def f32(self, at: int) -> float:
        """Return the 32-bit float at a byte."""
        return float(self._at("f", at))

    def f64(self, at: int) -> float:
        """Return the 64-bit float at a byte."""
        return float(self._at("d", at))

    def text(self, at: int, length: int) -> str:
        """Return a word that ends with its field or with a null."""
        return self.raw[at : at + length].split(b"\0", 1)[0].decode("latin-1").strip()

    def records(self, at: int, count: int, size: int) -> npt.NDArray[np.uint8]:
        """Return ``count`` records of ``size`` bytes, shape ``(count, size)``.

        Raises
        ------
        FileError
            If the file is too short to hold them.
        """
        check_held(self.name, count * size, len(self.raw) - at, what=f"{count} points")
        flat: npt.NDArray[np.uint8] = np.frombuffer(self.raw, np.uint8, count * size, at)
        return flat.reshape(count, size)

    def column(self, records: npt.NDArray[np.uint8], at: int, dtype: str) -> npt.NDArray[np.float64]:
        """Return one field of every record as numbers."""
        width = np.dtype(dtype).itemsize
        return np.ascontiguousarray(records[:, at : at + width]).view(dtype)[:, 0].astype(np.float64)
