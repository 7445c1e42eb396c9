"""Every class before and after, as a table: which rose, which fell, coloured by sign and readable in both themes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    from collections.abc import Sequence

UP, DOWN = {True: "#6cb6ff", False: "#0b5cad"}, {True: "#ff9e64", False: "#b3410f"}
"""Blue for what rose and orange for what fell, on dark ground and on light."""
ROWS = 6


LEAST = 0.005
"""Smaller changes of a score are none: two decimals are shown."""


@dataclass(frozen=True)
class Row:
    """One class.

    Parameters
    ----------
    name
        Of the class.
    before, after
        Its probability, or where there is none its score; the mean over the fills.
    score_change
        After minus before, in the model's own scores.
    percent
        Whether ``before`` and ``after`` are probabilities.
    tip
        More to know.
    """

    name: str
    before: float
    after: float
    score_change: float
    percent: bool
    tip: str


class _Number(QTableWidgetItem):
    """A number that is sorted as a number."""

    def __init__(self, value: float, text: str) -> None:
        super().__init__(text)
        self.value = value
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        """Compare values; what is no number comes first."""
        return self.value < getattr(other, "value", float("-inf"))


class ClassTable(QTableWidget):
    """Class, before, after, and by how much its score changed; sorted by a click on a heading."""

    def __init__(self) -> None:
        super().__init__(0, 4)
        self.setObjectName("class_changes")
        self.setHorizontalHeaderLabels(["class", "before", "after", "score"])
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        header = self.horizontalHeader()
        self.horizontalHeaderItem(3).setToolTip("By how much the class's score (logit) changed; mean over the fills.")
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)

    def fill(self, rows: Sequence[Row], *, dark: bool) -> None:
        """Show classes, the one on top before first.

        Parameters
        ----------
        rows
            One for each class.
        dark
            Whether the ground is dark.
        """
        self.setSortingEnabled(False)
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            items: list[Any] = [QTableWidgetItem(row.name)]
            items += [_Number(value, f"{100 * value:.1f} %" if row.percent else f"{value:.2f}")
                      for value in (row.before, row.after)]  # fmt: skip
            moved = abs(row.score_change) >= LEAST
            items.append(_Number(row.score_change, f"{row.score_change:+.2f}" if moved else "0.00"))
            if moved:
                items[3].setForeground(QBrush(QColor((UP if row.score_change > 0 else DOWN)[dark])))
            for column, item in enumerate(items):
                item.setToolTip(row.tip)
                self.setItem(number, column, item)
        self.setSortingEnabled(True)
        self.sortItems(1, Qt.SortOrder.DescendingOrder)
        self.resizeRowsToContents()
        shown = min(len(rows), ROWS)
        height = self.horizontalHeader().sizeHint().height() + sum(self.rowHeight(i) for i in range(shown)) + 6
        self.setFixedHeight(height)
