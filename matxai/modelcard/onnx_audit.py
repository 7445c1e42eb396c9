"""What an ONNX file names outside itself, read from its bytes before anything loads it: files of weights, operators.

Only the messages that can hold such names are walked (see the ``onnx.proto`` of the ONNX project for the numbers).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matxai.errors import FileError, UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BELOW = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {13: "entry"},
}
_TEXTS = {("entry", 1), ("entry", 2), ("opset", 1), ("node", 4), ("function", 10)}
_DEPTH = 200
_DOMAINS = {
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training", "com.microsoft",
    "com.microsoft.nchwc",
}  # fmt: skip
_PYTHON = {"PythonOp", "PythonOpGrad"}


@dataclass
class _Found:
    """Names in one file: of external files, of operator sets, of the functions that it defines, of operators."""

    locations: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)


def audited(path: Path) -> tuple[Path, ...]:
    """Return the files beside an ONNX file that hold part of its weights.

    Raises
    ------
    UnsafeFileError
        If one lies outside of the file's folder, or an operator would need a library of its own or run Python.
    FileError
        If one is missing, or the file is damaged.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            found = _names(data)
        except (IndexError, UnicodeDecodeError, RecursionError, ValueError):
            raise FileError(f"{path} is a damaged or cut off ONNX file; copy or export it again.") from None
    strange = sorted(found.domains - _DOMAINS - found.own)
    if strange:
        raise UnsafeFileError(
            f"{path} uses operators of '{strange[0]}', which need a library of custom operators; matxai loads none."
        )
    if found.operators & _PYTHON:
        raise UnsafeFileError(f"{path} holds operators that run Python; export the network without them.")
    root = path.resolve().parent
    files = []
    for location in sorted(found.locations):
        file = (root / location.replace("\\", "/")).resolve()
        if not file.is_relative_to(root):
            raise UnsafeFileError(f"{path} keeps weights in '{location}', outside of its folder; nothing was loaded.")
        if not file.is_file():
            raise FileError(f"{path} keeps weights in '{location}', which is not beside it; copy that file as well.")
        files.append(file)
    return tuple(files)


def _names(data: mmap.mmap) -> _Found:
    found = _Found()
    waiting = [("model", 0, len(data), 0)]
    while waiting:
        kind, start, stop, depth = waiting.pop()
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        texts: dict[int, str] = {}
        for number, first, last in _fields(data, start, stop):
            below = _BELOW.get(kind, {}).get(number)
            if below is not None:
                waiting.append((below, first, last, depth + 1))
            elif (kind, number) in _TEXTS:
                texts[number] = data[first:last].decode()
        if kind == "entry" and texts.get(1) == "location":
            found.locations.add(texts.get(2, ""))
        elif kind == "opset":
            found.domains.add(texts.get(1, ""))
        elif kind == "function":
            found.own.add(texts.get(10, ""))
        elif kind == "node":
            found.operators.add(texts.get(4, ""))
    return found


def _fields(data: mmap.mmap, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and stop of the length-delimited fields of one message."""
    at = start
    while at < stop:
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 2:
            length, at = _varint(data, at)
            if at + length > stop:
                raise ValueError("a field is longer than its message")
            yield tag >> 3, at, at + length
            at += length
        elif wire == 0:
            _, at = _varint(data, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError("no such kind of field")
    if at != stop:
        raise ValueError("a field is longer than its message")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no number")
