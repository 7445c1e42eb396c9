"""NumPy's own files: ``.npy`` and ``.npz``. Arrays of objects are refused: reading them would unpickle them.

In an archive, a number called ``fs`` or ``dt`` is a sampling rate, a list called like an axis the places of that axis.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, UnsafeFileError
from matxai.signals.formats.axes import Axis, dims_of, shape_after, signal_of
from matxai.signals.formats.pieces import MappedArray, bytes_of, whole_or_lazy
from matxai.signals.formats.sampling import axis_name, placed, rate_of, timed
from matxai.signals.formats.zarr_metadata import checked_members
from matxai.signals.labelled import UNNAMED
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import xarray as xr

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins like ``.npy``, or is a zip archive that is called ``.npz``."""
    return head.startswith(MAGIC) or (head[:4] == b"PK\x03\x04" and path.suffix.lower() == ".npz")


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the array of an NPY file, or all arrays of an NPZ archive.

    Raises
    ------
    FileError
        If the header is damaged or claims more than the file holds.
    UnsafeFileError
        If an array would be unpickled, or a member unfolds beyond the limit.
    """
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return _archive(path, options.limit)
        file.seek(0)
        shape, fortran, dtype = _header(file, path.name)
        offset = file.tell()
    _check(path.name, shape, dtype)
    check_held(path.name, bytes_of(shape, dtype.itemsize), path.stat().st_size - offset, what=f"array {shape}")

    mapped = MappedArray(path, dtype, offset, shape, fortran=fortran)
    return [_item("array", lambda: mapped, shape, dtype)]


def _archive(path: Path, limit: int | None) -> list[Item]:
    arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any], Any]] = {}
    facts: dict[str, Any] = {}
    for member in checked_members(path, limit):
        if not member.filename.endswith(".npy"):
            continue
        name = member.filename.removesuffix(".npy")
        where = f"'{name}' in {path.name}"
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            shape, fortran, dtype = _header(file, where)
            offset = file.tell()
        if dtype.hasobject:
            _refuse_objects(where)
        if dtype.kind not in "biufc" or 0 in shape:
            continue  # words that were saved beside the arrays
        check_held(where, bytes_of(shape, dtype.itemsize), member.file_size - offset, what=f"array {shape}")
        stored = _member(path, member, shape, dtype, offset, fortran=fortran)
        if shape in ((), (1,)):
            if dtype.kind in "iuf":
                facts[name] = stored().item()
            continue
        arrays[name] = (shape, dtype, stored)
    items = _placed(arrays, facts)
    if not items:
        msg = f"{path.name} holds no array of numbers"
        raise FileError(msg)
    return items


def _placed(arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any], Any]], facts: dict[str, Any]) -> list[Item]:
    """Return the arrays of an archive; lists of places and a sampling rate among them become the axes of the rest."""
    lists = {n: shape[0] for n, (shape, dtype, _) in arrays.items() if len(shape) == 1 and dtype.kind in "iuf"}
    lists = {n: length for n, length in lists.items() if axis_name(n) is not None}
    uses = {n: placed(shape, lists) for n, (shape, _, _) in arrays.items() if n not in lists}
    used = {place for found in uses.values() for place in found.values()}
    items = []
    for name, (shape, dtype, stored) in arrays.items():
        if name in used:
            continue
        places = {axis: (axis_name(n) or UNNAMED, arrays[n][2]) for axis, n in uses.get(name, {}).items()}
        items.append(
            _item(name, stored, shape, dtype, places=places, rate=None if places else rate_of(facts, len(shape)))
        )
    return items


def _member(
    path: Path, member: zipfile.ZipInfo, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, *, fortran: bool
) -> Any:
    """Return the function that reads one array of an archive."""

    def stored() -> np.ndarray[Any, Any]:
        try:
            with zipfile.ZipFile(path) as archive:
                raw = archive.read(member)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
            msg = f"{path.name} is damaged: '{member.filename}' in it cannot be read ({error}); copy it again"
            raise FileError(msg) from error
        array: np.ndarray[Any, Any] = np.frombuffer(raw, dtype=dtype, offset=offset, count=int(np.prod(shape)))
        return array.reshape(shape, order="F" if fortran else "C")

    return stored


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type from the header, which is a literal and not code."""
    try:
        major, minor = np.lib.format.read_magic(file)
        length = 2 if (major, minor) == (1, 0) else 4
        raw = file.read(length)
        size = struct.unpack("<H" if length == 2 else "<I", raw)[0]
        if (major, minor) not in ((1, 0), (2, 0), (3, 0)) or size > MAX_HEADER:
            msg = f"version {major}.{minor} with a header of {size} bytes"
            raise ValueError(msg)
        text = io.BytesIO(raw + file.read(size))
        parse = np.lib.format.read_array_header_1_0 if length == 2 else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = parse(text)
    except (ValueError, SyntaxError, TypeError, KeyError, EOFError, struct.error, MemoryError, RecursionError) as error:
        said = str(error).split("\n", maxsplit=1)[0]
        msg = f"{name} is truncated or no NPY file: its header cannot be read ({said})"
        raise FileError(msg) from error
    return tuple(int(n) for n in shape), bool(fortran), dtype


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        _refuse_objects(name)
    if dtype.kind not in "biufc":
        kind = f"a table ({', '.join(dtype.names)})" if dtype.names else f"values of type {dtype}"
        msg = f"{name} holds {kind} and no array of numbers, which a signal is; save the column that you mean by itself"
        raise FileError(msg)
    if not shape or min(shape) < 1:
        msg = f"{name} holds an array of shape {shape}; a signal needs at least one value on every axis"
        raise FileError(msg)


def _refuse_objects(name: str) -> None:
    msg = (
        f"{name} holds pickled Python objects, which can run code when they are read; save it again as an array of "
        f"numbers (np.asarray(data, dtype=float))"
    )
    raise UnsafeFileError(msg)


def _item(
    name: str,
    stored: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    places: Mapping[int, tuple[str, Any]] | None = None,
    rate: float | None = None,
) -> Item:
    native = dtype.newbyteorder("=")
    axes = [Axis() for _ in shape]
    for i, (kind, _) in (places or {}).items():
        axes[i] = Axis(kind)  # NumPy keeps no units: an axis with a name has none of them
    attrs: dict[str, Any] = {}
    sampled = timed(shape, rate) if rate is not None else None
    if sampled is not None and rate is not None:
        axes, dims, note = sampled
        attrs = {"sampling_rate": rate, **({"notes": [note]} if note else {})}
    else:
        dims = dims_of(axes, shape, native)

    def load() -> xr.DataArray:
        data = whole_or_lazy(stored()).astype(native, copy=False)
        listed = [Axis(a.name, a.unit, a.step, a.origin) for a in axes]
        for i, (kind, values) in (places or {}).items():
            listed[i] = Axis(kind, values=np.asarray(values()))
        return signal_of(data, listed, source="", dims=dims, attrs=attrs, name=name)

    return Item(name, load, shape_after(shape, dims), str(native))


readers.add(
    "numpy",
    Reader(
        name="numpy",
        suffixes=(".npy", ".npz"),
        recognises=recognises,
        read=read,
        describes="NumPy (NPY, NPZ)",
        slices=True,
    ),
)
