"""Gatan DigitalMicrograph's TIFF: units in tags 65003, 65004, first pixel in 65006, 65007, steps in 65009, 65010."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.signals.vendors.calibration import Calibration, from_unit, number

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_tags(tags: Mapping[int, object]) -> Calibration:
    """Return what the private tags say; a scale without a unit is no calibration."""
    x, y = number(tags.get(65009)), number(tags.get(65010))
    first = {"x": number(tags.get(65006)), "y": number(tags.get(65007))}
    unit = str(tags.get(65003) or tags.get(65012) or "")
    other = str(tags.get(65004) or tags.get(65013) or "") or unit
    if unit != other:
        unit = ""  # two axes of different kinds: not an image of a place
    sizes = {"x": abs(x) if x else x, "y": abs(y) if y else y}
    origin = {dim: value for dim, value in first.items() if value is not None}
    return from_unit("Gatan tags 65003-65010", sizes, unit, origin=origin)
