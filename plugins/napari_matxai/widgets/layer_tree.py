"""The network's layers as a tree with the shapes of their outputs; those that a map can be read at may be ticked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_matxai.session.looking import LayerRow

NAME = int(Qt.ItemDataRole.UserRole)


class LayerTree(QTreeWidget):
    """Layers by their dotted names. Nothing ticked is the model's default.

    Signals
    -------
    chosen()
        The ticks changed.
    """

    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderLabels(["Layer", "Output"])
        self.setToolTip("Tick one or several; without a tick the default layer is read. For maps of layers alone.")
        self.setMaximumHeight(170)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.itemChanged.connect(lambda *_: self.chosen.emit())

    def show_layers(self, rows: Sequence[LayerRow], defaults: Sequence[str], ticked: Sequence[str]) -> None:
        """Show these, mark the default ones, and tick what was chosen before."""
        self.blockSignals(True)
        self.clear()
        made: dict[str, QTreeWidgetItem] = {}
        for row in sorted(rows, key=lambda r: r.name.count(".")):
            self._place(row.name, made)
        for row in rows:
            item = made[row.name]
            text = " x ".join(map(str, row.shape))
            default = row.name in defaults
            item.setText(1, text + ("  default" if default else ""))
            item.setData(0, NAME, row.name)
            item.setToolTip(0, f"{row.name}: {row.type}, output {text}")
            if not row.spatial:
                item.setToolTip(0, f"{row.name}: {row.type}, output {text}. It has no places, so no map of it.")
                continue
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(0, Qt.CheckState.Checked if row.name in ticked else Qt.CheckState.Unchecked)
            if default:
                font = item.font(0)
                font.setBold(True)
                item.setFont(0, font)
        for name in (*defaults, *ticked):
            item = made.get(name)
            while item is not None and item.parent() is not None:
                item = item.parent()
                item.setExpanded(True)
        self.blockSignals(False)

    def layers(self) -> tuple[str, ...]:
        """Return the names of the layers that are ticked, in the network's order."""
        return tuple(
            str(i.data(0, NAME)) for i in self._items() if i.checkState(0) == Qt.CheckState.Checked and i.data(0, NAME)
        )

    def tick(self, *names: str) -> None:
        """Tick these and no others."""
        for item in self._items():
            if item.flags() & Qt.ItemFlag.ItemIsUserCheckable and item.data(0, NAME):
                wanted = Qt.CheckState.Checked if item.data(0, NAME) in names else Qt.CheckState.Unchecked
                if item.checkState(0) != wanted:
                    item.setCheckState(0, wanted)

    def _place(self, name: str, made: dict[str, QTreeWidgetItem]) -> QTreeWidgetItem:
        if name in made:
            return made[name]
        above, _, last = name.rpartition(".")
        item = QTreeWidgetItem([last, ""])
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsUserCheckable)
        made[name] = item
        if above:
            self._place(above, made).addChild(item)
        else:
            self.addTopLevelItem(item)
        return item

    def _items(self) -> Iterator[QTreeWidgetItem]:
        def below(item: QTreeWidgetItem) -> Iterator[QTreeWidgetItem]:
            yield item
            for i in range(item.childCount()):
                yield from below(item.child(i))

        for i in range(self.topLevelItemCount()):
            found = self.topLevelItem(i)
            if found is not None:
                yield from below(found)
