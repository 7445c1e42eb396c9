"""What the expectations of one run share: model, data, groups, and what is worked out once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from matxai.checks.asking import told_step
from matxai.checks.expect.deciding import Groups
from matxai.checks.expect.sample import Sample
from matxai.checks.familiar import FEWEST, Reference
from matxai.checks.leak.case import Signals
from matxai.checks.leak.chance import accuracy
from matxai.checks.leak.near_duplicates import content_key, merged, thumbnail
from matxai.checks.perturbation import class_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from matxai.checks.expect.document import Expectations
    from matxai.checks.expect.records import SampleVerdict
    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.chance import Accuracy
    from matxai.checks.perturbation import Perturbed
    from matxai.errors import MatxaiError
    from matxai.modelcard import Model
    from matxai.regions import Boxed

T = TypeVar("T")
_REAL = 200
"""Signals of the set that tell what real ones look like."""


@dataclass(eq=False)
class Bench:
    """A model, a set and a file of expectations; near-duplicates are one group.

    Parameters
    ----------
    model, data, asked
        Whose answers, on what, and to which file.
    draws, seed, progress, cancel
        As everywhere.
    """

    model: Model
    data: LabelledSet
    asked: Expectations
    draws: int = 2000
    seed: int = 0
    progress: Any = None
    cancel: Any = None
    lines: dict[int, list[SampleVerdict]] = field(default_factory=dict)
    errors: dict[int, list[MatxaiError]] = field(default_factory=dict)
    _kept: dict[str, Any] = field(default_factory=dict)
    _artefacts: dict[int, dict[str, Boxed | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = self.data.groups
        own = np.arange(len(self.data)) if told is None else np.unique(told, return_inverse=True)[1].ravel()
        self.signals = Signals(self.data)
        small, keys = [], []
        for number in range(len(self.data)):
            self.step(number, len(self.data), "near-duplicates")
            small.append(thumbnail(self.signals[number]))
            keys.append(content_key(self.signals[number]))
        self.numbers_of_groups: npt.NDArray[np.int64]
        self.numbers_of_groups, self.duplicates = merged(own.astype(np.int64), small, keys)
        self.groups = Groups(dict(enumerate(self.numbers_of_groups.tolist())), told is not None)

    def step(self, done: int, total: int, label: str) -> None:
        """Tell how far the run is, and stop if the caller asked to.

        Raises
        ------
        Cancelled
            If ``cancel`` is set.
        """
        told_step(self.progress, self.cancel, done, total, label, f"Cancelled after {done} of {total} samples.")

    def sample(self, number: int) -> Sample:
        """Return a sample with its signal read."""
        mask = self.data.mask
        return Sample(
            number,
            self.data.names[number],
            self.data.classes[int(self.data.labels[number])],
            self.signals[number],
            self.asked.base,
            None if mask is None else lambda: mask(number),
            self._artefacts.setdefault(number, {}),
        )

    def numbers(self, classes: str | Sequence[str]) -> list[int]:
        """Return the numbers of the samples of some classes."""
        names = [self.data.classes[int(k)] for k in self.data.labels]
        return [i for i, name in enumerate(names) if classes == "all" or name in classes]

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, made the first time that it is asked for under ``key``."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    def reference(self) -> Reference | None:
        """Return what real signals of the set look like to the model; None where they are too few to tell."""
        if "reference" not in self._kept:
            chosen = np.unique(np.linspace(0, len(self.data) - 1, min(len(self.data), _REAL)).round().astype(int))
            real = (self.signals[i] for i in chosen)
            enough = len(chosen) >= FEWEST
            self._kept["reference"] = Reference.of(self.model, real, cancel=self.cancel) if enough else None
        found: Reference | None = self._kept["reference"]
        return found

    def clean(self) -> Perturbed:
        """Return what the model says of the whole set."""
        if "clean" not in self._kept:
            signals = (self.signals[i] for i in range(len(self.data)))
            self._kept["clean"] = class_scores(self.model, signals, cancel=self.cancel)
        found: Perturbed = self._kept["clean"]
        return found

    def accuracy(self) -> Accuracy | None:
        """Return how often the model is right on the whole set, beside chance; None for what does not classify."""
        if self.model.task != "classification":
            return None
        if "accuracy" not in self._kept:
            self._kept["accuracy"] = accuracy(
                self.clean().top, self.data.labels, self.numbers_of_groups, draws=self.draws, seed=self.seed
            )
        found: Accuracy = self._kept["accuracy"]
        return found
