"""Galactic / Thermo SPC (``.spc``) of the version since 1996: one spectrum or several on one or on their own axes.

Layout: "The SPC file format" and ``SPC.H`` of Galactic Industries: a header of 512 bytes, an axis if it is uneven, then
for each spectrum 32 bytes and its values, as floats or as whole numbers with a common exponent of two. EDAX and Bruker
call other files ``.spc`` too: the second byte tells.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.curve import Curve, items_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

ORDERS = {0x4B: "<", 0x4C: ">"}
OLD = 0x4D
HEADER, SUBHEADER = "4B i 2d i 4B I 9s 9s H 32x 130s 30s", "B b H 3f 2i f 4x"
FULL, SUB = 512, 32
SHORT, OWN_EXPONENTS, LABELS, OWN_AXES, LISTED = 1, 4, 32, 64, 128
FLOATS = -128

AXES: dict[int, tuple[str, str | None]] = {
    1: ("wavenumber", "1/cm"),
    2: ("wavelength", "um"),
    3: ("wavelength", "nm"),
    4: ("time", "s"),
    5: ("time", "minute"),
    6: ("frequency", "Hz"),
    7: ("frequency", "kHz"),
    8: ("frequency", "MHz"),
    13: ("raman_shift", "1/cm"),
    14: ("energy", "eV"),
    20: ("temperature", "degC"),
    21: ("temperature", "kelvin"),
    23: ("time", "ms"),
    24: ("time", "us"),
    25: ("time", "ns"),
    26: ("frequency", "GHz"),
    30: ("time", "hour"),
}
VALUES = {
    1: "interferogram",
    2: "absorbance",
    3: "Kubelka-Munk",
    4: "counts",
    10: "log(1/R)",
    11: "percent",
    12: "intensity",
    13: "relative intensity",
    128: "transmission",
    129: "reflectance",
    131: "emission",
}


@dataclass(frozen=True)
class _Header:
    order: str
    flags: int
    exponent: int
    points: int
    first: float
    last: float
    count: int
    axis: int
    value: int
    comment: str
    labels: tuple[str, ...]


def recognises(path: Path, head: bytes) -> bool:
    """Whether the second byte is a version of SPC and the first numbers make sense; others use the suffix too."""
    if path.suffix.lower() != ".spc" or len(head) < FULL or head[1] not in (*ORDERS, OLD):
        return False
    if head[1] == OLD:
        return True
    order = ORDERS[head[1]]
    points, first, last, count = struct.unpack(order + "i2di", head[4:28])
    sane = 0 <= points < 2**31 and count > 0 and np.isfinite(first) and np.isfinite(last)
    return bool(sane and (head[28] <= 30 or head[28] == 255))


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the spectra; those on one axis as a set.

    Raises
    ------
    FileError
        If it is of the version before 1996, or claims more than it holds.
    """
    refuse_choices(path, "an SPC file", ReadOptions(dataset=options.dataset, axis=options.axis))
    size = path.stat().st_size
    with path.open("rb") as file:
        head = _header(file.read(FULL), path.name)
        least = head.points * (2 if head.flags & SHORT else 4) if not head.flags & OWN_AXES else 0
        check_held(path.name, head.count * (SUB + least), size - FULL, what=f"{head.count} spectra")
        shared = None
        if not head.flags & OWN_AXES:
            shared = (
                _numbers(file, head.order + "f4", head.points, path.name, size)
                if head.flags & LISTED
                else np.linspace(head.first, head.last, head.points)
            )
        return items_of([_curve(file, head, shared, i, path.name, size) for i in range(head.count)], path.name)


def _header(raw: bytes, name: str) -> _Header:
    if raw[1] == OLD:
        msg = f"{name} is an SPC file of the version before 1996, which is not read; save it anew with its program"
        raise FileError(msg)
    check_held(name, FULL, len(raw), what="header")
    order = ORDERS[raw[1]]
    parts = struct.unpack(order + HEADER, raw[: struct.calcsize(order + HEADER)])
    flags, exponent = parts[0], parts[3] - 256 if parts[3] > 127 else parts[3]
    points, first, last, count, axis, value = (*parts[4:8], parts[8], parts[9])
    texts = [t.split(b"\x00\x00")[0].decode("latin-1").strip("\x00 ") for t in parts[-2:]]
    labels = tuple(parts[-1].decode("latin-1").split("\x00")[:2]) if flags & LABELS else ()
    return _Header(order, flags, exponent, points, first, last, count, axis, value, texts[0], labels)


def _numbers(file: IO[bytes], dtype: str, n: int, name: str, size: int) -> npt.NDArray[Any]:
    kind = np.dtype(dtype)
    check_held(name, n * kind.itemsize, size - file.tell(), what="numbers")
    return np.frombuffer(file.read(n * kind.itemsize), kind).astype(float)


def _curve(file: IO[bytes], head: _Header, shared: npt.NDArray[Any] | None, index: int, name: str, size: int) -> Curve:
    check_held(name, SUB, size - file.tell(), what=f"spectrum {index + 1}")
    _, exponent, _, z, _, _, own, scans, _ = struct.unpack(head.order + SUBHEADER, file.read(SUB))
    n = own if shared is None else head.points
    if n < 1:
        msg = f"{name} is damaged: its spectrum {index + 1} claims {n} points; copy it again"
        raise FileError(msg)
    places = _numbers(file, head.order + "f4", n, name, size) if shared is None else shared
    power = exponent if head.flags & OWN_EXPONENTS else head.exponent
    if power == FLOATS:
        values = _numbers(file, head.order + "f4", n, name, size)
    else:
        bits = 16 if head.flags & SHORT else 32
        values = _numbers(file, f"{head.order}i{bits // 8}", n, name, size) * 2.0 ** (power - bits)
    dim, unit = AXES.get(head.axis, ("axis", None))
    metadata: dict[str, Any] = {"comment": head.comment, "scans": scans}
    if head.count > 1:
        metadata["z"] = z
    attrs: dict[str, Any] = {"metadata": {k: v for k, v in metadata.items() if v not in ("", 0) or k == "z"}}
    if any(head.labels):
        attrs["notes"] = [f"the file labels its axes {' and '.join(repr(label) for label in head.labels if label)}"]
    if head.value in VALUES:
        attrs["value_name"] = VALUES[head.value]
    return Curve(f"spectrum {index + 1}" if head.count > 1 else "spectrum", places, values, dim, unit, attrs=attrs)


readers.add(
    "spc",
    Reader(
        name="spc",
        suffixes=(".spc",),
        recognises=recognises,
        read=read,
        describes="SPC (Galactic, Thermo)",
    ),
)
