"""Physical Electronics (PHI; ``.spe``, ``.pro``): a text header between SOFH and EOFH, binary spectra behind it.

The binary part is four counts (the third and fourth are the sizes of the table and of themselves), a table with 24
numbers of 4 bytes for each array (number of the region, points, repeats, words for the axes, type, size and offset
from the start of the binary part), then the arrays. The axis is in the header: start and step of each region.

Nobody has published this layout. It was worked out on two files of one specimen and holds where it can be tested: the
sizes add up to the file's to the byte, the survey of the depth profile repeats that of the spectrum, and the peaks of
SnO2 lie at their energies.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import BINDING, check_axis, photoelectrons
from matxai.signals.vendors.calibration import number, plain

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

MAGIC = b"SOFH"
END = b"EOFH"
COUNTS = struct.Struct("<4I")
ENTRY = struct.Struct("<3II I3I 4sI4s 3I4s 3I 4s 2I 3I")
LONGEST_HEADER = 2**20
TYPES: dict[bytes, np.dtype[Any]] = {b"f4": np.dtype("<f4"), b"f8": np.dtype("<f8")}
REPEATS = {b"sar": "area", b"cyc": "cycle"}


@dataclass(frozen=True)
class _Region:
    name: str
    points: int
    start: float
    step: float
    words: dict[str, Any]


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the file begins with a PHI header (WinSpec's ``.spe`` and DigitalSurf's ``.pro`` do not)."""
    return head.startswith(MAGIC) and b"\nPlatform:" in head[:64].replace(b"\r", b"")


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the regions; the cycles of a depth profile, or the areas of a spectrum, as a set.

    Raises
    ------
    FileError
        If the header is damaged or claims more than the file holds.
    """
    check_axis(path.name, options.axis)
    with path.open("rb") as file:
        raw = file.read(LONGEST_HEADER)
    end = raw.find(END)
    if end < 0:
        msg = f"{path.name} is truncated: its header does not end (EOFH is missing); copy it again"
        raise FileError(msg)
    header = raw[:end].decode("latin-1")
    words = {k.strip(): v.strip() for k, colon, v in (line.partition(":") for line in header.splitlines()) if colon}
    start = raw.find(b"\n", end) + 1
    regions = _regions(header, path.name)
    arrays = _arrays(path, start or len(raw))
    curves = [c for n, kind, a in arrays for c in _curves(path.name, regions, words, n, kind, a, options.axis)]
    return items_of(curves, path.name)


def _regions(header: str, file: str) -> dict[int, _Region]:
    """Return the regions by number: ``SpectralRegDef: 1 1 Su1s 111 1751 -0.8000 1400.0000 ... dwell pass-energy``."""
    found = {}
    for line in header.splitlines():
        if not line.startswith("SpectralRegDef:"):
            continue
        cells = line.partition(":")[2].split()
        try:
            said = {"dwell_time": float(cells[10]), "pass_energy": float(cells[11]), "atomic_number": int(cells[3])}
            found[int(cells[0])] = _Region(cells[2], int(cells[4]), float(cells[6]), float(cells[5]), said)
        except (ValueError, IndexError) as error:
            msg = f"{file} has the region {line[:80]!r}, which is not what PHI writes; export it as VAMAS"
            raise FileError(msg) from error
    return found


def _arrays(path: Path, start: int) -> list[tuple[int, str, npt.NDArray[Any]]]:
    """Return number of the region, kind of the repeats and values, shape (repeats, points), of every spectrum."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        check_held(path.name, COUNTS.size, size - start, what="table of spectra")
        _, n, table, own = COUNTS.unpack(file.read(COUNTS.size))
        if own != COUNTS.size or table != n * ENTRY.size:
            msg = f"{path.name} is damaged or of another version: {n} spectra and a table of {table} bytes; use VAMAS"
            raise FileError(msg)
        check_held(path.name, table, size - start - own, what="table of spectra")
        entries = [ENTRY.unpack(file.read(ENTRY.size)) for _ in range(n)]
        found = []
        for entry in entries:
            region, points, repeats, layers = entry[3], entry[5], entry[6], entry[7]
            axis, kind = entry[8].rstrip(b"\x00"), entry[10].rstrip(b"\x00")
            if axis != b"pnt":
                continue  # times and areas of a profile, which its program works out
            dtype = TYPES.get(entry[18].rstrip(b"\x00"))
            held, offset = entry[19], entry[20]
            if dtype is None or layers != 1 or kind not in REPEATS or held != points * repeats * dtype.itemsize:
                msg = f"{path.name}: the array of region {region} is no set of spectra (a map?); export it as VAMAS"
                raise FileError(msg)
            check_held(path.name, start + offset + held, size, what=f"region {region}")
            file.seek(start + offset)
            values = np.frombuffer(file.read(held), dtype).astype(dtype.newbyteorder("="))
            found.append((region, REPEATS[kind], values.reshape(repeats, points)))
    return found


def _curves(
    file: str,
    regions: dict[int, _Region],
    words: dict[str, str],
    number_: int,
    kind: str,
    values: npt.NDArray[Any],
    wanted: str | None,
) -> list[Curve]:
    region = regions.get(number_)
    if region is None or region.points != values.shape[1]:
        claimed = "no such region" if region is None else f"{region.points} points"
        msg = f"{file} holds {values.shape[1]} points for region {number_}, and its header {claimed}; copy it again"
        raise FileError(msg)
    place = np.round(region.start + region.step * np.arange(region.points), 9)
    source = words.get("XraySource", "").split()
    photons = number(source[1]) if len(source) > 1 else None
    kept = ("Technique", "InstrumentModel", "FileDesc", "FileDate", "EnergyReference", "AnalyserMode", "SputterIon")
    said = {k: plain(words[k]) for k in kept if words.get(k)} | {"region": region.name, **region.words}
    attrs: dict[str, Any] = {"value_name": "count rate", "value_unit": "counts/s", "metadata": said}
    if (function := number(words.get("AnalyserWorkFcn"))) is not None:
        attrs["work_function"] = function
    if source:
        attrs["anode"] = source[0]
    names = [f"{region.name} {kind} {i + 1}" for i in range(len(values))] if len(values) > 1 else [region.name]
    return [
        photoelectrons(file, n, v, energies={BINDING: place}, photon_energy=photons, axis=wanted, attrs=attrs)
        for n, v in zip(names, values, strict=True)
    ]


readers.add(
    "phi",
    Reader(
        name="phi",
        suffixes=(".spe", ".pro"),
        recognises=recognises,
        read=read,
        describes="PHI spectra and depth profiles",
    ),
)
