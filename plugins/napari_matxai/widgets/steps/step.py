"""What the steps have in common: a number, a title, a page that folds away, and a sentence where they cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_matxai.widgets.heard import Heard
from napari_matxai.widgets.reveal import Reveal
from napari_matxai.widgets.words import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QLayout

    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner


class Step(QFrame):
    """One numbered step of the dock.

    Parameters
    ----------
    number, title
        As shown.
    session
        The state; a step reads it, changes it through its methods, and listens to its signals.
    runner
        Computes questions off the main thread.
    """

    def __init__(self, number: int, title: str, session: Session, runner: Runner) -> None:
        super().__init__()
        self.setObjectName(f"step_{number}")
        self.session = session
        self.runner = runner
        self.heard = Heard()
        self.destroyed.connect(self.heard.end)  # a window that is closed takes its docks away without a word
        self.header = QToolButton()
        self.header.setText(f"{number}  {title}")
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = self.header.font()
        font.setBold(True)
        self.header.setFont(font)
        self.header.setAutoRaise(True)
        self.page = QWidget()
        self.column = QVBoxLayout(self.page)
        self.column.setContentsMargins(8, 2, 6, 8)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(2, 2, 2, 0)
        whole.setSpacing(0)
        whole.addWidget(self.header)
        whole.addWidget(self.page)
        self.header.toggled.connect(self._fold)
        self.hint = words(name=f"why_not_{number}")
        self.hint.setVisible(False)
        self.column.addWidget(self.hint)
        self.header.setChecked(True)
        self._reveal = Reveal(self)

    def _fold(self, opened: bool) -> None:
        self.header.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.page.setVisible(opened)

    def expand(self) -> None:
        """Show the page."""
        self.header.setChecked(True)

    def collapse(self) -> None:
        """Fold the page away."""
        self.header.setChecked(False)

    def add(self, *parts: QWidget | QLayout) -> None:
        """Put widgets and layouts below each other."""
        for part in parts:
            if isinstance(part, QWidget):
                self.column.addWidget(part)
            else:
                self.column.addLayout(part)

    def reveal(self, first: QWidget, last: QWidget) -> None:
        """Scroll to what has just arrived, from its first part to its last; nothing moves where it is in sight."""
        if self.header.isChecked():
            self._reveal.show(first, last)

    def say_why_not(self, sentence: str) -> None:
        """Show why the step cannot run; an empty sentence takes it away."""
        self.hint.setText(sentence)
        self.hint.setVisible(bool(sentence))

    def listen(self, signal: Any, slot: Callable[..., object]) -> None:
        """Connect to a signal of what outlives the step, the session or the viewer, until :meth:`close_down`."""
        self.heard.listen(signal, slot)

    def refresh(self) -> None:
        """Show the session as it is now."""

    def close_down(self) -> None:
        """Let go of the session and the viewer: the window is going."""
        self.heard.end()
