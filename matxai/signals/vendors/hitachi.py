"""Hitachi: the sidecar ``NAME.txt`` that begins with ``[SemImageFile]`` (ASCII or UTF-16); ``PixelSize`` in nm."""

from __future__ import annotations

import re

from matxai.signals.vendors.calibration import (
    Calibration,
    bar_below,
    from_metres,
    number,
    sections,
    stale,
    uncalibrated,
)


def from_text(text: str, width: int, height: int, *, source: str) -> Calibration:
    """Return what a Hitachi sidecar says about a file of this size; rows beyond ``DataSize`` are the bar."""
    found = sections(text)
    entries = found.get("SemImageFile") or found.get("TemImageFile") or {}
    size = [int(part) for part in re.findall(r"\d+", str(entries.get("DataSize", "")))]
    columns, rows = (size[0], size[1]) if len(size) == 2 else (None, None)
    why = stale(width, height, columns, rows)
    if why:
        return uncalibrated(f"{source}: {why}", metadata=entries)
    pixel = number(entries.get("PixelSize"))
    metres = pixel * 1e-9 if pixel is not None else None
    return from_metres(f"{source} PixelSize", metres, metadata=entries, info_bar=bar_below(height, rows))


def is_hitachi(text: str) -> bool:
    """Whether a sidecar is Hitachi's."""
    return "[SemImageFile]" in text[:2000] or "[TemImageFile]" in text[:2000]
