"""Step 1: the image that is asked about."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_matxai.layers.describing import size_text, slice_text, turn_text
from napari_matxai.layers.key import ours
from napari_matxai.session.calibrating import Calibrating
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

BEGIN = (
    "Open an image first: drop a file on the viewer, or File > Open Sample > matxai. Images, stacks and colour images "
    "of any reader will do."
)
CONFLICT = (
    "No units: {names}. While such a layer is there, napari counts everything in bare numbers, and layers of different "
    "pixel size lie apart. Maps still lie on their image."
)
ODDS = (
    "{sentences} While both are there, napari shows no common unit and counts in bare numbers. Close one of them, or "
    "open it in a window of its own. Maps still lie on their image."
)


class DataStep(Step):
    """Which layer, how large, how it is calibrated, which slice; and layers that upset its units."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(1, "Data", session, runner)
        self.calibrating = Calibrating(session.presenter)
        self.layer_box = box("The image layer to be explained; of a stack, the slice in view.")
        self.text = words(name="data_text")
        self.slice_text = words(name="slice_text")
        self.conflict_text = words(name="conflict_text")
        self.adopt_button = QPushButton("Adopt units")
        self.pixels_button = QPushButton("Count pixels")
        self.pixels_button.setToolTip(
            "Shows every layer in pixels of this image, so that they lie on each other; the calibration comes back "
            "with Undo."
        )
        self.undo_button = QPushButton("Undo")
        self.undo_button.setToolTip("Gives the layers back the pixel size, place and units that they had.")
        buttons = QHBoxLayout()
        for button in (self.adopt_button, self.pixels_button, self.undo_button):
            buttons.addWidget(button)
        self.add(self.layer_box, self.text, self.slice_text, self.conflict_text, buttons)
        self._listen()
        self.offer()

    def _listen(self) -> None:
        viewer = self.session.presenter.viewer
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.renamed):
            self.listen(event, self.offer)
        self.listen(events.units, self.refresh)
        self.heard.until_the_end(self.session.presenter.follow(self._moved))
        self.layer_box.currentIndexChanged.connect(self._chosen)
        self.listen(self.session.layer_changed, self.refresh)
        self.adopt_button.clicked.connect(self.adopt)
        self.pixels_button.clicked.connect(self.count_pixels)
        self.undo_button.clicked.connect(self.undo)

    def offer(self, event: object = None) -> None:
        """Offer the image layers that are there now, and keep the choice; a sample that is opened is chosen."""
        chosen = self.session.layer
        found = self.session.presenter.images()
        new = getattr(event, "value", None)
        if new in found and getattr(event, "type", "") == "inserted" and new.visible and "model" in ours(new):
            chosen = new
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in found:
            self.layer_box.addItem(layer.name, weakref.ref(layer))
        if chosen in found:
            self.layer_box.setCurrentIndex(found.index(chosen))
        elif found:
            self.layer_box.setCurrentIndex(len(found) - 1)
        self.layer_box.blockSignals(False)
        self.layer_box.setVisible(bool(found))
        self._chosen()
        self.refresh()

    def _chosen(self) -> None:
        reference = self.layer_box.currentData()
        self.session.choose_layer(reference() if reference is not None else None)

    # -- what it is ----------------------------------------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        """Say what the layer is."""
        layer = self.session.layer
        self.text.setText(BEGIN if layer is None else self._about(layer))
        self._moved()
        self._say_conflicts(layer)

    def _about(self, layer: Image) -> str:
        presenter = self.session.presenter
        frame = presenter.frame(layer)
        lines = [size_text(frame, presenter.shape(layer)), turn_text(frame)]
        if layer.rgb:
            lines.append("Colour image.")
        if layer.multiscale:
            lines.append(f"{len(layer.data)} levels of detail; the finest is explained.")
        source = ours(layer).get("attrs", {}).get("pixel_size_source")
        lines.append(f"Calibration: {source or 'as napari has it'}")
        return "\n".join(line for line in lines if line)

    def _moved(self) -> None:
        layer, presenter = self.session.layer, self.session.presenter
        text = ""
        if layer is not None:
            text = slice_text(presenter.frame(layer), presenter.shape(layer), presenter.step(layer))
        self.slice_text.setText(text)
        self.slice_text.setVisible(bool(text))

    # -- units ---------------------------------------------------------------------------------------------------------

    def _say_conflicts(self, layer: Image | None) -> None:
        offers = self.calibrating.offers(layer) if layer is not None else []
        possible = [offer for _, offer in offers if offer is not None]
        names = ", ".join(f"'{other.name}'" for other, _ in offers)
        odds = self.calibrating.at_odds()
        lines = [CONFLICT.format(names=names)] if offers else []
        lines += [ODDS.format(sentences=" ".join(odds))] if odds else []
        self.conflict_text.setText("\n".join(lines))
        self.conflict_text.setVisible(bool(lines))
        self.adopt_button.setVisible(bool(offers))
        self.adopt_button.setEnabled(bool(possible))
        self.adopt_button.setToolTip(
            "\n".join(offer.sentence for offer in possible)
            or "These layers have another size than every image with units, so nothing says how large their pixels are."
        )
        self.pixels_button.setVisible(bool(offers))
        self.undo_button.setVisible(self.calibrating.undoable)

    def adopt(self) -> None:
        """Give the layers without units those of the image."""
        layer = self.session.layer
        if layer is not None:
            self._say_done(self.calibrating.adopt(layer))

    def count_pixels(self) -> None:
        """Show every layer in pixels of the image."""
        layer = self.session.layer
        if layer is not None:
            left = self.calibrating.count_pixels(layer)
            done = [f"Every layer is shown in pixels of '{layer.name}'."]
            self._say_done(done + [f"'{name}' cannot follow: it measures something else." for name in left])

    def undo(self) -> None:
        """Take the last change of units back."""
        self.calibrating.undo()
        self.refresh()

    def _say_done(self, sentences: list[str]) -> None:
        self.refresh()
        self.conflict_text.setText("\n".join([*sentences, self.conflict_text.text()]).strip())
        self.conflict_text.setVisible(True)
