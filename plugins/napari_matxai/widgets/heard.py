"""What a widget hears of things that outlive it, the session and the viewer: ended with the widget, however it goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Heard:
    """Connections that are to be ended; held apart from the widget, which may be gone by then."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], object]] = []

    def listen(self, signal: Any, slot: Callable[..., object]) -> None:
        """Connect a signal of the session, or an event of the viewer, to a method of the widget."""
        signal.connect(slot)
        self._ends.append(partial(signal.disconnect, slot))

    def until_the_end(self, end: Callable[[], object]) -> None:
        """Call this when the widget goes."""
        self._ends.append(end)

    def end(self, *_: object) -> None:
        """Let go of everything; once is enough."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()
