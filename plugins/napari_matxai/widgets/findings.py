"""The findings of a check as a table: sorted by a click on a head, copied as text for a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QAction, QKeySequence, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView

from napari_matxai.session.outcome import plain
from napari_matxai.widgets.light import label_of, sign_icon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.session.outcome import Row

HEADS = {
    "Asked about": "What was found or expected.",
    "Answer": "The answer; the sentence below the table says it in words.",
    "Effect": "How large it is; what it measures stands in the report.",
    "Interval": "Where the effect lies for other images of this kind, with 95 % confidence.",
    "p": "How often chance alone would give as much; corrected for everything that was asked.",
    "n": "How many images were judged.",
}
VALUE = Qt.ItemDataRole.UserRole
NOTHING = float("inf")
LINES = 6
"""So many are in view; the others are scrolled to."""


class _Sorted(QSortFilterProxyModel):
    """Numbers by their value, what is not known last."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Compare two cells."""
        return bool(left.data(VALUE) < right.data(VALUE))


class FindingsTable(QTableView):
    """A line for each finding.

    Signals
    -------
    chosen(number)
        The number of the finding whose line was chosen, -1 for none.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self._model = QStandardItemModel(0, len(HEADS), self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self._model)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.verticalHeader().setVisible(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        copy = QAction("Copy the table", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen.emit(self.number()))

    def fill(self, rows: Sequence[Row]) -> None:
        """Show these findings, in this order."""
        self.rows = tuple(rows)
        self._model.clear()
        self._model.setHorizontalHeaderLabels(list(HEADS))
        for column, tip in enumerate(HEADS.values()):
            self._model.setHeaderData(column, Qt.Orientation.Horizontal, tip, Qt.ItemDataRole.ToolTipRole)
        for number, row in enumerate(self.rows):
            self._model.appendRow(self._cells(row, number))
        for column in range(len(HEADS)):  # what these data cannot give takes no room
            cells = [self._model.item(line, column) for line in range(self._model.rowCount())]
            self.setColumnHidden(column, bool(cells) and not any(cell.text() for cell in cells))
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        lines = self.verticalHeader().defaultSectionSize() * min(len(self.rows), LINES)
        around = self.horizontalHeader().sizeHint().height() + self.horizontalScrollBar().sizeHint().height() + 4
        self.setFixedHeight(lines + around)
        if self.rows:
            self.selectRow(0)

    def _cells(self, row: Row, number: int) -> list[QStandardItem]:
        interval = "" if row.low is None or row.high is None else f"{plain(row.low)} to {plain(row.high)}"
        shown = (
            (row.name, row.name),
            (label_of(row.answer), row.answer),
            (plain(row.effect), NOTHING if row.effect is None else row.effect),
            (interval, NOTHING if row.low is None else row.low),
            (plain(row.p), NOTHING if row.p is None else row.p),
            (str(row.n), row.n),
        )
        cells = []
        for text, value in shown:
            cell = QStandardItem(text)
            cell.setData(value, VALUE)
            cell.setToolTip(row.sentence)
            cell.setData(number, VALUE + 1)
            cells.append(cell)
        cells[1].setIcon(sign_icon(row.answer, self.fontMetrics().height()))
        return cells

    def number(self) -> int:
        """Return the number of the chosen finding, -1 where none is chosen."""
        chosen = self.selectionModel().selectedRows()
        return int(chosen[0].data(VALUE + 1)) if chosen else -1

    def as_text(self) -> str:
        """Return the table as it is sorted, with the sentences, columns parted by tabs."""
        lines = ["\t".join([*HEADS, "Sentence"])]
        for line in range(self._sorted.rowCount()):
            cells = [str(self._sorted.index(line, column).data() or "") for column in range(len(HEADS))]
            number = int(self._sorted.index(line, 0).data(VALUE + 1))
            lines.append("\t".join([*cells, self.rows[number].sentence]))
        return "\n".join(lines)

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.as_text())
