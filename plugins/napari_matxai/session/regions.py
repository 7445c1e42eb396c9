"""What is known of regions: the layer that they are drawn on, how they are masked, and what came of it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_matxai.session.masking import Masked


@dataclass(frozen=True)
class MaskChoice:
    """How regions are masked.

    Parameters
    ----------
    selected
        Whether only the selected regions are meant.
    action
        ``remove`` replaces the regions, ``keep`` all the rest.
    fills
        Names, the one that is shown first.
    together
        Whether several are masked at once; else each by itself.
    controls
        How many matched regions each is compared with at most.
    """

    selected: bool = False
    action: str = "remove"
    fills: tuple[str, ...] = ("local_mean", "blur", "noisy_linear")
    together: bool = True
    controls: int = 19


class Regions:
    """The part of a session that is about regions.

    Signals
    -------
    masked(Masked), suggested(Suggested)
    """

    masked = Signal(object)
    suggested = Signal(object)

    def __init__(self) -> None:
        self.choice = MaskChoice()
        self.last: Masked | None = None
        self._layer: weakref.ref[Layer] | None = None

    @property
    def layer(self) -> Layer | None:
        """The layer whose regions are meant; it may be gone from the viewer."""
        return self._layer() if self._layer is not None else None

    def choose_layer(self, layer: Layer | None) -> None:
        """Mean the regions of this layer from now on."""
        self._layer = weakref.ref(layer) if layer is not None else None
