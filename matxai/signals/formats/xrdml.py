"""PANalytical and Malvern Panalytical XRDML: scans, meshes, attenuators.

After the schema that the files name (http://www.xrdml.com/XRDMeasurement/1.x and 2.x). There ``intensities`` are
multiplied by the beam attenuation factors already; ``counts`` (schema 2) are as the detector gave them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.scans import (
    Scan,
    drive_of,
    floats,
    items_of_scans,
    number,
    radiation,
    unattenuated,
)
from matxai.signals.vendors.calibration import decoded
from matxai.signals.vendors.xml_text import LONGEST, parsed

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy.typing as npt

DESCRIBES = "PANalytical XRDML"


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the file begins like XRDML, in any encoding of XML."""
    return "<xrdMeasurements" in decoded(head)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the scans of all measurements in the file.

    Raises
    ------
    FileError
        If it is cut off or damaged, or a scan's positions and counts do not fit each other.
    UnsafeFileError
        If its XML declares entities, or is too long.
    """
    refuse_choices(path, DESCRIBES, ReadOptions(dataset=options.dataset))
    if path.stat().st_size > LONGEST:
        msg = f"{path.name} has {path.stat().st_size} bytes of XML, more than the {LONGEST} that are read"
        raise FileError(msg)
    root = parsed(decoded(path.read_bytes()), path.name, "its scans")
    if root is None:
        msg = f"{path.name} is truncated or no XML; copy it again from where it was measured"
        raise FileError(msg)
    scans: list[Scan] = []
    try:
        for measurement in root.iter("xrdMeasurement"):
            about = _about(root, measurement)
            for scan in measurement.iter("scan"):
                if (found := _scan(scan, len(scans) + 1, about)) is not None:
                    scans.append(found)
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    return items_of_scans(scans, path.name, options.axis)


def _about(root: Element, measurement: Element) -> dict[str, Any]:
    """Return what holds for all scans of one measurement."""
    used = measurement.find("usedWavelength")
    lines: dict[str, float | None] = {}
    intended = ""
    if used is not None:
        lines = {
            "k_alpha1": number(used.findtext("kAlpha1")),
            "k_alpha2": number(used.findtext("kAlpha2")),
            "k_beta": number(used.findtext("kBeta")),
            "ratio": number(used.findtext("ratioKAlpha2KAlpha1")),
        }
        intended = used.get("intended", "")
        chosen = {"K-Beta": "k_beta", "K-Alpha 2": "k_alpha2"}.get(intended)
        if chosen:
            lines["used"] = lines[chosen]
    tube = measurement.find(".//xRayTube")
    found = radiation(None if tube is None else tube.findtext("anodeMaterial"), **lines)
    words = {
        "radiation": intended,
        "voltage_kv": None if tube is None else number(tube.findtext("tension")),
        "current_ma": None if tube is None else number(tube.findtext("current")),
        "measurement": measurement.get("measurementType"),
        "sample_mode": measurement.get("sampleMode"),
        "status": measurement.get("status"),
        "sample": root.findtext("sample/name") or root.findtext("sample/id"),
        "radius_mm": number(measurement.findtext("incidentBeamPath/radius")),
    }
    found["metadata"] |= {k: v for k, v in words.items() if v not in (None, "")}
    return found


def _scan(scan: Element, count: int, about: dict[str, Any]) -> Scan | None:
    points = scan.find("dataPoints")
    if points is None:
        return None
    raw = points.find("counts")
    stored = points.find("intensities") if raw is None else raw
    if stored is None:
        return None
    name = f"scan {count}"
    values = floats(stored.text, f"the counts of {name}")
    if not values.size:
        return None
    drives, units = _drives(points, len(values), name)
    scanned = _scanned(scan.get("scanAxis", ""), drives)
    notes: list[str] = []
    beside: dict[str, npt.NDArray[Any]] = {}
    factors = _factors(points)
    if factors is not None and raw is not None:
        values, beside, notes = unattenuated(values, factors, name)
    elif factors is not None and np.any(factors != 1):
        notes = ["the intensities were corrected for the beam attenuator when they were saved, and are as stored"]
    if points.find("divergenceCorrections") is not None or points.find("commonDivergenceCorrection") is not None:
        notes.append("the file holds divergence corrections, which were not applied")
    times = points.findtext("countingTimes")
    words = {
        "counting_time_s": number(points.findtext("commonCountingTime")),
        "scan_axis": scan.get("scanAxis"),
        "scan_mode": scan.get("mode"),
        "scan_status": scan.get("status"),
        "start_time": scan.findtext("header/startTimeStamp"),
    }
    metadata = {**about["metadata"], **{k: v for k, v in words.items() if v is not None}}
    attrs = {**about, "value_name": "intensity", "value_unit": "counts", "metadata": metadata}
    if times is not None:
        beside["counting_time"] = _one_each(floats(times, f"the counting times of {name}"), values, name, "times")
        notes.append("the counting time differs from point to point; the counts are not divided by it")
    if scan.get("status", "Completed") != "Completed":
        notes.append(f"the scan was not completed: its status is '{scan.get('status')}'")
    if notes:
        attrs["notes"] = notes
    seconds = {"counting_time": "s"} if times is not None else {}
    return Scan(name, scanned, drives, values, units, beside, seconds, attrs)


def _one_each(
    column: npt.NDArray[np.float64], values: npt.NDArray[Any], name: str, what: str
) -> npt.NDArray[np.float64]:
    if column.shape != values.shape:
        msg = f"{name} has {values.size} counts and {column.size} {what}; the file is cut off or damaged"
        raise SignalError(msg)
    return column


def _factors(points: Element) -> npt.NDArray[np.float64] | None:
    text = points.findtext("beamAttenuationFactors")
    if text is not None:
        return floats(text, "the attenuation factors")
    common = number(points.findtext("commonBeamAttenuationFactor"))
    return None if common is None else np.asarray(common)


def _drives(points: Element, n: int, name: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    drives: dict[str, npt.NDArray[Any]] = {}
    units: dict[str, str] = {}
    for positions in points.findall("positions"):
        drive = drive_of(positions.get("axis", ""))
        units[drive] = positions.get("unit", "deg")
        listed = positions.findtext("listPositions")
        start, end = number(positions.findtext("startPosition")), number(positions.findtext("endPosition"))
        common = number(positions.findtext("commonPosition"))
        if listed is not None:
            places = floats(listed, f"the positions of {name}")
            if len(places) != n:
                msg = f"{name} has {n} counts and {len(places)} positions; the file is cut off or damaged"
                raise SignalError(msg)
            drives[drive] = places
        elif start is not None and end is not None:
            drives[drive] = np.linspace(start, end, n)
        elif common is not None:
            drives[drive] = np.asarray(common)
    return drives, units


def _scanned(said: str, drives: dict[str, npt.NDArray[Any]]) -> str:
    """Return the axis: the drive that the scan is named for, else the only one that moves."""
    moving = [k for k, v in drives.items() if v.ndim == 1]
    wanted = drive_of(said)
    if wanted in moving:
        return wanted
    if "two_theta" in moving or not moving:
        return "two_theta"
    return moving[0]


readers.add(
    "xrdml",
    Reader("xrdml", (".xrdml",), recognises, read, DESCRIBES),
)
