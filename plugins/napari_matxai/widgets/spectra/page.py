"""What the pages beside the plot have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QLayout

    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner


class Page(QScrollArea):
    """One page: a column of small widgets that scrolls where there is little room.

    Parameters
    ----------
    session
        The state; its ``curves`` are what the page shows.
    runner
        Computes questions off the main thread.
    """

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__()
        self.session, self.curves, self.runner = session, session.curves, runner
        inside = QWidget()
        self.column = QVBoxLayout(inside)
        self.column.setContentsMargins(6, 6, 6, 6)
        self.column.setSpacing(4)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def add(self, *parts: QWidget | QLayout) -> None:
        """Put widgets and layouts below each other."""
        for part in parts:
            if isinstance(part, QWidget):
                self.column.addWidget(part)
            else:
                self.column.addLayout(part)

    def refresh(self) -> None:
        """Show the session as it is now."""

    def offer(self) -> None:
        """Fill the lists that take their time: once, when the page is first seen or needed."""

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Fill the lists."""
        self.offer()
        super().showEvent(event)


def row(*parts: QWidget) -> QHBoxLayout:
    """Return widgets side by side."""
    found = QHBoxLayout()
    found.setSpacing(4)
    for part in parts:
        found.addWidget(part)
    return found


def button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """Return a button."""
    found = QPushButton(text)
    found.setToolTip(tip)
    found.clicked.connect(lambda *_: clicked())
    return found
