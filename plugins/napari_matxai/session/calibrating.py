"""Layers without units beside the explained one: what can be done about them, and undone."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari_matxai.layers.units import Adoption, adopt, at_odds, in_pixels, plain

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_matxai.layers.frame import Frame
    from napari_matxai.presenter import Presenter


class Calibrating:
    """Gives units to layers that have none, or takes them from all; the last change can be undone.

    Parameters
    ----------
    presenter
        Knows the layers.
    """

    def __init__(self, presenter: Presenter) -> None:
        self.presenter = presenter
        self._before: list[tuple[weakref.ref[Layer], Frame]] = []

    def offers(self, source: Image) -> list[tuple[Layer, Adoption | None]]:
        """Return for each layer without units what it would become; None where it cannot be told where it lies.

        Parameters
        ----------
        source
            The explained layer, whose units the others take; where it has none itself, another image's.
        """
        return [(layer, self._offer(layer, source)) for layer in self.presenter.without_units()]

    def _offer(self, layer: Layer, source: Image) -> Adoption | None:
        presenter = self.presenter
        images = [la for la in presenter.images() if la is not layer and not plain(presenter.frame(la))]
        shape = presenter.shape(layer) if type(layer).__name__ in ("Image", "Labels") else None
        for image in sorted(images, key=lambda la: la is not source):
            extent = layer.extent.data
            found = adopt(
                layer.name, presenter.frame(layer), shape, extent, presenter.frame(image), presenter.shape(image)
            )
            if found is not None:
                return found
        return None

    def at_odds(self) -> list[str]:
        """Return which layers measure different things along one axis, in a sentence each."""
        presenter = self.presenter
        return at_odds([(layer.name, presenter.frame(layer)) for layer in presenter.calibrated()])

    def adopt(self, source: Image) -> list[str]:
        """Give units to the layers that can take them, and return what was done."""
        possible = [(layer, offer) for layer, offer in self.offers(source) if offer is not None]
        self._move([(layer, offer.frame) for layer, offer in possible])
        return [offer.sentence for _, offer in possible]

    def count_pixels(self, source: Image) -> list[str]:
        """Put every layer that has units into pixels of the explained one, so that all lie where they lay.

        Returns the names of layers that cannot follow: they measure something else, or are turned against it.
        """
        presenter = self.presenter
        base = presenter.frame(source)
        frames = [(la, in_pixels(presenter.frame(la), base)) for la in presenter.calibrated()]
        self._move([(layer, frame) for layer, frame in frames if frame is not None])
        return [layer.name for layer, frame in frames if frame is None]

    @property
    def undoable(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._before)

    def undo(self) -> None:
        """Put the layers back that the last change moved; those that were deleted stay away."""
        for reference, frame in self._before:
            layer = reference()
            if layer is not None and self.presenter.has(layer):
                self.presenter.move(layer, frame)
        self._before = []

    def _move(self, frames: list[tuple[Any, Frame]]) -> None:
        self._before = [(weakref.ref(layer), self.presenter.frame(layer)) for layer, _ in frames]
        for layer, frame in frames:
            self.presenter.move(layer, frame)
