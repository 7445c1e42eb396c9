"""The models that take spectra: those that come along, by their cards alone, and those that were opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.modelcard import Model
    from napari_matxai.session.models import Models


@dataclass(frozen=True)
class CurveModel:
    """What a card says of a model for spectra.

    Parameters
    ----------
    name
        Of the model.
    classes
        What it tells apart; empty where its card does not say.
    axis
        The kind of axis it was trained along; empty where nothing is said.
    """

    name: str
    classes: tuple[str, ...]
    axis: str


@cache
def _from_card(folder: Path) -> CurveModel | None:
    from matxai.modelcard.card import read_card

    try:
        card = read_card(folder)
    except MatxaiError:
        return None  # the Model step says what is wrong with it; here it is no model for spectra
    if card.input.kind != "1d":
        return None
    return CurveModel(card.name, tuple(card.classes or ()), card.input.axis.name if card.input.axis else "")


def models_for_curves(models: Models) -> dict[str, CurveModel]:
    """Return the models that come along and take spectra, by name; none is loaded for it."""
    found = {name: _from_card(path) for name, path in models.known().items()}
    return dict(sorted(((n, m) for n, m in found.items() if m is not None), key=lambda x: ("_" in x[0], x[0])))


def about(model: Model) -> CurveModel:
    """Return what a loaded model says of itself.

    Raises
    ------
    MatxaiError
        If it takes no spectra.
    """
    if model.kind != "1d":
        msg = f"The model {model.name} takes {model.kind} inputs; choose one that takes spectra (1d)."
        raise MatxaiError(msg)
    return CurveModel(model.name, tuple(model.classes), "")
