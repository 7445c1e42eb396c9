"""MRC and CCP4 maps (``.mrc .mrcs .map .rec .st .ali``): volumes and stacks of images, angstroms in the header.

Header fields are those of the MRC2014 format (Cheng et al., J. Struct. Biol. 192, 2015). The header is read here before
``mrcfile`` sees the file, so that what it claims is held against what the file has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.formats.axes import Axis, shape_after, signal_of
from matxai.signals.formats.pieces import MappedArray, bytes_of, whole_or_lazy
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

HEADER = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_SUFFIXES = (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".ccp4")
_SAID = ("Microscope type", "Application", "HT", "Magnification", "Alpha tilt", "Dwell time", "STEM Detector name")


@dataclass(frozen=True)
class Header:
    """The fields of the 1024 bytes that say where the numbers are and what they mean."""

    order: str
    size: tuple[int, int, int]
    mode: int
    sampling: tuple[int, int, int]
    cell: tuple[float, float, float]
    axes: tuple[int, int, int]
    group: int
    extended: int
    kind: bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the stored numbers."""
        return np.dtype(_MODES[self.mode]).newbyteorder("<" if self.order == "<" else ">")


def recognises(path: Path, head: bytes) -> bool:
    """Whether the word MAP stands where MRC2014 puts it, or an older file so named has a header that makes sense."""
    if len(head) >= HEADER and head[208:211] == b"MAP":
        return True
    return path.suffix.lower() in _SUFFIXES and len(head) >= HEADER and _header(head) is not None


def _header(head: bytes) -> Header | None:
    """Return the header in whichever byte order makes sense, or None."""
    orders = ">" if head[212:214] == b"\x11\x11" else "<", "<" if head[212:214] == b"\x11\x11" else ">"
    for order in orders:
        ints = struct.unpack(f"{order}10i", head[:40])
        cell = struct.unpack(f"{order}3f", head[40:52])
        axes = struct.unpack(f"{order}3i", head[64:76])
        group, extended = struct.unpack(f"{order}2i", head[88:96])
        if ints[3] in {*_MODES, 3, 16, 101} and all(0 < n < 2**31 for n in ints[:3]) and 0 <= extended < 2**31:
            return Header(order, ints[:3], ints[3], ints[7:10], cell, axes, group, extended, head[104:108])
    return None


def read(path: Path, options: ReadOptions) -> list[Item]:  # noqa: ARG001 - a reader's signature
    """Return the one volume, stack or image of an MRC file.

    Raises
    ------
    FileError
        If the header makes no sense, claims more than the file holds, or has a kind of numbers that nobody reads.
    """
    with path.open("rb") as file:
        head = file.read(HEADER)
    header = _header(head) if len(head) == HEADER else None
    if header is None:
        msg = f"{path.name} is truncated or no MRC file: its {len(head)} bytes of header make no sense"
        raise FileError(msg)
    if header.mode not in _MODES:
        known = ", ".join(map(str, _MODES))
        msg = (
            f"{path.name} stores its numbers in MRC mode {header.mode}; the modes {known} can be read. Convert the file"
        )
        raise FileError(msg)
    nx, ny, nz = header.size
    stored = (nz, ny, nx)
    held = path.stat().st_size - HEADER - header.extended
    check_held(path.name, bytes_of(stored, header.dtype.itemsize), held, what=f"{nx} x {ny} x {nz} numbers")
    dims, axes, kept, spacing_from = _layout(header, path)
    shape = tuple(n for n, k in zip(stored, kept, strict=True) if k)

    name = "image" if not all(kept) else "stack" if header.group == 0 else "volume"

    def load() -> xr.DataArray:
        mapped = MappedArray(path, header.dtype, HEADER + header.extended, shape)
        array = whole_or_lazy(mapped).astype(header.dtype.newbyteorder("="), copy=False)
        return signal_of(array, axes, source=spacing_from, dims=dims, attrs={"metadata": _metadata(path)}, name=name)

    return [Item(name, load, shape_after(shape, dims), str(header.dtype.newbyteorder("=")))]


def _layout(header: Header, path: Path) -> tuple[tuple[str, ...], list[Axis], list[bool], str]:
    """Return names and axes of what is kept, which stored axes those are, and where the pixel size stands."""
    letters = {1: "x", 2: "y", 3: "z"}
    order = [header.axes[2], header.axes[1], header.axes[0]]  # slowest first, as stored
    if sorted(order) != [1, 2, 3]:
        order = [3, 2, 1]  # older programs leave these three at zero
    kept = [not (i == 0 and header.size[2] == 1) for i in range(3)]
    source = "MRC header"
    sizes = {a: _voxel(header, a) for a in (1, 2, 3)}
    if header.group == 0:  # a stack of images: the third axis counts them
        sizes[order[0]] = None
    if not sizes[1] and not sizes[2] and (field := _extended_pixel(path)):
        sizes[1], sizes[2], source = *field, "MRC extended header"
    elif sizes[1] == 0.1 and sizes[2] == 0.1:
        source = "MRC header (exactly 1 angstrom, which programs also write when they do not know)"
    names = tuple(letters[a] for a, k in zip(order, kept, strict=True) if k)
    axes = [Axis(letters[a], "nm" if sizes[a] else None, sizes[a]) for a, k in zip(order, kept, strict=True) if k]
    return names, axes, kept, source


def _voxel(header: Header, axis: int) -> float | None:
    """Return the step along x (1), y (2) or z (3) in nm, or None where cell or sampling is zero."""
    cell, sampling = header.cell[axis - 1], header.sampling[axis - 1]
    if not np.isfinite(cell) or cell <= 0 or sampling <= 0:
        return None
    return float(f"{float(str(np.float32(cell))) / sampling / 10:.9g}")  # float32 in the file


def _extended_pixel(path: Path) -> tuple[float, float] | None:
    """Return the pixel size in nm that a Thermo Fisher extended header has in metres."""
    said = _extended(path)
    x, y = said.get("Pixel size X"), said.get("Pixel size Y")
    if isinstance(x, float) and isinstance(y, float) and x > 0 and y > 0:
        return float(f"{x * 1e9:.10g}"), float(f"{y * 1e9:.10g}")
    return None


def _extended(path: Path) -> dict[str, Any]:
    """Return the first record of a FEI1 or FEI2 extended header, through mrcfile, or nothing."""
    with path.open("rb") as head:
        header = _header(head.read(HEADER))
    if header is None or not header.extended or header.kind not in (b"FEI1", b"FEI2"):
        return {}
    import warnings

    import mrcfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the header was looked at already
        try:
            with mrcfile.mmap(path, mode="r", permissive=True) as file:
                records = file.indexed_extended_header
                if records is None or not records.dtype.names or not records.size:
                    return {}
                first = records.reshape(-1)[0]
                return {str(n): first[n].item() for n in records.dtype.names}
        except (ValueError, OSError, TypeError, IndexError):
            return {}


def _metadata(path: Path) -> dict[str, Any]:
    said = _extended(path)
    words = {k: said[k].decode("latin-1") if isinstance(said.get(k), bytes) else said.get(k) for k in _SAID}
    return {k: v for k, v in words.items() if v not in (None, "")}


readers.add(
    "mrc",
    Reader(
        name="mrc",
        suffixes=_SUFFIXES,
        recognises=recognises,
        read=read,
        describes="MRC (MRC2014, CCP4)",
        slices=True,
    ),
)
