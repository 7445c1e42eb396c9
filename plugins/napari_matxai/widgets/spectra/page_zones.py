"""Zones: drawn, suggested, masked; what the model says then, and the table of zones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QListWidget, QListWidgetItem, QTableWidget, QTableWidgetItem

from matxai.errors import MatxaiError
from napari_matxai import versions
from napari_matxai.session.curves.again import AskAgain, AskZones, fills_for_curves
from napari_matxai.session.curves.intervals import Interval, places_of, suggested
from napari_matxai.widgets.classes import ClassTable, Row
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.spectra.page import Page, button, row
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from matxai.checks.zones import Zone
    from napari_matxai.session.curves.again import Row as Changed
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

ALL_FILLS = "all usual fills"


class ZonesPage(Page):
    """The zones of the marked spectrum."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(session, runner)
        self.add_button = button("Add zone", "Put a zone in the middle of the view; drag it or its ends.", self.draw)
        self.suggest_button = button("Suggest", "Zones by peaks, by the parts of an edge.", self.suggest)
        self.clear_button = button("Clear", "Take all zones away.", self.clear)
        self.list = QListWidget()
        self.list.setToolTip("Ticked zones are masked together, and can be dragged.")
        self.list.setMaximumHeight(104)
        self.fill_box = box("What stands in the place of the zones.")
        self.fill_box.addItem(ALL_FILLS, None)
        self.again_button = button(
            "Mask and ask again", "Replace the ticked zones, and ask the model what it says now.", self.ask_again
        )
        self.changes = ClassTable()
        self.said = words(name="again_said")
        self.zones_button = button(
            "Table of zones", "Shares with errors, what removing each does, which line it is.", self.ask_zones
        )
        self.zones = _table("zone", "share", "±", "removal", "line")
        self.notes = words(name="zone_notes")
        self.add(
            row(self.add_button, self.suggest_button, self.clear_button), self.list, self.fill_box, self.again_button,
            self.changes, self.said, self.zones_button, self.zones, self.notes,
        )  # fmt: skip
        self.column.addStretch(1)
        self.view: tuple[float, float] | None = None
        self.list.itemChanged.connect(self._ticked)
        self.fill_box.activated.connect(lambda *_: self.curves.ask(fill=self.fill_box.currentData()))
        self.refresh()

    def offer(self) -> None:
        """Offer the fills."""
        if self.fill_box.count() == 1:
            for name in fills_for_curves():
                self.fill_box.addItem(name.replace("_", " "), name)

    # -- zones ---------------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Put a zone of a tenth of the view into its middle."""
        spectrum = self.curves.chosen
        if spectrum is None:
            return
        places = places_of(spectrum)
        low, high = self.view or (float(places.min()), float(places.max()))
        low, high = max(low, float(places.min())), min(high, float(places.max()))
        middle, half = (low + high) / 2, (high - low) / 20
        self.curves.cut(spectrum, (*spectrum.intervals, Interval(middle - half, middle + half)))

    def suggest(self) -> None:
        """Let the library cut the spectrum into zones; those that were drawn stay."""
        spectrum = self.curves.chosen
        if spectrum is None:
            return
        try:
            found = suggested(spectrum)
        except MatxaiError as error:
            tell(str(error))
            return
        drawn = tuple(i for i in spectrum.intervals if i.kind == "interval")
        self.curves.cut(spectrum, (*drawn, *found))

    def clear(self) -> None:
        """Take all zones away."""
        if self.curves.chosen is not None:
            self.curves.cut(self.curves.chosen, ())

    def _ticked(self, item: QListWidgetItem) -> None:
        spectrum = self.curves.chosen
        if spectrum is None:
            return
        on = item.checkState() == Qt.CheckState.Checked
        number = self.list.row(item)
        changed = [replace(i, chosen=on) if n == number else i for n, i in enumerate(spectrum.intervals)]
        self.curves.cut(spectrum, tuple(changed))

    # -- questions -----------------------------------------------------------------------------------------------------

    def ask_again(self) -> None:
        """Ask without the ticked zones."""
        self.runner.ask(lambda: AskAgain(self.session), instead=True)

    def ask_zones(self) -> None:
        """Ask for the table of zones."""
        self.runner.ask(lambda: AskZones(self.session), instead=True)

    # -- what is there -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """List zones, changes and the table."""
        spectrum, curves = self.curves.chosen, self.curves
        self.list.blockSignals(True)
        self.list.clear()
        for one in spectrum.intervals if spectrum is not None else ():
            item = QListWidgetItem(f"{one.name or 'drawn'}   {one.low:.5g} – {one.high:.5g}")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if one.chosen else Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self.list.blockSignals(False)
        why_not = curves.why_not()
        ticked = spectrum is not None and any(i.chosen for i in spectrum.intervals)
        self.again_button.setEnabled(not why_not and ticked and not self.runner.busy)
        self.again_button.setToolTip(
            why_not or ("" if ticked else "Add a zone, or tick one.") or "Ask what the model says without these zones."
        )
        explained = spectrum is not None and spectrum.explained is not None
        self.zones_button.setEnabled(not why_not and explained and not self.runner.busy)
        for one in (self.add_button, self.suggest_button):
            one.setEnabled(spectrum is not None)
        self.clear_button.setEnabled(spectrum is not None and bool(spectrum.intervals))
        self._show_changes()
        self._show_zones()

    def _show_changes(self) -> None:
        again = None if self.curves.chosen is None else self.curves.chosen.again
        self.changes.setVisible(again is not None)
        self.said.setText("" if again is None else again.change.sentence)
        if again is None:
            return
        dark = versions.is_dark(self.session.presenter.viewer)
        self.changes.fill([_class_row(r) for r in again.rows], dark=dark)

    def _show_zones(self) -> None:
        explained = None if self.curves.chosen is None else self.curves.chosen.explained
        table = None if explained is None else explained.table
        self.zones.setVisible(table is not None)
        self.notes.setText("" if explained is None else explained.note if table is None else "\n".join(table.notes))
        if table is None:
            return
        ordered = sorted(table.zones, key=lambda z: -_share(z)[0])
        _fill(self.zones, [_row(z) for z in ordered if z.kind != "background"])


def _class_row(changed: Changed) -> Row:
    percent = np.isfinite([changed.probability_before, changed.probability_after]).all()
    return Row(
        changed.name,
        changed.probability_before if percent else changed.before,
        changed.probability_after if percent else changed.after,
        changed.after - changed.before,
        bool(percent),
        f"score {changed.before:.2f} before, {changed.low:.2f} to {changed.high:.2f} after, over the fills",
    )


def _share(zone: Zone) -> tuple[float, float | None]:
    """The share of positive relevance, mean over the methods, and its spread; -1 where there is none."""
    own = [s for s in zone.shares if s.method == "all methods"]
    known = [s.positive for s in own if s.positive is not None]
    errors = [s.positive_error for s in own if s.positive_error is not None]
    error = float(np.hypot.reduce(errors)) if errors else None
    return (float(sum(known)) if known else -1.0), error


def _row(zone: Zone) -> tuple[str, ...]:
    share, error = _share(zone)
    removal = "" if zone.removal is None else f"{zone.removal.effect:+.2f}"
    return (
        zone.name,
        "" if share < 0 else f"{100 * share:.0f} %",
        "" if error is None else f"{100 * error:.0f}",
        removal,
        zone.assignment,
    )


def _table(*headings: str) -> QTableWidget:
    table = QTableWidget(0, len(headings))
    table.setHorizontalHeaderLabels(list(headings))
    table.verticalHeader().setVisible(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setStretchLastSection(True)
    table.setMinimumHeight(110)
    return table


def _fill(table: QTableWidget, rows: list[tuple[str, ...]]) -> None:
    table.setRowCount(len(rows))
    for i, cells in enumerate(rows):
        for j, text in enumerate(cells):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            if j and j < len(cells) - 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            table.setItem(i, j, item)
