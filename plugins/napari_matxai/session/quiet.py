"""Computing beside an event loop: no full garbage collections meanwhile, as they hold the interpreter for long.

With napari and torch in one process a full collection walks half a million objects with the interpreter's lock held:
the window stands still for as long as that takes. The young generations are still collected, which is where nearly all
garbage is.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 1_000_000_000
_lock = threading.Lock()
_inside = 0
_usual = gc.get_threshold()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Put full collections off until the last of those who asked for it is done; from any thread."""
    global _inside, _usual  # noqa: PLW0603 - the collector is one for the whole process
    with _lock:
        if _inside == 0:
            _usual = gc.get_threshold()
            gc.set_threshold(_usual[0], _usual[1], NEVER)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_usual)
