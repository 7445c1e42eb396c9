"""Gatan DigitalMicrograph (``.dm3``, ``.dm4``) through ``ncempy.io``: images, spectra, spectrum images.

A pixel i of an axis lies at (i - Origin) x Scale. A scale without a unit is no calibration. The first image of most
files is a thumbnail for the file browser and is left out.
"""

from __future__ import annotations

import contextlib
import io
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MissingDependencyError
from matxai.signals.formats.axes import Axis, clean, dims_of, shape_after, signal_of
from matxai.signals.formats.pieces import MappedArray, bytes_of, whole_or_lazy
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.units import same_kind, unit_word

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

MISSING = 'needs the package ncempy; install it with: pip install "matxai[formats]"'
RGB = 23
_SAID = {
    "Microscope Info.Name": "microscope",
    "Microscope Info.Voltage": "acceleration_voltage",
    "Microscope Info.Indicated Magnification": "magnification",
    "DataBar.Device Name": "device",
    "Acquisition.Device.Name": "device",
    "DataBar.Acquisition Date": "date",
    "DataBar.Acquisition Time": "time",
    "Meta Data.Signal": "signal",
    "Meta Data.Format": "format",
}


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins with version 3 or 4 and the root of a tag tree."""
    version, little = head[:4], b"\x00\x00\x00\x01"
    if version == b"\x00\x00\x00\x03":
        return head[8:12] in (little, b"\x00\x00\x00\x00") and (head[12:13] in (b"\x00", b"\x01")) and len(head) > 16
    return version == b"\x00\x00\x00\x04" and head[12:16] == little and path.suffix.lower() == ".dm4"


def read(path: Path, options: ReadOptions) -> list[Item]:  # noqa: ARG001 - a reader's signature
    """Return the images and spectra of a DM file, without its thumbnail.

    Raises
    ------
    MissingDependencyError
        If ncempy is not installed.
    FileError
        If the file is damaged or claims more than it holds.
    """
    try:
        from ncempy.io import dm
    except ImportError as error:
        msg = f"{path.name} is a DigitalMicrograph file; reading it {MISSING}"
        raise MissingDependencyError(msg) from error
    file = dm.fileDM.__new__(dm.fileDM)
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(over="ignore"):
            file.__init__(path)
            facts = _facts(file)
    except (OSError, ValueError, IndexError, KeyError, AssertionError, RuntimeError, OverflowError, TypeError) as error:
        traceback.clear_frames(error.__traceback__)  # they hold views of the mapped file, which then would not close
        said = "its tags contradict one another" if isinstance(error, (KeyError, AssertionError)) else str(error)
        said = said.split("\n", maxsplit=1)[0] or type(error).__name__
        msg = f"{path.name} is truncated or no DigitalMicrograph file ({said}); copy it again"
        raise FileError(msg) from error
    items = [_item(path, fact) for fact in facts]
    if not items:
        msg = f"{path.name} is a DigitalMicrograph file and holds no image or spectrum"
        raise FileError(msg)
    return items


def _facts(file: Any) -> list[dict[str, Any]]:
    """Return what the tags say of every image but the thumbnail: place, shape, type, axes (slowest first), words."""
    facts: list[dict[str, Any]] = []
    first = 0
    for i in range(file.numObjects):
        if i >= len(file.dataOffset) or i >= len(file.dataShape):
            break
        rank = int(file.dataShape[i])
        axes = range(first, first + rank)
        first += rank
        kind = int(file.dataType[i])
        if kind == RGB and i == 0 and file.numObjects > 1:
            continue
        if rank not in (1, 2, 3, 4):
            msg = f"an image with {rank} axes"
            raise ValueError(msg)
        sizes = [int(s[i]) for s in (file.zSize2, file.zSize, file.ySize, file.xSize)][4 - rank :]
        facts.append(
            {
                "offset": int(file.dataOffset[i]),
                "shape": tuple(sizes),
                "kind": kind,
                "axes": [(float(file.scale[k]), float(file.origin[k]), str(file.scaleUnit[k])) for k in axes][::-1],
                "words": _words(file.allTags, i + 1),
                "name": str(file.allTags.get(f".ImageList.{i + 1}.Name") or f"image {len(facts) + 1}"),
                "types": file._DM2NPDataTypes,
            }
        )
    return facts


def _words(tags: dict[str, Any], index: int) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for tag, name in _SAID.items():
        value = tags.get(f".ImageList.{index}.ImageTags.{tag}")
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, (str, int, float)) and value != "":
            words.setdefault(name, value)
    return words


def _item(path: Path, fact: dict[str, Any]) -> Item:
    shape, kind = fact["shape"], fact["kind"]
    colour = kind == RGB
    if kind not in fact["types"] and not colour:
        msg = f"{path.name} stores '{fact['name']}' as data type {kind}, which cannot be read; save it as real"
        raise FileError(msg)
    dtype = np.dtype(np.uint8) if colour else np.dtype(fact["types"][kind]).newbyteorder("<")
    stored = (*shape, 4) if colour else shape
    if min(shape) < 1:
        msg = f"{path.name} says that '{fact['name']}' has the shape {shape}; a signal needs a value on every axis"
        raise FileError(msg)
    check_held(
        path.name, bytes_of(stored, dtype.itemsize), path.stat().st_size - fact["offset"], what=f"array {stored}"
    )
    axes = [_axis(*a) for a in fact["axes"]]
    dims = _dims(axes, shape, fact["words"]) if not colour else ("y", "x", "c")
    axes = [*axes, Axis("c")] if colour else axes
    native = dtype.newbyteorder("=")
    final = (*shape, 3) if colour else shape

    def load() -> xr.DataArray:
        data = whole_or_lazy(MappedArray(path, dtype, fact["offset"], stored))
        data = data[..., 2::-1] if colour else data.astype(native, copy=False)  # stored as blue, green, red, alpha
        attrs = {"metadata": dict(fact["words"])}
        return signal_of(data, axes, source="DigitalMicrograph tags", dims=dims, attrs=attrs, name=fact["name"])

    return Item(fact["name"], load, shape_after(final, dims), str(native))


def _axis(scale: float, origin: float, unit: str) -> Axis:
    """Return an axis from its three tags; they are float32 and mean the shortest number that rounds to them."""
    if unit_word(unit) is None or not np.isfinite(scale) or scale == 0:
        return Axis(unit=unit or None)
    step = float(str(np.float32(scale)))
    return Axis(unit=unit, step=step, origin=-origin * step + 0.0)


def _dims(axes: list[Axis], shape: tuple[int, ...], words: dict[str, Any]) -> tuple[str, ...]:
    """Return names by unit: energy, or wavelength for a spectrum in nm; what is left are axes in space."""
    dims = list(dims_of(axes, shape, np.float32))
    spectrum = str(words.get("format", "")).lower().startswith("spectrum") or words.get("signal") == "CL"
    for i, axis in enumerate(axes):
        unit = unit_word(axis.unit)
        if unit is None or not same_kind(unit, "nm"):
            continue
        if len(axes) == 1:
            dims[i] = "wavelength" if spectrum or not words.get("format") else "x"
        elif i == 0 and len(axes) == 3 and spectrum and words.get("signal") == "CL":
            dims[i] = "wavelength"
    return tuple(clean(d) or d for d in dims)


readers.add(
    "dm",
    Reader(
        name="dm",
        suffixes=(".dm3", ".dm4"),
        recognises=recognises,
        read=read,
        describes="DigitalMicrograph (DM3, DM4)",
        slices=True,
    ),
)
