"""Axes: intensities on their scale, places without invented prefixes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg


class IntensityAxis(pg.AxisItem):
    """The axis of intensities: what is painted stands on a scale, what is written are the intensities themselves."""

    def __init__(self) -> None:
        super().__init__("left")
        self.scale_name = "linear"

    def set_scale(self, name: str) -> None:
        """Write intensities of this scale: ``linear``, ``sqrt`` or ``log``."""
        self.scale_name = name
        self.setLogMode(y=name == "log")
        self.picture = None
        self.update()

    def tickValues(self, minVal: float, maxVal: float, size: float) -> Any:  # noqa: N802 - pyqtgraph's names
        """Return where ticks are: round intensities."""
        if self.scale_name != "sqrt":
            return super().tickValues(minVal, maxVal, size)
        low, high = (float(np.sign(v) * v * v) for v in (minVal, maxVal))
        wanted = max(2, int(size / 35))
        raw = [np.sign(v) * v * v for v in np.linspace(minVal, maxVal, wanted + 1)[1:]]
        step = (high - low) / wanted or 1.0
        found = sorted({_round(v, step) for v in (0.0, *raw) if low <= v <= high})
        return [(1.0, [float(np.sign(v) * np.sqrt(abs(v))) for v in found])]

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:  # noqa: N802 - pyqtgraph's name
        """Return what is written at the ticks."""
        if self.scale_name != "sqrt":
            return list(super().tickStrings(values, scale, spacing))
        return [f"{np.sign(v) * v * v:.4g}" for v in values]


def _round(value: float, step: float) -> float:
    if value == 0:
        return 0.0
    unit = 10 ** np.floor(np.log10(max(abs(value), 1e-300)))
    for digits in (0, 1, 2):
        near = round(value / unit, digits) * unit
        if abs(near - value) <= 0.25 * step:
            return float(near)
    return float(value)
