"""Pickles read without running them: which objects they name, and whether their tensors lie within the file.

The unpickler here resolves every name to an inert stand-in, so nothing outside this module is called. It does not
decide alone what is loaded (``weights_only=True`` does), but it names the culprit, and it sees claims that
exceed the file.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import FileError, UnsafeFileError
from matxai.modelcard.archives import read_member

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAX_PICKLE = 256 * 1024**2

ITEM_SIZES: Mapping[str, int] = {
    "ByteStorage": 1, "CharStorage": 1, "BoolStorage": 1, "UntypedStorage": 1, "QUInt8Storage": 1, "QInt8Storage": 1,
    "ShortStorage": 2, "HalfStorage": 2, "BFloat16Storage": 2, "IntStorage": 4, "FloatStorage": 4, "QInt32Storage": 4,
    "LongStorage": 8, "DoubleStorage": 8, "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
}  # fmt: skip

DTYPES = frozenset(
    ["bool", "bfloat16", "complex32", "complex64", "complex128", "per_tensor_affine", "strided", "contiguous_format"]
    + [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    + [f"float{bits}" for bits in (16, 32, 64)]
    + ["quint8", "qint8", "qint32", "float8_e4m3fn", "float8_e5m2"]
)

# What checkpoints consist of. weights_only=True knows a few more; those hold no weights and are refused here by name.
HARMLESS = frozenset({
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict",
    "builtins.list", "builtins.int", "builtins.complex", "builtins.bytearray", "_codecs.encode", "torch.Size",
    "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor", "torch._tensor._rebuild_from_type_v2", "torch.storage._load_from_bytes",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype",
})  # fmt: skip
_REFUSED = frozenset(
    {"torch.storage._load_from_bytes", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
)


class _Inert(dict[Any, Any]):
    """Stands for any class or function that a pickle names: takes every call, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Take no state."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def append(self, item: Any) -> None:
        """Take nothing."""

    def extend(self, items: Any) -> None:
        """Take nothing."""

    def add(self, item: Any) -> None:
        """Take nothing."""


class _Reader(pickle._Unpickler):  # type: ignore[misc, name-defined, unused-ignore]
    """Collects the names and the storages of a pickle.

    Python's own reader and not the one in C: that one keeps what it remembers in an array, and a pickle of ten bytes
    can ask it for one of 16 GB.
    """

    # bytearray8 asks for its memory before it reads; sets and keys of nested tuples can take for ever to be hashed
    dispatch: ClassVar[dict[int, Any]] = {
        code: act
        for code, act in pickle._Unpickler.dispatch.items()  # type: ignore[attr-defined, unused-ignore]
        if bytes([code]) not in {pickle.BYTEARRAY8, pickle.EMPTY_SET, pickle.FROZENSET, pickle.ADDITEMS}
    }

    # what Python's reader works with, and the type checker's stubs leave out
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, data: io.BytesIO) -> None:
        super().__init__(data, encoding="utf-8")
        self.names: list[str] = []
        self.storages: list[tuple[str, str, int]] = []

    def find_class(self, module: str, name: str, /) -> Any:
        full = f"{module}.{name}".replace("__builtin__.", "builtins.")
        self.names.append(full)
        return type("Inert", (_Inert,), {"full": full})

    def load_setitem(self) -> None:
        """Take one item of a dictionary, under a plain key."""
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][_plain(key)] = value

    def load_setitems(self) -> None:
        """Take several items of a dictionary, under plain keys."""
        items = self.pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_plain(key)] = value

    def load_dict(self) -> None:
        """Take a dictionary as the oldest protocol writes it."""
        items = self.pop_mark()
        self.append({_plain(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict

    def persistent_load(self, pid: Any) -> Any:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage" and isinstance(pid[4], int)):
            msg = "it refers to something outside that is no tensor's storage"
            raise pickle.UnpicklingError(msg)
        self.storages.append((str(getattr(pid[1], "full", "?")).rpartition(".")[2], str(pid[2]), pid[4]))
        return _Inert()


def _plain(key: Any) -> Any:
    if not isinstance(key, str | bytes | int | float | _Inert | None):
        msg = f"a dictionary in it has a {type(key).__name__} as a key"
        raise pickle.UnpicklingError(msg)
    return key


def read_pickle(data: bytes, where: str) -> tuple[list[str], list[tuple[str, str, int]], int]:
    """Return the names that a pickle asks for, its storages ``(type, key, elements)`` and where it ends.

    Raises
    ------
    FileError
        If it is damaged.
    UnsafeFileError
        If it asks for objects beyond tensors and plain containers; the sentence names the first.
    """
    stream = io.BytesIO(data)
    reader = _Reader(stream)
    try:
        reader.load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
            MemoryError, RecursionError) as problem:  # fmt: skip
        refuse_names(reader.names, where)
        raise FileError(
            f"{where} is a damaged or cut off pickle: {str(problem).rstrip('.') or 'it ends too early'}."
        ) from None
    refuse_names(reader.names, where)
    return reader.names, reader.storages, stream.tell()


def refuse_names(names: list[str], where: str) -> None:
    """Refuse a pickle that names anything beyond tensors and plain containers."""
    for name in names:
        module, _, last = name.rpartition(".")
        is_type = module in {"torch", "torch.storage"} and (last in ITEM_SIZES or last in DTYPES)
        if is_type or (name in HARMLESS and name not in _REFUSED):
            continue
        raise UnsafeFileError(
            f"{where} holds the pickled object '{name}', and loading it could run code. Where you trust its origin, "
            "load it in Python yourself, save its weights with torch.save(network.state_dict(), 'weights.pt'), and "
            "name the architecture."
        )


def audit_checkpoint(path: Path, archive: zipfile.ZipFile | None) -> None:
    """Check a checkpoint before :func:`torch.load` sees it; ``archive`` is ``None`` for the format before torch 1.6.

    Raises
    ------
    UnsafeFileError, FileError
        See :func:`read_pickle`; also if a tensor claims more than the file holds.
    """
    if archive is None:
        _audit_legacy(path)
        return
    audit_tensor_archive(archive, path, str(path))


def audit_tensor_archive(archive: zipfile.ZipFile, path: Path, where: str) -> None:
    """Check an archive as ``torch.save`` writes it: its pickle, and each storage against the member that holds it."""
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise FileError(f"{where} has {len(pickles)} members 'data.pkl'; a PyTorch checkpoint has one.")
    root = pickles[0].rpartition("/")[0]
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    if sizes[pickles[0]] > MAX_PICKLE:
        raise UnsafeFileError(f"{where} has a pickle of {sizes[pickles[0]]} bytes; at most {MAX_PICKLE} are read.")
    _, storages, _ = read_pickle(read_member(archive, pickles[0], path), where)
    for kind, key, elements in storages:
        held = sizes.get(f"{root}/data/{key}")
        if held is None:
            raise FileError(
                f"{where} lacks the storage '{key}' that its tensors lie in; it is cut off or was tampered with."
            )
        if elements < 0 or elements * ITEM_SIZES.get(kind, 1) > held:
            raise FileError(
                f"{where} claims {elements} elements ({kind}) in the storage '{key}', which holds {held} bytes: it was "
                "tampered with or is damaged."
            )


def _audit_legacy(path: Path) -> None:
    """Read the pickles of the old format one after the other: magic number, version, system, object, storage keys."""
    size = path.stat().st_size
    if size > 8 * 1024**3:
        raise UnsafeFileError(f"{path} has {size} bytes in PyTorch's old format; save it again with a newer PyTorch.")
    data = path.read_bytes()
    offset = 0
    for _ in range(5):
        _, storages, end = read_pickle(data[offset:] if offset else data, str(path))
        offset += end
        for kind, key, elements in storages:
            if elements < 0 or elements * ITEM_SIZES.get(kind, 1) > size:
                raise FileError(
                    f"{path} claims {elements} elements in the storage '{key}' but has {size} bytes in all."
                )
        if offset >= size:
            break
