"""Where the reader puts single spectra and waveforms, and the Spectra dock takes them: they add no layer.

The reader is called by napari and knows of no dock; a dock may not be open yet. So what was read waits here, in the
order in which it came, until the dock of its viewer takes it:

>>> shelf.take(viewer)  # at the dock's start, and whenever ``shelf.arrived`` is emitted   # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_matxai import versions

if TYPE_CHECKING:
    import weakref

    import xarray as xr


@dataclass(frozen=True, eq=False)
class Arrival:
    """A curve that was read.

    Parameters
    ----------
    signal
        One axis of places, or ``(axis, c)`` for a curve of several channels (the H and B of a loop).
    name
        What it is called: the file's name.
    path
        The file; None for what was made.
    explanation
        The maps that were saved with it, as ``matxai.load`` returns them; None for a mere signal.
    model
        Name of the model that suits it; None where nothing is said.
    viewer
        The viewer that it was opened in; None where none was open.
    """

    signal: xr.DataArray
    name: str
    path: str | None = None
    explanation: xr.Dataset | None = None
    model: str | None = None
    viewer: weakref.ref[Any] | None = None


class Shelf:
    """What was read and waits for a dock. All its methods belong to the main thread.

    Signals
    -------
    arrived(Arrival)
        Something was put there; it waits until it is taken.
    """

    arrived = Signal(object)

    def __init__(self) -> None:
        self._waiting: list[Arrival] = []

    def put(self, arrival: Arrival) -> None:
        """Put a curve there and say so."""
        self._waiting.append(arrival)
        self.arrived.emit(arrival)

    def waits(self, viewer: object) -> bool:
        """Return whether something waits for a viewer's dock."""
        return any(_is_for(a, viewer) for a in self._waiting)

    def take(self, viewer: object) -> list[Arrival]:
        """Return what waits for a viewer's dock, oldest first, and forget it; what was read without a viewer is too."""
        taken = [a for a in self._waiting if _is_for(a, viewer)]
        self._waiting = [a for a in self._waiting if a not in taken and not _lost(a)]
        return taken


def _is_for(arrival: Arrival, viewer: object) -> bool:
    return arrival.viewer is None or arrival.viewer() is versions.plain_viewer(viewer)


def _lost(arrival: Arrival) -> bool:
    """Whether the viewer that a curve was opened in is gone."""
    return arrival.viewer is not None and arrival.viewer() is None


#: the one of this process
shelf = Shelf()
