"""Zones on the plot: stretches that the hand moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.widgets.spectra.theme import Theme


class ZoneItems(QObject):
    """The zones of one plot.

    Signals
    -------
    moved(list of (low, high))
        One was moved and let go; all of them, in their order.
    """

    moved = Signal(list)

    def __init__(self, plot: Any, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self.plot, self.theme = plot, theme
        self.items: list[Any] = []

    def set(self, regions: Sequence[tuple[float, float, str, bool]]) -> None:
        """Draw these zones in the place of those that are there."""
        for item in self.items:
            self.plot.removeItem(item)
        self.items = []
        for low, high, name, chosen in regions:
            colour = self.theme.zone
            item = pg.LinearRegionItem(
                (low, high),
                brush=pg.mkBrush(*colour, 70 if chosen else 0),
                hoverBrush=pg.mkBrush(*colour, 110),
                pen=pg.mkPen(*colour, 230 if chosen else 110, width=1.5 if chosen else 1),
                hoverPen=pg.mkPen(*colour, width=3),
                movable=chosen,  # what is not masked must not be moved by accident
            )
            item.setZValue(0.5)
            item.setToolTip(name or "a zone")
            item.sigRegionChangeFinished.connect(self._moved)
            self.plot.addItem(item, ignoreBounds=True)
            self.items.append(item)

    def _moved(self) -> None:
        self.moved.emit([tuple(float(v) for v in item.getRegion()) for item in self.items])
