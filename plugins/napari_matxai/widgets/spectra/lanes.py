"""Curves in the colours of their relevance: one path for each level, so that ten thousand points are quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg

from napari_matxai.session.curves.colouring import LEVELS, of_segments, on_ground, palette

if TYPE_CHECKING:
    from napari_matxai.session.curves.drawn import Lane
    from napari_matxai.widgets.spectra.theme import Rgb, Theme

WIDTH = 2.6
FAINT = 0.1
"""Opacity below which a piece keeps the curve's own colour."""
MOST = 20_000
"""Points that are painted at once; of more, each short run gives its tallest and its strongest."""


class PaintedLane:
    """One curve on a plot.

    Parameters
    ----------
    plot
        A pyqtgraph plot.
    lane
        The curve.
    theme
        Colours of the ground.
    own
        Colour of a curve that has no map.
    """

    def __init__(self, plot: Any, lane: Lane, theme: Theme, own: Rgb) -> None:
        self.plot, self.lane = plot, lane
        self.base = pg.PlotCurveItem(pen=pg.mkPen(own, width=1), connect="finite", antialias=False)
        self.base.setZValue(1)
        self.pieces: list[Any] = []
        plot.addItem(self.base, ignoreBounds=True)
        if lane.values is not None:
            colours = palette(signed=lane.signed, dark=theme.dark)
            for k, colour in enumerate(on_ground(colours, own)):
                piece = pg.PlotCurveItem(pen=pg.mkPen(tuple(int(v) for v in colour), width=WIDTH), connect="pairs")
                piece.setZValue(2 + float(colours[k, 3]))  # what decided lies on top
                piece.setVisible(bool(colours[k, 3] >= FAINT))
                self.pieces.append(piece)
                plot.addItem(piece, ignoreBounds=True)
        self.paint(None)

    @property
    def long(self) -> bool:
        """Whether it has more points than are painted at once, and is painted anew for each part in view."""
        return self.lane.places.size > MOST

    def paint(self, view: tuple[float, float] | None) -> None:
        """Paint the part within a view of the axis; all of it for None."""
        lane = self.lane
        chosen = self._chosen(view)
        x, y = lane.places[chosen], lane.heights[chosen]
        self.base.setData(x, y)
        if lane.values is None or x.size < 2:
            return
        level = of_segments(lane.values[chosen], lane.limits)
        known = np.isfinite(x[1:] + x[:-1] + y[1:] + y[:-1])
        for k in range(LEVELS):
            at = np.flatnonzero((level == k) & known)
            self.pieces[k].setData(
                np.stack([x[at], x[at + 1]], axis=1).ravel(), np.stack([y[at], y[at + 1]], axis=1).ravel()
            )

    def _chosen(self, view: tuple[float, float] | None) -> Any:
        lane = self.lane
        if not self.long:
            return slice(None)
        inside = np.arange(lane.places.size)
        if view is not None:
            inside = np.flatnonzero((lane.places >= view[0]) & (lane.places <= view[1]))
        if inside.size <= MOST:
            return inside
        from matxai.report.drawing import thinned

        height = np.nan_to_num(lane.heights[inside])
        values = height * 0 if lane.values is None else lane.values[inside]
        return inside[thinned(height[None, :], values)]

    def remove(self) -> None:
        """Take it off the plot."""
        for item in (self.base, *self.pieces):
            self.plot.removeItem(item)
