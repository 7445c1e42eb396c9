"""A labelled set as the checks see it: names, labels, groups, a way to read each signal. No files are known here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import SignalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import xarray as xr


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Signals with their classes, read one by one when they are asked for.

    Parameters
    ----------
    names
        How each is called in tables; ``N`` of them, no two alike.
    labels
        Index of each one's class in ``classes``, ``(N,)``.
    classes
        Names of the classes, in the model's order.
    read
        From a number below ``N`` to the signal, in the file's own values.
    groups
        Number of each one's group (specimen, session, location), ``(N,)``; None where nobody said what a group is.
    files
        Where each lies; empty where the signals came from no file.
    mask
        From a number to the ground-truth mask ``(*spatial)`` (labels, 0 the background), where the set has one.
    more
        Further columns: name to one text for each signal.
    notes
        What was assumed or left out, one sentence each.

    Raises
    ------
    SignalError
        If counts differ, names repeat, a label is no class, or there is no signal.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    read: Callable[[int], xr.DataArray]
    groups: npt.NDArray[np.int64] | None = None
    files: tuple[Path, ...] = ()
    mask: Callable[[int], npt.NDArray[np.int64] | None] | None = None
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64))
        counts = {len(self.names), len(self.labels)} | {len(column) for column in self.more.values()}
        counts |= {len(part) for part in (self.groups, self.files or None) if part is not None}
        if not self.names or len(counts) != 1:
            msg = f"A labelled set has as many names, labels, groups and files as signals; here they are {counts}."
            raise SignalError(msg)
        if len(set(self.names)) != len(self.names):
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise SignalError(f"Two signals of the set are called '{twice}'; names tell them apart.")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            msg = f"A label lies outside the {len(self.classes)} classes, which are numbered from 0."
            raise SignalError(msg)

    def __len__(self) -> int:
        return len(self.names)

    def only(self, chosen: Sequence[int] | npt.NDArray[np.integer]) -> LabelledSet:
        """Return the set of some of its signals, in the order given; their numbers begin at 0 again."""
        numbers = [int(i) for i in chosen]
        read, mask = self.read, self.mask
        return replace(
            self,
            names=tuple(self.names[i] for i in numbers),
            labels=self.labels[numbers],
            read=lambda k: read(numbers[k]),
            groups=None if self.groups is None else np.asarray(self.groups)[numbers],
            files=tuple(self.files[i] for i in numbers) if self.files else (),
            mask=None if mask is None else lambda k: mask(numbers[k]),
            more={name: tuple(column[i] for i in numbers) for name, column in self.more.items()},
        )

    @property
    def present(self) -> tuple[int, ...]:
        """The classes that occur, as indices."""
        return tuple(int(c) for c in np.unique(self.labels))
