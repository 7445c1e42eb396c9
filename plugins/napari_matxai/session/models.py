"""The models of a session: those that come along and those that were opened. Loading one is slow, and happens once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.modelcard import Model

FIRST_MODEL = "defects"


class Models:
    """Models by the name or path that they are opened by. Safe to ask from the thread that computes."""

    def __init__(self) -> None:
        self._loaded: dict[str, Model] = {}
        self._lock = threading.Lock()

    def known(self) -> dict[str, Path]:
        """Return the models that come along, by name, without loading one; the one for the sample images first."""
        from matxai.modelcard.finding import shipped_paths

        return dict(sorted(shipped_paths().items(), key=lambda model: (model[0] != FIRST_MODEL, model[0])))

    def loaded(self, source: str) -> Model | None:
        """Return a model if it was loaded before."""
        return self._loaded.get(source)

    def load(self, source: str, *, arch: str | None = None, trust: bool = False) -> Model:
        """Return a model, loaded at its first use; nothing that its file holds is run unless ``trust`` allows it.

        Raises
        ------
        MatxaiError
            One sentence on what is wrong with it.
        """
        from matxai.modelcard import load_model

        with self._lock:
            if source not in self._loaded:
                self._loaded[source] = load_model(source, arch=arch, trust=trust)
            return self._loaded[source]
