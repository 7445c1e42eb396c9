"""Maps as strips below the curve: cells of colour at their true places, hatched where the network saw nothing."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QBrush, QColor

from napari_matxai.session.curves.colouring import levels, on_ground, palette

if TYPE_CHECKING:
    from napari_matxai.session.curves.drawn import Strip
    from napari_matxai.widgets.spectra.theme import Theme

ROW = (24, 30)
"""Least and usual height of one strip with its name above, in pixels."""
BAND = 0.5
"""Part of the row that the colours take."""


class StripItem(pg.GraphicsObject):
    """One strip, between ``y`` and ``y + BAND``."""

    def __init__(self, strip: Strip, y: float, theme: Theme) -> None:
        super().__init__()
        self.strip, self.y0, self.theme = strip, y, theme
        order = np.argsort(strip.places)
        order = order[np.isfinite(strip.places[order])]
        self._places, self._values = strip.places[order], strip.values[order]
        colours = on_ground(palette(signed=strip.signed, dark=theme.dark), theme.ground)
        self._brushes = [QBrush(QColor(*(int(v) for v in c))) for c in colours]
        self._cells: list[tuple[QRectF, int]] = []
        self._bounds = QRectF()
        if self._places.size:
            low, high = float(self._places[0]), float(self._places[-1])
            self._bounds = QRectF(low, y, high - low, BAND)
        self.cut(None)

    def cut(self, view: tuple[float, float] | None) -> None:
        """Work out the cells of the part in view, at most as many as can be told apart."""
        from matxai.report.curves.strips import pooled

        inside = slice(None)
        if view is not None and self._places.size:
            first, last = np.searchsorted(self._places, view)
            inside = slice(max(int(first) - 1, 0), int(last) + 1)
        places, values = self._places[inside], self._values[inside]
        self._cells = []
        if places.size:
            borders, shown = pooled(places, values)
            level = levels(shown, self.strip.limits)
            # neighbours of one level are one cell: most of a map is zero
            starts = np.concatenate([[0], np.flatnonzero(np.diff(level)) + 1, [level.size]])
            for a, b in itertools.pairwise(starts):
                left, right = float(borders[a]), float(borders[b])
                self._cells.append((QRectF(left, self.y0, right - left, BAND), int(level[a])))
        self.update()

    def paint(self, painter: Any, *_: Any) -> None:
        """Paint the cells."""
        painter.setPen(Qt.PenStyle.NoPen)
        hatch = QBrush(QColor(*self.theme.curve), Qt.BrushStyle.BDiagPattern)
        hatch.setTransform(painter.transform().inverted()[0])  # else the pattern is stretched with the axis
        for rect, level in self._cells:
            painter.fillRect(rect, hatch if level < 0 else self._brushes[level])
        pen = pg.mkPen(self.theme.curve, width=1)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self._bounds)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return where it lies."""
        return self._bounds


def strip_title(strip: Strip) -> str:
    """Return what stands above a strip: the map, and its limits."""
    from matxai.report import sentences

    largest = sentences.number(strip.limits[1], digits=2)
    return f"{strip.name}   ±{largest}" if strip.signed else f"{strip.name}   0 … {largest}"
