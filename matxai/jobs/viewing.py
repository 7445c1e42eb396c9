"""Open a viewer: whichever distribution announces one under the entry point ``matxai.viewers``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence


def view(files: Sequence[Path], *, model: str | None = None) -> int:
    """Open napari with the plugin docked and the files loaded; return when its window is closed.

    Raises
    ------
    MissingDependencyError
        If no viewer is installed.
    MatxaiError
        If there is no screen to show it on.
    """
    points = list(importlib.metadata.entry_points(group="matxai.viewers"))
    missing = [n for n in ("napari", "qtpy") if importlib.util.find_spec(n) is None]
    if not points or missing:
        msg = 'matxai view needs napari and a Qt binding. Install them with: pip install "matxai[gui]"'
        raise MissingDependencyError(msg)
    _require_screen()
    code = points[0].load()([Path(f) for f in files], model=model)
    return int(code or 0)


WITHOUT_SCREEN = frozenset({"offscreen", "minimal", "minimalegl", "vnc", "eglfs", "linuxfb", "directfb"})
"""Qt's platforms that need neither X nor Wayland."""


def _require_screen() -> None:
    """Refuse where Qt would abort the whole process: on Linux without a display server."""
    asked = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    if not sys.platform.startswith("linux") or asked in WITHOUT_SCREEN or os.environ.get("WAYLAND_DISPLAY"):
        return
    display = os.environ.get("DISPLAY", "")
    if display and _answers(display):
        return
    what = f"The screen DISPLAY={display} does not answer" if display else "There is no screen here (no DISPLAY)"
    msg = (
        f"{what}, and matxai view opens a window: run it on a desktop, with 'ssh -X', or with "
        "'xvfb-run -a matxai view'; without a window, 'matxai explain' writes a report."
    )
    raise MatxaiError(msg)


def _answers(display: str) -> bool:
    """Return whether an X server of this machine listens; one elsewhere is Qt's to find."""
    local = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if local is None:
        return True
    address = f"/tmp/.X11-unix/X{local[1]}"  # noqa: S108 - where X servers listen by convention
    for place in (address, f"\0{address}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            try:
                line.connect(place)
            except OSError:
                continue
            return True
    return False
