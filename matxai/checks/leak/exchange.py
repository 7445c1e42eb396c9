"""Every unit judged again with the artefact of every donor: the crossed design, run in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.transplant import Receiver, patch_of
from matxai.checks.perturbation import scores_of_prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.transplant import Patch
    from matxai.modelcard import Model

_BATCH = 64
_CHUNK_BYTES = 64 * 2**20
NOT_JUDGED = -1


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What a model says of units that carry the artefacts of donors.

    Parameters
    ----------
    top
        Class on top, ``(n, D)``; :data:`NOT_JUDGED` where the donor is of the unit's own group, or where its artefact
        does not fit the unit.
    passes
        How many predictions it took: what the model had seen already was not asked again.
    different
        How many different artefacts the donors have.
    unusable
        Share of the pairs of a unit and a donor of another group in which it does not fit.
    """

    top: npt.NDArray[np.int64]
    passes: int
    different: int
    unusable: float


def exchanged(case: Case) -> Exchanged:
    """Judge every unit of a case under every donor of it.

    No unit meets a donor of its own group: what it carries is of its own specimen, and a model that knows the specimen
    again, or that is thrown off by anything it did not see there, would look as if it read the class.

    Raises
    ------
    Cancelled
        If the case is.
    """
    assert case.artefact is not None  # noqa: S101 - a factor has no exchange
    patches = [patch_of(case.signals[d], case.region(d)) for d in case.donors]
    kinds: dict[bytes, int] = {}
    which = np.array([kinds.setdefault(p.key, len(kinds)) for p in patches])
    first = {k: patches[int(np.flatnonzero(which == k)[0])] for k in range(len(kinds))}
    top = np.full((case.units.size, len(kinds)), NOT_JUDGED, np.int64)
    waiting = Waiting(case)
    for row, unit in enumerate(case.units):
        case.step(row, case.units.size, f"exchange of {case.artefact.name}")
        signal = case.signals[unit]
        receiver = Receiver(signal, case.region(unit), case.artefact.kind, case.fill, case.seed + int(unit))
        versions, places = [], []
        foreign = np.unique(which[case.donor_groups != case.groups[unit]])
        for k, values in _versions(receiver, {int(k): first[int(k)] for k in foreign}):
            if values is signal.values or np.array_equal(values, signal.values):
                top[row, k] = case.clean.top[row]
                continue
            versions.append(values)
            places.append((row, k))
        waiting.add(signal, versions, places, top, case.judge(unit))
    waiting.ask(top)
    case.step(case.units.size, case.units.size, f"exchange of {case.artefact.name}")
    found = top[:, which]
    own = case.unit_groups[:, None] == case.donor_groups[None, :]
    unusable = float((found[~own] == NOT_JUDGED).mean()) if not own.all() else 1.0
    found[own] = NOT_JUDGED
    return Exchanged(found, waiting.passes, len(kinds), unusable)


def _versions(receiver: Receiver, patches: dict[int, Patch]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    for k, patch in patches.items():
        values = receiver.given(patch)
        if values is not None:
            yield k, values


class Waiting:
    """Prepared inputs that wait until there are enough of them for a pass."""

    def __init__(self, case: Case) -> None:
        self._usual = self._judge = case.model
        self._tensors: list[torch.Tensor] = []
        self._places: list[tuple[int, int]] = []
        self.passes = 0

    def add(
        self,
        signal: xr.DataArray,
        versions: list[npt.NDArray[Any]],
        places: list[tuple[int, int]],
        top: npt.NDArray[np.int64],
        judge: Model | None = None,
    ) -> None:
        """Prepare versions of one signal, and ask its judge (the case's model by default) once a batch is full."""
        judge = judge or self._usual
        if judge is not self._judge:
            self.ask(top)
            self._judge = judge
        size = max(1, min(_BATCH, _CHUNK_BYTES // max(1, 8 * signal.size)))
        for start in range(0, len(versions), size):
            tensors = judge.preprocessing.apply(np.stack(versions[start : start + size]), signal)
            if self._tensors and self._tensors[0].shape[1:] != tensors.shape[1:]:
                self.ask(top)
            self._tensors.append(tensors)
            self._places += places[start : start + size]
            if len(self._places) >= _BATCH:
                self.ask(top)

    def ask(self, top: npt.NDArray[np.int64]) -> None:
        """Ask the model about all that waits, and write down what is on top."""
        if not self._places:
            return
        import torch

        found = scores_of_prepared(self._judge, torch.cat(self._tensors))
        for (row, k), c in zip(self._places, found.top.tolist(), strict=True):
            top[row, k] = c
        self.passes += len(self._places)
        self._tensors, self._places = [], []
