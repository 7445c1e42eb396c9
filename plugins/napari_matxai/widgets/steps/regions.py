"""Step 4: regions, drawn or suggested; mask them and ask again."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSpinBox,
)

from napari_matxai.session.masking import MaskQuestion
from napari_matxai.session.measuring import Measured, Measuring
from napari_matxai.session.regions import known_fills
from napari_matxai.session.resolving import CellsQuestion
from napari_matxai.session.suggesting import Search, SuggestQuestion
from napari_matxai.widgets.masked import MaskedView
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.masking import Masked
    from napari_matxai.session.session import Session
    from napari_matxai.session.suggesting import Suggested
    from napari_matxai.widgets.running import Runner

SEARCHES = (
    ("info bar, scale bar, text ...", Search("artefacts"), "What lies in the image and is not of the specimen."),
    ("top of the map", Search("map_top"), "Where the map in view is highest."),
    ("objects of the map", Search("map_objects"), "Pieces of the map above its threshold (Otsu)."),
    ("bright objects", Search("image_objects"), "Pieces of the image brighter than its threshold (Otsu)."),
    ("dark objects", Search("image_objects", dark=True), "Pieces of the image darker than its threshold (Otsu)."),
)
PAUSE = 150
"""Milliseconds after the last stroke until what is drawn is measured."""


_jobs: set[_Measurer] = set()
"""What is being measured: its Qt side must not go before its thread has ended, whatever becomes of the window."""


class _Measurer(QObject):
    """Measures what is drawn in a thread of Python's own, which a window that goes does not take with it."""

    finished = Signal()

    def __init__(self, what: Measuring) -> None:
        super().__init__()
        self.found = Measured("")
        self._what = what

    def start(self) -> None:
        """Measure from now on."""
        _jobs.add(self)
        threading.Thread(target=self._run, name="matxai: measure regions").start()

    def _run(self) -> None:
        try:
            self.found = self._what.run()
        finally:
            self.finished.emit()


class RegionsStep(Step):
    """Which regions, what stands in their place, and what the model says then."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(4, "Regions", session, runner)
        self._make_drawn()
        self._make_suggestions()
        self._make_masking()
        self.view = MaskedView(session)
        self.add(self.view)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._measure)
        self._job: _Measurer | None = None
        self._listened: Layer | None = None
        self._looked_at: Callable[[], Explained | None] = lambda: None
        viewer = session.presenter.viewer
        self._events = (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.renamed)
        for event in self._events:
            self.listen(event, self.offer)
        self.listen(viewer.layers.selection.events.active, self._follow)
        self.listen(viewer.dims.events.current_step, self._later)
        runner.state_changed.connect(self.refresh)
        self.listen(session.layer_changed, self.refresh)
        self.listen(session.model_changed, self.refresh)
        self.listen(session.explained, self._explained)
        self.listen(session.regions.masked, self._show)
        self.listen(session.regions.suggested, self._suggested)
        self.listen(session.regions.cells_known, self._later)
        self.offer()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _make_drawn(self) -> None:
        self.layer_box = box(
            "The layer whose regions are meant: shapes, labels or points, in whatever scale and units."
        )
        self.draw_button = QPushButton("Draw")
        self.draw_button.setToolTip(
            "Add a layer of shapes with the image's pixel size and units, and draw a rectangle."
        )
        self.which_box = box("Which of the layer's regions are meant.")
        self.which_box.addItem("all regions", False)
        self.which_box.addItem("selected ones", True)
        row = QHBoxLayout()
        row.addWidget(self.layer_box, 1)
        row.addWidget(self.draw_button)
        self.drawn_text = words(name="drawn_text")
        self.add(row, self.drawn_text)
        self.layer_box.currentIndexChanged.connect(self._chosen)
        self.which_box.currentIndexChanged.connect(self._choose)
        self.draw_button.clicked.connect(self.draw)

    def _make_suggestions(self) -> None:
        self.search_box = box("What is looked for; it arrives as labels that you may edit. Nothing is cropped.")
        for number, (name, search, tip) in enumerate(SEARCHES):
            self.search_box.addItem(name, search)
            self.search_box.setItemData(number, tip, 3)  # the tooltip's role
        self.amount_spin = QDoubleSpinBox()
        self.amount_spin.setDecimals(0)
        self.suggest_button = QPushButton("Suggest")
        self.suggest_button.setToolTip("Look for regions; what is found comes as a layer of labels.")
        row = QHBoxLayout()
        row.addWidget(self.search_box, 1)
        row.addWidget(self.amount_spin)
        row.addWidget(self.suggest_button)
        self.found_text = words(name="found_text")
        self.found_text.setVisible(False)
        self.add(row, self.found_text)
        self.search_box.currentIndexChanged.connect(self._searched)
        self.suggest_button.clicked.connect(self.suggest)
        self._searched()

    def _make_masking(self) -> None:
        self.action_box = box("Replace the regions, or replace all the rest and keep the regions.")
        self.action_box.addItem("remove them", "remove")
        self.action_box.addItem("keep only them", "keep")
        self.together_box = box("Several regions: one question about all of them, or one about each.")
        self.together_box.addItem("all at once", True)
        self.together_box.addItem("one by one", False)
        self.fill_button = QPushButton()
        self.fill_button.setObjectName("fills")
        self.fill_menu = QMenu(self.fill_button)
        self.fill_menu.setToolTipsVisible(True)
        self.fill_menu.aboutToShow.connect(self._offer_fills)
        self.fill_button.setMenu(self.fill_menu)
        self.controls_spin = QSpinBox()
        self.controls_spin.setRange(0, 999)
        self.controls_spin.setValue(self.session.regions.choice.controls)
        self.controls_spin.setSuffix(" controls")
        self.controls_spin.setToolTip(
            "How many regions of the same shape, on ground like its own, a region is compared with."
        )
        self.mask_button = QPushButton("Mask and ask again")
        self.mask_button.setObjectName("mask_button")
        grid = QGridLayout()
        grid.addWidget(self.action_box, 0, 0)
        grid.addWidget(self.which_box, 0, 1)
        grid.addWidget(self.together_box, 1, 0)
        grid.addWidget(self.controls_spin, 1, 1)
        grid.addWidget(self.fill_button, 2, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        self.add(grid, self.mask_button)
        for narrow in (self.layer_box, self.which_box, self.search_box, self.action_box, self.together_box):
            narrow.setMinimumContentsLength(7)
        for spin in (self.controls_spin, self.amount_spin):
            spin.setMinimumWidth(80)
        self.fill_button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for choice in (self.action_box, self.together_box):
            choice.currentIndexChanged.connect(self._choose)
        self.controls_spin.valueChanged.connect(self._choose)
        self.mask_button.clicked.connect(self.mask)
        self._say_fills()

    # -- what is there -------------------------------------------------------------------------------------------------

    def offer(self, event: Any = None) -> None:  # noqa: ARG002 - napari passes its event
        """Offer the layers that hold regions now, and keep the choice; a new one is meant at once."""
        found = self.session.presenter.annotations()
        known = [self._layer_at(i) for i in range(self.layer_box.count())]
        fresh = [la for la in found if not any(la is one for one in known)]
        chosen = self.session.regions.layer
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in found:
            self.layer_box.addItem(layer.name, weakref.ref(layer))
        wanted = fresh[-1] if fresh else chosen
        places = [i for i, la in enumerate(found) if la is wanted]
        if found:
            self.layer_box.setCurrentIndex(places[0] if places else len(found) - 1)
        self.layer_box.blockSignals(False)
        self._chosen()

    def _layer_at(self, index: int) -> Layer | None:
        reference = self.layer_box.itemData(index)
        return reference() if reference is not None else None

    def _follow(self, event: Any = None) -> None:  # noqa: ARG002 - napari passes its event
        """Mean the layer that the user has just selected in napari's list."""
        active = self.session.presenter.active
        for index in range(self.layer_box.count()):
            if active is not None and self._layer_at(index) is active:
                self.layer_box.setCurrentIndex(index)

    def _chosen(self) -> None:
        layer = self._layer_at(self.layer_box.currentIndex()) if self.layer_box.count() else None
        self.session.regions.choose_layer(layer)
        self._listen(layer)
        self._measure()
        self.refresh()

    def _listen(self, layer: Layer | None) -> None:
        """Measure what is drawn whenever it changes."""
        for one, connect in ((self._listened, False), (layer, True)):
            for name in ("set_data", "data", "paint", "selected_label", "highlight"):
                event = getattr(one.events, name, None) if one is not None else None
                if event is not None and connect:
                    event.connect(self._later)
                elif event is not None:
                    event.disconnect(self._later)
        self._listened = layer

    def _later(self, event: Any = None) -> None:  # noqa: ARG002 - napari passes its event
        if not self._timer.isActive():
            self._timer.start()

    @property
    def measuring(self) -> bool:
        """Whether what is drawn is about to be measured, or is being."""
        return self._timer.isActive() or self._job is not None

    def _measure(self) -> None:
        """Measure what is drawn, off the main thread: on a large image it takes longer than a frame."""
        if self._job is not None:
            self._later()
            return
        self._job = _Measurer(Measuring(self.session))
        self._job.finished.connect(self._measured)
        self._job.start()

    def _measured(self) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        found = job.found
        _jobs.discard(job)
        self.drawn_text.setText(found.text)
        self.drawn_text.setVisible(bool(found.text))
        explained = self.session.explanation
        if found.too_small and explained is not None and not self.runner.busy and self._looked_at() is not explained:
            self._looked_at = weakref.ref(explained)  # once: a network whose layers cannot be measured stays so
            self.runner.start(CellsQuestion(explained))

    def _explained(self, answer: object) -> None:  # noqa: ARG002 - the session has it
        self._later()
        self.refresh()

    # -- what is asked -------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        regions = self.session.regions
        regions.choice = replace(
            regions.choice,
            selected=bool(self.which_box.currentData()),
            action=str(self.action_box.currentData()),
            together=bool(self.together_box.currentData()),
            controls=self.controls_spin.value(),
        )
        self._later()
        self.refresh()

    def _searched(self) -> None:
        search = self.search_box.currentData()
        share = search.what == "map_top"
        self.amount_spin.setVisible(search.what != "artefacts")
        self.amount_spin.setRange(1, 50 if share else 1_000_000)
        self.amount_spin.setValue(100 * search.share if share else 30)
        self.amount_spin.setSuffix(" %" if share else " px")
        self.amount_spin.setToolTip("Part of the image." if share else "Smaller objects are left out.")

    def _offer_fills(self) -> None:
        """Offer the fills; they are looked up when the list is first opened."""
        if self.fill_menu.actions():
            return
        for name, tip in known_fills().items():
            action = self.fill_menu.addAction(name)
            action.setCheckable(True)
            action.setToolTip(tip)
            action.setChecked(name in self.session.regions.choice.fills)
            action.toggled.connect(self._choose_fills)

    def _choose_fills(self) -> None:
        fills = tuple(a.text() for a in self.fill_menu.actions() if a.isChecked())
        self.session.regions.choice = replace(self.session.regions.choice, fills=fills)
        self._say_fills()
        self.refresh()

    def _say_fills(self) -> None:
        fills = self.session.regions.choice.fills
        first = fills[0] if fills else "none"
        self.fill_button.setText(f"fill: {first}" + (f" and {len(fills) - 1} more" if len(fills) > 1 else ""))
        self.fill_button.setToolTip(
            "What stands where the region was; each is wrong in its own way, so take several. The first is shown.\n"
            f"Now: {', '.join(fills) or 'none'}"
        )

    def refresh(self) -> None:
        """Say whether it can run."""
        why_not = self.session.why_not_masked()
        idle = not self.runner.busy
        there = self.session.layer is not None
        self.say_why_not(why_not)
        self.mask_button.setEnabled(not why_not and idle)
        self.mask_button.setToolTip(why_not or "Replace the regions in the file's own pixels and ask the model again.")
        self.draw_button.setEnabled(there)
        self.suggest_button.setEnabled(there and idle)
        if idle:
            self._later()  # what could not be measured while another question ran

    def draw(self) -> None:
        """Add a layer of shapes on the image, ready for a rectangle."""
        layer = self.session.layer
        if layer is not None:
            self.session.presenter.new_shapes(layer)

    def suggest(self) -> None:
        """Look for regions; the answer arrives later, on the main thread."""
        search: Search = self.search_box.currentData()
        amount = self.amount_spin.value()
        if search.what == "map_top":
            search = replace(search, share=amount / 100, map=self._map_in_view())
        elif search.what != "artefacts":
            search = replace(search, least=int(amount), map=self._map_in_view())
        self.runner.ask(lambda: SuggestQuestion(self.session, search))

    def _map_in_view(self) -> str:
        """The variable of the map that the user looks at."""
        shown = self.session.presenter.map_in_view(self.session.explanation)
        return shown or ""

    def mask(self) -> None:
        """Mask the regions and ask again; the answer arrives later, on the main thread."""
        self.runner.ask(lambda: MaskQuestion(self.session))

    # -- what came of it -----------------------------------------------------------------------------------------------

    def _suggested(self, answer: Suggested) -> None:
        self.found_text.setText(answer.sentence)
        self.found_text.setToolTip(answer.missing)
        self.found_text.setVisible(True)
        self.offer()
        self.reveal(self.layer_box, self.mask_button)

    def _show(self, answer: Masked) -> None:
        self.view.show_answer(answer, self.drawn_text.text())
        self.reveal(self.mask_button, self.view)

    def close_down(self) -> None:
        """Stop listening to the viewer, the layer and the session."""
        self._timer.stop()
        self._job = None
        self._listen(None)
        super().close_down()
        self.view.close_down()
