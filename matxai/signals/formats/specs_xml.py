"""XML of SpecsLab 2 (SPECS): groups of regions, each with the counts of every channeltron of its detector.

The channeltrons of a Phoibos see electrons of different energy at one time: channeltron d the nominal energy plus its
shift times the pass energy. The file's scan is longer than the region by ``mcd_head`` steps in front and ``mcd_tail``
behind, so that each of them covers the region. Here each count goes to the nearest step of the region and the counts
of all channeltrons and all scans of a cycle are added: they stay counts, with the noise of counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, UnsafeFileError
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import KINETIC, check_axis, photoelectrons
from matxai.signals.spectra.text_lines import text_of
from matxai.signals.vendors.calibration import number, plain, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

    import numpy.typing as npt

SCANNED = ("FixedAnalyzerTransmission", "FixedRetardingRatio")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether it is the XML of SPECS' serializer."""
    return b"<?xml" in head[:100] and (b"CORBA XML document" in head or b"specs.de/Serializer" in head)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the regions of all groups; cycles, and regions on one axis, as a set.

    Raises
    ------
    FileError
        If it is no XML, or a region's counts are not as many as it says.
    UnsafeFileError
        If it declares entities.
    """
    check_axis(path.name, options.axis)
    root = _root(text_of(path, options.limit), path.name)
    found = [
        (group, region, cycle)
        for group in _structs(root, "RegionGroup")
        for region in _structs(group, "RegionData")
        for cycle in _structs(region, "Cycle")
    ]
    groups = {id(g) for g, _, _ in found}
    names = []
    for group, region, _ in found:
        word = _text(region, "name") or "region"
        names.append(f"{_text(group, 'name')}: {word}" if len(groups) > 1 else word)
    curves = [_curve(path.name, name, *parts, options.axis) for name, parts in zip(unique(names), found, strict=True)]
    return items_of(curves, path.name)


def _root(text: str, file: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(text.encode())  # its document type is part of the format; entities are refused
    except DefusedXmlException as error:
        msg = f"{file} declares entities ({type(error).__name__}), which can exhaust a machine; it was not read"
        raise UnsafeFileError(msg) from error
    except (ParseError, ValueError) as error:
        msg = f"{file} is truncated or no XML of SPECS ({error}); copy it again"
        raise FileError(msg) from error
    return root


def _structs(element: Element, kind: str) -> Iterator[Element]:
    return (e for e in element.iter("struct") if e.get("type_name") == kind)


def _child(element: Element, name: str) -> Element | None:
    return next((e for e in element if e.get("name") == name), None)


def _text(element: Element, name: str) -> str:
    child = _child(element, name)
    return (child.text or "").strip() if child is not None else ""


def _curve(file: str, name: str, group: Element, data: Element, cycle: Element, wanted: str | None) -> Curve:
    region = _child(data, "region")
    if region is None:
        msg = f"'{name}' in {file} has no definition of its region; export it again"
        raise FileError(msg)
    mode = _child(region, "scan_mode")
    scanned = _text(mode, "name") if mode is not None else ""
    if scanned not in SCANNED:
        msg = f"'{name}' in {file} was scanned as {scanned or 'nothing named'}; a spectrum is {' or '.join(SCANNED)}"
        raise FileError(msg)
    facts = {k: _number(region, k, file, name) for k in ("values_per_curve", "scan_delta", "kinetic_energy")}
    n, step = int(facts["values_per_curve"]), facts["scan_delta"]
    shifts, gains = _detectors(data, file, name)
    if len(shifts) > 1 and scanned != SCANNED[0]:
        msg = f"'{name}' in {file} has {len(shifts)} channeltrons and no fixed pass energy; export it merged, as text"
        raise FileError(msg)
    steps = np.rint(shifts * _number(region, "pass_energy", file, name) / step).astype(int)
    head, tail = (whole(_text(data, k)) or 0 for k in ("mcd_head", "mcd_tail"))
    scans = list(_structs(cycle, "ScanData"))
    counts = np.zeros(n)
    for scan in scans:
        counts += _merged(_counts(scan, (head + n + tail, len(shifts)), file, name), n, head, steps, name, file)
    said = {e.get("name", ""): plain(e.text or "") for e in region if len(e) == 0 and (e.text or "").strip()}
    said |= {"group": _text(group, "name"), "scan_mode": scanned, "scans": len(scans)}
    notes = [] if len(shifts) == 1 else [f"the counts of {len(shifts)} channeltrons were added, each at its own energy"]
    if np.any(gains != 1):
        notes.append("the channeltrons' gains differ from 1 and were not applied: counts stay counts")
    if (claimed := whole(_text(region, "num_scans"))) is not None and claimed != len(scans):
        notes.append(f"the region was to have {claimed} scans; the file holds {len(scans)}, which were added")
    attrs: dict[str, Any] = {"value_name": "counts", "value_unit": "counts", "metadata": said}
    if notes:
        attrs["notes"] = notes
    if (function := number(_text(region, "effective_workfunction"))) is not None:
        attrs["work_function"] = function
    transmission = _child(data, "transmission")
    place = np.round(facts["kinetic_energy"] + step * np.arange(n), 9)
    through = _numbers(transmission, file, name) if transmission is not None else np.empty(0)
    return photoelectrons(
        file,
        name,
        counts,
        energies={KINETIC: place},
        photon_energy=number(_text(region, "excitation_energy")),
        axis=wanted,
        beside={"transmission": through} if through.shape == (n,) else {},
        attrs=attrs,
    )


def _number(element: Element, name: str, file: str, region: str) -> float:
    value = number(_text(element, name))
    bad = value is None or (name == "values_per_curve" and (value < 2 or value != int(value)))
    if value is None or bad or (name == "scan_delta" and value == 0):
        msg = f"'{region}' in {file} has {_text(element, name)!r} for {name}; a spectrum needs a number there"
        raise FileError(msg)
    return value


def _detectors(data: Element, file: str, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    info = _child(data, "analyzer_info")
    detectors = list(_structs(info, "Detector")) if info is not None else []
    if not detectors:
        msg = f"'{name}' in {file} names no detector, so nobody knows which counts are whose; export it as text"
        raise FileError(msg)
    shifts = np.array([_number(d, "shift", file, name) for d in detectors])
    gains = np.array([1.0 if (g := number(_text(d, "gain"))) is None else g for d in detectors])
    return shifts, gains


def _numbers(element: Element, file: str, name: str) -> npt.NDArray[Any]:
    try:
        return np.array(" ".join(t for t in element.itertext()).split(), dtype=float)
    except ValueError as error:
        msg = f"'{name}' in {file} is damaged: {error}"
        raise FileError(msg) from error


def _counts(scan: Element, shape: tuple[int, int], file: str, name: str) -> npt.NDArray[Any]:
    element = _child(scan, "counts")
    found = _numbers(element, file, name) if element is not None else np.empty(0)
    if found.size != shape[0] * shape[1]:
        msg = (
            f"'{name}' in {file} has {found.size} counts in a scan where {shape[0]} steps of {shape[1]} channeltrons "
            f"make {shape[0] * shape[1]}; export it again, one curve a scan"
        )
        raise FileError(msg)
    return found.reshape(shape)


def _merged(
    counts: npt.NDArray[Any], n: int, head: int, steps: npt.NDArray[Any], name: str, file: str
) -> npt.NDArray[Any]:
    """Return the sum over channeltrons of the counts at each step of the region, shape (n,)."""
    first = head - steps
    if np.any(first < 0) or np.any(first + n > len(counts)):
        msg = f"'{name}' in {file}: a channeltron's shift reaches beyond the scan; export it merged, as text"
        raise FileError(msg)
    return np.asarray(np.sum([counts[f : f + n, d] for d, f in enumerate(first)], axis=0))


readers.add(
    "specs_xml",
    Reader(
        name="specs_xml",
        suffixes=(".xml",),
        recognises=recognises,
        read=read,
        describes="SPECS XML (SpecsLab 2)",
        priority=5,
        by_content=True,
    ),
)
