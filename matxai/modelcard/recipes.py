"""How a model is trained again: recipes that other distributions announce, and the untrained network of a model's card.

A recipe is an entry point of the group ``matxai.recipes``. It is handed a model and a labelled set, and gives a model
of the same architecture and preprocessing that saw that set alone, or a sentence that says why it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from matxai.errors import ModelError
from matxai.modelcard.architectures import architectures, resolve_architecture
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard.model import Model


class Recipe(Protocol):
    """From a model and a labelled set to a model trained on that set, or the sentence that says why not."""

    def __call__(
        self,
        model: Model,
        data: LabelledSet,
        *,
        seed: int = 0,
        progress: Callable[[int, int, str], None] | None = None,
        cancel: Any = None,
    ) -> Model | str:
        """Train a network of the model's architecture from random weights; the model itself stays as it is."""


recipes: Registry[Recipe] = Registry("recipe", entry_point="matxai.recipes", error=ModelError)

NO_RECIPE = (
    "It was not trained again: no installed package announces a recipe (entry points of the group matxai.recipes)."
)


def trained_again(
    model: Model,
    data: LabelledSet,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: Any = None,
) -> Model | str:
    """Return what the first recipe that can trains, or why none can.

    Parameters
    ----------
    model
        Whose architecture, preprocessing and classes are kept, and whose weights are not.
    data
        What it is trained on, in the model's order of classes.
    seed
        Of weights and order.
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    refused: dict[str, None] = {}
    for name in recipes:
        found = recipes[name](model, data, seed=seed, progress=progress, cancel=cancel)
        if not isinstance(found, str):
            return found
        refused[found] = None
    return " ".join(refused) or NO_RECIPE


def untrained(model: Model) -> nn.Module:
    """Return a network of a model's architecture with random weights, from the name that its card gives.

    Random numbers are torch's own: seed them before.

    Raises
    ------
    ModelError
        If the card names none, or one that only code of the user's own builds.
    """
    name = model.card.architecture
    if name is None:
        msg = f"'{model.name}' has no card that says how its network is built (architecture: family:name)."
        raise ModelError(msg)
    if name.partition(":")[0] not in architectures:
        msg = (
            f"The network of '{model.name}' is built by code of its own, {name}; recipes build those of a family "
            f"({', '.join(architectures)})."
        )
        raise ModelError(msg)
    built = resolve_architecture(name, folder=None, trust=False)
    return built.build(classes=len(model.classes), channels=model.channels, kind=model.kind)
