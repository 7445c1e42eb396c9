"""Open a viewer: whichever distribution announces one under the entry point ``matxai.viewers``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from matxai.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence


def view(files: Sequence[Path], *, model: str | None = None) -> int:
    """Open napari with the plugin docked and the files loaded; return when its window is closed.

    Raises
    ------
    MissingDependencyError
        If no viewer is installed.
    """
    points = list(importlib.metadata.entry_points(group="matxai.viewers"))
    missing = [n for n in ("napari", "qtpy") if importlib.util.find_spec(n) is None]
    if not points or missing:
        msg = 'matxai view needs napari and a Qt binding. Install them with: pip install "matxai[gui]"'
        raise MissingDependencyError(msg)
    code = points[0].load()([Path(f) for f in files], model=model)
    return int(code or 0)
