"""Maps as strips below the curve: cells of colour at their true places, hatched where the network saw nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QImage

from napari_matxai.session.curves.colouring import levels, on_ground, palette

if TYPE_CHECKING:
    from napari_matxai.session.curves.drawn import Strip
    from napari_matxai.widgets.spectra.theme import Theme

ROW = (24, 30)
"""Least and usual height of one strip with its name above, in pixels."""
COLUMNS = 1600
"""Of the picture that a strip is in view: as many as a wide screen has."""
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
        # the last row is what -1 takes: nothing was seen there, and the hatch shows through
        self._table = np.vstack([np.insert(colours, 3, 255, axis=1), np.zeros((1, 4), np.uint8)]).astype(np.uint8)
        self._image = QImage()
        self._extent = QRectF()
        self._unseen: list[QRectF] = []
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
        self._image, self._unseen = QImage(), []
        if places.size:
            borders, shown = pooled(places, values)
            level = levels(shown, self.strip.limits)
            left, right = float(borders[0]), float(borders[-1])
            centres = left + (np.arange(COLUMNS) + 0.5) * (right - left) / COLUMNS
            cell = np.clip(np.searchsorted(borders, centres) - 1, 0, level.size - 1)
            pixels = np.ascontiguousarray(self._table[level[cell]])
            format_ = QImage.Format.Format_RGBA8888
            self._image = QImage(pixels.tobytes(), COLUMNS, 1, 4 * COLUMNS, format_).copy()
            self._extent = QRectF(left, self.y0, right - left, BAND)
            ends = np.flatnonzero(np.diff(np.concatenate([[False], level < 0, [False]]))).reshape(-1, 2)
            self._unseen = [QRectF(borders[a], self.y0, borders[b] - borders[a], BAND) for a, b in ends]
        self.update()

    def paint(self, painter: Any, *_: Any) -> None:
        """Paint the colours, and the hatch where nothing was seen."""
        hatch = QBrush(QColor(*self.theme.curve), Qt.BrushStyle.BDiagPattern)
        hatch.setTransform(painter.transform().inverted()[0])  # else the pattern is stretched with the axis
        for rect in self._unseen:
            painter.fillRect(rect, hatch)
        if not self._image.isNull():
            painter.drawImage(self._extent, self._image)
        painter.setPen(pg.mkPen(self.theme.curve, width=1))
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
