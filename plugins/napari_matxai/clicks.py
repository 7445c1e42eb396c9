"""Clicks into the viewer, told from drags and from drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

STILL = 3.0
"""Pixels of the screen that a hand may move while it clicks."""


def on_click(
    viewer: ViewerModel, active: Callable[[], Layer | None], tell: Callable[[tuple[float, ...]], None]
) -> Callable[[], None]:
    """Call ``tell`` with the place, in the viewer's world, of each click that neither drags nor draws.

    Parameters
    ----------
    viewer
        Where is clicked.
    active
        Gives the layer whose tools the mouse has in hand.
    tell
        What is called.

    Returns
    -------
    callable
        Ends that.
    """

    def press(_: Any, event: Any) -> Any:
        if event.button != 1 or event.modifiers or getattr(active(), "mode", "pan_zoom") != "pan_zoom":
            return
        place, start = tuple(float(v) for v in event.position), np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - start).max() > STILL:
                return
            yield
        tell(place)

    viewer.mouse_drag_callbacks.append(press)
    return lambda: viewer.mouse_drag_callbacks.remove(press)
