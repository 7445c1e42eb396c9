"""Weights from files into a network: read without running anything, unwrapped, and compared key by key.

Safetensors are read with their own library, after their header has been held against the file; pickles by
:func:`torch.load` with ``weights_only=True``, always, after :mod:`matxai.modelcard.pickle_audit` has read them.
"""

from __future__ import annotations

import json
import struct
import warnings
import zipfile
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, ModelError, UnsafeFileError
from matxai.modelcard.archives import opened_archive
from matxai.modelcard.contents import WHAT_TO_DO, Content, content_of
from matxai.modelcard.pickle_audit import audit_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

WRAPPERS = ("state_dict", "model_state_dict", "model", "model_state", "net", "network", "module", "weights", "params",
            "ema", "model_ema", "state_dict_ema")  # fmt: skip
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "ema.", "ema_model.")
MAX_HEADER = 100 * 1024**2


def read_weights(path: Path, *, limit: int | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or a PyTorch checkpoint by name, on the CPU, wrappers taken off.

    Raises
    ------
    FileError
        If the file is missing, empty, damaged, claims more than it holds, or is no weights' file; the sentence says
        what TorchScript, ONNX and other files need.
    UnsafeFileError
        If it holds pickled objects other than tensors and plain containers.
    ModelError
        If it holds no tensors.
    """
    content = content_of(path)
    if content is Content.SAFETENSORS:
        return read_safetensors(path)
    if content is Content.CHECKPOINT:
        return unwrap(load_checkpoint(path, limit=limit), path)
    if content in WHAT_TO_DO:
        raise FileError(f"{path} {WHAT_TO_DO[content]}.")
    raise FileError(f"{path} is {content.value} and no file of weights.")


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file; what its header claims is compared with its size first."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_safetensors_header(path)
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, ValueError, OSError, KeyError) as problem:
        raise FileError(f"{path} is a damaged safetensors file: {str(problem).rstrip('.')}.") from None
    if not tensors:
        raise ModelError(f"{path} holds no tensors.")
    return tensors


def _check_safetensors_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > size - 8 or length > MAX_HEADER:
            raise FileError(
                f"{path} says that its header has {length} bytes, but the file holds {size - 8} after it: it is cut "
                "off or no safetensors file."
            )
        text = stream.read(length)
    try:
        header = json.loads(text)
        ends = [int(entry["data_offsets"][1]) for key, entry in header.items() if key != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise FileError(f"{path} has no readable safetensors header; copy or download it again.") from None
    held = size - 8 - length
    if ends and max(ends) > held:
        raise FileError(
            f"{path} claims {max(ends)} bytes of tensors but holds {held}: it is cut off or was tampered with."
        )


def load_checkpoint(path: Path, *, limit: int | None = None) -> Any:
    """Return what a PyTorch checkpoint holds, by ``weights_only=True``; see :func:`read_weights` for the errors."""
    import torch

    if zipfile.is_zipfile(path):
        with opened_archive(path, limit=limit) as archive:
            audit_checkpoint(path, archive)
    else:
        audit_checkpoint(path, None)
    try:
        # as a stream: by its name, torch would take a checkpoint called .safetensors for one
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own internals, nothing that the user could act on
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as problem:  # noqa: BLE001 - torch.load raises whatever its parts raise; all are told below
        first = next(
            (line for line in str(problem).splitlines() if "nsupported" in line), str(problem).split("\n", 1)[0]
        )
        if "nsupported" in first or "Weights only load failed" in str(problem):
            raise UnsafeFileError(
                f"{path} cannot be read as weights alone ({first.strip().rstrip('.')}). {SAVE_AGAIN}"
            ) from None
        raise FileError(f"{path} is a damaged PyTorch checkpoint: {first.strip().rstrip('.')}.") from None


SAVE_AGAIN = "Save the weights alone, torch.save(network.state_dict(), 'weights.pt'), and name the architecture."


def unwrap(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict inside a checkpoint: wrapping entries opened, prefixes that all keys share taken off."""
    import torch

    current, way = loaded, []
    for _ in range(4):
        if not isinstance(current, Mapping):
            break
        if any(isinstance(value, torch.Tensor) for value in current.values()):
            return strip_prefixes({str(k): v for k, v in current.items() if isinstance(v, torch.Tensor)})
        inner = next((key for key in WRAPPERS if isinstance(current.get(key), Mapping) and current[key]), None)
        if inner is None:
            break
        way.append(inner)
        current = current[inner]
    found = (
        ", ".join(f"'{k}'" for k in list(current)[:8])
        if isinstance(current, Mapping)
        else f"a {type(current).__name__}"
    )
    within = f" in '{'.'.join(way)}'" if way else ""
    raise ModelError(f"{path} holds no state dict: found {found or 'nothing'}{within}, expected tensors by name.")


def strip_prefixes(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take wrappers' prefixes (``module.``, ``_orig_mod.``, ...) off where every key has them."""
    result = dict(tensors)
    while True:
        prefix = next((p for p in PREFIXES if result and all(key.startswith(p) for key in result)), None)
        if prefix is None:
            return result
        result = {key[len(prefix) :]: value for key, value in result.items()}


def fit_names(own: Collection[str], tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors under the names that a network has for them.

    A prefix may be part of a network's own names (a ``model`` inside a class) or of a wrapper that also saved other
    things (``ema.``, ``model.`` beside ``loss.``), so the naming that fits best is taken.
    """
    known = set(own)
    candidates: list[dict[str, torch.Tensor]] = [dict(tensors)]
    candidates += [{f"{p}{key}": value for key, value in tensors.items()} for p in PREFIXES]
    for p in PREFIXES:
        under = {key[len(p) :]: value for key, value in tensors.items() if key.startswith(p)}
        if under:
            candidates.append(strip_prefixes(under))
    return max(candidates, key=lambda names: (len(known & set(names)), -len(set(names) - known)))


def load_into(
    module: nn.Module, tensors: Mapping[str, torch.Tensor], *, architecture: str, origin: Path
) -> tuple[str, ...]:
    """Put weights into a network; every key and every shape must agree.

    Returns
    -------
    tuple
        A sentence where a trainer's checkpoint holds other things (a loss) beside the network.

    Raises
    ------
    ModelError
        With a table of the missing, unexpected and mismatched keys. Counters of BatchNorm may be missing.
    """
    own = module.state_dict()
    whole, tensors = tensors, fit_names(own, tensors)
    rows = [("missing", key, _shape(own[key]), "") for key in own if key not in tensors and not _optional(key)]
    rows += [("unexpected", key, "", _shape(value)) for key, value in tensors.items() if key not in own]
    rows += [
        ("mismatched", key, _shape(own[key]), _shape(value))
        for key, value in tensors.items()
        if key in own and own[key].shape != value.shape
    ]
    if rows:
        raise ModelError(f"The weights in {origin} do not fit the architecture '{architecture}':\n{_table(rows)}")
    module.load_state_dict(dict(tensors), strict=False)
    taken = {id(value) for value in tensors.values()}
    left = [key for key, value in whole.items() if id(value) not in taken]
    if not left:
        return ()
    shown = ", ".join(left[:6]) + (", ..." if len(left) > 6 else "")
    return (f"The weights hold something beside the network that was left out: {shown}.",)


def _optional(key: str) -> bool:
    return key.rpartition(".")[2] == "num_batches_tracked"


def _shape(tensor: torch.Tensor) -> str:
    return "(" + ", ".join(str(n) for n in tensor.shape) + ")"


def _table(rows: list[tuple[str, str, str, str]], most: int = 8) -> str:
    lines = [("", "key", "architecture", "file")]
    for kind in ("missing", "unexpected", "mismatched"):
        of_kind = [row for row in rows if row[0] == kind]
        lines += of_kind[:most]
        if len(of_kind) > most:
            lines.append((kind, f"... and {len(of_kind) - most} more", "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
    )
