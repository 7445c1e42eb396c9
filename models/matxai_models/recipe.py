"""What a training recipe is: a name, what it trains on, and a function that gives a trained network with its figures.

Each recipe is one file in :mod:`matxai_models.recipes`, which registers it here. Writing the card is
:mod:`matxai_models.writing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from matxai.errors import ModelError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from matxai_datasets.spectra import Spectrum
    from numpy.typing import NDArray
    from torch import nn


@dataclass(frozen=True)
class Settings:
    """What the user of a recipe decides.

    Attributes
    ----------
    seed
        Of data, split, weights and order; the same seed gives the same network on the same versions.
    data
        The folder of the public data set, for recipes that train on one.
    images
        How many training images are generated or taken; ``None``: the recipe's own number.
    epochs
        How often each is seen; ``None``: the recipe's own number.
    classes
        Which classes to tell apart, for recipes that let one choose; empty: the recipe's own. ``name=a+b`` makes one
        class of several labels.
    progress
        Called with (done, total, label) after each epoch.
    """

    seed: int = 0
    data: Path | None = None
    images: int | None = None
    epochs: int | None = None
    classes: tuple[str, ...] = ()
    progress: Callable[[int, int, str], None] | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What a recipe gives.

    Attributes
    ----------
    module
        The network, on the CPU, in evaluation mode.
    card
        Fields of the card, without weights and reference.
    example
        One unseen image in the file's own numbers, ``(H, W)`` or ``(H, W, C)``, or one unseen spectrum: the card's
        reference input.
    measured
        Names to figures, measured on images that the network never saw; they go to ``measured.json``.
    summary
        The same in one sentence.
    """

    module: nn.Module
    card: Mapping[str, Any]
    example: NDArray[np.generic] | Spectrum
    measured: Mapping[str, Any]
    summary: str


@dataclass(frozen=True)
class Recipe:
    """A way to train one model.

    Attributes
    ----------
    name
        The model's name.
    title
        What it is for, in one line.
    run
        Trains it.
    data_set
        The public data set that it needs, or ``None`` where it needs none.
    files
        What files of the user's it needs in the place of a data set; empty for none.
    chooses
        Whether its classes may be chosen.
    """

    name: str
    title: str
    run: Callable[[Settings], Trained] = field(repr=False)
    data_set: str | None = None
    files: str = ""
    chooses: bool = False


RECIPES: Registry[Recipe] = Registry("recipe", package="matxai_models.recipes", error=ModelError)
