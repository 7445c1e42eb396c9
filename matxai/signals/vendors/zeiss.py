"""Zeiss SmartSEM: the text of tag 34118 (CZ_SEM).

Leading lines hold unnamed numbers, then come pairs of lines: a key (``AP_WIDTH``) and ``Width = 7.520 µm``. The image's
own pixel size counts (``AP_IMAGE_PIXEL_SIZE``, else width / columns); ``AP_PIXEL_SIZE`` is that of a display of 1024
pixels and is wrong for every other stored size. No entry tells the height of the bar: it is burnt over the picture.
"""

from __future__ import annotations

import re

from matxai.signals.units import convert, same_kind, unit_word
from matxai.signals.vendors.calibration import (
    Calibration,
    from_metres,
    number,
    plain,
    positive,
    uncalibrated,
)

_KEY = re.compile(r"^(AP|DP|SV)_[A-Z0-9_]+$")


def from_text(text: str, width: int, height: int) -> Calibration:
    """Return what tag 34118 says about a file of this size."""
    entries, unnamed = _entries(text)
    metadata = {label: plain(value) for label, value in entries.values()}
    stored = re.findall(r"\d+", entries.get("DP_IMAGE_STORE", ("", ""))[1])
    if len(stored) == 2 and (int(stored[0]), int(stored[1])) != (width, height):
        size = f"{stored[0]} x {stored[1]}"
        return uncalibrated(
            f"Zeiss tag 34118: its tags are of an image stored at {size} and this one has {width} x {height}: it was "
            f"rescaled or cropped",
            metadata=metadata,
        )
    image = _metres(entries.get("AP_IMAGE_PIXEL_SIZE"))
    if positive(image):
        return from_metres("Zeiss tag 34118 ap_image_pixel_size", image, metadata=metadata)
    field = _metres(entries.get("AP_WIDTH"))
    if field is not None and positive(field):
        high = _metres(entries.get("AP_HEIGHT"))
        y = high / height if high is not None and positive(high) else None
        # The height is rounded to four digits: only a ratio beyond that rounding is an anisotropic pixel.
        y = y if y is not None and abs(y * width / field - 1) > 0.01 else None
        return from_metres("Zeiss tag 34118 ap_width / columns", field / width, y, metadata=metadata)
    if len(unnamed) > 3 and positive(unnamed[3]):
        source = "Zeiss tag 34118, pixel size at 1024 columns x 1024 / columns"
        return from_metres(source, unnamed[3] * 1024 / width, metadata=metadata)
    return uncalibrated("Zeiss tag 34118 holds no pixel size", metadata=metadata)


def _entries(text: str) -> tuple[dict[str, tuple[str, str]], list[float]]:
    """Return key -> (label, value), and the numbers before the first key."""
    entries: dict[str, tuple[str, str]] = {}
    unnamed: list[float] = []
    key = ""
    for line in text.replace("\x00", "").splitlines():
        line = line.strip()
        if _KEY.match(line):
            key = line
        elif key:
            label, _, value = line.partition("=") if "=" in line else line.partition(":")
            entries[key] = (label.strip(), value.strip())
            key = ""
        elif not entries and (value_ := number(line)) is not None:
            unnamed.append(value_)
    return entries, unnamed


def _metres(entry: tuple[str, str] | None) -> float | None:
    """Return an entry such as ``7.344 nm`` in metres."""
    if entry is None:
        return None
    value, words = number(entry[1]), entry[1].split()
    unit = unit_word(words[1]) if len(words) > 1 else None
    if value is None or unit is None or not same_kind(unit, "m"):
        return None
    return convert(value, unit, "m")
