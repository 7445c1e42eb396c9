"""The plot and the viewer: clicks into layers of spectra, and the viewer's sliders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.session.curves.picking import ReadSpectrum, open_picked, picked_at, picked_in_view, slice_in_view
from napari_matxai.widgets.notices import tell

if TYPE_CHECKING:
    from napari_matxai.session.curves.picking import Picked
    from napari_matxai.widgets.spectra.dock import SpectraDock


class ViewerLink:
    """What ties a dock to its viewer for as long as it is there.

    Parameters
    ----------
    dock
        Shows what is picked.
    """

    def __init__(self, dock: SpectraDock) -> None:
        self.dock = dock
        self.presenter = dock.session.presenter
        self._ends = (self.presenter.clicked(self.pick), self.presenter.follow(self.slid))

    def end(self) -> None:
        """Let go of the viewer."""
        for end in self._ends:
            end()
        self._ends = ()

    def pick(self, world: tuple[float, ...]) -> None:
        """Show the spectrum of the pixel or row at a place of the viewer, and explain it where a model suits it."""
        found = picked_at(self.presenter, world)
        if found is not None:
            self._open(found)

    def _open(self, found: Picked) -> None:
        try:
            if found.lazy:
                self.dock.runner.replace(ReadSpectrum(found))
                return
            open_picked(self.dock.session, found.spectrum())
        except MatxaiError as error:
            tell(str(error))

    def slid(self) -> None:
        """Follow the viewer's sliders: another sample is another spectrum, another energy a line in the plot."""
        chosen, presenter = self.dock.curves.chosen, self.presenter
        layer = presenter.layer(chosen.origin.layer) if chosen is not None and chosen.origin is not None else None
        if layer is None or chosen is None or chosen.origin is None:
            return
        found = picked_in_view(presenter, layer, chosen.origin)
        if found is not None:
            self._open(found)
        else:
            self.mark()

    def mark(self) -> None:
        """Draw a line where the slice in view lies, where the chosen spectrum is of a stack of them."""
        chosen, presenter = self.dock.curves.chosen, self.presenter
        layer = presenter.layer(chosen.origin.layer) if chosen is not None and chosen.origin is not None else None
        number = None if layer is None else slice_in_view(presenter, layer)
        places = None if self.dock.drawn is None else self.dock.drawn.along.places
        known = places is not None and number is not None and number < places.size
        self.dock.plot.set_marker(float(places[number]) if known else None)  # type: ignore[index]

    def follow(self) -> None:
        """Explain a spectrum that was picked, where that is wanted and possible."""
        chosen, curves = self.dock.curves.chosen, self.dock.curves
        if chosen is None or chosen.origin is None or chosen.explained is not None or not curves.follows:
            return
        if not curves.why_not() and self.dock.explain.suits():
            self.dock.explain.explain()
