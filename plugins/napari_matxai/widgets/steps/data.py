"""Step 1: the image that is asked about."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari_matxai.layers.key import ours
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner


class DataStep(Step):
    """Which layer, how large, how it is calibrated."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(1, "Data", session, runner)
        self.layer_box = box("The image layer to be explained; of a stack, the slice in view.")
        self.text = words(name="data_text")
        self.add(self.layer_box, self.text)
        events = session.presenter.viewer.layers.events
        self._events = (events.inserted, events.removed, events.reordered)
        for event in self._events:
            event.connect(self.offer)
        self.layer_box.currentIndexChanged.connect(self._chosen)
        session.layer_changed.connect(self.refresh)
        self.offer()

    def close_down(self) -> None:
        """Stop listening to the viewer."""
        for event in self._events:
            event.disconnect(self.offer)

    def offer(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        """Offer the image layers that are there now, and keep the choice."""
        chosen = self.session.layer
        found = self.session.presenter.images()
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in found:
            self.layer_box.addItem(layer.name, weakref.ref(layer))
        if chosen in found:
            self.layer_box.setCurrentIndex(found.index(chosen))
        elif found:
            self.layer_box.setCurrentIndex(len(found) - 1)
        self.layer_box.blockSignals(False)
        self._chosen()
        self.refresh()

    def _chosen(self) -> None:
        reference = self.layer_box.currentData()
        self.session.choose_layer(reference() if reference is not None else None)

    def refresh(self) -> None:
        """Say what the layer is."""
        layer = self.session.layer
        if layer is None:
            self.text.setText(self.session.why_not())
            return
        presenter = self.session.presenter
        frame = presenter.frame(layer)
        sizes = " x ".join(str(n) for n in presenter.view(layer).data.shape)
        steps = ", ".join(
            f"{a} {s:.4g} {u}" for a, s, u in zip(frame.axis_labels, frame.scale, frame.units, strict=True)
        )
        source = ours(layer).get("attrs", {}).get("pixel_size_source", "the layer's own transform")
        text = f"{sizes}; pixel {steps}\ncalibration: {source}"
        others = presenter.unit_conflicts()
        if others:
            text += f"\nThese layers carry no units, so napari shows none: {', '.join(others)}"
        self.text.setText(text)
