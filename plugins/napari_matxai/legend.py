"""What the sliders of a map show, said on the canvas: which layer of the network, which class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_matxai import versions
from napari_matxai.layers.key import ours
from napari_matxai.layers.limits import next_limits
from napari_matxai.layers.maps import DEPTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

WORDS = {DEPTH: "layer of the network", "class": "class", "c": "channel"}


class Legend:
    """Follows the sliders and the selection of a viewer.

    Maps of different layers of a network have no common scale: while the contrast limits are ours, each layer is shown
    in its own, and the colour bar says so.

    Parameters
    ----------
    viewer
        napari's viewer, or its model alone.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._said = ""
        viewer.dims.events.current_step.connect(self.refresh)
        viewer.layers.events.removed.connect(self.refresh)
        viewer.layers.selection.events.active.connect(self.refresh)

    def watch(self, layer: Layer) -> None:
        """Follow whether a map is shown."""
        layer.events.visible.connect(self.refresh)

    def refresh(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        """Say what is shown now, and give each map the limits of what is shown of it."""
        maps = [la for la in self._viewer.layers if ours(la).get("axes") and "limits" in ours(la)]
        for layer in maps:
            self._limit(layer)
        shown = [la for la in maps if la.visible]
        active = self._viewer.layers.selection.active
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
