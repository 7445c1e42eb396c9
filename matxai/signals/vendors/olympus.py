"""Olympus Soft Imaging Solutions: tag 33560, which marks the measured page and holds its pixel size in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.signals.vendors.calibration import Calibration, from_metres, number

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_tag(entries: Mapping[str, Any]) -> Calibration:
    """Return what the parsed tag (tifffile's ``pixelsizex``, ``pixelsizey``, ...) says."""
    metadata = {key: value if isinstance(value, (int, float, str)) else str(value) for key, value in entries.items()}
    x, y = number(entries.get("pixelsizex")), number(entries.get("pixelsizey"))
    # The two are computed apart and differ in the sixteenth digit.
    y = x if x is not None and y is not None and abs(y - x) < 1e-9 * x else y
    return from_metres("Olympus SIS tag 33560", x, y, metadata=metadata)
