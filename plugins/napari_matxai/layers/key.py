"""What a layer of ours is, kept in its metadata: names are the user's to change, and are never asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """Whose layer it is, and what it shows.

    Parameters
    ----------
    source
        Identity of the layer that was asked about (:func:`napari_matxai.versions.identity`).
    role
        ``map``, ``seen`` (what the network received), ``unseen`` (what it never saw: hatched), ``region``, ``changed``.
    name
        What tells layers of one role apart: of maps, the model and the variable. Asked again with another class or
        layer of the network, the map is updated; a user who wants both keeps a copy (napari's "duplicate").
    """

    source: str
    role: str
    name: str = ""

    @classmethod
    def of_map(cls, source: str, model: str, variable: str) -> Key:
        """Return the key of a map: which model it is of, and which variable of the explanation."""
        return cls(source, "map", f"{model}|{variable}")

    def record(self) -> list[str]:
        """Return plain values for a layer's metadata."""
        return [self.source, self.role, self.name]


def ours(layer: Any) -> dict[str, Any]:
    """Return what we wrote into a layer's metadata; empty for layers of others."""
    found = layer.metadata.get("matxai", {})
    return found if isinstance(found, dict) else {}


def key_of(layer: Any) -> Key | None:
    """Return the key of a layer that we made from another one; None for images and the layers of others."""
    record = ours(layer).get("key")
    return Key(*map(str, record)) if isinstance(record, list | tuple) and len(record) == 3 else None
