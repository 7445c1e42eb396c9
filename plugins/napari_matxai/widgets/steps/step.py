"""What the steps have in common: a number, a title, a page, and a sentence where they cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_matxai.widgets.words import words

if TYPE_CHECKING:
    from qtpy.QtWidgets import QLayout

    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner


class Step(QCollapsible):
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
        super().__init__(f"{number}  {title}")
        self.setObjectName(f"step_{number}")
        self.session = session
        self.runner = runner
        page = QWidget()
        self.column = QVBoxLayout(page)
        self.column.setContentsMargins(6, 2, 6, 6)
        self.setContent(page)
        self.setDuration(0)
        self.expand(animate=False)
        self.hint = words(name=f"why_not_{number}")
        self.hint.setVisible(False)
        self.column.addWidget(self.hint)

    def add(self, *parts: QWidget | QLayout) -> None:
        """Put widgets and layouts below each other."""
        for part in parts:
            if isinstance(part, QWidget):
                self.column.addWidget(part)
            else:
                self.column.addLayout(part)

    def say_why_not(self, sentence: str) -> None:
        """Show why the step cannot run; an empty sentence takes it away."""
        self.hint.setText(sentence)
        self.hint.setVisible(bool(sentence))

    def refresh(self) -> None:
        """Show the session as it is now."""

    def close_down(self) -> None:
        """Let go of the session and the viewer: the window is going."""
