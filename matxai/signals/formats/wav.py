"""WAV (RIFF, RIFX, RF64): waveforms as whole numbers of 8 to 32 bits or floats, with their sampling rate.

Values come as stored, 8-bit ones around 0 (the format keeps them around 128), 24-bit ones as 32-bit integers. Nothing
is divided by full scale: what a volt is, a WAV does not say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.limits import MOST_BYTES, check_held, check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.curve import Curve, items_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class _Format:
    kind: int
    channels: int
    rate: int
    frame: int
    bits: int


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether it is a RIFF container that holds WAVE."""
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the waveform over time in seconds, channels as ``c``.

    Raises
    ------
    FileError
        If it is truncated, or its samples are compressed.
    """
    refuse_choices(path, "a WAV file", ReadOptions(dataset=options.dataset, axis=options.axis))
    size = path.stat().st_size
    with path.open("rb") as file:
        order = ">" if file.read(12)[:4] == b"RIFX" else "<"
        form, at, length = _chunks(file, order, path.name, size)
        _check(form, path.name)
        check_held(path.name, length, size - at, what="samples")
        check_unfolding(path.name, length // form.frame * form.channels * 4, size, options.limit or MOST_BYTES)
        file.seek(at)
        values = _values(file.read(length // form.frame * form.frame), form, order)
    if len(values) < 2:
        msg = f"{path.name} holds {len(values)} samples; a waveform needs at least 2"
        raise FileError(msg)
    notes = ["8-bit samples were moved from around 128 to around 0"] if form.kind == PCM and form.bits == 8 else []
    attrs: dict[str, Any] = {"sampling_rate": float(form.rate), "metadata": {"bits": form.bits}}
    if notes:
        attrs["notes"] = notes
    shape = values if form.channels > 1 else values[:, 0]
    return items_of([Curve("waveform", np.arange(len(values)) / form.rate, shape, "time", "s", attrs=attrs)], path.name)


def _chunks(file: IO[bytes], order: str, name: str, size: int) -> tuple[_Format, int, int]:
    """Return the format, and where the samples lie and how many bytes they claim."""
    form: _Format | None = None
    long_data: int | None = None
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = head[:4], struct.unpack(order + "I", head[4:])[0]
        at = file.tell()
        if kind == b"ds64":
            check_held(name, length, size - at, what="64-bit sizes")
            long_data = struct.unpack("<QQQ", file.read(28)[:24].ljust(24, b"\x00"))[1]
        elif kind == b"fmt ":
            form = _format(file.read(min(length, 40)), order, name)
        elif kind == b"data":
            if form is None:
                break
            return form, at, long_data if length == 0xFFFFFFFF and long_data is not None else length
        file.seek(at + length + length % 2)
    msg = f"{name} is truncated or damaged: it has no {'samples' if form else 'format'}; copy it again"
    raise FileError(msg)


def _format(raw: bytes, order: str, name: str) -> _Format:
    if len(raw) < 16:
        msg = f"{name} is truncated: its format has {len(raw)} of at least 16 bytes; copy it again"
        raise FileError(msg)
    kind, channels, rate, _, frame, bits = struct.unpack(order + "HHIIHH", raw[:16])
    if kind == EXTENSIBLE and len(raw) >= 26:
        kind = struct.unpack(order + "H", raw[24:26])[0]
    return _Format(kind, channels, rate, frame, bits)


def _check(form: _Format, name: str) -> None:
    bits = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}.get(form.kind)
    if bits is None or form.bits not in bits:
        msg = f"{name} holds samples of format {form.kind} with {form.bits} bits; PCM (8 to 32) and float are read"
        raise FileError(msg)
    if form.rate < 1 or form.channels < 1 or form.frame != form.channels * form.bits // 8:
        msg = f"{name} is damaged: {form.channels} channels at {form.rate} Hz in frames of {form.frame} bytes"
        raise FileError(msg)


def _values(raw: bytes, form: _Format, order: str) -> npt.NDArray[Any]:
    """Return samples, shape (n, channels)."""
    if form.bits == 24:
        bytes_ = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        low, middle, high = (bytes_[:, i].astype(np.int32) for i in ((0, 1, 2) if order == "<" else (2, 1, 0)))
        found = ((high << 24) | (middle << 16) | (low << 8)) >> 8
    elif form.bits == 8:
        found = np.frombuffer(raw, np.uint8).astype(np.int16) - 128
    else:
        dtype = np.dtype(f"{order}{'f' if form.kind == FLOAT else 'i'}{form.bits // 8}")
        found = np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))
    return found.reshape(-1, form.channels)


readers.add(
    "wav",
    Reader(
        name="wav",
        suffixes=(".wav", ".wave"),
        recognises=recognises,
        read=read,
        describes="WAV",
    ),
)
