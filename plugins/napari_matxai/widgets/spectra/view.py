"""What a plot of spectra can do, whatever library it is drawn with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.session.curves.drawn import Drawn
    from napari_matxai.session.curves.lines import Mark, Sticks


class CurveView(Protocol):
    """A plot of spectra. Places are those of the axis that is drawn.

    Signals
    -------
    regions_changed(list of (low, high))
        The hand moved a zone; all of them, in their order.
    cursor_moved(place, height)
        The pointer is there.
    """

    regions_changed: Any
    cursor_moved: Any

    def set_spectrum(self, drawn: Drawn | None, *, keep_view: bool = False) -> None:
        """Draw curves, or nothing."""

    def set_attribution(self, drawn: Drawn) -> None:
        """Colour the curves and draw the strips below them."""

    def set_regions(self, regions: Sequence[tuple[float, float, str, bool]]) -> None:
        """Draw zones: from, to, name, and whether they are masked."""

    def set_marker(self, place: float | None) -> None:
        """Draw a line where the slice of the viewer lies; None takes it away."""

    def set_lines(self, sticks: Sequence[Sticks], marks: Sequence[Mark]) -> None:
        """Draw the lines of references, and what a comparison said of the curve's zones."""
