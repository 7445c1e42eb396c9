"""PNG, JPEG and BMP. Grey stays grey, 16 bits stay 16 bits, alpha is left out, dots per inch are no pixel size.

Palette images: where the used entries are grey and ascend, or the palette is the grey ramp with a few colours for the
overlay (as instruments write it), the index is the grey value; where they are grey in another order, the entry is; else
the image is colour, and its dim ``c`` holds red, green, blue.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiError
from matxai.signals.labelled import labelled
from matxai.signals.limits import check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.vendors import phenom, sidecars
from matxai.signals.vendors.calibration import Calibration, uncalibrated
from matxai.signals.vendors.xml_text import LONGEST, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xarray as xr

PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
_CHANNELS = {"1": 1, "L": 1, "P": 1, "I": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBX": 4, "CMYK": 4, "PA": 2}
_RAMP = 0.9
"""Share of a palette's entries that must be the grey ramp for the others to be an overlay's colours."""


def _opened(path: Path, kind: str) -> Any:
    """Return PIL's image, opened but not decoded; the size is for us to check, so that a limit can be allowed."""
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    made: dict[str, Any] = {
        "png": PngImagePlugin.PngImageFile,
        "jpeg": JpegImagePlugin.JpegImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
    }
    return made[kind](str(path))


@contextlib.contextmanager
def _cut_told(path: Path, kind: str) -> Iterator[None]:
    """Say that a file is truncated where that is why a library gives up, in our words instead of its own."""
    try:
        yield
    except MatxaiError:
        raise
    except Exception as error:
        endless = kind == "png" and b"IEND" not in path.read_bytes()  # the chunk that closes every PNG
        if not endless and "truncated" not in str(error).lower():
            raise
        msg = f"{path.name} is truncated: the end of the {kind.upper()} is missing; copy the file again"
        raise FileError(msg) from error


def _read(kind: str, path: Path, options: ReadOptions) -> list[Item]:
    refuse_choices(path, kind.upper(), options)
    with _cut_told(path, kind), _opened(path, kind) as image:
        if image.mode not in _CHANNELS:
            msg = f"{path.name} is of the mode {image.mode}, which no image of a microscope has"
            raise FileError(msg)
        bytes_each = _CHANNELS[image.mode] * (4 if image.mode == "I" else 1)
        deep = kind == "png" and _png_depth(path) == 16
        pixels = image.width * image.height
        unfolded = pixels * bytes_each * (2 if deep else 1)
        check_unfolding(path.name, unfolded, path.stat().st_size, options.limit)
        size, mode = (image.height, image.width), image.mode
    colour = mode in {"RGB", "RGBA", "RGBX", "CMYK"}
    if mode in {"P", "PA"}:
        with _cut_told(path, kind):
            data, notes = _palette(path, kind)
        return [Item("image", functools.partial(_signal, path, kind, data, notes), data.shape, "uint8")]
    shape = (*size, 3) if colour else size
    dtype = "uint16" if deep else "uint8"

    def load() -> xr.DataArray:
        with _cut_told(path, kind):
            values, notes = _values(path, kind, mode, colour, dtype)
        return _signal(path, kind, values, notes)

    return [Item("image", load, shape, dtype)]


def _values(path: Path, kind: str, mode: str, colour: bool, dtype: str) -> tuple[np.ndarray[Any, Any], list[str]]:
    notes = ["the alpha channel was left out"] if mode in {"LA", "RGBA"} else []
    if kind == "png":
        # Not by PIL: it has no colour of 16 bits (and would halve it), and fills what a short file lacks with zeros.
        import imagecodecs

        values = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    else:
        with _opened(path, kind) as image:
            if mode == "CMYK":
                notes.append("inks (CMYK) were turned into red, green and blue")
            values = np.asarray(image.convert("RGB") if mode == "CMYK" else image)
    if values.dtype.kind == "b":
        values = values.astype("uint8") * np.uint8(255)
    if values.ndim == 3 and not colour:
        values = values[..., 0]
    return np.ascontiguousarray(values[..., :3] if colour else values, dtype=dtype), notes


def _palette(path: Path, kind: str) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Return a palette image as grey or colour, and a note that says which."""
    if kind == "png":
        import imagecodecs

        imagecodecs.png_decode(path.read_bytes())  # raises where values are missing; PIL would fill them with zeros
    with _opened(path, kind) as image:
        index = np.asarray(image.convert("P") if image.mode == "PA" else image)
        colours = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    if int(index.max()) >= len(colours):
        msg = f"{path.name} is damaged: it uses entry {int(index.max())} of a palette of {len(colours)}"
        raise FileError(msg)
    used = np.unique(index)
    entries = colours[used].astype(int)
    ramp = np.arange(len(colours))[:, None]
    if np.all(entries == entries[:, :1]):
        if np.all(np.diff(entries[:, 0]) > 0):
            return index.astype("uint8"), ["palette image: the index is the grey value"]
        return colours[index, 0], ["palette image of greys in no order: the entry is the grey value"]
    if len(colours) > 64 and np.mean(np.all(colours == ramp, axis=1)) >= _RAMP:
        return index.astype("uint8"), ["palette image, a grey ramp with colours for the overlay: the index is taken"]
    return colours[index], ["palette image in colour: turned into red, green and blue"]


def _signal(path: Path, kind: str, values: np.ndarray[Any, Any], notes: list[str]) -> xr.DataArray:
    height, width = values.shape[:2]
    known = _calibration(path, kind, width, height)
    with _opened(path, kind) as image:
        turned = image.getexif().get(274, 1) if kind != "bmp" else 1
    if turned not in (0, 1):
        notes = [*notes, f"the file asks to be shown turned (orientation {turned}): rows are as stored"]
    attrs: dict[str, Any] = {"metadata": dict(known.metadata), "pixel_size_source": known.source}
    if known.info_bar is not None:
        attrs["info_bar"] = [int(row) for row in known.info_bar]
    if notes:
        attrs["notes"] = list(notes)
    dims = ("y", "x", "c")[: values.ndim]
    return labelled(values, dims, spacing=known.spacing, units=known.units, attrs=attrs)


def _calibration(path: Path, kind: str, width: int, height: int) -> Calibration:
    """Return what a sidecar, or Phenom's XML among the bytes, says; never EXIF's or PNG's dots per inch."""
    if kind == "jpeg":
        with path.open("rb") as file:
            text = phenom.xml_among(file.read(LONGEST))
        root = parsed(text, path.name, "Phenom's description") if text else None
        if root is not None and phenom.is_phenom(root):
            return phenom.from_xml(root, height, source="Phenom XML")
    beside = sidecars.sidecar(path, width, height)
    if beside is not None:
        return beside
    with _opened(path, kind) as image:
        dots = image.info.get("dpi")
    more = f" ({float(dots[0]):g} dots per inch are a screen's or a printer's)" if dots else ""
    return uncalibrated(f"the file holds no pixel size{more}")


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(26)
    return head[24] if len(head) > 24 else 8


def _begins(magic: bytes, path: Path, head: bytes) -> bool:
    return head.startswith(magic) and not path.is_dir() and (magic != BMP or head[6:10] == b"\x00\x00\x00\x00")


for _name, _magic, _suffixes in (
    ("png", PNG, (".png",)),
    ("jpeg", JPEG, (".jpg", ".jpeg")),
    ("bmp", BMP, (".bmp",)),
):
    readers.add(
        _name,
        Reader(
            name=_name,
            suffixes=_suffixes,
            recognises=functools.partial(_begins, _magic),
            read=functools.partial(_read, _name),
            describes=_name.upper(),
            slices=True,
        ),
    )
