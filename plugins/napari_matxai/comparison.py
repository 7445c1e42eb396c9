"""The image as it was asked about again, with its new maps: before, after, or side by side with the old ones."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai import versions
from napari_matxai.layers.changed import beside, changed_image, changed_maps
from napari_matxai.layers.key import Key, key_of, ours

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_matxai.presenter import Presenter
    from napari_matxai.session.masking import Masked

MODES = ("before", "after", "beside")


class Comparison:
    """Shows what changed on a viewer, through its presenter.

    Parameters
    ----------
    presenter
        Puts layers on the viewer and finds them again.
    """

    def __init__(self, presenter: Presenter) -> None:
        self._presenter = weakref.ref(presenter)  # it holds this: a circle would outlive the dock
        self.mode = "beside"
        self._source = ""
        self._camera: Any = None

    @property
    def presenter(self) -> Presenter:
        """Who puts layers on the viewer."""
        found = self._presenter()
        assert found is not None  # noqa: S101 - it holds this
        return found

    def show(self, masked: Masked) -> list[Layer]:
        """Put the changed image and its maps on the viewer, in the way that was last chosen."""
        presenter, source = self.presenter, masked.source
        if versions.closed(presenter.viewer):
            return []
        layer = source.layer()
        name, frame = presenter.lies(source)
        self._source = source.identity
        old = self._maps(masked)
        kinds = {key_of(la) for la in self._layers()}
        image = changed_image(
            masked.asked.signal, f"masked ({masked.asked.fill}) · {name}", frame, masked.step, _look(layer, masked)
        )
        shown = [presenter.put(image, Key(source.identity, "changed", "image"))]
        seen = next((name for name, la in old.items() if la.visible), next(iter(old), ""))
        if masked.asked.explanation is not None:
            maps = changed_maps(masked.asked.explanation, name, frame, masked.step, source.frame)
            for data, keywords, kind in maps:
                variable = keywords["metadata"]["matxai"]["variable"]
                like = old.get(variable)
                if like is not None:  # the same colours mean the same values, before and after
                    keywords["contrast_limits"] = tuple(like.contrast_limits)
                    keywords["colormap"] = like.colormap
                    keywords["metadata"]["matxai"].pop("limits", None)
                key = Key(source.identity, "changed", f"map|{masked.model.name}|{variable}")
                put = presenter.put((data, keywords, kind), key, visible=variable == seen)
                if like is not None:
                    put.contrast_limits = like.contrast_limits
                shown.append(put)
        for gone in self._layers():
            if gone not in shown and key_of(gone) in kinds:
                presenter.discard(gone)  # of the question before: another model or method
        self.mode = "beside" if self.mode == "before" else self.mode
        self._place(columns=presenter.shape(layer)[-1] if presenter.has(layer) else image[0].shape[-1])
        self._apply()
        return shown

    def choose(self, mode: str) -> None:
        """Show what was before, what came after in its place, or both side by side.

        Raises
        ------
        ValueError
            If there is no such way.
        """
        if mode not in MODES:
            msg = f"The comparison is one of {', '.join(MODES)}, not {mode!r}."
            raise ValueError(msg)
        if mode != self.mode:
            self.mode = mode
            self._apply()

    def _layers(self) -> list[Layer]:
        return self.presenter.of(self._source, "changed")

    def _maps(self, masked: Masked) -> dict[str, Layer]:
        """The old maps on the viewer, by their variable."""
        if masked.asked.explanation is None:
            return {}
        found = {}
        for la in self.presenter.of(masked.source.identity, "map"):
            key = key_of(la)
            model, _, variable = key.name.partition("|") if key is not None else ("", "", "")
            if model == masked.model.name:
                found[variable] = la
        return found

    def _place(self, columns: int) -> None:
        """Write down where each layer lies on the image, and where beside it."""
        frame = self.presenter.frame(self._layers()[0])
        for la in self._layers():
            shift = beside(frame, columns, la.ndim)
            about = {**ours(la), "on": list(map(float, la.translate)), "shift": shift.tolist()}
            la.metadata = {**la.metadata, "matxai": about}

    def _apply(self) -> None:
        layers = self._layers()
        if not layers:
            return
        for la in layers:
            about = ours(la)
            la.translate = np.asarray(about["on"]) + (np.asarray(about["shift"]) if self.mode == "beside" else 0.0)
        on = self.mode != "before"
        # a map stays hidden that the user has not switched on; the image and the map in front go together
        for la in layers:
            about = ours(la)
            if on and about.get("hidden"):
                la.visible = True
            if not on:
                about = {**about, "hidden": la.visible}
                la.visible = False
            else:
                about = {**about, "hidden": False}
            la.metadata = {**la.metadata, "matxai": about}
        self._look()

    def _look(self) -> None:
        """Bring both pictures into view where they stand side by side, and the one back where it stood before."""
        viewer = self.presenter.viewer
        if self.mode == "beside":
            if self._camera is None:
                self._camera = versions.camera(viewer)
            viewer.reset_view()
        elif self._camera is not None:
            versions.set_camera(viewer, self._camera)
            self._camera = None


def _look(layer: Layer | None, masked: Masked) -> dict[str, Any]:
    """How the changed image is shown: as its source is."""
    if masked.signal.dims[-1] == "c" and masked.signal.sizes["c"] in (3, 4):
        return {"rgb": True}
    if layer is None:
        values = np.asarray(masked.signal.values, float)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return {"contrast_limits": (low, high if high > low else low + 1.0), "colormap": "gray"}
    return {"contrast_limits": tuple(layer.contrast_limits), "colormap": layer.colormap, "gamma": layer.gamma}
