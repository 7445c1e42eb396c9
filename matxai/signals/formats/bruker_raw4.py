"""Bruker RAW version 4 (``RAW4.00``): a chain of segments, each with its kind and length, and ranges between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError
from matxai.signals.labelled import UNNAMED
from matxai.signals.spectra.scans import Scan, drive_of, radiation

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.signals.spectra.binary import Fields

FIRST = 61
RANGE_HEADER = 160
RANGES = (0, 160)
"""Kinds that are no segment: a range begins here."""

WORDS, TUBE, DRIVE = 10, 30, 50
_KEPT = {"SAMPLEID": "sample", "COMMENT": "comment", "USER": "user", "CREATOR": "software"}
_SCANNED = {"locked coupled": "two_theta", "unlocked coupled": "two_theta", "detector scan": "two_theta"}


def version_4(file: Fields) -> list[Scan]:
    """Return the ranges of version 4.

    Raises
    ------
    SignalError
        If a segment claims more than the file holds, or a range contradicts itself.
    """
    about: dict[str, Any] = {"metadata": {"start_time": f"{file.text(12, 12)} {file.text(24, 10)}".strip()}}
    scans: list[Scan] = []
    at = FIRST
    while at + 4 <= len(file):
        kind = file.u32(at)
        if kind in RANGES:
            if kind == 0 and not any(file.raw[at : at + RANGE_HEADER]):
                break  # zeros that fill the file up
            scan, at = _range(file, at, len(scans) + 1, about)
            scans.append(scan)
            continue
        length = _length(file, at, len(file))
        if kind == WORDS and length > 36:
            word = _KEPT.get(file.text(at + 12, 24).upper())
            if word and (said := file.text(at + 36, length - 36)):
                about["metadata"][word] = said
        elif kind == TUBE and length >= 120:
            lines = {"k_alpha1": 80, "k_alpha2": 88, "k_beta": 96, "ratio": 104}
            found = radiation(file.text(at + 116, 4), **{k: file.f64(at + v) for k, v in lines.items()})
            about = {**about, **found, "metadata": {**about["metadata"], **found["metadata"]}}
        at += length
    return scans


def _length(file: Fields, at: int, end: int) -> int:
    length = file.u32(at + 4)
    if not 8 <= length <= end - at:
        msg = f"a segment at byte {at} claims {length} bytes where {end - at} are left; the file is cut off or damaged"
        raise SignalError(msg)
    return length


def _range(file: Fields, at: int, number: int, about: dict[str, Any]) -> tuple[Scan, int]:
    start, step, points = file.f64(at + 72), file.f64(at + 80), file.u32(at + 88)
    size, header = file.u32(at + 136), file.u32(at + 140)
    data = at + RANGE_HEADER + header
    if points < 2 or not math.isfinite(start) or not math.isfinite(step) or step == 0 or size < 4 or data > len(file):
        msg = (
            f"range {number} has {points} points of {size} bytes from {start:g} in steps of {step:g} behind a header "
            f"of {header} bytes, which is no scan; the file is cut off or damaged"
        )
        raise SignalError(msg)
    kind = file.text(at + 32, 24)
    standing, flagged = _drives(file, at + RANGE_HEADER, data)
    scanned = _scanned(kind, start, standing, flagged)
    records = file.records(data, points, size)
    drives: dict[str, npt.NDArray[Any]] = {k: np.asarray(v) for k, v in standing.items() if math.isfinite(v)}
    drives[scanned] = start + step * np.arange(points)
    if scanned == "two_theta" and "coupled" in kind.lower() and "omega" in standing:
        drives["omega"] = standing["omega"] + step / 2 * np.arange(points)
    words = {
        "scan_axis": kind,
        "time_per_step": file.f32(at + 92),  # of a line detector it is an effective one; the unit is not told
        "voltage_kv": file.f32(at + 100),
        "current_ma": file.f32(at + 104),
    }
    used = {k: v for k, v in radiation(used=file.f64(at + 112)).items() if k == "wavelength"}
    attrs = {**about, **used, "value_name": "intensity", "metadata": {**about["metadata"], **words}}
    if scanned == UNNAMED:
        attrs["notes"] = [f"the file does not say which drive '{kind}' was counted along: its axis is unnamed"]
    millimetres = {k: "mm" for k in drives if k.startswith("stage_")}
    scan = Scan(f"range {number}", scanned, drives, file.column(records, 0, "<f4"), millimetres, attrs=attrs)
    return scan, data + points * size


def _drives(file: Fields, at: int, end: int) -> tuple[dict[str, float], list[str]]:
    """Return where the drives of a range stand at its start, and those that are marked as scanned."""
    standing: dict[str, float] = {}
    flagged: list[str] = []
    while at < end:
        length = _length(file, at, end)
        if file.u32(at) == DRIVE and length >= 64:
            drive = drive_of(file.text(at + 12, 24))
            standing[drive] = file.f64(at + 56)
            if file.u32(at + 8):
                flagged.append(drive)
        at += length
    return standing, flagged


def _scanned(kind: str, start: float, standing: dict[str, float], flagged: list[str]) -> str:
    """Return the drive that was counted along: marked, and standing where the range begins; else by the scan's name."""
    agreed = [d for d in flagged if math.isclose(standing[d], start, rel_tol=1e-5, abs_tol=1e-6)]
    if len(agreed) == 1:
        return agreed[0]
    return _SCANNED.get(kind.lower().removesuffix(" hrxrd"), "omega" if kind.lower() == "rocking curve" else UNNAMED)
