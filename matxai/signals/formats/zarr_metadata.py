"""What stands in the metadata of a Zarr store, looked at before any library opens it: codecs, types, sizes, names.

Zarr's own reader builds whatever codec the metadata ask for, and some of them unpickle what a chunk holds. So the JSON
is read here first, and a store with a codec that is not on the list below is not opened.
"""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, UnsafeFileError
from matxai.signals.limits import check_unfolding, said_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_JSON = 64 * 2**20
MAX_NODES = 100_000
MAX_DEPTH = 32

# Codecs that turn bytes into numbers and do nothing else. `pickle`, `json2` and `msgpack2` make objects of any kind.
PLAIN_CODECS = frozenset(
    (
        "adler32",
        "astype",
        "base64",
        "bitround",
        "blosc",
        "bytes",
        "bz2",
        "cast_value",
        "crc32",
        "crc32c",
        "delta",
        "endian",
        "fixedscaleoffset",
        "fletcher32",
        "gzip",
        "jenkins_lookup3",
        "lz4",
        "lzma",
        "packbits",
        "quantize",
        "scale_offset",
        "sharding_indexed",
        "shuffle",
        "transpose",
        "vlen-bytes",
        "vlen-utf8",
        "zlib",
        "zstd",
    )
)
OBJECT_CODECS = frozenset({"pickle", "json", "json2", "msgpack", "msgpack2", "vlen-array"})


@dataclass(frozen=True)
class Node:
    """A group or an array of a store.

    Attributes
    ----------
    path
        Inside the store, ``""`` for the root.
    array
        Its metadata where it is an array, else None.
    attrs
        Its attributes.
    """

    path: str
    array: dict[str, Any] | None
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that an array claims."""
        return tuple(int(n) for n in (self.array or {}).get("shape", ()))

    @property
    def chunk(self) -> tuple[int, ...]:
        """The shape of what is unfolded at a time: a chunk, or a whole shard."""
        array = self.array or {}
        grid = array.get("chunks") or array.get("chunk_grid", {}).get("configuration", {}).get("chunk_shape") or ()
        return tuple(int(n) for n in grid)

    @property
    def names(self) -> list[str | None]:
        """Names of an array's axes as Zarr 3 or xarray write them, None for each that has none."""
        said = (self.array or {}).get("dimension_names") or self.attrs.get("_ARRAY_DIMENSIONS")
        if isinstance(said, list) and len(said) == len(self.shape):
            return [str(n) if n else None for n in said]
        return [None] * len(self.shape)


class Store:
    """The files of a store, in a folder or in a zip file, by their names inside it."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path = path
        self._names: dict[str, zipfile.ZipInfo] | None = None
        if path.is_file():
            self._names = {m.filename: m for m in checked_members(path, limit)}
        self.root = self._root()

    def _root(self) -> str:
        """Return where the store begins in a zip file: at its top, or in the only folder there."""
        if self._names is None or any(k in self._names for k in ("zarr.json", ".zgroup", ".zarray")):
            return ""
        tops = {n.split("/", 1)[0] for n in self._names}
        return f"{next(iter(tops))}/" if len(tops) == 1 else ""

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the store, or None if it is not there."""
        raw = self._bytes(name)
        if raw is None:
            return None
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            msg = f"{self.path.name} is damaged: '{name}' in it is no JSON ({error})"
            raise FileError(msg) from error
        if not isinstance(value, dict):
            msg = f"{self.path.name} is damaged: '{name}' in it is no JSON object"
            raise FileError(msg)
        return value

    def _bytes(self, name: str) -> bytes | None:
        if self._names is not None:
            member = self._names.get(self.root + name)
            if member is None:
                return None
            self._small(name, member.file_size)
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member)
        file = self.path / name
        if not file.is_file():
            return None
        self._small(name, file.stat().st_size)
        return file.read_bytes()

    def _small(self, name: str, size: int) -> None:
        if size > MAX_JSON:
            msg = f"'{name}' in {self.path.name} has {said_bytes(size)}; which is too much for metadata"
            raise UnsafeFileError(msg)

    def children(self, node: str) -> list[str]:
        """Return the names of the folders in a group."""
        if self._names is not None:
            head = self.root + (f"{node}/" if node else "")
            found = {
                n[len(head) :].split("/", 1)[0] for n in self._names if n.startswith(head) and "/" in n[len(head) :]
            }
            return sorted(found)
        folder = self.path / node
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.is_symlink())

    def stored(self, node: str, enough: int) -> int:
        """Return the bytes that a node's files take, counted until there are enough."""
        total = 0
        for size in self._sizes(node):
            total += size
            if total >= enough:
                break
        return total

    def _sizes(self, node: str) -> Iterator[int]:
        if self._names is not None:
            head = self.root + (f"{node}/" if node else "")
            yield from (m.compress_size for n, m in self._names.items() if n.startswith(head))
            return
        waiting = [self.path / node]
        while waiting:
            for entry in waiting.pop().iterdir():
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    waiting.append(entry)
                else:
                    yield entry.stat().st_size


def checked_members(path: Path, limit: int | None) -> list[zipfile.ZipInfo]:
    """Return the files in a zip archive after a look at their names and kinds.

    Raises
    ------
    FileError
        If it is no readable zip archive.
    UnsafeFileError
        If a name leads out of the archive, a member is a link, or one would unfold beyond the limit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        msg = f"{path.name} is truncated or no zip archive ({error}); copy it again"
        raise FileError(msg) from error
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            msg = f"{path.name} holds a file named '{member.filename}', which leads out of the archive; not opened"
            raise UnsafeFileError(msg)
        if stat.S_ISLNK(member.external_attr >> 16):
            msg = f"{path.name} holds a link ('{member.filename}') in place of a file; it was not opened"
            raise UnsafeFileError(msg)
        check_unfolding(path.name, member.file_size, member.compress_size, limit, what=f"member '{member.filename}'")
    return [m for m in members if not m.is_dir()]


def nodes_of(store: Store) -> list[Node]:
    """Return all groups and arrays, parents first; every array's codecs have been looked at.

    Raises
    ------
    FileError
        If the metadata are damaged or ask for a codec that nobody here knows.
    UnsafeFileError
        If an array would be unpickled, or the store is absurdly deep or wide.
    """
    found: list[Node] = []
    waiting = [("", 0)]
    while waiting:
        path, depth = waiting.pop()
        if depth > MAX_DEPTH or len(found) > MAX_NODES:
            msg = f"{store.path.name} holds more than {MAX_NODES} groups or deeper ones than {MAX_DEPTH}; not opened"
            raise UnsafeFileError(msg)
        node = _node(store, path)
        if node is None and path:
            continue
        if node is not None:
            found.append(node)
            if node.array is not None:
                check_codecs(node, store.path.name)
                continue
        children = store.children(path)
        waiting.extend((f"{path}/{c}" if path else c, depth + 1) for c in reversed(children))
    return found


def _node(store: Store, path: str) -> Node | None:
    head = f"{path}/" if path else ""
    three = store.json(f"{head}zarr.json")
    if three is not None:
        attrs = three.get("attributes")
        return Node(
            path, three if three.get("node_type") == "array" else None, attrs if isinstance(attrs, dict) else {}
        )
    array = store.json(f"{head}.zarray")
    group = store.json(f"{head}.zgroup") if array is None else None
    if array is None and group is None:
        return None
    return Node(path, array, store.json(f"{head}.zattrs") or {})


def check_codecs(node: Node, name: str) -> None:
    """Refuse an array whose chunks would be unpickled, or whose codec is not known to be plain."""
    array = node.array or {}
    where = f"the array '{node.path or '/'}' of {name}"
    for codec in _codecs(array):
        word = codec.removeprefix("numcodecs.").removeprefix("zarrs.")
        if word in OBJECT_CODECS:
            msg = f"{where} uses the codec '{codec}', which makes Python objects of what it reads; not opened"
            raise UnsafeFileError(msg)
        if word not in PLAIN_CODECS:
            msg = f"{where} uses the codec '{codec}', which is not among those that are known to be harmless"
            raise UnsafeFileError(msg)


def _codecs(array: dict[str, Any]) -> Iterator[str]:
    """Yield the names of all codecs of an array, those inside shards and of their index as well."""
    waiting: list[Any] = [array.get("compressor"), array.get("filters"), array.get("codecs")]
    waiting.append(array.get("storage_transformers"))
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield str(value.get("id") or value.get("name"))
            settings = value.get("configuration")
            if isinstance(settings, dict):
                waiting.extend(settings.get(k) for k in ("codecs", "index_codecs"))
