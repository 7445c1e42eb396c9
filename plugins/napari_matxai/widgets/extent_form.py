"""How much of a stack is explained: the slice in view, a range of slices, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from napari_matxai import versions
from napari_matxai.session.choice import Extent
from napari_matxai.widgets.words import box

if TYPE_CHECKING:
    from napari_matxai.session.session import Session

WORDS = {"slice": "the slice in view", "range": "a range of slices", "stack": "the whole stack"}


class ExtentForm(QWidget):
    """There for stacks alone, where the model takes single images.

    Parameters
    ----------
    session
        Whose layer it is about.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.what_box = box("Each slice is explained by itself; the maps become one layer that lies on the stack.")
        for what, words in WORDS.items():
            self.what_box.addItem(words, what)
        self.first, self.last = QSpinBox(), QSpinBox()
        self.ends = QWidget()
        row = QHBoxLayout(self.ends)
        row.setContentsMargins(0, 0, 0, 0)
        for part in (self.first, QLabel("to"), self.last):
            row.addWidget(part)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.what_box, 1)
        outer.addWidget(self.ends)
        self.what_box.currentIndexChanged.connect(self._chosen)
        self.first.valueChanged.connect(self._chosen)
        self.last.valueChanged.connect(self._chosen)
        self._of = ""
        self.offer()

    def extent(self) -> Extent:
        """Return what is chosen."""
        if not self.stacked():
            return Extent()
        return Extent(self.what_box.currentData(), self.first.value(), self.last.value())

    def stacked(self) -> bool:
        """Return whether the layer is a stack and the model takes single images, as far as is known."""
        layer = self.session.layer
        known = self.session.model or self.session.card
        kind = getattr(known, "kind", None) or (known.input.kind if known is not None else "2d")
        return layer is not None and kind == "2d" and layer.ndim > 2

    def offer(self) -> None:
        """Show it for stacks, with their slices."""
        layer = self.session.layer
        self.setVisible(self.stacked())
        if layer is not None and layer.ndim > 2 and versions.identity(layer) != self._of:
            size = self.session.presenter.shape(layer)[layer.ndim - 3]
            for part, value in ((self.first, 0), (self.last, size - 1)):
                part.blockSignals(True)
                part.setRange(0, size - 1)
                part.setValue(value)
                part.blockSignals(False)
            self._of = versions.identity(layer)
        self.ends.setVisible(self.what_box.currentData() == "range")

    def _chosen(self) -> None:
        self.ends.setVisible(self.what_box.currentData() == "range")
        if self.last.value() < self.first.value():
            self.last.setValue(self.first.value())
        self.changed.emit()
