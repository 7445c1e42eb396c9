"""What is said about a model: from its card alone, and from the model once it is loaded. Plain rows, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.modelcard import Card, Model

KINDS = {"1d": "spectra", "2d": "images", "3d": "volumes"}
NAMED = 8
ANY_DEVICE = "the GPU where there is one, else cpu"
"""Where a model will run that is not loaded, and the preferences leave it open: only torch could tell."""


def facts_of_card(card: Card, sha256: str = "", device: str = "", precision: str = "") -> list[tuple[str, str]]:
    """Return what a card says, as rows of heading and text.

    Parameters
    ----------
    card
        Of a model that is not loaded yet.
    sha256
        Of its weights' file.
    device, precision
        Where and how it will run, in the words of the preferences.
    """
    asked = card.input
    rows = [
        ("answers", _task(card.task, card.classes)),
        ("takes", _input(asked.kind, asked.channels, asked.size)),
        ("network", card.architecture or ""),
        ("runs on", f"{ANY_DEVICE if device == 'auto' else device}, {precision}" if device else ""),
        ("weights", f"sha256 {sha256[:12]}" if sha256 else ""),
        ("licence", card.licence or ""),
    ]
    return [(heading, text) for heading, text in rows if text]


def facts_of_model(model: Model) -> list[tuple[str, str]]:
    """Return what a loaded model is, as rows of heading and text."""
    rows = [
        ("answers", _task(model.task, model.classes)),
        ("takes", _input(model.kind, model.channels, model.card.input.size or model.size)),
        ("network", model.architecture + (", predictions only" if model.black_box else "")),
        ("prepares", ", ".join(model.preprocessing.describe())),
        ("runs on", _device(model)),
        ("weights", f"sha256 {model.sha256[:12]}" if model.sha256 else ""),
        ("licence", model.licence or ""),
        *(("assumed", sentence) for sentence in model.assumptions),
    ]
    return [(heading, text) for heading, text in rows if text]


def _task(task: str, classes: Sequence[str]) -> str:
    names = ", ".join(classes[:NAMED]) + (f" ... ({len(classes)})" if len(classes) > NAMED else "")
    return f"{task}: {names}" if names else task


def _input(kind: str, channels: int | None, size: Sequence[int] | None) -> str:
    parts = [KINDS[kind]]
    if channels is not None:
        parts.append("1 channel" if channels == 1 else f"{channels} channels")
    if size:
        parts.append("resized to " + " x ".join(map(str, size)))
    return ", ".join(parts)


def _device(model: Model) -> str:
    tensor = next(iter([*model.module.parameters(), *model.module.buffers()]), None)
    if tensor is None:
        return "cpu"
    return f"{tensor.device}, {str(tensor.dtype).removeprefix('torch.')}"


def known_architectures() -> list[str]:
    """Return names of networks to begin with: those that announce themselves; others are typed. Without torch."""
    from matxai.modelcard.architectures import architectures

    return [f"{family}:" for family in architectures] + ["torchvision:resnet18", "torchvision:resnet50"]
