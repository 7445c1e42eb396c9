"""One question on the table: which model, which signals, which artefact, and what every test of it may share."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import told_step
from matxai.checks.perturbation import class_scores
from matxai.checks.readings import Perturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact
    from matxai.modelcard import Model
    from matxai.regions import Boxed

KEPT_BYTES = 256 * 2**20
"""How much of a set's values is kept in memory between tests; what is used least goes first."""

Ints = npt.NDArray[np.int64]


class Signals:
    """The signals of a set, read when they are asked for and kept as long as they fit.

    Parameters
    ----------
    data
        The set.
    limit
        Bytes of values that are kept.
    """

    def __init__(self, data: LabelledSet, limit: int = KEPT_BYTES) -> None:
        self._data = data
        self._limit = limit
        self._kept: OrderedDict[int, xr.DataArray] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, number: int) -> xr.DataArray:
        """Return signal ``number`` with its values in memory; they are shared, so change a copy."""
        number = int(number)
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        signal = self._data.read(number).load()
        self._kept[number] = signal
        self._bytes += int(signal.nbytes)
        while self._bytes > self._limit and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= int(gone.nbytes)
        return signal


@dataclass(frozen=True, eq=False)
class Case:
    """What a test of an artefact, or of a factor, is handed. Numbers of signals are those of ``data``, from 0.

    Parameters
    ----------
    model, data
        Whose predictions on what.
    units
        Numbers of the signals that are judged, ``(n,)``, ascending.
    donors
        Numbers of the signals whose artefact or factor the units get, ``(D,)``, spread over classes and groups.
    clean
        What the model says of the units as they are; row k belongs to ``units[k]``.
    groups
        Number of each signal's group, ``(N,)``, from 0 without gaps. Near-duplicates are one group; where nobody named
        groups, each other signal is its own.
    grouped
        Whether the set itself named groups.
    artefact
        What is asked about; None for a factor.
    fill
        Name of the fill that stands in the place of an artefact that a signal loses.
    methods
        Names of attribution methods for the tests that need maps.
    layers
        Layers of those that are CAMs; None for the default one. The maps of several are added.
    margin, alpha, threshold
        Largest effect that counts as none, level of the tests, effect from which on it is a leak.
    tests
        How many confirmatory tests the run has, for Holm's correction.
    draws, seed
        Draws of permutations and bootstraps; the seed of everything.
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``.
    signals
        ``signals[i]`` reads signal ``i`` once.
    kept
        What one test worked out and another can use, by name: features of the clean signals, a randomised model. It is
        shared by all cases of a run, so the artefact's name belongs into the key where it matters.
    judges
        From the number of a signal to the model that judges it, where that is not ``model``: when each signal is judged
        by one that never saw its group.
    """

    model: Model
    data: LabelledSet
    units: Ints
    donors: Ints
    clean: Perturbed
    groups: Ints
    grouped: bool
    signals: Signals
    artefact: Artefact | None = None
    fill: str = "noisy_linear"
    methods: tuple[str, ...] = ()
    layers: tuple[str | int, ...] | None = None
    margin: float = 0.05
    alpha: float = 0.05
    threshold: float = 0.15
    tests: int = 1
    draws: int = 2000
    seed: int = 0
    progress: Callable[[int, int, str], None] | None = None
    cancel: Any = None
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    judges: Mapping[int, Model] = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> Ints:
        """Class of every signal of the set, ``(N,)``."""
        return self.data.labels

    @property
    def unit_labels(self) -> Ints:
        """Class of each unit, ``(n,)``."""
        return self.data.labels[self.units]

    @property
    def unit_groups(self) -> Ints:
        """Group of each unit, ``(n,)``."""
        return self.groups[self.units]

    @property
    def donor_labels(self) -> Ints:
        """Class of each donor, ``(D,)``."""
        return self.data.labels[self.donors]

    @property
    def donor_groups(self) -> Ints:
        """Group of each donor, ``(D,)``."""
        return self.groups[self.donors]

    def region(self, number: int) -> Boxed | None:
        """Return where signal ``number`` has the artefact; None where it has none, or where a factor is asked about."""
        return None if self.artefact is None else self.artefact.regions[int(number)]

    def judge(self, number: int) -> Model:
        """Return the model that judges signal ``number``, and every copy of it."""
        return self.judges.get(int(number), self.model)

    def asked(self, numbers: Ints, signals: Iterable[xr.DataArray]) -> Perturbed:
        """Return what its judge says of each signal; ``numbers`` are those of the signals, or of what they are made of.

        Raises
        ------
        Cancelled
            If ``cancel`` is set.
        """
        return said_by(self.judge, numbers, signals, self.cancel)

    def about(self, artefact: Artefact | None) -> Case:
        """Return the same case about another artefact; what was read stays in memory."""
        return replace(self, artefact=artefact)

    def rng(self, name: str) -> np.random.Generator:
        """Return a generator of its own for each purpose, so that no test's draws depend on which ran before it."""
        about = "" if self.artefact is None else self.artefact.name
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), zlib.crc32(about.encode())])

    def step(self, done: int, total: int, label: str) -> None:
        """Tell how far a test is, and stop if the caller asked to.

        Raises
        ------
        Cancelled
            If ``cancel`` is set.
        """
        told_step(self.progress, self.cancel, done, total, label, "Cancelled while looking for leakage.")


def said_by(judge: Callable[[int], Model], numbers: Ints, signals: Iterable[xr.DataArray], cancel: Any) -> Perturbed:
    """Return what the judge of each number says of the signal in the same place.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    given = iter(signals)
    # each run reads as many signals as it is long, and the next one reads on
    runs = groupby(numbers.tolist(), judge)
    return Perturbed.joined([class_scores(one, (next(given) for _ in run), cancel=cancel) for one, run in runs])
