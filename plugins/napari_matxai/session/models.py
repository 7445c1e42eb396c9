"""The models of a session: those that come along and those that were opened. Loading one is slow, and happens once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from napari_matxai.native import keep_apart
from napari_matxai.session.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.modelcard import Card, Model
    from napari_matxai.session.trust import Policy

FIRST_MODEL = "defects"
AT_ONCE = 32 * 2**20
"""Bytes of a file that are read for its checksum while the window waits."""


class Models:
    """Models by the name or path that they are opened by. Safe to ask from the thread that computes.

    Parameters
    ----------
    device, precision
        Where models run, and in which precision; see :func:`matxai.load_model`.
    trust
        Whether they may run code of their own.
    """

    def __init__(self, device: str = "cpu", precision: str = "float32", trust: Policy = "ask") -> None:
        self.trust = Trust(trust)
        self._where = (device, precision)
        self._loaded: dict[tuple[str, str, str], Model] = {}
        self._archs: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._ran: set[str] = set()
        self._lock = threading.Lock()

    def known(self) -> dict[str, Path]:
        """Return the models that come along, by name, without loading one; the one for the sample images first."""
        from matxai.modelcard.finding import shipped_paths

        return dict(sorted(shipped_paths().items(), key=lambda model: (model[0] != FIRST_MODEL, model[0])))

    def card(self, source: str) -> Card | None:
        """Return a model's card without loading it, and without torch; None where only loading it tells.

        Raises
        ------
        MatxaiError
            If there is no such model, its file is none that is known, or its card is wrong.
        """
        from matxai.modelcard import read_card
        from matxai.modelcard.contents import content_of
        from matxai.modelcard.finding import find_model

        path = find_model(source)
        if path.is_dir():
            return read_card(path)
        content_of(path)
        return None

    def sha256(self, source: str) -> str:
        """Return the SHA-256 of the weights that a card names, without loading them, and without torch.

        Empty where only loading the model tells: it has no card, its weights are a command, or so large that a window
        would stand still meanwhile.

        Raises
        ------
        MatxaiError
            If there is no such model, or its card is wrong.
        """
        from matxai.modelcard import read_card
        from matxai.modelcard.card import inside
        from matxai.modelcard.contents import sha256_of
        from matxai.modelcard.finding import find_model

        if source not in self._digests:
            folder = find_model(source)
            weights = read_card(folder).weights if folder.is_dir() else None
            path = inside(folder, weights, "weights") if isinstance(weights, str) else None
            small = path is not None and path.stat().st_size <= AT_ONCE
            self._digests[source] = sha256_of(path) if path is not None and small else ""
        return self._digests[source]

    def needs_architecture(self, source: str) -> bool:
        """Return whether a file holds weights without their network, whose name has to be said."""
        from matxai.modelcard.contents import Content, content_of
        from matxai.modelcard.finding import find_model

        path = find_model(source)
        return path.is_file() and content_of(path) in (Content.SAFETENSORS, Content.CHECKPOINT)

    def name_architecture(self, source: str, arch: str) -> None:
        """Say of which network a file's weights are; holds from the next loading on."""
        if self._archs.get(source) != arch:
            self._archs[source] = arch
            for key in [k for k in list(self._loaded) if k[0] == source]:
                self._loaded.pop(key, None)

    def architecture(self, source: str) -> str | None:
        """Return of which network a file's weights were said to be."""
        return self._archs.get(source)

    def must_ask(self, source: str) -> str:
        """Return what would run to open a model, where the user has to be asked for it first; else nothing.

        Raises
        ------
        MatxaiError
            If there is no such model, or its card is wrong.
        """
        return "" if self.loaded(source) is not None else self.trust.must_ask(source, self._archs.get(source))

    def told(self, source: str) -> dict[str, Any]:
        """Return what ``matxai.load_model`` was told to open a model: ``arch`` and ``trust``."""
        return {"arch": self._archs.get(source), "trust": source in self._ran}

    def loaded(self, source: str) -> Model | None:
        """Return a model if it was loaded before."""
        return self._loaded.get((source, *self._where))

    def place(self, device: str, precision: str) -> bool:
        """Load models there and so from now on; return whether that is a change. Those that are loaded are let go."""
        if (device, precision) == self._where:
            return False
        self._where = (device, precision)  # without the lock: what is being loaded now must not hold up the window
        for key in [k for k in list(self._loaded) if k[1:] != self._where]:
            self._loaded.pop(key, None)
        return True

    def load(self, source: str) -> Model:
        """Return a model, loaded at its first use; code of its own runs where that was allowed.

        Raises
        ------
        MatxaiError
            One sentence on what is wrong with it.
        """
        keep_apart()
        from matxai.engine.devices import choose
        from matxai.modelcard import load_model

        with self._lock:
            device, precision = self._where
            key = (source, device, precision)
            if key not in self._loaded:
                arch = self._archs.get(source)
                trust = self.trust.given(source, arch)
                self._loaded[key] = load_model(
                    source, arch=arch, trust=trust, device=choose(device), precision=precision
                )
                if trust:
                    self._ran.add(source)
            return self._loaded[key]

    def let_go(self, source: str) -> None:
        """Free what the engine prepared of a model, and what a GPU holds in reserve; from the computing thread."""
        model = self.loaded(source)
        if model is None:
            return
        import torch

        from matxai import forget

        forget(model)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
