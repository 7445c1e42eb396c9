"""The Spectra dock: a plot, pages beside it, and the viewer's layers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from matxai.errors import MatxaiError
from napari_matxai import versions
from napari_matxai.session.curves.cursor import readout
from napari_matxai.session.curves.drawn import along, drawn
from napari_matxai.session.curves.lines import lines_for, marks_of, sticks_of
from napari_matxai.session.sessions import session_of
from napari_matxai.session.shelf import shelf
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.progress import ProgressLine
from napari_matxai.widgets.running import Runner
from napari_matxai.widgets.spectra.exporting import ExportButton
from napari_matxai.widgets.spectra.key import ColourKey
from napari_matxai.widgets.spectra.linking import ViewerLink
from napari_matxai.widgets.spectra.page import button
from napari_matxai.widgets.spectra.page_explain import ExplainPage
from napari_matxai.widgets.spectra.page_lines import LinesPage
from napari_matxai.widgets.spectra.page_spectra import SpectraPage
from napari_matxai.widgets.spectra.page_zones import ZonesPage
from napari_matxai.widgets.spectra.plot import CurvePlot
from napari_matxai.widgets.spectra.theme import theme_of

if TYPE_CHECKING:
    import napari

    from napari_matxai.session.curves.drawn import Drawn
    from napari_matxai.session.curves.lines import Mark, Sticks
    from napari_matxai.session.curves.spectrum import Spectrum

NAME, TALL = "Spectra (matxai)", 420
"""What napari calls the dock, and how high it is at first."""
LOW, NARROW = 420, 560
"""Pixels below which plot and pages have no room above each other, or beside each other."""
EMPTY = "Drop a spectrum on the viewer, or click into a spectrum image."


class SpectraDock(QWidget):
    """The dock that asks what decided in spectra.

    Parameters
    ----------
    viewer
        napari's viewer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.session = session_of(viewer)
        self.curves = self.session.curves
        self.viewer = self.session.presenter.viewer
        self.runner = Runner(self.session, self)
        self.theme = theme_of(self.viewer)
        self.drawn: Drawn | None = None
        self._shape = (True, False)
        self._docked = False
        self._has_place = versions.has_place(NAME)
        self._links: tuple[tuple[Any, Any], ...] = ()
        self.sticks: tuple[Sticks, ...] = ()
        self.plot = CurvePlot(self.theme)
        self.key = ColourKey(self.theme)
        self.title = QLabel(EMPTY)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.readout = QLabel("")
        self.readout.setObjectName("spectra_readout")
        self.readout.setWordWrap(True)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.readout.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.pages = QTabWidget()
        self.pages.setDocumentMode(True)
        self.spectra = SpectraPage(self.session, self.runner)
        self.explain = ExplainPage(self.session, self.runner)
        self.zones = ZonesPage(self.session, self.runner)
        self.lines = LinesPage(self.session, self.runner)
        for name, page in self._pages():
            self.pages.addTab(page, name)
        self.pages.setMinimumWidth(236)
        self.run_button = button("Explain", "Ask what decided in the marked spectrum.", self.explain.explain)
        self.options = QPushButton("Options")
        self.options.setCheckable(True)
        self.options.setChecked(True)
        self.options.setToolTip("Show or hide the pages beside the plot.")
        self.export = ExportButton(self)
        self._lay_out()
        self._listen()
        self.take()
        self.refresh()

    def _pages(self) -> list[tuple[str, Any]]:
        return [("Spectra", self.spectra), ("Explain", self.explain), ("Zones", self.zones), ("Lines", self.lines)]

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 0)
        head.addWidget(self.title, 1)
        head.addWidget(self.run_button)
        head.addWidget(self.export)
        head.addWidget(self.options)
        frame = QScrollArea()
        frame.setWidget(self.plot)
        frame.setWidgetResizable(True)
        frame.setFrameShape(QFrame.Shape.NoFrame)
        frame.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.graph = QWidget()
        column = QVBoxLayout(self.graph)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.key)
        column.addWidget(frame, 1)
        column.addWidget(self.readout)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.graph)
        self.splitter.addWidget(self.pages)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setChildrenCollapsible(False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        outer.addLayout(head)
        outer.addWidget(self.splitter, 1)
        outer.addWidget(ProgressLine(self.runner))
        self.plot.setMinimumWidth(160)
        frame.setMinimumHeight(120)
        self.readout.setContentsMargins(6, 0, 6, 2)

    def _listen(self) -> None:
        curves = self.curves
        self._links = (
            (curves.opened, self.refresh_pages),
            (curves.chosen_changed, self._chosen),
            (curves.answered, self._answered),
            (curves.look_changed, self._looked),
            (curves.intervals_changed, self._intervals),
            (curves.asking_changed, self.refresh_pages),
            (curves.refused, tell),
            (shelf.arrived, self.take),
        )
        for signal, slot in self._links:
            signal.connect(slot)
        self.viewer.events.theme.connect(self._themed)
        self.link = ViewerLink(self)
        self.runner.state_changed.connect(self.refresh_pages)
        self.options.toggled.connect(self._share)
        self.plot.cursor_moved.connect(self._point)
        self.plot.regions_changed.connect(self._moved)

    # -- what comes ----------------------------------------------------------------------------------------------------

    def take(self, _: object = None) -> None:
        """Open what the reader put on the shelf for this viewer."""
        for arrival in shelf.take(self.viewer):
            try:
                self.curves.take(arrival)
            except MatxaiError as error:
                tell(str(error))

    def _chosen(self) -> None:
        self.explain.suit()
        self.refresh()
        self.link.mark()
        self.link.follow()

    def _answered(self, spectrum: Spectrum) -> None:
        if spectrum is self.curves.chosen or spectrum in self.curves.others:
            self.redraw()
        self.refresh_pages()

    def _looked(self) -> None:
        self.redraw()
        self.refresh_pages()

    def _intervals(self, spectrum: Spectrum) -> None:
        if spectrum is self.curves.chosen:
            self._draw_zones()
            self.zones.refresh()

    def _themed(self, _: object = None) -> None:
        self.theme = theme_of(self.viewer)
        self.plot.set_theme(self.theme)
        self.key.set(self.drawn, self.theme)
        self.zones.refresh()

    # -- what is shown -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the chosen spectrum and show the state on every page."""
        self.redraw(keep_view=False)
        self.refresh_pages()

    def refresh_pages(self) -> None:
        """Show the state on every page."""
        for _, page in self._pages():
            page.refresh()
        why_not = self.curves.why_not()
        self.run_button.setEnabled(not why_not and not self.runner.busy)
        self.run_button.setToolTip(why_not or "Ask what decided in the marked spectrum.")
        self.export.setEnabled(self.drawn is not None)

    def redraw(self, *, keep_view: bool = True) -> None:
        """Draw the chosen spectrum and those beside it as the look says."""
        chosen, look = self.curves.chosen, self.curves.look
        before = self.drawn
        try:
            self.drawn = None if chosen is None else drawn(chosen, self.curves.others, look)
        except MatxaiError as error:
            tell(str(error))
            if look.axis is not None:  # as measured, it can be drawn
                self.curves.draw(axis=None)
            elif look.intensity != "linear":
                self.curves.draw(intensity="linear")
            return
        self.plot.intensity.set_scale("linear" if look.normalised or _is_loop(self.drawn) else look.intensity)
        self.plot.set_spectrum(self.drawn, keep_view=keep_view and _same_ground(before, self.drawn))
        self.key.set(self.drawn, self.theme)
        self._draw_lines()
        self._draw_zones()
        self.title.setText(EMPTY if chosen is None else chosen.name)
        self.title.setToolTip(EMPTY if chosen is None else chosen.path or chosen.name)
        self.readout.setText(self.drawn.note if self.drawn is not None else "")

    def _draw_lines(self) -> None:
        chosen = self.curves.chosen
        if chosen is None or self.drawn is None:
            self.sticks = ()
            return
        table = chosen.explained.table if chosen.explained is not None else None
        sticks: list[Sticks] = []
        for name in self.curves.references:
            try:
                sticks.append(sticks_of(lines_for(name, chosen), self.drawn.along, table))
            except MatxaiError as error:
                self.readout.setText(str(error))  # of another axis: it is no line of this spectrum
        self.sticks = tuple(s for s in sticks if np.isfinite(s.places).any())
        marks: tuple[Mark, ...] = ()
        if table is not None:
            marks = marks_of(table, self.drawn.along, along(chosen))
        self.plot.set_lines(self.sticks, marks)

    def _draw_zones(self) -> None:
        chosen = self.curves.chosen
        if chosen is None or self.drawn is None or self.drawn.loop is not None:
            self.plot.set_regions(())
            return
        self.plot.set_regions([(*self._shown(i.low, i.high), i.name, i.chosen) for i in chosen.intervals])

    def _shown(self, low: float, high: float) -> tuple[float, float]:
        """Return where a stretch of the measured axis lies on the one that is drawn."""
        assert self.drawn is not None  # noqa: S101
        assert self.curves.chosen is not None  # noqa: S101
        measured = along(self.curves.chosen).places
        ends = np.interp([low, high], measured, self.drawn.along.places)
        return float(ends.min()), float(ends.max())

    def _measured(self, low: float, high: float) -> tuple[float, float]:
        """Return what of the measured axis a stretch of the drawn one is."""
        assert self.drawn is not None  # noqa: S101
        assert self.curves.chosen is not None  # noqa: S101
        measured, there = along(self.curves.chosen).places, self.drawn.along.places
        order = np.argsort(there)
        ends = np.interp([low, high], there[order], measured[order])
        return float(ends.min()), float(ends.max())

    # -- the hand ------------------------------------------------------------------------------------------------------

    def _moved(self, regions: list[tuple[float, float]]) -> None:
        from dataclasses import replace

        chosen = self.curves.chosen
        if chosen is None or len(regions) != len(chosen.intervals):
            return
        moved = []
        for one, (low, high) in zip(chosen.intervals, regions, strict=True):
            was = self._shown(one.low, one.high)
            same = np.allclose(was, (low, high), rtol=1e-9, atol=0)
            ends = (one.low, one.high) if same else self._measured(low, high)
            moved.append(one if same else replace(one, low=ends[0], high=ends[1], name="", kind="interval"))
        self.curves.cut(chosen, tuple(moved))

    def _point(self, place: float, height: float) -> None:
        if self.drawn is None or self.curves.chosen is None:
            return
        self.readout.setText(readout(self.curves.chosen, self.drawn, self.sticks, place, height))
        self.readout.setToolTip(self.readout.text())
        if self.drawn.loop is None:
            self.zones.view = self._measured(*self.plot.main.vb.viewRange()[0])

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Put the pages beside the plot where it is wide, and below it where it is high; where it is neither, in turn.

        The pages then take the place of the plot for as long as *Options* is down.
        """
        low = self.height() < LOW
        small = low and self.width() < NARROW
        wide = low or self.width() > 1.1 * self.height()
        if (wide, small) != self._shape:
            self._shape = (wide, small)
            self.splitter.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)
            whole = self.width() if wide else self.height() - 60
            pages = min(270, whole // 2) if wide else int(0.42 * whole)
            self.splitter.setSizes([whole - pages, pages])
            self.options.setChecked(not small)
            self._share()
        lines = 2 if self.width() < NARROW else 1
        self.readout.setFixedHeight(lines * self.readout.fontMetrics().lineSpacing() + 10)
        super().resizeEvent(event)

    def _share(self, *_: object) -> None:
        """Show plot and pages, or one of them."""
        self.pages.setVisible(self.options.isChecked())
        self.graph.setVisible(not (self._shape[1] and self.options.isChecked()))

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Let go of everything before the window goes."""
        self.close_down()
        super().closeEvent(event)

    def event(self, event: Any) -> bool:
        """Let go of everything when napari takes the dock away: it then has no parent any more, and is not closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None and not self._docked:
                self._docked = True
                QTimer.singleShot(0, self._place)  # a plot along an axis wants to be wide
            elif self.parent() is None and self._docked and self._links:
                self.close_down()
                self.deleteLater()  # by Qt, in its own order: Python's would free the scene before its items
        return bool(super().event(event))

    def _place(self) -> None:
        if self._links and not self._has_place:
            versions.place_below(self, TALL)

    def close_down(self) -> None:
        """Stop what is under way and let go of the session, the shelf and the viewer."""
        self.runner.wait()
        for signal, slot in self._links:
            signal.disconnect(slot)
        if self._links:
            self.viewer.events.theme.disconnect(self._themed)
            self.link.end()
        self._links = ()


def _is_loop(shown: Drawn | None) -> bool:
    return shown is not None and shown.loop is not None


def _same_ground(before: Drawn | None, now: Drawn | None) -> bool:
    """Whether what was in view is a place on what is drawn now."""
    if before is None or now is None or _is_loop(before) != _is_loop(now):
        return False
    one, other = before.along, now.along
    same = (one.name, one.unit, one.places.shape) == (other.name, other.unit, other.places.shape)
    heights = [np.concatenate([la.heights for la in d.lanes]) for d in (before, now)]
    ends = [(float(np.nanmin(h)), float(np.nanmax(h))) for h in heights]
    return same and bool(np.array_equal(one.places, other.places)) and np.allclose(ends[0], ends[1])
