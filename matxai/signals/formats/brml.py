"""Bruker BRML: a zip of XML. A datum's counts are corrected for the absorber already; its factor stands beside.

Which column of a datum is what is told by the route's data views; files without them have measured time, absorber, the
scan axes in their order, and the counts last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.archive import MAGIC, Archive, has_member
from matxai.signals.spectra.scans import MOST_POINTS, Scan, drive_of, items_of_scans, number, radiation

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy.typing as npt

DESCRIBES = "Bruker BRML"
_RAW = r"(?:.*/)?RawData\d+\.xml"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_BLANK = -9999.0


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file is a zip archive with raw data of BRML, or a damaged one that is called so."""
    return has_member(path, head, _RAW) or (head.startswith(MAGIC) and path.suffix.lower() == ".brml")


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the measured routes of all ranges; what was computed from them comes last and is not chosen.

    Raises
    ------
    FileError
        If it is damaged, or holds nothing but pictures of an area detector.
    UnsafeFileError
        If it would unfold beyond the limit, leads out of itself, or its XML declares entities.
    """
    refuse_choices(path, DESCRIBES, ReadOptions(dataset=options.dataset))
    archive = Archive(path, options.limit)
    names = archive.names(_RAW)
    scans: list[Scan] = []
    areas = 0
    try:
        for count, name in enumerate(names, 1):
            root = archive.xml(name)
            about = _about(root)
            routes = root.findall("DataRoutes/DataRoute")
            measured = any(r.get("RouteFlag", "Measured") == "Measured" for r in routes)
            for route in routes:
                flag = route.get("RouteFlag", "Measured")
                said = f"range {count}" if len(routes) == 1 else f"range {count} {flag.lower()}"
                columns = _columns(route, said)
                if columns is None:
                    areas += 1
                    continue
                scans.append(_scan(said, route, columns, about, measured=flag == "Measured" or not measured))
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    if not scans and areas:
        msg = f"{path.name} holds pictures of an area detector and no curve; integrate them where they were measured"
        raise FileError(msg)
    return items_of_scans(scans, path.name, options.axis)


@dataclass(frozen=True)
class _Columns:
    """Which column of a datum is what; None where there is none."""

    counts: int
    time: int | None
    absorber: int | None
    axes: tuple[tuple[str, int], ...]
    blank: float = _BLANK


def _columns(route: Element, name: str) -> _Columns | None:
    """Return the columns of a route, or None for one whose points are pictures."""
    views = route.findall("DataViews/RawDataView")
    if not views:
        axes = [a.get("AxisId", "") for a in route.findall("ScanInformation/ScanAxes/ScanAxisInfo")]
        return _Columns(2 + len(axes), 0, 1, tuple((a, 2 + i) for i, a in enumerate(axes)))
    counts: int | None = None
    fixed: dict[str, int] = {}
    axes_at: list[tuple[str, int]] = []
    blank = _BLANK
    for view in views:
        start, length = (int(number(view.get(k)) or 0) for k in ("Start", "Length"))
        kind = view.get(_TYPE, view.get("type", ""))
        if kind == "RecordedRawDataView" and counts is None:
            size = [int(number(view.findtext(f"Recording/Size/{k}")) or 1) for k in "XY"]
            if length != 1 or size != [1, 1]:
                return None
            counts, blank = start, number(view.findtext("Recording/BlankingValue")) or _BLANK
        elif kind == "FixedRawDataView":
            fixed[view.get("LogicName", "")] = start
        elif kind == "VaryingRawDataView":
            fields = [f.get("AxisId") or f.get("FieldName") or "" for f in view.findall("Varying/FieldDefinitions")]
            axes_at += [(word, start + i) for i, word in enumerate(fields[:length])]
    if counts is None:
        msg = f"{name} does not say which column of its data are the counts"
        raise SignalError(msg)
    return _Columns(counts, fixed.get("MeasuredTime"), fixed.get("AbsorptionFactor"), tuple(axes_at), blank)


def _scan(name: str, route: Element, columns: _Columns, about: dict[str, Any], *, measured: bool) -> Scan:
    table = _table(name, [d.text or "" for d in route.findall("Datum")])
    last = max(columns.counts, *(i for _, i in columns.axes), columns.time or 0, columns.absorber or 0)
    if table.shape[1] <= last:
        msg = f"{name} has {table.shape[1]} columns and describes {last + 1}; the file is damaged"
        raise SignalError(msg)
    information = route.find("ScanInformation")
    info: Element | None = information
    values = np.where(table[:, columns.counts] == columns.blank, np.nan, table[:, columns.counts])
    moving, units = _axes(info, columns, table)
    scanned = next(iter(moving), None)
    if scanned is None:
        msg = f"{name} names no axis that it was scanned along"
        raise SignalError(msg)
    beside: dict[str, npt.NDArray[Any]] = {}
    seconds: dict[str, str] = {}
    notes: list[str] = []
    words: dict[str, Any] = {"route": route.get("RouteFlag"), "description": route.get("Description")}
    if info is not None:
        words |= {
            "scan_axis": info.get("VisibleName", "").strip() or info.get("ScanName"),
            "scan_mode": info.findtext("ScanMode"),
            "counting_time_s": number(info.findtext("TimePerStep")),
        }
        said = number(info.findtext("MeasurementPoints"))
        if said is not None and said != len(table):
            notes.append(f"{int(said)} points were planned and {len(table)} measured")
    if columns.time is not None:
        times = table[:, columns.time]
        if np.ptp(times) > 1e-9 * abs(times[0]):
            beside["counting_time"], seconds["counting_time"] = times, "s"
    if columns.absorber is not None:
        factors = table[:, columns.absorber]
        beside["attenuation"] = factors
        if behind := int((factors != 1).sum()):
            points = "1 point was" if behind == 1 else f"{behind} points were"
            notes.append(
                f"{points} measured behind an absorber (factor up to {factors.max():g}); the counts in the file are "
                "corrected for it already"
            )
    metadata = {**about["metadata"], **{k: v for k, v in words.items() if v not in (None, "")}}
    attrs = {**about, "value_name": "intensity", "value_unit": "counts", "metadata": metadata}
    if notes:
        attrs["notes"] = notes
    return Scan(name, scanned, moving, values, units, beside, seconds, attrs, measured)


def _axes(
    info: Element | None, columns: _Columns, table: npt.NDArray[np.float64]
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, str]]:
    """Return the drives that moved, the scan's own axis first, and their units."""
    named = [] if info is None else info.findall("ScanAxes/ScanAxisInfo")
    order = [a.get("AxisId", "") for a in named]
    said = {a.get("AxisId", ""): a.get("Unit", "") for a in named}
    moving: dict[str, npt.NDArray[np.float64]] = {}
    units: dict[str, str] = {}
    for word, at in sorted(columns.axes, key=lambda c: order.index(c[0]) if c[0] in order else len(order)):
        drive = drive_of(word)
        if drive not in moving and (word in order or (not order and np.ptp(table[:, at]) > 0)):
            moving[drive], units[drive] = table[:, at], said.get(word) or "deg"
    return moving, units


def _table(name: str, rows: list[str]) -> npt.NDArray[np.float64]:
    if not rows:
        msg = f"{name} holds no data in the file itself; measurements kept in files of their own are not read"
        raise SignalError(msg)
    split = [row.split(",") for row in rows]
    width = len(split[0])
    if any(len(row) != width for row in split):
        msg = f"the rows of {name} differ in length; the file is cut off or damaged"
        raise SignalError(msg)
    if width * len(split) > MOST_POINTS:
        msg = f"{name} holds {len(split)} x {width} numbers, more than a curve has"
        raise SignalError(msg)
    try:
        return np.array(split, dtype=np.float64)
    except ValueError as error:
        msg = f"{name} holds something that is no number ({error})"
        raise SignalError(msg) from error


def _about(root: Element) -> dict[str, Any]:
    tube = next((e for e in root.iter() if e.find("WaveLengthAlpha1") is not None), None)
    found: dict[str, Any] = {"metadata": {}}
    if tube is not None:
        lines = {
            "k_alpha1": _value(tube, "WaveLengthAlpha1"),
            "k_alpha2": _value(tube, "WaveLengthAlpha2"),
            "k_beta": _value(tube, "WaveLengthBeta"),
            "ratio": _value(tube, "WaveLengthRatio"),
        }
        found = radiation(tube.findtext("TubeMaterial"), **lines)
        words = {"voltage_kv": _value(tube, ".//Voltage"), "current_ma": _value(tube, ".//Current")}
        found["metadata"] |= {k: v for k, v in words.items() if v is not None}
    started = root.findtext("TimeStampStarted")
    if started:
        found["metadata"]["start_time"] = started
    return found


def _value(element: Element, name: str) -> float | None:
    found = element.find(name)
    return None if found is None else number(found.get("Value"))


readers.add("bruker_brml", Reader("bruker_brml", (".brml",), recognises, read, DESCRIBES, priority=1))
