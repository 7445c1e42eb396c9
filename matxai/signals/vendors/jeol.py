"""JEOL: the sidecar ``NAME.txt`` with lines ``$KEY value``.

Pixel size = length of the micron marker / its pixels; the bar is a whole number of pixels, so the size is good to one
part in that number. Without the bar's length there is no pixel size: the magnification refers to a print.
"""

from __future__ import annotations

import re

from matxai.signals.units import convert, same_kind, unit_word
from matxai.signals.vendors.calibration import Calibration, bar_below, from_metres, plain, stale, uncalibrated, whole

_MARKER = re.compile(r"^\s*([0-9.]+(?:[eE][-+]?\d+)?)\s*(\S+)\s*$")


def from_text(text: str, width: int, height: int, *, source: str) -> Calibration:
    """Return what a JEOL sidecar says about a file of this size."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("$"):
            key, _, value = line.strip().partition(" ")
            entries[key.lstrip("$")] = value.strip()
    metadata = {key: plain(value) for key, value in entries.items()}
    full = [whole(part) for part in entries.get("CM_FULL_SIZE", "").split()]
    columns, rows = (full[0], full[1]) if len(full) == 2 else (None, None)
    why = stale(width, height, columns, rows)
    if why:
        return uncalibrated(f"{source}: {why}", metadata=metadata)
    info_bar = bar_below(height, rows)
    bar, marker = whole(entries.get("SM_MICRON_BAR")), _MARKER.match(entries.get("SM_MICRON_MARKER", ""))
    unit = unit_word(marker.group(2)) if marker else None
    if not bar or marker is None or unit is None or not same_kind(unit, "m"):
        missing = "$$SM_MICRON_BAR" if marker else "$$SM_MICRON_MARKER"
        why = f"{source} has no {missing}, and a magnification refers to a print of unknown size"
        return uncalibrated(why, metadata=metadata, info_bar=info_bar)
    length = convert(float(marker.group(1)), unit, "m")
    said = f"{source} $$SM_MICRON_MARKER / $$SM_MICRON_BAR ({bar} +- 1 pixels)"
    return from_metres(said, length / bar, metadata=metadata, info_bar=info_bar)


def is_jeol(text: str) -> bool:
    """Whether a sidecar is JEOL's."""
    return any(mark in text[:4000] for mark in ("$SEM_DATA_VERSION", "$CM_", "$$SM_"))
