"""Rigaku: RAS (text) and RASX (a zip of text and XML). The third column is the attenuator's factor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.limits import MOST_BYTES, said_bytes
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.archive import Archive, has_member
from matxai.signals.spectra.scans import Scan, drive_of, items_of_scans, number, radiation, unattenuated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy.typing as npt

RAS = "Rigaku RAS"
RASX = "Rigaku RASX"
_PROFILE = r"Data(\d+)/Profile(\d+)\.txt"
_PAIR = re.compile(r"\*(\S+)\s+\"?(.*?)\"?\s*$")


def recognises_ras(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the file begins like RAS."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"*RAS_DATA_START", b"*RAS_HEADER_START"))


def recognises_rasx(path: Path, head: bytes) -> bool:
    """Whether the file is a zip archive with a profile of RASX, or a damaged one that is called so."""
    return has_member(path, head, _PROFILE) or (head.startswith(b"PK\x03\x04") and path.suffix.lower() == ".rasx")


def read_ras(path: Path, options: ReadOptions) -> list[Item]:
    """Return the scans of a RAS file.

    Raises
    ------
    FileError
        If it is cut off within a scan, or a row of it is no row of numbers.
    """
    refuse_choices(path, RAS, ReadOptions(dataset=options.dataset))
    if path.stat().st_size > MOST_BYTES:
        msg = f"{path.name} has {said_bytes(path.stat().st_size)} of text, more than the {said_bytes(MOST_BYTES)} read"
        raise FileError(msg)
    scans: list[Scan] = []
    header: dict[str, str] = {}
    rows: list[str] | None = None
    try:
        for line in _text(path.read_bytes()).splitlines():
            if line.startswith("*RAS_HEADER_START"):
                header = {}
            elif line.startswith("*RAS_INT_START"):
                rows = []
            elif line.startswith("*RAS_INT_END") and rows is not None:
                scans.append(_scan(f"scan {len(scans) + 1}", rows, header))
                rows = None
            elif rows is not None:
                rows.append(line)
            elif found := _PAIR.match(line):
                header[found[1]] = found[2]
        if rows is not None:
            msg = f"scan {len(scans) + 1} is cut off: it has no *RAS_INT_END; copy the file again"
            raise SignalError(msg)
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    return items_of_scans(_with_equal_columns(scans), path.name, options.axis)


def _text(raw: bytes) -> str:
    """Return the text; names of axes are in Shift-JIS where the software speaks Japanese."""
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def read_rasx(path: Path, options: ReadOptions) -> list[Item]:
    """Return the profiles of a RASX archive.

    Raises
    ------
    FileError
        If it is damaged, or holds no profile.
    UnsafeFileError
        If it would unfold beyond the limit, or leads out of itself.
    """
    refuse_choices(path, RASX, ReadOptions(dataset=options.dataset))
    archive = Archive(path, options.limit)
    scans: list[Scan] = []
    try:
        for name in archive.names(_PROFILE):
            folder, count = name.split("/")[0], re.findall(r"\d+", name)[-1]
            about = archive.names(rf"{folder}/Mea?surementConditions{count}\.xml")  # the software misspells it
            header = _conditions(archive.xml(about[0])) if about else {}
            scans.append(_scan(name.removesuffix(".txt"), archive.text(name).splitlines(), header))
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    return items_of_scans(_with_equal_columns(scans), path.name, options.axis)


def _conditions(root: Element) -> dict[str, str]:
    """Return the measurement's conditions under the names that RAS has for them."""
    pairs = [[s.text or "" for s in pair.findall("string")] for pair in root.iter("Pair")]
    found = {p[0].lstrip("*"): p[1] for p in pairs if len(p) == 2}
    places = {
        "MEAS_SCAN_AXIS_X_INTERNAL": "ScanInformation/AxisName",
        "MEAS_SCAN_UNIT_X": "ScanInformation/PositionUnit",
        "MEAS_SCAN_UNIT_Y": "ScanInformation/IntensityUnit",
        "MEAS_SCAN_MODE": "ScanInformation/Mode",
        "MEAS_SCAN_SPEED": "ScanInformation/Speed",
        "MEAS_SCAN_SPEED_UNIT": "ScanInformation/SpeedUnit",
        "MEAS_SCAN_STEP": "ScanInformation/Step",
        "MEAS_SCAN_START_TIME": "ScanInformation/StartTime",
        "MEAS_DATA_COUNT": "ScanInformation/DataCount",
        "HW_XG_TARGET_NAME": "HWConfigurations/XrayGenerator/TargetName",
        "HW_XG_WAVE_LENGTH_ALPHA1": "HWConfigurations/XrayGenerator/WavelengthKalpha1",
        "HW_XG_WAVE_LENGTH_ALPHA2": "HWConfigurations/XrayGenerator/WavelengthKalpha2",
        "HW_XG_WAVE_LENGTH_BETA": "HWConfigurations/XrayGenerator/WavelengthKbeta",
        "MEAS_COND_XG_WAVE_TYPE": "HWConfigurations/XrayGenerator/WaveType",
        "MEAS_COND_XG_VOLTAGE": "HWConfigurations/XrayGenerator/Voltage",
        "MEAS_COND_XG_CURRENT": "HWConfigurations/XrayGenerator/Current",
        "FILE_SAMPLE": "GeneralInformation/SampleName",
    }
    found.update({key: text for key, place in places.items() if (text := root.findtext(place))})
    for i, axis in enumerate(root.iterfind("Axes/Axis")):
        found[f"MEAS_COND_AXIS_NAME_INTERNAL-{i}"] = axis.get("Name", "")
        found[f"MEAS_COND_AXIS_POSITION-{i}"] = axis.get("Position", "") if axis.get("State") == "Fixed" else ""
    return found


def _scan(name: str, rows: list[str], header: Mapping[str, str]) -> Scan:
    table = _table(name, rows)
    said = number(header.get("MEAS_DATA_COUNT"))
    if said is not None and int(said) != len(table):
        msg = f"{name} says that it has {int(said)} points and holds {len(table)}; the file is cut off or damaged"
        raise SignalError(msg)
    factors = table[:, 2] if table.shape[1] > 2 else np.asarray(1.0)
    values, beside, notes = unattenuated(table[:, 1], factors, name)
    scanned = drive_of(header.get("MEAS_SCAN_AXIS_X_INTERNAL") or header.get("MEAS_SCAN_AXIS_X", ""))
    drives: dict[str, npt.NDArray[Any]] = {**_standing(header), scanned: table[:, 0]}
    unit = header.get("MEAS_SCAN_UNIT_Y", "").strip()
    attrs = {
        **_radiation(header),
        "value_name": "intensity",
        **({"value_unit": "counts/s" if unit.lower() == "cps" else unit} if unit else {}),
    }
    if notes:
        attrs["notes"] = notes
    unit_x = header.get("MEAS_SCAN_UNIT_X") or "deg"
    return Scan(name, scanned, drives, values, {scanned: unit_x}, beside, attrs=attrs)


def _with_equal_columns(scans: list[Scan]) -> list[Scan]:
    """Leave the columns of the attenuator away where none of the scans needed one."""
    if any(np.any(s.beside["attenuation"] != 1) for s in scans):
        return scans
    return [Scan(s.name, s.scanned, s.drives, s.values, s.units, {}, {}, s.attrs) for s in scans]


def _table(name: str, rows: list[str]) -> npt.NDArray[np.float64]:
    kept = [row.lstrip("\ufeff").split() for row in rows if row.strip("\ufeff \t\r\x1a")]
    widths = {len(row) for row in kept}
    if not kept or len(widths) != 1 or min(widths) < 2:
        msg = f"{name} holds {len(kept)} rows of {sorted(widths) or 'no'} columns; it needs places and intensities"
        raise SignalError(msg)
    try:
        return np.array(kept, dtype=np.float64)
    except ValueError as error:
        msg = f"{name} holds something that is no number ({error})"
        raise SignalError(msg) from error


def _standing(header: Mapping[str, str]) -> dict[str, npt.NDArray[np.float64]]:
    """Return where the drives of the goniometer stood."""
    found = {}
    for key, name in header.items():
        if key.startswith("MEAS_COND_AXIS_NAME_INTERNAL-"):
            place = number(header.get(f"MEAS_COND_AXIS_POSITION-{key.rpartition('-')[2]}"))
            if name in ("TwoTheta", "Omega", "Chi", "Phi") and place is not None:
                found[drive_of(name)] = np.asarray(place)
    return found


def _radiation(header: Mapping[str, str]) -> dict[str, Any]:
    lines = {
        "k_alpha1": number(header.get("HW_XG_WAVE_LENGTH_ALPHA1")),
        "k_alpha2": number(header.get("HW_XG_WAVE_LENGTH_ALPHA2")),
        "k_beta": number(header.get("HW_XG_WAVE_LENGTH_BETA")),
    }
    used = {"kb": "k_beta", "ka2": "k_alpha2"}.get(header.get("MEAS_COND_XG_WAVE_TYPE", "").lower())
    found = radiation(header.get("HW_XG_TARGET_NAME"), used=lines[used] if used else None, **lines)
    words = {
        "radiation": header.get("MEAS_COND_XG_WAVE_TYPE"),
        "voltage_kv": number(header.get("MEAS_COND_XG_VOLTAGE")),
        "current_ma": number(header.get("MEAS_COND_XG_CURRENT")),
        "scan_axis": header.get("MEAS_SCAN_AXIS_X_INTERNAL") or header.get("MEAS_SCAN_AXIS_X"),
        "scan_mode": header.get("MEAS_SCAN_MODE"),
        "scan_speed": number(header.get("MEAS_SCAN_SPEED")),
        "scan_speed_unit": header.get("MEAS_SCAN_SPEED_UNIT"),
        "start_time": header.get("MEAS_SCAN_START_TIME"),
        "sample": header.get("FILE_SAMPLE"),
    }
    found["metadata"] |= {k: v for k, v in words.items() if v not in (None, "")}
    return found


readers.add("rigaku_ras", Reader("rigaku_ras", (".ras",), recognises_ras, read_ras, RAS, priority=1))
readers.add("rigaku_rasx", Reader("rigaku_rasx", (".rasx",), recognises_rasx, read_rasx, RASX, priority=1))
