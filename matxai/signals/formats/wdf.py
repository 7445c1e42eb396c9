"""Renishaw WiRE (``.wdf``): one spectrum, a series, a line or a map; the axis is stored from high to low.

The file is a row of blocks (name, number, size); read are the header ``WDF1``, the intensities ``DATA``, the axis
``XLST``, places and times ``ORGN`` and the grid ``WMAP``. The layout is that of the Gwyddion project's description. A
map whose points fill its grid comes as (raman_shift, y, x), everything else as a set with its places beside.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiWarning
from matxai.signals.formats.axes import Axis, signal_of
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.curve import SAMPLE, Curve

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr

MAGIC = b"WDF1"
HEADER = 512
BLOCK = struct.Struct("<4sIQ")
MOST_BLOCKS = 10_000
MAPPED = 3
UNITS = {
    1: ("raman_shift", "1/cm"),
    2: ("wavenumber", "1/cm"),
    3: ("wavelength", "nm"),
    4: ("energy", "eV"),
    5: ("wavelength", "um"),
}
"""What the unit of the axis says about it."""
WORDS = {3: "nm", 5: "um", 8: "mm", 9: "m", 10: "kelvin", 12: "s", 13: "ms", 21: "degC"}
ORIGINS = {3: "x", 4: "y", 5: "z", 9: "temperature", 10: "pressure", 18: "elapsed_time"}
"""Kinds of origins that become coordinates of a set."""


@dataclass(frozen=True)
class _Header:
    points: int
    places: int
    count: int
    scans: int
    origins: int
    kind: int
    laser: float
    title: str
    user: str


@dataclass(frozen=True)
class _File:
    header: _Header
    values: npt.NDArray[Any]
    axis: npt.NDArray[Any]
    unit: int
    origins: dict[str, tuple[npt.NDArray[Any], str | None]]
    grid: tuple[float, ...] | None
    photograph: bool
    cut: bool


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first block is a WiRE header of 512 bytes."""
    return head[:4] == MAGIC and head[8:16] == struct.pack("<Q", HEADER)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the measurement of the file.

    Raises
    ------
    FileError
        If a block that is needed is missing, or claims more than the file holds.

    Warns
    -----
    MatxaiWarning
        If the file is cut off behind its spectra: what places them in a map may be lost.
    """
    refuse_choices(path, "a WiRE measurement", ReadOptions(dataset=options.dataset, axis=options.axis))
    file = _parsed(path)
    dim, unit = UNITS.get(file.unit, ("axis", None))
    head = file.header
    metadata = {"title": head.title, "user": head.user, "accumulations": head.scans}
    attrs: dict[str, Any] = {"value_name": "counts", "metadata": {k: v for k, v in metadata.items() if v}}
    if head.laser > 0:
        attrs["laser_wavelength"] = round(1e7 / head.laser, 6)
    notes = ["a photograph of the specimen is in the file and was left out"] if file.photograph else []
    if head.count < head.places:
        notes.append(f"{head.count} of {head.places} spectra were measured; the others were left out")
    if notes:
        attrs["notes"] = notes
    if file.cut:
        said = f"{path.name} is truncated: a block ends beyond the file; its spectra are whole and were read"
        warnings.warn(said, MatxaiWarning, stacklevel=2)
    name = head.title or "spectrum"
    grid = _grid(file) if head.kind == MAPPED and head.count == head.places else None

    def load() -> xr.DataArray:
        if grid is not None:
            order, y, x = grid
            cube = file.values[order].reshape(len(y), len(x), head.points)
            axes = [_space(file, "y", y), _space(file, "x", x), Axis(dim, unit, values=file.axis)]
            dims = ("y", "x", dim)
            return signal_of(cube, axes, source="WiRE map (WMAP, ORGN)", dims=dims, attrs=attrs, name=name)
        if head.count == 1:
            return Curve(name, file.axis, file.values[0], dim, unit, attrs=attrs).signal()
        return _set(file, dim, unit, attrs)

    shape: tuple[int, ...] = (head.points,) if head.count == 1 else (head.count, head.points)
    if grid is not None:
        shape = (head.points, len(grid[1]), len(grid[2]))
    return [Item(name, load, shape, "float32")]


def _set(file: _File, dim: str, unit: str | None, attrs: dict[str, Any]) -> xr.DataArray:
    from matxai.signals.labelled import labelled

    n = file.header.count
    names = np.array([f"spectrum {i + 1}" for i in range(n)])
    coords = {SAMPLE: names, dim: file.axis}
    found = labelled(file.values, (SAMPLE, dim), units={dim: unit}, coords=coords, attrs=attrs)
    for name, (places, word) in file.origins.items():
        found = found.assign_coords({name: (SAMPLE, places, {"units": word} if word else {})})
    return found


def _space(file: _File, name: str, places: npt.NDArray[Any]) -> Axis:
    return Axis(name, file.origins[name][1], values=places)


def _grid(file: _File) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]] | None:
    """Return the order of the spectra row by row, and the places of rows and columns, if every cell has one."""
    if file.grid is None or not {"x", "y"} <= set(file.origins):
        return None
    x0, y0, _, dx, dy, _, nx, ny, _ = file.grid
    columns, rows = int(nx), int(ny)
    if columns < 2 or rows < 2 or columns * rows != file.header.count or not dx or not dy:
        return None
    i = np.rint((file.origins["x"][0] - x0) / dx).astype(int)
    j = np.rint((file.origins["y"][0] - y0) / dy).astype(int)
    cell = j * columns + i
    inside = (i >= 0) & (i < columns) & (j >= 0) & (j < rows)
    if not inside.all() or len(np.unique(cell)) != len(cell):
        return None
    return np.argsort(cell), y0 + dy * np.arange(rows), x0 + dx * np.arange(columns)


def _parsed(path: Path) -> _File:
    with path.open("rb") as file:
        raw = file.read(HEADER)
        check_held(path.name, HEADER, len(raw), what="header")
        head = _header(raw, path.name)
        size = path.stat().st_size
        blocks: dict[bytes, tuple[int, int]] = {}
        at = 0
        for _ in range(MOST_BLOCKS):
            if at + BLOCK.size > size:
                break
            file.seek(at)
            start = file.read(BLOCK.size)
            name, _number, length = BLOCK.unpack(start)
            if length < BLOCK.size:
                msg = f"{path.name} is damaged: its block {name!r} claims {length} bytes; copy it again"
                raise FileError(msg)
            blocks.setdefault(name, (at + BLOCK.size, length - BLOCK.size))
            at += length

        def taken(name: bytes, needed: int) -> bytes:
            if name not in blocks:
                msg = f"{path.name} is truncated or damaged: it has no block {name.decode()}; copy it again"
                raise FileError(msg)
            begins, length = blocks[name]
            check_held(path.name, needed, min(length, size - begins), what=f"block {name.decode()}")
            file.seek(begins)
            return file.read(needed)

        values = np.frombuffer(taken(b"DATA", 4 * head.count * head.points), "<f4").reshape(head.count, head.points)
        listed = taken(b"XLST", 8 + 4 * head.points)
        unit = struct.unpack("<I", listed[4:8])[0]
        axis = np.frombuffer(listed[8:], "<f4").astype(float)
        stride = 24 + 8 * head.places
        origins = _origins(taken(b"ORGN", 4 + head.origins * stride), head, stride) if head.origins else {}
        grid = struct.unpack("<6f3I", taken(b"WMAP", 44)[8:]) if b"WMAP" in blocks else None
    return _File(head, values.astype(np.float32), axis, unit, origins, grid, b"WHTL" in blocks, at != size)


def _header(raw: bytes, name: str) -> _Header:
    points, places, count, scans, rows, columns, origins = struct.unpack("<IQQIIII", raw[60:96])
    kind, laser = struct.unpack("<I", raw[132:136])[0], struct.unpack("<f", raw[156:160])[0]
    if points < 2 or columns != points or rows != 1 or not 1 <= count <= places or origins > 64:
        msg = (
            f"{name} claims {count} of {places} spectra of {points} points on {columns} x {rows} places and {origins} "
            f"origins; spectra on one axis are read"
        )
        raise FileError(msg)
    texts = [raw[a:b].split(b"\x00")[0].decode("utf-8", "replace").strip() for a, b in ((240, 400), (208, 240))]
    return _Header(points, places, count, scans, origins, kind, laser if np.isfinite(laser) else 0.0, *texts)


def _origins(raw: bytes, head: _Header, stride: int) -> dict[str, tuple[npt.NDArray[Any], str | None]]:
    found = {}
    for i in range(head.origins):
        at = 4 + i * stride
        kind, unit = struct.unpack("<II", raw[at : at + 8])
        name = ORIGINS.get(kind & 0x7FFFFFFF)
        if name:
            found[name] = (np.frombuffer(raw, "<f8", head.count, at + 24).copy(), WORDS.get(unit))
    return found


readers.add(
    "wdf",
    Reader(
        name="wdf",
        suffixes=(".wdf",),
        recognises=recognises,
        read=read,
        describes="Renishaw WiRE",
    ),
)
