"""What is known of regions: the layer that they are drawn on, how they are masked, and what came of it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_matxai.session.explaining import Explained
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
    masked(Masked), suggested(Suggested), cells_known()
    """

    masked = Signal(object)
    suggested = Signal(object)
    cells_known = Signal()

    def __init__(self) -> None:
        self.choice = MaskChoice()
        self.last: Masked | None = None
        self._layer: weakref.ref[Layer] | None = None
        self._cells: tuple[weakref.ref[Explained], dict[str, Any]] | None = None

    @property
    def layer(self) -> Layer | None:
        """The layer whose regions are meant; it may be gone from the viewer."""
        return self._layer() if self._layer is not None else None

    def choose_layer(self, layer: Layer | None) -> None:
        """Mean the regions of this layer from now on."""
        self._layer = weakref.ref(layer) if layer is not None else None

    def cells(self, explained: Explained) -> dict[str, Any] | None:
        """Return how large the cells of the network's layers are on an explained image; None where nobody asked."""
        known = self._cells
        return known[1] if known is not None and known[0]() is explained else None

    def know_cells(self, explained: Explained, cells: dict[str, Any]) -> None:
        """Remember them."""
        self._cells = weakref.ref(explained), cells
        self.cells_known.emit()


FILL_WORDS = {
    "local_mean": "flat: the mean of what lies right around the region",
    "blur": "soft: the blur of the surroundings",
    "noisy_linear": "grey running from side to side, with the noise of the surroundings",
    "inpaint": "the smoothest surface that continues the surroundings",
    "texture": "grown over: patches of the surroundings",
}


def known_fills() -> dict[str, str]:
    """Return the fills for images that need no other image, each in plain words; slow at its first call."""
    from matxai.checks.fills import fills

    found = {}
    for name in sorted(fills, key=lambda n: (n not in FILL_WORDS, list(FILL_WORDS).index(n) if n in FILL_WORDS else 0)):
        one = fills[name]
        if not one.needs_donor and 2 in one.axes:
            found[name] = FILL_WORDS.get(name) or (one.patch.__doc__ or name).strip().splitlines()[0]
    return found
