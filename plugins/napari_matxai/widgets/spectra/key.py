"""The key to the colours: the map's name, its lower limit, a band of colour, its upper limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF, QSize
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_matxai.session.curves.colouring import on_ground, palette

if TYPE_CHECKING:
    from napari_matxai.session.curves.drawn import Drawn
    from napari_matxai.widgets.spectra.theme import Theme

BAND = 90


class ColourKey(QWidget):
    """What the colours of the curve mean; empty where nothing was explained."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.drawn: Drawn | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(18)

    def set(self, drawn: Drawn | None, theme: Theme) -> None:
        """Show the key of what is drawn."""
        self.drawn, self.theme = drawn, theme
        explained = drawn is not None and bool(drawn.lanes) and any(la.values is not None for la in drawn.lanes)
        self.setVisible(explained)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size that it would like."""
        return QSize(300, 18)

    def paintEvent(self, _: Any) -> None:  # noqa: N802 - Qt's name
        """Paint name, limits and colours."""
        if self.drawn is None or not self.drawn.lanes:
            return
        lane = next((la for la in self.drawn.lanes if la.values is not None), None)
        if lane is None:
            return
        from matxai.report import sentences

        painter = QPainter(self)
        painter.setPen(QColor(*self.theme.ink))
        font = painter.font()
        font.setPointSizeF(8)
        painter.setFont(font)
        words = painter.fontMetrics()
        low, high = lane.limits
        ends = [sentences.number(v, digits=2) if v else "0" for v in (low, high)]
        if lane.signed:
            ends = [f"{ends[0]} against", f"{ends[1]} for"]
        widths = [words.horizontalAdvance(e) for e in ends]
        colours = on_ground(palette(signed=lane.signed, dark=self.theme.dark), self.theme.ground)
        right = self.width() - 6
        band = QRectF(right - widths[1] - 6 - BAND, 4, BAND, 10)
        gradient = QLinearGradient(band.left(), 0, band.right(), 0)
        for k, colour in enumerate(colours):
            gradient.setColorAt(k / (len(colours) - 1), QColor(*(int(v) for v in colour)))
        painter.fillRect(band, gradient)
        painter.drawRect(band)
        painter.drawText(int(right - widths[1]), 13, ends[1])
        painter.drawText(int(band.left() - 6 - widths[0]), 13, ends[0])
        room = int(band.left() - widths[0] - 24)
        from qtpy.QtCore import Qt

        painter.drawText(6, 13, words.elidedText(self.drawn.method, Qt.TextElideMode.ElideRight, max(room, 10)))
        painter.end()
