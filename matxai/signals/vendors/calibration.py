"""What a maker's tags say about an image, in one form for all makers; and how tags are held against the file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from matxai.signals.units import PIXEL, said_length, unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_BAR = 1 / 3
"""An info bar takes less of an image's rows than this; a larger rest means that the tags are another image's."""


@dataclass(frozen=True)
class Calibration:
    """Pixel size, info bar and metadata of one image.

    Attributes
    ----------
    source
        Where the pixel size came from, as it goes into ``attrs["pixel_size_source"]``; begins with ``uncalibrated:``
        and says why where there is none.
    spacing, units, origin
        Step, unit and position of the first pixel for each dim; empty where uncalibrated.
    info_bar
        First and last row of the bar, inclusive, where the instrument tells.
    metadata
        The maker's own, as a plain (nested) dict of strings and numbers.
    """

    source: str
    spacing: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    info_bar: tuple[int, int] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there is a pixel size."""
        return bool(self.spacing)


def uncalibrated(
    why: str, *, metadata: Mapping[str, Any] | None = None, info_bar: tuple[int, int] | None = None
) -> Calibration:
    """Return a calibration without a pixel size, and the reason."""
    return Calibration(f"uncalibrated: {why}", metadata=metadata or {}, info_bar=info_bar)


def from_metres(
    source: str,
    x: float | None,
    y: float | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    info_bar: tuple[int, int] | None = None,
) -> Calibration:
    """Return the calibration for pixel sizes in metres (``y`` as ``x`` where it is missing), in nm, um or mm."""
    if not positive(x):
        return uncalibrated(f"{source} holds no pixel size", metadata=metadata, info_bar=info_bar)
    y = y if positive(y) else x
    size_x, unit = said_length(x)
    factor = size_x / x if size_x else 1.0
    size_y = size_x if y == x else float(f"{y * factor:.12g}")
    return Calibration(
        source,
        spacing={"x": size_x, "y": size_y},
        units={"x": unit, "y": unit},
        metadata=metadata or {},
        info_bar=info_bar,
    )


def from_unit(source: str, sizes: Mapping[str, float | None], unit: str | None, **more: Any) -> Calibration:
    """Return the calibration for sizes of the dims in one unit as the file spells it."""
    word = unit_word(unit)
    steps = {dim: float(size) for dim, size in sizes.items() if positive(size)}
    if word is None or word == PIXEL or not {"x", "y"} <= set(steps):
        said = f"the unit {unit!r}" if steps else "no pixel size"
        return Calibration(f"uncalibrated: {source} holds {said}", metadata=more.get("metadata", {}))
    return Calibration(source, spacing=steps, units=dict.fromkeys(steps, word), **more)


def positive(value: float | None) -> TypeGuard[float]:
    """Whether a number from a file can be a step: finite and above zero."""
    return value is not None and math.isfinite(value) and value > 0


def bar_below(rows: int, image_rows: int | None) -> tuple[int, int] | None:
    """Return first and last row of the bar that fills a file's ``rows`` below the ``image_rows`` of the picture."""
    if image_rows is None or not 0 < image_rows < rows:
        return None
    return (image_rows, rows - 1)


def stale(width: int, height: int, tag_width: int | None, tag_height: int | None) -> str:
    """Return why tags that name this size cannot be the file's own (rescaled, cropped), or ''.

    A file may have more rows than its tags say (the info bar), up to a third of its height.
    """
    if tag_width and tag_width != width:
        return f"its tags are of an image {tag_width} pixels wide and this one has {width}: it was rescaled or cropped"
    if tag_height and (tag_height > height or (height - tag_height) > height * LARGEST_BAR):
        return f"its tags are of an image {tag_height} rows high and this one has {height}: it was rescaled or cropped"
    return ""


def number(text: object) -> float | None:
    """Return the number that a tag's text begins with (``"7.344 nm"`` gives 7.344), or None."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text) if math.isfinite(text) else None
    words = str(text).replace("\x00", "").split()
    try:
        value = float(words[0]) if words else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def whole(text: object) -> int | None:
    """Return the positive whole number that a tag's text is, or None."""
    value = number(text)
    return int(value) if value is not None and value > 0 and value == int(value) else None


def plain(text: str) -> str | float | int:
    """Return a value as a number where it is one, else as text."""
    stripped = text.strip()
    try:
        value = float(stripped)
    except ValueError:
        return stripped
    if not math.isfinite(value):
        return stripped
    return int(value) if value == int(value) and "." not in stripped and "e" not in stripped.lower() else value


def sections(text: str) -> dict[str, dict[str, Any]]:
    """Return the ``[Section]`` / ``key=value`` lines of a tag or sidecar; lines before any section are under ``''``."""
    found: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = found.setdefault("", {})
    for line in text.replace("\x00", "").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            current = found.setdefault(line[1:-1].strip(), {})
        elif "=" in line and not line.startswith((";", "#")):
            key, value = line.split("=", 1)
            current[key.strip()] = plain(value)
    if not found[""]:
        del found[""]
    return found


def decoded(raw: bytes) -> str:
    """Return a tag's or sidecar's bytes as text: UTF-16 with or without mark, UTF-8, else Latin-1."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    if len(raw) > 3 and raw[1:4:2] == b"\x00\x00" and raw[0] != 0:
        return raw.decode("utf-16-le", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
