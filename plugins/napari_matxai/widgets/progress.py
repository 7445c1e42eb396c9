"""What is being computed, how far it is, how long it will take, and the button that stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

if TYPE_CHECKING:
    from napari_matxai.widgets.running import Runner


class ProgressLine(QWidget):
    """A bar and *Cancel*; there only while something runs."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.bar = QProgressBar()
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the engine and free its memory; nothing on the viewer changes.")
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 2, 6, 6)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        self._started = 0.0
        self.cancel_button.clicked.connect(runner.cancel)
        runner.state_changed.connect(self._state)
        runner.progressed.connect(self._progress)
        self._state()

    def _state(self) -> None:
        if self.runner.busy and not self.isVisible():
            self._started = time.monotonic()
            self.bar.setRange(0, 0)
            self.bar.setFormat(self.runner.title)
        self.setVisible(self.runner.busy)

    def _progress(self, done: int, total: int, label: str) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        left = (time.monotonic() - self._started) * (total - done) / done if done else None
        self.bar.setFormat(f"{label} %p%" + ("" if left is None else f", {left:.0f} s left"))
