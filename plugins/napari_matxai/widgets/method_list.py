"""The methods to tick, in groups, each with its own help; those that do not apply to the model are greyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_matxai.session.explaining import known_methods
from napari_matxai.session.method_groups import GROUPS, applies, groups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matxai.modelcard import Card, Model


class MethodList(QListWidget):
    """Methods by what they do: maps of layers, maps of pixels, and those that try changed copies."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Several methods share their passes through the network.")
        help_ = known_methods()
        for title, names in groups().items():
            header = QListWidgetItem(title)
            header.setFlags(Qt.ItemFlag.ItemIsEnabled)
            font = header.font()
            font.setBold(True)
            header.setFont(font)
            header.setToolTip(GROUPS[title])
            self.addItem(header)
            for name in names:
                item = QListWidgetItem(name)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Unchecked)
                item.setToolTip(help_[name])
                self.addItem(item)
        self._names = frozenset(help_)
        self.setMaximumHeight(150)

    def chosen(self) -> tuple[str, ...]:
        """Return the methods that are ticked and apply."""
        return tuple(
            i.text()
            for i in self._methods()
            if i.checkState() == Qt.CheckState.Checked and i.flags() & Qt.ItemFlag.ItemIsEnabled
        )

    def choose(self, names: Iterable[str]) -> None:
        """Tick these and no others."""
        wanted = set(names)
        self.blockSignals(True)
        for item in self._methods():
            item.setCheckState(Qt.CheckState.Checked if item.text() in wanted else Qt.CheckState.Unchecked)
        self.blockSignals(False)

    def suit(self, model: Card | Model | None) -> None:
        """Grey the methods that a model does not allow, and say why."""
        help_ = known_methods()
        self.blockSignals(True)
        for item in self._methods():
            why_not = applies(item.text(), model) if model is not None else ""
            flags = item.flags()
            item.setFlags(flags & ~Qt.ItemFlag.ItemIsEnabled if why_not else flags | Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(f"{why_not}<br>{help_[item.text()]}" if why_not else help_[item.text()])
        self.blockSignals(False)

    def _methods(self) -> list[QListWidgetItem]:
        items = [self.item(i) for i in range(self.count())]
        return [i for i in items if i is not None and i.text() in self._names]
