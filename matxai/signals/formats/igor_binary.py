"""Igor binary waves (``.ibw``, version 5): one wave of up to two axes with scale, offset and unit; a note.

Layout: WaveMetrics, Technical Note 003 "Igor Binary Format". Scienta's program writes its spectra so; the note then
holds the same sections as its text.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.formats.axes import Axis, clean, dims_of, signal_of
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import BINDING, KINETIC, check_axis, photoelectrons
from matxai.signals.units import unit_word
from matxai.signals.vendors.calibration import number, plain

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

HEAD = "hH 4i 4i 4i 3i"
WAVE = "i 2I i 2h 6x h 32s 2i 4i 4d 4d 4s 16s"
DATA = 64 + 320
_BASE = {0x02: "f4", 0x04: "f8", 0x08: "i1", 0x10: "i2", 0x20: "i4", 0x48: "u1", 0x50: "u2", 0x60: "u4"}
COMPLEX = 0x01
LONGEST_NOTE = 2**22


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first two bytes are the version in either order and the 16-bit words of the header add up to 0."""
    order = _order(head)
    return order is not None and len(head) >= DATA and int(np.frombuffer(head[:DATA], f"{order}i2").sum()) % 2**16 == 0


def _order(head: bytes) -> str | None:
    return {b"\x05\x00": "<", b"\x00\x05": ">"}.get(head[:2])


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the wave of the file.

    Raises
    ------
    FileError
        If it holds words, or less than it claims.
    """
    with path.open("rb") as file:
        raw = file.read(DATA)
    check_held(path.name, DATA, len(raw), what="header")
    order = _order(raw) or "<"
    _, _, _, formula, note, data_unit, *rest = struct.unpack(order + HEAD, raw[:64])
    dim_units = rest[:4]
    indices = rest[4:9]  # labels of the dimensions, dependency
    wave = struct.unpack(order + WAVE, raw[64 : 64 + struct.calcsize(order + WAVE)])
    points, kind, name = wave[3], wave[4], wave[7].split(b"\x00")[0].decode("latin-1")
    shape = [n for n in wave[10:14] if n > 0]
    base = _BASE.get(kind & ~COMPLEX)
    if base is None or points < 1 or int(np.prod(shape, dtype=object)) != points or len(shape) > 3:
        msg = f"{path.name} holds a wave of type {kind} with the shape {tuple(wave[10:14])}; numbers on axes are read"
        raise FileError(msg)
    dtype = np.dtype(f"{order}{'c' + str(2 * int(base[1])) if kind & COMPLEX else base}")
    size = path.stat().st_size
    check_held(path.name, points * dtype.itemsize, size - DATA, what=f"wave {tuple(shape)}")
    behind = DATA + points * dtype.itemsize
    parts = [formula, note, data_unit, *dim_units]
    if any(p < 0 or p > LONGEST_NOTE for p in parts):
        msg = f"{path.name} is damaged: its header claims texts of {parts} bytes; copy it again"
        raise FileError(msg)
    if min(indices) >= 0:
        check_held(path.name, sum(parts) + sum(indices), size - behind, what="texts behind its wave")
    with path.open("rb") as file:
        file.seek(DATA)
        values = np.frombuffer(file.read(points * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        file.seek(behind)
        texts = [file.read(p).decode("latin-1").rstrip("\x00") for p in parts]
    short = [wave[-1][4 * i : 4 * i + 4].split(b"\x00")[0].decode("latin-1") for i in range(4)]
    units = [long or brief for long, brief in zip(texts[3:], short, strict=True)]
    scales = list(zip(wave[14:18], wave[18:22], units, strict=True))[: len(shape)]
    values = values.reshape(shape, order="F")
    words = {k.strip(): v.strip() for k, e, v in (line.partition("=") for line in texts[1].splitlines()) if e}
    if values.ndim == 1:
        return items_of([_curve(path.name, name, values, scales[0], words, options.axis)], path.name)
    return [_map(name, values, scales, words)]


def _title(unit: str) -> tuple[str | None, str | None]:
    """Return what a unit such as ``Binding Energy [eV]`` names: the axis and its unit."""
    word, bracket, rest = unit.partition("[")
    if bracket:
        return clean(word), rest.rstrip("] ")
    return (None, unit.strip() or None) if unit_word(unit) else (clean(unit), None)


def _curve(
    file: str,
    name: str,
    values: npt.NDArray[Any],
    scale: tuple[float, float, str],
    words: dict[str, str],
    wanted: str | None,
) -> Curve:
    step, start, said = scale
    word, unit = _title(said)
    place = np.round(start + step * np.arange(len(values)), 9)
    attrs: dict[str, Any] = {"metadata": {k: plain(v) for k, v in words.items() if v and len(v) < 200}}
    if word in (BINDING, KINETIC):
        check_axis(file, wanted)
        photons = number(words.get("Excitation Energy"))
        attrs["value_name"] = "counts"
        energies = {str(word): place}
        return photoelectrons(file, name, values, energies=energies, photon_energy=photons, axis=wanted, attrs=attrs)
    if wanted is not None:
        word, unit = wanted, None
    elif word is None and unit is not None:
        word = {"s": "time", "eV": "energy", "Hz": "frequency"}.get(unit_word(unit) or "")
    if word == "time" and step > 0 and unit_word(unit) in ("s", None):
        attrs["sampling_rate"] = 1 / step
    return Curve(name, place, values, word or "axis", unit, attrs=attrs)


def _map(name: str, values: npt.NDArray[Any], scales: list[tuple[float, float, str]], words: dict[str, str]) -> Item:
    titles = [_title(s[2]) for s in scales]
    axes = [Axis(t[0], t[1], s[0], s[1]) for s, t in zip(scales, titles, strict=True)]
    dims = dims_of(axes, values.shape, values.dtype)
    attrs = {"metadata": {k: plain(v) for k, v in words.items() if v and len(v) < 200}}

    def load() -> Any:
        return signal_of(values, axes, source="Igor wave scaling", dims=dims, attrs=attrs, name=name)

    return Item(name, load, tuple(load().shape), str(values.dtype))


readers.add(
    "igor",
    Reader(
        name="igor",
        suffixes=(".ibw",),
        recognises=recognises,
        read=read,
        describes="Igor binary wave",
    ),
)
