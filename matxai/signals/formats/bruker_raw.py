"""Bruker and Siemens RAW of DIFFRAC: versions 1 (``RAW ``), 2 (``RAW2``), 3 (``RAW1.01``) and 4 (``RAW4.00``).

The layouts are those of the manuals as others have published them: versions 1 and 2 in the appendix "DIFFRAC-AT raw
data file format" of the diffractometer's manual, version 3 in appendix A of the manual of DIFFRACplus XCH 5.0,
version 4 as it was found by comparing files with what DIFFRAC exports of them. No version says whether its intensities
are counts or counts per second, so that the values have no unit here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.formats.bruker_raw4 import version_4
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.binary import Fields
from matxai.signals.spectra.scans import Scan, items_of_scans, radiation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

DESCRIBES = "Bruker RAW"
UNKNOWN = -1e6
"""What version 1 writes for a drive of which nothing is known."""

HEADER_1, FIRST_2, FIRST_3 = 152, 256, 712

SCANNED = {
    0: ("locked coupled", "two_theta", 16),
    1: ("unlocked coupled", "two_theta", 16),
    2: ("detector scan", "two_theta", 16),
    3: ("rocking curve", "omega", 8),
    4: ("chi scan", "chi", 24),
    5: ("phi scan", "phi", 32),
    6: ("x scan", "stage_x", 40),
    7: ("y scan", "stage_y", 48),
    8: ("z scan", "stage_z", 56),
    20: ("unlocked coupled, high resolution", "two_theta", 16),
    129: ("PSD fixed scan", "two_theta", 16),
    130: ("PSD fast scan", "two_theta", 16),
}
"""Code of a scan in version 3: what it is, the drive that it is counted along, and where its start stands."""

STAGE = ("stage_x", "stage_y", "stage_z")
STARTS = {"omega": 8, "two_theta": 16, "chi": 24, "phi": 32, "stage_x": 40, "stage_y": 48, "stage_z": 56}
VARYING = (
    "two_theta",
    "omega",
    "chi",
    "phi",
    "stage_x",
    "stage_y",
    "stage_z",
    "aux1",
    "aux2",
    "aux3",
    "counting_time",
    "temperature",
)
MILLIMETRES = dict.fromkeys(STAGE, "mm")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the file begins with the mark of one of the four versions."""
    return _version(head) is not None


def _version(head: bytes) -> Callable[[Fields], list[Scan]] | None:
    for mark, version in VERSIONS.items():
        if head.startswith(mark):
            return version
    return None


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return all ranges of the file.

    Raises
    ------
    FileError
        If it is cut off, or a header claims more points than the file holds.
    """
    refuse_choices(path, DESCRIBES, ReadOptions(dataset=options.dataset))
    fields = Fields(path)
    version = _version(fields.raw)
    if version is None:
        msg = f"{path.name} does not begin like Bruker RAW ('RAW ', 'RAW2', 'RAW1.01' or 'RAW4.00')"
        raise FileError(msg)
    try:
        scans = version(fields)
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    return items_of_scans(scans, path.name, options.axis)


def version_1(file: Fields) -> list[Scan]:
    """Return the ranges of version 1: each header of 152 bytes says whether another one follows.

    Only the first range has the mark ``RAW `` in front for sure; early software did not repeat it.
    """
    scans: list[Scan] = []
    at, follows = 0, 1
    while follows:
        at += 4 if file.raw[at : at + 4] == b"RAW " else 0
        points = file.u32(at)
        step, start = file.f32(at + 8), file.f32(at + 20)
        follows = file.u32(at + HEADER_1 - 4)
        standing = {"omega": file.f32(at + 24), "chi": file.f32(at + 28), "phi": file.f32(at + 32)}
        drives: dict[str, npt.NDArray[Any]] = {k: np.asarray(v) for k, v in standing.items() if v != UNKNOWN}
        attrs = radiation(k_alpha1=file.f32(at + 68), k_alpha2=file.f32(at + 72))
        attrs["metadata"] |= {"sample": file.text(at + 36, 32), "counting_time_s": file.f32(at + 4)}
        at += HEADER_1
        records = file.records(at, points, 4)
        at += 4 * points
        drives["two_theta"] = places(start, step, points, len(scans) + 1)
        scans.append(_scan(len(scans) + 1, "two_theta", drives, file.column(records, 0, "<f4"), attrs))
    return scans


def version_2(file: Fields) -> list[Scan]:
    """Return the ranges of version 2: a header of 256 bytes with their number, each range with one of its own."""
    scans: list[Scan] = []
    count, at = file.u16(4), FIRST_2
    about = radiation(file.text(188, 2), k_alpha1=file.f32(190), k_alpha2=file.f32(194), ratio=file.f32(198))
    about["metadata"]["start_time"] = file.text(168, 20)
    for number in range(1, count + 1):
        header, points = file.u16(at), file.u16(at + 2)
        if header < 48:
            msg = f"range {number} has a header of {header} bytes; it has 48 at least. The file is damaged"
            raise SignalError(msg)
        drives = {"two_theta": places(file.f32(at + 16), file.f32(at + 12), points, number)}
        metadata = {**about["metadata"], "counting_time_s": file.f32(at + 8), "temperature_k": file.u16(at + 46)}
        records = file.records(at + header, points, 4)
        attrs = {**about, "metadata": metadata}
        scans.append(_scan(number, "two_theta", drives, file.column(records, 0, "<f4"), attrs))
        at += header + 4 * points
    return scans


def version_3(file: Fields) -> list[Scan]:
    """Return the ranges of version 3: a header of 712 bytes; each point may have places measured beside its counts."""
    count, at = file.u32(12), FIRST_3
    about = radiation(
        file.text(608, 4),
        k_alpha1=file.f64(624),
        k_alpha2=file.f64(632),
        k_beta=file.f64(640),
        ratio=file.f64(648),
    )
    about["metadata"] |= {
        "start_time": f"{file.text(16, 10)} {file.text(26, 10)}".strip(),
        "sample": file.text(326, 60),
        "comment": file.text(386, 160),
        "radius_mm": file.f32(564),
    }
    scans: list[Scan] = []
    for number in range(1, count + 1):
        scan, at = _range_3(file, at, number, about)
        scans.append(scan)
    return scans


def _range_3(file: Fields, at: int, number: int, about: dict[str, Any]) -> tuple[Scan, int]:
    header, points, code = file.u32(at), file.u32(at + 4), file.u32(at + 196)
    bits, size, more = file.u32(at + 248), file.u32(at + 252), file.u32(at + 256)
    varying = [name for i, name in enumerate(VARYING) if bits >> i & 1]
    size = size or 4
    if header < 260 or bits >> len(VARYING) or size != 4 + 8 * len(varying):
        msg = f"the header of range {number} contradicts itself ({header} bytes, points of {size} bytes); it is damaged"
        raise SignalError(msg)
    records = file.records(at + header + more, points, size)
    kind, scanned, start_at = SCANNED.get(code, (f"scan of type {code}", UNNAMED, 0))
    start = file.f64(at + start_at) if start_at else 0.0
    drives: dict[str, npt.NDArray[Any]] = {
        k: np.asarray(file.f64(at + v)) for k, v in STARTS.items() if math.isfinite(file.f64(at + v))
    }
    step = file.f64(at + 176)
    drives[scanned] = places(start, step, points, number)
    if "coupled" in kind and "omega" in drives:
        drives["omega"] = places(float(drives["omega"]), step / 2, points, number)
    beside: dict[str, npt.NDArray[Any]] = {}
    for i, name in enumerate(varying):
        column = file.column(records, 4 + 8 * i, "<f8")
        (drives if name in STARTS else beside)[name] = column
    used = file.f64(at + 240)
    metadata = {
        **about["metadata"],
        "scan_axis": kind,
        "counting_time_s": file.f32(at + 192),
        "voltage_kv": file.u32(at + 224),
        "current_ma": file.u32(at + 228),
    }
    attrs = {**about, **{k: v for k, v in radiation(used=used).items() if k == "wavelength"}, "metadata": metadata}
    if scanned == UNNAMED:
        attrs["notes"] = [f"the file calls this a scan of type {code}, which is not known: its axis is unnamed, from 0"]
    scan = _scan(number, scanned, drives, file.column(records, 0, "<f4"), attrs, beside)
    return scan, at + header + more + points * size


def _scan(
    number: int,
    scanned: str,
    drives: dict[str, npt.NDArray[Any]],
    values: npt.NDArray[np.float64],
    attrs: dict[str, Any],
    beside: dict[str, npt.NDArray[Any]] | None = None,
) -> Scan:
    metadata = {k: v for k, v in attrs["metadata"].items() if v not in ("", None)}
    seconds = {"counting_time": "s", "temperature": "kelvin"}
    beside = beside or {}
    units = {k: v for k, v in seconds.items() if k in beside}
    attrs = {**attrs, "value_name": "intensity", "metadata": metadata}
    return Scan(f"range {number}", scanned, drives, values, MILLIMETRES, beside, units, attrs)


def places(start: float, step: float, points: int, number: int) -> npt.NDArray[np.float64]:
    """Return the places of a range.

    Raises
    ------
    SignalError
        If start or step are none, or there are fewer than two points.
    """
    if points < 2 or not math.isfinite(start) or not math.isfinite(step) or step == 0:
        msg = f"range {number} has {points} points from {start:g} in steps of {step:g}, which is no scan"
        raise SignalError(msg)
    found: npt.NDArray[np.float64] = start + step * np.arange(points, dtype=np.float64)
    return found


VERSIONS: dict[bytes, Callable[[Fields], list[Scan]]] = {
    b"RAW1.01": version_3,
    b"RAW4.00": version_4,
    b"RAW2": version_2,
    b"RAW ": version_1,
}
"""By the mark that a file begins with."""

readers.add("bruker_raw", Reader("bruker_raw", (".raw",), recognises, read, DESCRIBES))
