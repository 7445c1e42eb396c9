"""What a model's file really is, told from its content: names and endings are not believed."""

from __future__ import annotations

import hashlib
import zipfile
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO

from matxai.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path


class Content(Enum):
    """The kinds of model files that are told apart."""

    CARD_ARCHIVE = "a zipped card"
    PROGRAM = "a torch.export program"
    SAFETENSORS = "safetensors"
    CHECKPOINT = "a PyTorch checkpoint"
    TORCHSCRIPT = "a TorchScript archive"
    ONNX = "an ONNX model"
    HDF5 = "an HDF5 file"


WHAT_TO_DO = {
    Content.TORCHSCRIPT: (
        "is a TorchScript archive, whose operations and layers cannot be seen from outside. Load the original network "
        "in Python and either save its weights with safetensors and name the architecture (--arch), or export it with "
        "torch.export.save(torch.export.export(network, (x,)), 'model.pt2')"
    ),
    Content.HDF5: (
        "is an HDF5 file, as Keras writes its models, and no PyTorch weights. Build the same layers in PyTorch, copy "
        "the weights over, and save them with safetensors"
    ),
}


def content_of(path: Path) -> Content:
    """Return what a file holds.

    Raises
    ------
    FileError
        If it is missing, empty, unreadable or none of the kinds that are known.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(4096)
    except FileNotFoundError:
        raise FileError(f"{path} does not exist.") from None
    except OSError as problem:
        raise FileError(f"{path} cannot be read: {problem.strerror or problem}.") from None
    if size == 0:
        raise FileError(f"{path} is empty.")
    if head[:4] == b"PK\x03\x04" or zipfile.is_zipfile(path):
        return _archive_content(path)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return Content.HDF5
    if len(head) > 8 and head[8:9] == b"{":
        return Content.SAFETENSORS
    if head[:1] == b"\x80" and 2 <= head[1] <= 5:
        return Content.CHECKPOINT
    if _is_onnx(path, size):
        return Content.ONNX
    raise FileError(
        f"{path} is no model that matxai knows: it takes a folder with matxai.yaml, NAME.matxai, safetensors, a "
        "PyTorch checkpoint, a torch.export program (.pt2) or an ONNX model."
    )


def _archive_content(path: Path) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise FileError(f"{path} is a damaged or cut off archive; copy or download it again.") from None
    inner = {name.split("/", 1)[1] for name in names if "/" in name}
    if "matxai.yaml" in names or "matxai.yaml" in inner:
        return Content.CARD_ARCHIVE
    if "serialized_exported_program.json" in names or "archive_format" in inner:
        return Content.PROGRAM
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return Content.TORCHSCRIPT
    if "data.pkl" in inner:
        return Content.CHECKPOINT
    raise FileError(
        f"{path} is a zip archive that holds neither matxai.yaml nor PyTorch weights nor a torch.export program."
    )


def _read_varint(stream: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _is_onnx(path: Path, size: int) -> bool:
    """Tell an ONNX ModelProto: its top-level fields are walked to the end; a graph (7) or opset (8) is among them."""
    wires = {0: {1, 5}, 2: {2, 3, 4, 6, 7, 8, 14, 20, 25, 26}}
    found: set[int] = set()
    with path.open("rb") as stream:
        while stream.tell() < size:
            tag = _read_varint(stream)
            if tag is None or tag >> 3 not in wires.get(tag & 7, set()):
                return False
            value = _read_varint(stream)
            if value is None:
                return False
            found.add(tag >> 3)
            if tag & 7 == 2:
                if stream.tell() + value > size:
                    return False
                stream.seek(value, 1)
    return bool(found & {7, 8})


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
