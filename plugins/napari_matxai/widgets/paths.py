"""A line for a path: typed, chosen in a dialog, or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QMenu, QMessageBox, QToolButton, QWidget

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_matxai.session.models import Models


class _Line(QLineEdit):
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Write the first one's path."""
        local = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if local:
            self.setText(local[0])
            event.acceptProposedAction()


def ask_for_model(parent: QWidget, title: str, weights: str = "") -> str:
    """Ask for a model in a dialog, and return what it is opened by: its folder where a card was chosen, else its file.

    Parameters
    ----------
    parent
        In front of which the dialog opens.
    title
        Of the dialog.
    weights
        Patterns of further files, such as weights without their network.

    Returns
    -------
    str
        Empty where nothing was chosen.
    """
    kinds = " ".join(["matxai.yaml *.matxai *.pt2", *([weights] if weights else [])])
    chosen, _ = QFileDialog.getOpenFileName(parent, title, "", f"Models ({kinds});;All files (*)")
    path = Path(chosen)
    return str(path.parent if path.name == "matxai.yaml" else path) if chosen else ""


def may_run(parent: QWidget, models: Models, source: str) -> bool:
    """Return whether what a model brings of its own may run, asked in a dialog where the preferences say so.

    What is wrong with the model's file or card otherwise is said when it is loaded.
    """
    try:
        code = models.must_ask(source)
    except MatxaiError:
        return True
    if not code:
        return True
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    question = f"{code} would run on this computer, with your rights.\n\nRead it first. Do you trust it?"
    if QMessageBox.question(parent, "Code of a model", question, yes | no, no) != yes:
        return False
    models.trust.allow(code)
    return True


class PathLine(QWidget):
    """A path, with a button that opens a dialog.

    Parameters
    ----------
    placeholder, tip
        Shown while it is empty, and on hovering.
    files
        Filter of the file dialog, such as ``"Expectations (*.yaml)"``; empty where files make no sense.
    folders
        Whether folders may be chosen.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, placeholder: str, tip: str, *, files: str = "", folders: bool = False) -> None:
        super().__init__()
        self._files = files
        self.line = _Line()
        self.line.setPlaceholderText(placeholder)
        self.line.setToolTip(tip)
        self.button = QToolButton()
        self.button.setText("...")
        self.button.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it would cover the dots
        self.button.setToolTip(tip)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        if files and folders:
            menu = QMenu(self.button)
            menu.addAction("A folder...", self._ask_folder)
            menu.addAction("A table...", self._ask_file)
            self.button.setMenu(menu)
            self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        else:
            self.button.clicked.connect(self._ask_file if files else self._ask_folder)
        self.line.textChanged.connect(lambda _: self.changed.emit())

    @property
    def path(self) -> Path | None:
        """The path that is written there; None where nothing is."""
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def set(self, path: Path | str) -> None:
        """Write a path."""
        self.line.setText(str(path))

    def _ask_file(self) -> None:
        found, _ = QFileDialog.getOpenFileName(self, self.line.placeholderText(), str(self.path or ""), self._files)
        if found:
            self.set(found)

    def _ask_folder(self) -> None:
        found = QFileDialog.getExistingDirectory(self, self.line.placeholderText(), str(self.path or ""))
        if found:
            self.set(found)
