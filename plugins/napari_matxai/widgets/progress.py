"""What is being computed, how far it is, how long it will take, and the button that stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_matxai.widgets.running import Runner

SETTLED = 0.5
"""Seconds before anything is said about the time left."""


class ProgressLine(QWidget):
    """What is done, a bar, the time left and *Cancel*; there only while something runs that somebody asked for."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.label = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the engine and free its memory. Slices that are done are kept.")
        column = QVBoxLayout()
        column.addWidget(self.label)
        column.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 2, 6, 6)
        row.addLayout(column, 1)
        row.addWidget(self.cancel_button)
        self._of: object = None
        self._started = 0.0
        self.cancel_button.clicked.connect(self._cancel)
        runner.state_changed.connect(self._state)
        runner.progressed.connect(self._progress)
        self._state()

    def _cancel(self) -> None:
        self.runner.cancel()
        self.cancel_button.setEnabled(False)
        self.label.setText("stopping before the next pass ...")

    def _state(self) -> None:
        question = self.runner.question
        if question is not None and question is not self._of:
            self._started = time.monotonic()
            self.bar.setRange(0, 0)
            self.label.setText(question.title)
            self.cancel_button.setEnabled(True)
        self._of = question
        self.setVisible(question is not None)

    def _progress(self, done: int, total: int, label: str) -> None:
        if not self.cancel_button.isEnabled():
            return
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        taken = time.monotonic() - self._started
        left = taken * (total - done) / done if done and taken > SETTLED else None
        self.label.setText(label + ("" if left is None else f", {said(left)} left"))


def said(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> said(4.2), said(75), said(4000)
    ('5 s', '1 min 15 s', '1 h 7 min')
    """
    whole = int(-(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {-(-(whole % 3600) // 60)} min"
