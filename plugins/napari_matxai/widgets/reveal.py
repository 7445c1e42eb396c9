"""Scrolling to an answer that has just arrived."""

from __future__ import annotations

from qtpy.QtCore import QObject, QPoint, QTimer
from qtpy.QtWidgets import QScrollArea, QWidget

ROOM = 8
"""Pixels that stay free above and below."""


class Reveal(QObject):
    """Brings parts of a page that scrolls into sight, once they have taken their height.

    Parameters
    ----------
    within
        A widget of the page; this goes with it.
    """

    def __init__(self, within: QWidget) -> None:
        super().__init__(within)
        self._within = within
        self._parts: tuple[QWidget, QWidget] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(50)
        self._timer.timeout.connect(self._scroll)

    def show(self, first: QWidget, last: QWidget) -> None:
        """Scroll no further than needed to see all from the first part to the last; where there is no room, the first.

        Parameters
        ----------
        first, last
            The part on top and the part at the bottom.
        """
        self._parts = (first, last)
        self._timer.start()  # what was filled in just now is laid out first

    def _scroll(self) -> None:
        parts, self._parts = self._parts, None
        area = self._within.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        page = area.widget() if area is not None else None
        if parts is None or area is None or page is None:
            return
        first, last = parts
        top = first.mapTo(page, QPoint(0, 0)).y() - ROOM
        bottom = last.mapTo(page, QPoint(0, last.height())).y() + ROOM
        bar, height = area.verticalScrollBar(), area.viewport().height()
        bar.setValue(min(max(bar.value(), bottom - height), top))
