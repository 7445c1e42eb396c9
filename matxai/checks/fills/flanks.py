"""What lies beside a region of a spectrum: the runs it is made of, and the points on both sides of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


@dataclass(frozen=True, eq=False)
class Run:
    """One unbroken run of a region, with the points beside it.

    Parameters
    ----------
    start, stop
        Where it lies.
    left, right
        Indices of the nearest points outside the region, ascending; empty where the spectrum ends or another run is
        all there is.
    x
        Coordinates of the whole spectrum.
    """

    start: int
    stop: int
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    x: Floats

    @property
    def sides(self) -> npt.NDArray[np.int64]:
        """Indices on both sides."""
        return np.concatenate([self.left, self.right])

    @property
    def inside(self) -> Floats:
        """Coordinates inside."""
        return self.x[self.start : self.stop]


def runs(ground: Ground, spot: Spot, *, points: int | None = None) -> Iterator[Run]:
    """Yield the runs of a region of a spectrum, each with ``points`` points beside it on either side.

    By default as many as the run is long, and at least eight: what lies further away says less of its baseline.
    """
    mask = spot.mask()
    step = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    free = np.flatnonzero(~mask)
    for start, stop in zip(step[::2], step[1::2], strict=True):
        wanted = max(8, int(stop - start)) if points is None else points
        left, right = free[free < start][-wanted:], free[free >= stop][:wanted]
        yield Run(int(start), int(stop), left, right, ground.along[0])
