"""The archive of a ``torch.export`` program, audited member by member and written anew without what could run code.

Both layouts are read: that of torch 2.5 to 2.7 (``serialized_exported_program.json`` and pickles) and that since 2.8
(``models/model.json``, raw or pickled tensors). The clean copy has the layout of the original.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, UnsafeFileError
from matxai.modelcard.archives import MAX_UNFOLDED, check_members, opened_archive, read_member
from matxai.modelcard.pickle_audit import audit_tensor_archive, read_pickle
from matxai.modelcard.program_audit import Audit, is_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_JSON = 128 * 1024**2
_OLD = "serialized_exported_program.json"
_VERSION = re.compile(rb"\d{1,4}(\.\d{1,4})?\s*\Z")
_PAYLOAD = re.compile(r"(weight|tensor)_\d{1,7}\Z")
# sizes of torch's scalar types by their number in the schema
ITEM_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2, 28: 2, 29: 1, 30: 1,
              31: 1, 32: 1, 33: 1, 34: 4, 35: 8}  # fmt: skip
_PAYLOAD_KEYS = {"path_name", "is_param", "use_pickle", "tensor_meta"}


def clean_archive(path: Path, *, limit: int | None = None) -> tuple[bytes, dict[str, Any]]:
    """Return a copy of a program's archive that is safe to load, and its audited graph.

    Parameters
    ----------
    path
        The ``.pt2`` file.
    limit
        Bytes to which it may unfold; see :func:`matxai.modelcard.archives.opened_archive`.

    Raises
    ------
    UnsafeFileError
        For members of an unknown kind, pickled objects, scripted objects, native code, unknown operators or texts.
    FileError
        If it is damaged, or claims more than it holds.
    """
    with opened_archive(path, limit=limit) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        members = _Members(archive, path, "" if _OLD in names else _root(names, path))
        return _clean_old(members, names) if _OLD in names else _clean_new(members, names)


class _Members:
    """Reads members and puts the cleaned ones together."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, root: str) -> None:
        self.archive, self.path, self.root = archive, path, root
        self.out: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        try:
            return read_member(self.archive, self.root + name, self.path)
        except KeyError:
            raise FileError(f"{self.path} lacks its member '{name}'; it is no whole torch.export program.") from None

    def json(self, name: str) -> Any:
        data = self.read(name)
        if len(data) > MAX_JSON:
            raise UnsafeFileError(f"{self.path} has {len(data)} bytes in '{name}'; at most {MAX_JSON} are read.")
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise FileError(f"{self.path} is damaged: its member '{name}' is no JSON.") from None

    def packed(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in self.out.items():
                archive.writestr(name, data)
        return buffer.getvalue()


def _root(names: list[str], path: Path) -> str:
    roots = {name.split("/", 1)[0] for name in names}
    if len(roots) != 1:
        raise UnsafeFileError(f"{path} has {len(roots)} folders at its top; a torch.export program has one.")
    return f"{roots.pop()}/"


def _graph(members: _Members, name: str) -> dict[str, Any]:
    raw = members.json(name)
    if not isinstance(raw, dict) or not isinstance(raw.get("graph_module"), dict):
        raise FileError(f"{members.path} is damaged: its member '{name}' describes no program.")
    cleaned: dict[str, Any] = Audit(str(members.path)).clean(raw)
    return cleaned


def _clean_old(members: _Members, names: list[str]) -> tuple[bytes, dict[str, Any]]:
    known = {_OLD, "version", "serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt"}
    for name in names:
        if name not in known and not name.startswith("extra_files/"):
            raise UnsafeFileError(f"{members.path} has the member '{name}', which is none of a torch.export program's.")
    version = members.read("version")
    if not _VERSION.match(version):
        raise FileError(f"{members.path} is damaged: its version is no number.")
    graph = _graph(members, _OLD)
    _audit_samples(members, "serialized_example_inputs.pt", names)
    members.out = {
        "version": version,
        _OLD: json.dumps(graph).encode(),
        "serialized_state_dict.pt": _tensors(members, "serialized_state_dict.pt", dict),
        "serialized_constants.pt": _tensors(members, "serialized_constants.pt", dict),
        "serialized_example_inputs.pt": b"",
    }
    return members.packed(), graph


def _clean_new(members: _Members, names: list[str]) -> tuple[bytes, dict[str, Any]]:
    inner = [name.removeprefix(members.root) for name in names]
    fixed = {"archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id",
             "models/model.json", "data/sample_inputs/model.pt", ".format_version", ".storage_alignment"}  # fmt: skip
    payload = re.compile(r"data/(weights/(weight_\d{1,7}|model\.pt|model_weights_config\.json)"
                         r"|constants/(tensor_\d{1,7}|model\.pt|model_constants_config\.json))\Z")  # fmt: skip
    for name in inner:
        if name.startswith("data/aotinductor/"):
            raise UnsafeFileError(f"{members.path} holds compiled native code ('{name}'); export it without compiling.")
        if "custom_obj" in name or "opaque_obj" in name:
            raise UnsafeFileError(f"{members.path} holds a scripted or custom object ('{name}'), whose code would run.")
        if name not in fixed and not payload.match(name) and not name.startswith("extra/"):
            raise UnsafeFileError(f"{members.path} has the member '{name}', which is none of a torch.export program's.")
    if members.read("archive_format") != b"pt2":
        raise FileError(f"{members.path} is no torch.export program: its archive format is not 'pt2'.")
    if "byteorder" in inner and members.read("byteorder") != b"little":
        raise FileError(f"{members.path} was written on a big-endian machine; export it again on another.")
    version = members.read("archive_version") if "archive_version" in inner else b"0"
    if not _VERSION.match(version):
        raise FileError(f"{members.path} is damaged: its archive version is no number.")
    graph = _graph(members, "models/model.json")
    out = {"archive_format": b"pt2", "archive_version": version, "byteorder": b"little", ".data/version": b"6\n"}
    out["models/model.json"] = json.dumps(graph).encode()
    _audit_samples(members, "data/sample_inputs/model.pt", inner)
    out["data/sample_inputs/model.pt"] = b""
    for kind, prefix in (("weights", "weight_"), ("constants", "tensor_")):
        out |= _payloads(members, inner, kind, prefix)
    members.out = {f"model/{name}": data for name, data in out.items()}
    return members.packed(), graph


def _audit_samples(members: _Members, name: str, names: list[str]) -> None:
    """Refuse pickles that name other objects than tensors among the sample inputs, which are then left out."""
    data = members.read(name) if name in names else b""
    if data:
        _audit_pickle(data, members.path, f"{members.path} ('{name}')")


def _audit_pickle(data: bytes, path: Path, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            check_members(inner, path, max(len(data), MAX_UNFOLDED))
            audit_tensor_archive(inner, path, where)
    except zipfile.BadZipFile:
        read_pickle(data, where)
        raise FileError(f"{where} is damaged or was written by another program than PyTorch.") from None


def _payloads(members: _Members, inner: list[str], kind: str, prefix: str) -> dict[str, bytes]:
    """Return the tensors of the new layout: a pickle of all of them, or raw members with a list that describes them."""
    legacy, listing = f"data/{kind}/model.pt", f"data/{kind}/model_{kind}_config.json"
    if legacy in inner:
        return {legacy: _tensors(members, legacy, dict)}
    config = members.json(listing)
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise FileError(f"{members.path} is damaged: '{listing}' describes no tensors.")
    out: dict[str, bytes] = {}
    cleaned: dict[str, Any] = {}
    audit = Audit(str(members.path))
    for name, entry in entries.items():
        if not isinstance(entry, dict) or set(entry) != _PAYLOAD_KEYS or not is_path(name):
            raise UnsafeFileError(f"{members.path} describes the tensor '{name[:60]}' in a way that is not known.")
        file = str(entry["path_name"])
        if not _PAYLOAD.match(file) or not file.startswith(prefix):
            raise UnsafeFileError(f"{members.path} keeps '{name[:60]}' in '{file[:60]}', which is no tensor's member.")
        member = f"data/{kind}/{file}"
        pickled = bool(entry["use_pickle"])
        if member not in out:
            out[member] = _tensors(members, member, None) if pickled else members.read(member)
        meta = audit.clean(entry["tensor_meta"], "tensor_meta")
        if not pickled:
            _check_extent(members.path, name, meta, len(out[member]))
        cleaned[name] = {
            "path_name": file,
            "is_param": bool(entry["is_param"]),
            "use_pickle": pickled,
            "tensor_meta": meta,
        }
    out[listing] = json.dumps({"config": cleaned}).encode()
    return out


def _check_extent(path: Path, name: str, meta: Any, held: int) -> None:
    """Hold what a tensor's description claims against the bytes of its member."""
    try:
        item = ITEM_SIZES[meta["dtype"]]
        sizes = [int(size["as_int"]) for size in meta["sizes"]]
        strides = [int(stride["as_int"]) for stride in meta["strides"]]
        offset = int(meta["storage_offset"]["as_int"])
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{path} does not say the type, sizes and strides of the tensor '{name}' in numbers.") from None
    if len(sizes) != len(strides) or min([*sizes, *strides, offset], default=0) < 0:
        raise FileError(f"{path} describes the tensor '{name}' with negative or unequal sizes and strides.")
    elements = 1
    for size in sizes:
        elements *= size
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1 if elements else 0
    if last * item > held or elements * item > held or held % item:
        raise FileError(
            f"{path} claims {max(last, elements) * item} bytes for the tensor '{name}' but holds {held}: it was "
            "tampered with or is damaged."
        )


def _tensors(members: _Members, name: str, kind: type[dict[str, Any]] | None) -> bytes:
    """Return a pickled tensor, or dictionary of them, read by ``weights_only=True`` and pickled anew by ourselves."""
    import torch

    data = members.read(name)
    if not data:
        return b""
    where = f"{members.path} ('{name}')"
    _audit_pickle(data, members.path, where)
    load: Callable[..., Any] = torch.load
    try:
        loaded = load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as problem:  # noqa: BLE001 - whatever weights_only=True objects to
        raise UnsafeFileError(f"{where} cannot be read as tensors alone: {str(problem).splitlines()[0]}") from None
    values = list(loaded.values()) if kind is dict and isinstance(loaded, dict) else [loaded]
    if not all(type(value) in {torch.Tensor, torch.nn.Parameter} for value in values):
        raise UnsafeFileError(f"{where} holds other things than tensors; it was not loaded.")
    if kind is dict and not all(isinstance(key, str) and is_path(key) for key in loaded):
        raise UnsafeFileError(f"{where} holds tensors under names that are none.")
    buffer = io.BytesIO()
    torch.save(dict(loaded) if kind is dict else loaded, buffer)
    return buffer.getvalue()
