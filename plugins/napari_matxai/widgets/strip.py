"""A region's effect among those of its matched controls, on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES = 4.2
MARGIN = 12


class ControlStrip(QWidget):
    """Dots for the controls, a larger one for the region; the axis is what the score loses."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("controls")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(int(LINES * self.fontMetrics().height()))
        self.effect = 0.0
        self.controls: tuple[float, ...] = ()
        self.dark = True

    def show_effect(self, effect: float, controls: Sequence[float], *, dark: bool) -> None:
        """Show a region's effect beside its controls'."""
        self.effect, self.controls, self.dark = effect, tuple(map(float, controls)), dark
        self.setToolTip(
            f"The score falls by {effect:.3g} without the region, and by {min(controls):.3g} to {max(controls):.3g} "
            f"without {len(self.controls)} regions of its shape on ground like its own."
        )
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802, ARG002 - Qt's name
        """Draw the line, the dots and the words."""
        if not self.controls:
            return
        values = (*self.controls, self.effect, 0.0)
        low, high = min(values), max(values)
        span = (high - low) or 1.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = QColor("#e6e6e6" if self.dark else "#202020")
        faint = QColor(ink)
        faint.setAlpha(110)
        line = self.fontMetrics().height()
        middle = 2.0 * line

        def at(value: float) -> float:
            return MARGIN + (value - low) / span * (self.width() - 2 * MARGIN)

        painter.setPen(QPen(faint, 1))
        painter.drawLine(QPointF(MARGIN, middle), QPointF(self.width() - MARGIN, middle))
        painter.drawLine(QPointF(at(0), middle - 5), QPointF(at(0), middle + 5))
        painter.setBrush(faint)
        painter.setPen(Qt.PenStyle.NoPen)
        for control in self.controls:
            painter.drawEllipse(QPointF(at(control), middle), 3.0, 3.0)
        painter.setBrush(QColor("#ff9e64" if self.dark else "#b3410f"))
        painter.drawEllipse(QPointF(at(self.effect), middle), 5.5, 5.5)
        painter.setPen(ink)
        self._word(painter, at(self.effect), 0.2 * line, "this region")
        painter.setPen(faint)
        self._word(painter, at(0), 2.5 * line, "0")
        painter.drawText(0, int(3.2 * line), self.width(), line, Qt.AlignmentFlag.AlignHCenter, "score lost without it")
        painter.end()

    def _word(self, painter: QPainter, x: float, top: float, text: str) -> None:
        """A word centred at a place, pushed inside where it would leave the strip."""
        wide = painter.fontMetrics().horizontalAdvance(text)
        left = min(max(x - wide / 2, 0), self.width() - wide)
        painter.drawText(
            int(left), int(top), wide + 2, painter.fontMetrics().height(), Qt.AlignmentFlag.AlignLeft, text
        )
