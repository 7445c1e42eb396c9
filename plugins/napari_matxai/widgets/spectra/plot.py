"""The plot with pyqtgraph: curves, what the network got, strips, sticks, zones; one axis for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, QTimer, Signal

from napari_matxai.widgets.spectra import sticks as sticks_
from napari_matxai.widgets.spectra import strips as strips_
from napari_matxai.widgets.spectra.axes import IntensityAxis
from napari_matxai.widgets.spectra.lanes import PaintedLane
from napari_matxai.widgets.spectra.zones import ZoneItems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.session.curves.drawn import Drawn
    from napari_matxai.session.curves.lines import Mark, Sticks
    from napari_matxai.widgets.spectra.theme import Theme

LEFT = 58
AXIS = 36
RECEIVED = (46, 70)
LEAST_CURVE = 96
"""Pixels: width of the left axis, height of the lower one, least and usual height of what the network got, least height
of the curve."""


class CurvePlot(pg.GraphicsLayoutWidget):
    """A plot of spectra; see :class:`napari_matxai.widgets.spectra.view.CurveView`.

    Parameters
    ----------
    theme
        Its colours.
    """

    regions_changed = Signal(list)
    cursor_moved = Signal(float, float)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.drawn: Drawn | None = None
        self.lanes: list[PaintedLane] = []
        self.strip_items: list[strips_.StripItem] = []
        self.stick_rows: list[sticks_.StickRow] = []
        self._names: list[tuple[Any, Any, float]] = []
        self._sticks: Sequence[Sticks] = ()
        self._marks: Sequence[Mark] = ()
        self.ci.layout.setSpacing(0)
        self.ci.setContentsMargins(2, 2, 6, 2)
        self.intensity = IntensityAxis()
        self.main = self.addPlot(row=0, col=0, axisItems={"left": self.intensity})
        self.received = self.addPlot(row=1, col=0)
        self.strips = self.addPlot(row=2, col=0)
        self.sticks = self.addPlot(row=3, col=0)
        self.plots = (self.main, self.received, self.strips, self.sticks)
        for plot in self.plots:
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.getAxis("left").setWidth(LEFT)
            plot.getAxis("bottom").enableAutoSIPrefix(False)
            plot.getAxis("left").enableAutoSIPrefix(False)
            plot.setMouseEnabled(x=True, y=plot is self.main)
            if plot is not self.main:
                plot.setXLink(self.main)
        for plot in (self.strips, self.sticks):
            plot.getAxis("left").setStyle(showValues=False, tickLength=0)
        self.zones = ZoneItems(self.main, theme, self)
        self.zones.moved.connect(self.regions_changed)
        self.marks = pg.ScatterPlotItem(size=9, hoverable=True, tip=lambda x, y, data: str(data))  # noqa: ARG005
        self.marks.setZValue(5)
        self.main.addItem(self.marks, ignoreBounds=True)
        self.pointers = [pg.InfiniteLine(angle=90, movable=False) for _ in self.plots]
        for plot, line in zip(self.plots, self.pointers, strict=True):
            line.setZValue(6)
            line.setVisible(False)
            plot.addItem(line, ignoreBounds=True)
        self.marker = pg.InfiniteLine(angle=90, movable=False)
        self.marker.setVisible(False)
        self.marker.setZValue(0.8)
        self.main.addItem(self.marker, ignoreBounds=True)
        self.main.vb.sigRangeChanged.connect(self._moved)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(25)
        self._later.timeout.connect(self.refit)
        self._pointer = pg.SignalProxy(self.scene().sigMouseMoved, rateLimit=60, slot=self._pointed)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.set_theme(theme)
        self.set_spectrum(None)

    # -- what is drawn -------------------------------------------------------------------------------------------------

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = self.zones.theme = theme
        self.setBackground(theme.ground)
        self.marker.setPen(pg.mkPen(theme.zone, width=1.5))
        for plot, line in zip(self.plots, self.pointers, strict=True):
            line.setPen(pg.mkPen(*theme.ink, 120))
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pg.mkPen(theme.ink))
                plot.getAxis(side).setTextPen(pg.mkPen(theme.ink))
        if self.drawn is not None:
            self.set_spectrum(self.drawn, keep_view=True)
            self.set_lines(self._sticks, self._marks)

    def set_spectrum(self, drawn: Drawn | None, *, keep_view: bool = False) -> None:
        """Draw curves, or nothing; by default the whole of them is in view then."""
        before = self.main.vb.viewRange()
        self.drawn = drawn
        for lane in self.lanes:
            lane.remove()
        self.lanes = []
        self.received.clear()
        self.received.addItem(self.pointers[1], ignoreBounds=True)
        if drawn is None:
            self.set_lines((), ())
            self._fit_rows()
            return
        for number, lane in enumerate(drawn.lanes):
            own = self.theme.curve if lane.spectrum == 0 or lane.values is not None else self._other(lane.spectrum)
            self.lanes.append(PaintedLane(self.main, lane, self.theme, own if number else self.theme.curve))
        if drawn.received is not None:
            places, curves = drawn.received
            for curve in curves:
                self.received.plot(places, curve, pen=pg.mkPen(self.theme.ink, width=1))
        for plot in self.plots:
            plot.vb.invertX(drawn.along.descends and (drawn.loop is None or plot is not self.main))
        for plot in self.plots[1:]:
            plot.setXLink(None if drawn.loop is not None and plot is not self.received else self.main)
        self.set_attribution(drawn)
        if keep_view:
            self.main.vb.setRange(xRange=before[0], yRange=before[1], padding=0)
        else:
            self.view_all()

    def set_attribution(self, drawn: Drawn) -> None:
        """Draw the strips below the curves."""
        self.strips.clear()
        self.strips.addItem(self.pointers[2], ignoreBounds=True)
        self.strip_items = []
        self._names = [n for n in self._names if n[1] is not self.strips]
        count = len(drawn.strips)
        for number, strip in enumerate(drawn.strips):
            y = float(count - 1 - number)
            item = strips_.StripItem(strip, y, self.theme)
            self.strip_items.append(item)
            self.strips.addItem(item, ignoreBounds=True)
            self._name(self.strips, strips_.strip_title(strip), y + 1.0, self.theme.ink)
        self.strips.setYRange(0, max(count, 1), padding=0)
        if drawn.loop is not None and count:
            places = drawn.strips[0].places
            self.strips.setXRange(float(np.nanmin(places)), float(np.nanmax(places)), padding=0.02)
        self._fit_rows()

    def set_lines(self, sticks: Sequence[Sticks], marks: Sequence[Mark]) -> None:
        """Draw the lines of references, and what a comparison said of the curve's zones."""
        self._sticks, self._marks = tuple(sticks), tuple(marks)
        for row in self.stick_rows:
            row.remove()
        for text, plot, _ in self._names:
            if plot is self.sticks:
                plot.removeItem(text)
        self._names = [n for n in self._names if n[1] is not self.sticks]
        self.stick_rows = []
        shown = () if self.drawn is None or self.drawn.loop is not None else self._sticks
        for number, one in enumerate(shown):
            y = float(len(shown) - 1 - number)
            row = sticks_.StickRow(self.sticks, one, y, self._other(number))
            self.stick_rows.append(row)
            self._name(self.sticks, row.title(), y + 1.0, self._other(number))
        self.sticks.setYRange(0, max(len(shown), 1), padding=0)
        self._fit_rows()
        self.refit()

    def set_regions(self, regions: Sequence[tuple[float, float, str, bool]]) -> None:
        """Draw zones: from, to, name, and whether they are masked."""
        self.zones.set(regions)

    def set_marker(self, place: float | None) -> None:
        """Draw a line where the slice of the viewer lies on the axis; None takes it away."""
        shown = place is not None and np.isfinite(place) and (self.drawn is None or self.drawn.loop is None)
        self.marker.setVisible(bool(shown))
        if shown:
            self.marker.setPos(place)

    def view_all(self) -> None:
        """Bring everything into view."""
        if self.drawn is None:
            return
        x = np.concatenate([lane.places for lane in self.drawn.lanes])
        y = np.concatenate([lane.heights for lane in self.drawn.lanes])
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        if not x.size or not y.size:
            return
        room = 0.05 * float(np.ptp(y)) or abs(float(y[0])) * 0.05 or 1.0
        loop = self.drawn.loop is not None
        self.main.vb.setRange(
            xRange=(float(x.min()), float(x.max())),
            yRange=(float(y.min()) - room, float(y.max()) + 2.2 * room),
            padding=0.03 if loop else 0.0,
        )
        self.refit()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size that it would like: pyqtgraph's own takes half of napari's window."""
        return QSize(320, 240)

    # -- how it fits ---------------------------------------------------------------------------------------------------

    def _other(self, number: int) -> tuple[int, int, int]:
        return self.theme.others[number % len(self.theme.others)]

    def _name(self, plot: Any, text: str, top: float, colour: tuple[int, int, int]) -> None:
        item = pg.TextItem(text, colour, anchor=(0, 0))
        sticks_.in_small(item)
        plot.addItem(item, ignoreBounds=True)
        self._names.append((item, plot, top))

    def _fit_rows(self) -> None:
        """Give each row its height, the curve the rest, and write the axis below the lowest alone.

        Rows shrink before the curve does; where even that is too high, the plot asks for more and its frame scrolls.
        """
        drawn = self.drawn
        count = {self.strips: len(self.strip_items), self.sticks: len(self.stick_rows)}
        count[self.received] = int(drawn is not None and drawn.received is not None)
        if drawn is None:
            count = dict.fromkeys(count, 0)
        shown = [p for p in self.plots if p is self.main or count[p]]
        loop = drawn is not None and drawn.loop is not None
        axes = [shown[-1], *([self.main] if loop and len(shown) > 1 else [])]
        usual, least = (sum(size * count[p] for p, size in of.items()) for of in (self._usual(), self._least()))
        room = self.height() - AXIS * len(axes) - 8
        self.setMinimumHeight(LEAST_CURVE + least + AXIS * len(axes) + 8)
        part = 1.0 if usual == least else min(max((0.55 * room - least) / (usual - least), 0.0), 1.0)
        for number, plot in enumerate(self.plots):
            plot.setVisible(plot in shown and drawn is not None)
            last = plot in axes
            plot.showAxis("bottom", show=last)
            if last:
                plot.getAxis("bottom").setHeight(AXIS)
            if plot is not self.main:
                size = self._least()[plot] + part * (self._usual()[plot] - self._least()[plot])
                self.ci.layout.setRowFixedHeight(number, count[plot] * size + AXIS * last if plot in shown else 0)
            if drawn is not None:
                self._label(plot, drawn, last=last)
        self.ci.layout.setRowStretchFactor(0, 10)

    def _usual(self) -> dict[Any, float]:
        return {self.received: RECEIVED[1], self.strips: strips_.ROW[1], self.sticks: sticks_.ROW[1]}

    def _least(self) -> dict[Any, float]:
        return {self.received: RECEIVED[0], self.strips: strips_.ROW[0], self.sticks: sticks_.ROW[0]}

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Share the height out anew."""
        super().resizeEvent(event)
        if hasattr(self, "_later"):
            self._fit_rows()
            self._later.start()

    def _label(self, plot: Any, drawn: Drawn, *, last: bool) -> None:
        loop = drawn.loop
        axis = plot.getAxis("bottom")
        if not last:
            pass
        elif plot is self.main and loop is not None:
            axis.setLabel(loop.x_label)
        elif drawn.along.unit in ("s", "Hz"):  # 250 µs, 40 kHz
            axis.enableAutoSIPrefix(True)
            axis.setLabel(drawn.along.name, units=drawn.along.unit)
        else:
            axis.enableAutoSIPrefix(False)
            axis.setLabel(drawn.along.label)
        if plot is self.main:
            axis = plot.getAxis("left")
            axis.setLabel(drawn.label)
        elif plot is self.received:
            plot.getAxis("left").setLabel("network")

    def _moved(self) -> None:
        self._later.start()

    def refit(self) -> None:
        """Work out anew what depends on the part in view: long curves, cells of strips, which indices can be read."""
        if self.drawn is None:
            return
        view = tuple(self.main.vb.viewRange()[0])
        for lane in self.lanes:
            if lane.long:
                lane.paint(None if self.drawn.loop is not None else view)
        for item in self.strip_items:
            item.cut(None if self.drawn.loop is not None else view)
        width = float(self.main.vb.width())
        for row in self.stick_rows:
            row.write(view, width)
        for text, plot, top in self._names:
            low, high = plot.vb.viewRange()[0]
            text.setPos(high if plot.vb.xInverted() else low, top)
        ends = self.main.vb.viewRange()[1]
        y = ends[1] - 0.05 * (ends[1] - ends[0])
        look = {"expected": ("t", self.theme.expected), "unexplained": ("d", self.theme.unexplained)}
        self.marks.setData(
            [
                {"pos": (m.place, y), "data": m.text, "symbol": look[m.kind][0], "brush": pg.mkBrush(look[m.kind][1]),
                 "pen": pg.mkPen(self.theme.ground)}
                for m in self._marks
            ]
            if self.drawn.loop is None
            else []
        )  # fmt: skip

    # -- the hand ------------------------------------------------------------------------------------------------------

    def _pointed(self, event: Any) -> None:
        position = event[0]
        over = next((p for p in self.plots if p.isVisible() and p.vb.sceneBoundingRect().contains(position)), None)
        inside = over is not None and self.drawn is not None and (self.drawn.loop is None or over is self.main)
        for line in self.pointers:
            line.setVisible(inside)
        if over is None or not inside:
            return
        point = over.vb.mapSceneToView(position)
        for line in self.pointers:
            line.setPos(point.x())
        self.cursor_moved.emit(float(point.x()), float(point.y()))

    def _clicked(self, event: Any) -> None:
        if event.double():
            self.view_all()
