"""What a model is, as rows for tables, and which models come along: data that the faces show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import CardError
from matxai.modelcard.card import read_card
from matxai.modelcard.finding import shipped_paths

if TYPE_CHECKING:
    from matxai.modelcard.model import Model


def describe(model: Model) -> dict[str, Any]:
    """Return what ``matxai model show`` shows, in its order: plain values, ready for a table or JSON."""
    return {
        "name": model.name,
        "task": model.task,
        "classes": list(model.classes),
        "architecture": model.architecture,
        "black_box": "predictions only: no layers, no gradients" if model.black_box else None,
        "parameters": None if model.black_box else sum(p.numel() for p in model.module.parameters()),
        "kind": model.kind,
        "channels": model.channels,
        "size": model.card.input.size,
        "batch": model.batch,
        "preprocessing": model.preprocessing.describe(),
        "activation": model.activation,
        "layers": list(model.layers),
        "licence": model.licence,
        "source": model.source,
        "origin": str(model.origin) if model.origin is not None else None,
        "sha256": model.sha256,
        "assumptions": list(model.assumptions),
    }


def list_models() -> list[dict[str, Any]]:
    """Return name, task, architecture, classes, licence and folder of the models that come along; none is loaded."""
    rows: list[dict[str, Any]] = []
    for name, folder in shipped_paths().items():
        try:
            card = read_card(folder)
        except CardError as problem:
            rows.append({"name": name, "folder": str(folder), "problem": str(problem)})
            continue
        rows.append({
            "name": name,
            "task": card.task,
            "architecture": card.architecture,
            "classes": list(card.classes),
            "licence": card.licence,
            "folder": str(folder),
        })  # fmt: skip
    return rows
