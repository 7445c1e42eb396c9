"""Reference lines as sticks with their indices, as many as can be read at this zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from napari_matxai.session.curves.lines import short

if TYPE_CHECKING:
    from napari_matxai.session.curves.lines import Sticks
    from napari_matxai.widgets.spectra.theme import Rgb

ROW = (62, 74)
"""Least and usual height of one reference in pixels: its name, its indices, its sticks."""
LETTER = 13
"""Room in pixels that an index needs along the axis."""
TALL = 0.28
PALE = 90
PALE_ANSWERS = ("ignored", "not read", "under another")


class StickRow:
    """The lines of one reference between ``y`` and ``y + 1``."""

    def __init__(self, plot: Any, sticks: Sticks, y: float, colour: Rgb) -> None:
        self.plot, self.sticks, self.y0, self.colour = plot, sticks, y, colour
        ignored = np.array([a in PALE_ANSWERS for a in sticks.answers], bool)
        self.items = [self._lines(~ignored, 255), self._lines(ignored, PALE)]
        self.labels: list[Any] = []

    def _lines(self, which: Any, opacity: int) -> Any:
        places = self.sticks.places[which & np.isfinite(self.sticks.places)]
        heights = self.sticks.heights[which & np.isfinite(self.sticks.places)]
        x = np.repeat(places, 2)
        y = np.stack([np.full(places.size, self.y0), self.y0 + TALL * heights], axis=1).ravel()
        item = pg.PlotCurveItem(x, y, pen=pg.mkPen(*self.colour, opacity, width=1.6), connect="pairs")
        self.plot.addItem(item, ignoreBounds=True)
        return item

    def write(self, view: tuple[float, float], width: float) -> None:
        """Write the indices that can be read in this view of ``width`` pixels, by the library's own choice."""
        from matxai.report.curves.sticks import readable

        for label in self.labels:
            self.plot.removeItem(label)
        self.labels = []
        places = self.sticks.places
        inside = np.flatnonzero((places >= view[0]) & (places <= view[1]))
        apart = (view[1] - view[0]) * LETTER / max(width, 1.0)
        for k in readable(places[inside], self.sticks.intensities[inside], apart):
            i = inside[k]
            pale = self.sticks.answers[i] in PALE_ANSWERS
            label = pg.TextItem(short(self.sticks.labels[i]), (*self.colour, 150 if pale else 255), anchor=(0, 0.5))
            label.setAngle(90)
            in_small(label)
            label.setPos(float(places[i]), self.y0 + TALL + 0.02)
            self.plot.addItem(label, ignoreBounds=True)
            self.labels.append(label)

    def title(self) -> str:
        """Return what stands above: the reference, and how many of its lines decided."""
        said = [a for a in self.sticks.answers if a in ("relevant", "ignored")]
        if not said:
            return self.sticks.name
        return f"{self.sticks.name}   {said.count('relevant')} of {len(said)} lines relevant"

    def remove(self) -> None:
        """Take it off the plot."""
        for item in (*self.items, *self.labels):
            self.plot.removeItem(item)


def in_small(text: Any) -> None:
    """Give a text on the plot its letters, without room around them."""
    from qtpy.QtGui import QFont

    font = QFont()
    font.setPointSizeF(7.5)
    text.setFont(font)
    text.textItem.document().setDocumentMargin(0)
