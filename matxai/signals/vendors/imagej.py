"""ImageJ: unit and spacing in the image description, pixels per unit in the resolution tags.

A unit of inch (or cm with a round number of dots per inch) is a screen's: ImageJ took it over from another program, and
it is no pixel size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.signals.units import unit_word
from matxai.signals.vendors.calibration import Calibration, number, plain, positive, uncalibrated

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCREENS = (72, 96, 100, 120, 144, 150, 180, 192, 200, 240, 254, 300, 314, 350, 360, 400, 600, 720, 1200, 2400)


def settings(description: str) -> dict[str, Any] | None:
    """Return the ``key=value`` lines of an image description that ImageJ wrote, or None for another's."""
    if not description.startswith("ImageJ="):
        return None
    lines = (line.partition("=") for line in description.replace("\x00", "").splitlines())
    return {key.strip(): plain(value) for key, mark, value in lines if mark}


def from_settings(found: Mapping[str, Any], per_x: float | None, per_y: float | None) -> Calibration:
    """Return the calibration from ImageJ's settings and the pixels per unit of the resolution tags."""
    text = str(found.get("unit", "")).strip().strip('"')
    unit = unit_word(text)
    metadata = dict(found)
    if not text:
        return uncalibrated("ImageJ names no unit", metadata=metadata)
    if unit is None or unit == "pixel":
        return uncalibrated(f"ImageJ's unit is {text!r}", metadata=metadata)
    if per_x is None or not positive(per_x):
        return uncalibrated("ImageJ's resolution tags are missing", metadata=metadata)
    per_y = per_y if per_y is not None and positive(per_y) else per_x
    if unit in {"inch", "in"}:
        why = f"ImageJ's unit inch, {per_x:g} per inch, is a screen's or printer's resolution and no pixel size"
        return uncalibrated(why, metadata=metadata)
    if unit == "cm" and any(abs(per_x * 2.54 / dots - 1) < 2e-3 for dots in _SCREENS):
        why = f"ImageJ's unit cm, {per_x:g} per cm, is {per_x * 2.54:.0f} dots per inch: a screen's and no pixel size"
        return uncalibrated(why, metadata=metadata)
    spacing = {"x": _step(per_x), "y": _step(per_y)}
    units = dict.fromkeys(spacing, unit)
    for dim, per, word in (("y", "yunit", None), ("z", "zunit", None)):
        other = unit_word(str(found.get(per, ""))) or word
        if other and dim in spacing:
            units[dim] = other
    depth = number(found.get("spacing"))
    if depth is not None and depth != 0:
        spacing["z"], units["z"] = abs(depth), unit_word(str(found.get("zunit", ""))) or unit
    interval = number(found.get("finterval"))
    if interval is not None and positive(interval):
        spacing["t"], units["t"] = interval, unit_word(str(found.get("tunit", "s"))) or "s"
    origin: dict[str, float] = {
        dim: -shift * spacing[dim]
        for dim in ("x", "y", "z")
        if dim in spacing and (shift := number(found.get(f"{dim}origin"))) is not None
    }
    return Calibration("ImageJ unit and resolution", spacing=spacing, units=units, origin=origin, metadata=metadata)


def _step(per_unit: float) -> float:
    # A resolution is stored as a fraction of two 32-bit integers: nine digits hold.
    return float(f"{1 / per_unit:.9g}")
