"""HDF5 opened as a file from a stranger: nothing outside it is followed, nothing unpickled, nothing huge believed.

Layouts (NeXus, Velox, HyperSpy, ...) ask here for what lies in a file, for attributes as plain Python values, and for a
dataset as an array. What a dataset *means* is decided in the layouts' own files.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_OBJECTS = 200_000
MAX_DEPTH = 64
MAX_SOFT_LINKS = 16


@dataclasses.dataclass(frozen=True)
class Tree:
    """What a file holds: names of groups and datasets, without following a link out of the file.

    Attributes
    ----------
    groups
        Paths of all groups, parents before children, ``""`` is the root.
    datasets
        Paths of all datasets, soft links left out (they are names for what is listed already).
    outside
        Path to a phrase for everything whose data would come from another file.
    """

    groups: tuple[str, ...]
    datasets: tuple[str, ...]
    outside: dict[str, str]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, with one sentence for one that is empty, cut off or something else.

    Raises
    ------
    FileError
        If the file cannot be opened as HDF5.
    """
    file = _open(path)
    try:
        yield file
    finally:
        file.close()


def _open(path: Path) -> Any:
    """Open a file without a lock, which read-only and network disks refuse; or as this process has it open already."""
    import h5py

    try:
        try:
            return h5py.File(path, "r", locking=False)
        except OSError as error:
            if "locking flag" not in str(error):
                raise
            return h5py.File(path, "r")
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FileError(_why_not(path, str(error))) from error


def _why_not(path: Path, said: str) -> str:
    size = path.stat().st_size
    if size == 0:
        return f"{path.name} is empty (0 bytes); an HDF5 file was expected."
    if "truncated" in said:
        return (
            f"{path.name} is truncated: its header claims more than the {size} bytes that the file has. Copy it again."
        )
    return f"{path.name} is no readable HDF5 file ({said.splitlines()[0]}). Copy it again or check what wrote it."


def survey(file: Any, path: Path) -> Tree:
    """List what the file holds; each object once, however many hard links it has.

    Raises
    ------
    FileError
        If the file is damaged.
    UnsafeFileError
        If it holds more objects, or deeper ones, than any measurement.
    """
    import h5py

    groups: list[str] = []
    datasets: list[str] = []
    outside: dict[str, str] = {}
    seen: set[Any] = set()
    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    while waiting:
        name, group, depth = waiting.pop()
        groups.append(name)
        if depth > MAX_DEPTH or len(groups) + len(datasets) > MAX_OBJECTS:
            msg = (
                f"{path.name} holds more than {MAX_OBJECTS} objects or groups deeper than {MAX_DEPTH}; it was not read."
            )
            raise UnsafeFileError(msg)
        children: list[tuple[str, Any, int]] = []
        for key in _keys(group, path):
            child = f"{name}/{key}" if name else key
            link = group.get(key, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                outside[child] = f"an external link to '{link.filename}'"
                continue
            if isinstance(link, h5py.SoftLink):
                continue
            thing = _member(group, key, path)
            address = h5py.h5o.get_info(thing.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(thing, h5py.Group):
                children.append((child, thing, depth + 1))
            elif isinstance(thing, h5py.Dataset):
                datasets.append(child)
                if reason := _outside(thing):
                    outside[child] = reason
        waiting.extend(reversed(children))
    return Tree(tuple(groups), tuple(datasets), outside)


def _keys(group: Any, path: Path) -> list[str]:
    try:
        return list(group.keys())
    except (RuntimeError, OSError, KeyError) as error:
        msg = f"{path.name} is damaged: its group '{group.name}' cannot be listed. Copy it again."
        raise FileError(msg) from error


def _member(group: Any, key: str, path: Path) -> Any:
    try:
        return group[key]
    except (RuntimeError, OSError, KeyError) as error:
        msg = f"{path.name} is damaged: '{key}' in '{group.name}' cannot be opened. Copy it again."
        raise FileError(msg) from error


def _outside(dataset: Any) -> str:
    """Return what a dataset's data would come from, if not from its own file, else ''."""
    if dataset.external:
        return f"raw data stored in '{dataset.external[0][0]}'"
    if dataset.is_virtual:
        return "a virtual dataset put together from other files"
    return ""


def resolve(file: Any, name: str, path: Path) -> Any:
    """Return the group or dataset at ``name``, or None; soft links are followed, links out of the file never.

    Raises
    ------
    UnsafeFileError
        If the way there, or the data, leads out of the file.
    """
    import h5py

    parts = [p for p in name.split("/") if p and p != "."]
    here, walked, links = file, [], 0  # type: Any, list[str], int
    while parts:
        part = parts.pop(0)
        if part == "..":
            walked = walked[:-1]
            here = file["/".join(walked)] if walked else file
            continue
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) and part in here.keys() else None  # noqa: SIM118
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            msg = (
                f"{path.name} says that '{name}' lies in another file ('{link.filename}'); such links are not followed."
            )
            raise UnsafeFileError(msg)
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > MAX_SOFT_LINKS:
                return None
            target = [p for p in link.path.split("/") if p and p != "."]
            if link.path.startswith("/"):
                walked, here = [], file
            parts = target + parts
            continue
        walked.append(part)
        here = _member(here, part, path)
    if isinstance(here, h5py.Dataset) and (reason := _outside(here)):
        msg = f"{path.name} does not hold '{name}' itself: it is {reason}, which is not followed."
        raise UnsafeFileError(msg)
    return here


def plain(value: Any) -> Any:
    """Return an attribute or a small dataset's value as plain Python: text decoded, arrays of one element unpacked."""
    import h5py

    if isinstance(value, h5py.Empty | h5py.Reference | h5py.RegionReference):
        return None
    if isinstance(value, bytes):
        return value.split(b"\0", 1)[0].decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        if value.dtype.names:
            return None
        items = [plain(v) for v in value.reshape(-1)[:4096]]
        return items[0] if value.ndim == 0 or len(items) == 1 else items
    if isinstance(value, np.generic):
        return plain(value.item())
    return value


def attribute(thing: Any, name: str) -> Any:
    """Return an attribute as plain Python, or None where it is missing or of a kind that nobody can read."""
    try:
        return plain(thing.attrs[name]) if name in thing.attrs else None
    except (OSError, TypeError, ValueError, RuntimeError, KeyError):
        return None


def attributes(thing: Any) -> dict[str, Any]:
    """Return all attributes that can be read, as plain Python."""
    return {str(k): v for k in thing.attrs.keys() if (v := attribute(thing, k)) is not None}  # noqa: SIM118


def text(thing: Any, name: str) -> str | None:
    """Return an attribute that should be a word, or None."""
    value = attribute(thing, name)
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) and value else None


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether an array of this type can be a signal: numbers, booleans, or a pair of real and imaginary part."""
    if dtype.names:
        return len(dtype.names) == 2 and all(dtype[n].kind == "f" and dtype[n] == dtype[0] for n in dtype.names)
    return dtype.kind in "biufc" and dtype.shape == ()


class StoredArray:
    """A dataset as an array that is read piece by piece: the file is open only while a piece is read.

    So threads share nothing, nothing is left open, and dask can slice it. Pairs of floats come as complex numbers,
    foreign byte order as the machine's own.
    """

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.name, self.shape, self.ndim, self._stored = path, name, shape, len(shape), dtype
        if dtype.names:
            self.dtype: np.dtype[Any] = np.dtype(np.complex64 if dtype[0].itemsize <= 4 else np.complex128)
        else:
            self.dtype = dtype.newbyteorder("=")

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array in memory."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def __getitem__(self, key: Any) -> np.ndarray[Any, Any]:
        with opened(self.path) as file:
            try:
                piece = np.asarray(resolve(file, self.name, self.path)[key])
            except OSError as error:
                raise FileError(self._unreadable(str(error))) from error
        if piece.dtype.names:
            real, imaginary = (piece[n].astype(self.dtype) for n in piece.dtype.names)
            return np.asarray(real + 1j * imaginary, dtype=self.dtype)
        return piece.astype(self.dtype, copy=False)

    def _unreadable(self, said: str) -> str:
        if "filter" in said and ("plugin" in said or "not registered" in said or "not available" in said):
            return (
                f"{self.path.name} compresses '{self.name}' with a filter that is not installed here; "
                f"`pip install hdf5plugin` adds the usual ones."
            )
        return f"{self.path.name} is damaged: '{self.name}' cannot be read ({said.splitlines()[0]}). Copy it again."

    def __dask_tokenize__(self) -> tuple[str, str, int, int]:
        """Return what makes this array this array, for dask."""
        stat = self.path.stat()
        return (str(self.path.resolve()), self.name, stat.st_mtime_ns, stat.st_size)
