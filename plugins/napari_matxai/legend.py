"""What the sliders of a map show, said on the canvas: which layer of the network, which class."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari_matxai import versions
from napari_matxai.layers.key import ours
from napari_matxai.layers.limits import next_limits
from napari_matxai.layers.maps import DEPTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_matxai.presenter import Presenter

WORDS = {DEPTH: "layer of the network", "class": "class", "c": "channel"}


class Legend:
    """Follows the sliders and the selection of a viewer.

    Maps of different layers of a network have no common scale: while the contrast limits are ours, each layer is shown
    in its own, and the colour bar says so.

    Parameters
    ----------
    presenter
        Knows the viewer's layers.
    """

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = weakref.ref(presenter)  # it holds this: a circle would outlive the dock
        self._viewer = viewer = presenter.viewer
        self._said = ""
        viewer.dims.events.current_step.connect(self.refresh)
        viewer.layers.events.removed.connect(self.refresh)
        viewer.layers.selection.events.active.connect(self.refresh)

    def watch(self, layer: Layer) -> None:
        """Follow whether a map is shown."""
        layer.events.visible.connect(self.refresh)

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        """Say what is shown now, and give each map the limits of what is shown of it."""
        presenter = self._presenter()
        if presenter is None:
            return
        maps = [la for la in presenter.layers() if ours(la).get("axes") and "limits" in ours(la)]
        for layer in maps:
            self._limit(layer)
        shown = [la for la in maps if la.visible]
        active = presenter.active
        layer = active if active in shown else (shown[-1] if shown else None)
        text = self._text(layer) if layer is not None else ""
        if text != self._said and versions.say_on_canvas(self._viewer, text, self._said):
            self._said = text

    def at(self, layer: Any) -> dict[str, int]:
        """Return the step that is shown along each axis of a map that counts."""
        axes: dict[str, Sequence[str]] = ours(layer)["axes"]
        point = self._viewer.dims.point[-layer.ndim :]
        return {
            name: min(max(round(float(point[number])), 0), len(entries) - 1)
            for number, (name, entries) in enumerate(axes.items())
        }

    def _text(self, layer: Any) -> str:
        axes = ours(layer)["axes"]
        lines = []
        for name, at in self.at(layer).items():
            entries = axes[name]
            lines.append(f"{WORDS.get(name, name)}: {entries[at]}  ({at + 1} of {len(entries)})")
        return "\n".join(lines)

    def _limit(self, layer: Any) -> None:
        about = ours(layer)
        each = about.get("depth_limits")
        if not each:
            return
        new = tuple(each[self.at(layer)[DEPTH]])
        mine = next_limits(layer.contrast_limits, about["limits"], new) is not None
        if mine and list(new) != list(about["limits"]):
            about["limits"] = list(new)
            layer.contrast_limits = new
