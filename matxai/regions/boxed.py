"""A region of one signal among many: its mask kept as small as it is, so that a folder's regions fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matxai.regions.region import Region


@dataclass(frozen=True, eq=False)
class Boxed:
    """A mask as the box that holds it and what lies inside the box.

    Parameters
    ----------
    shape
        Spatial shape of the signal.
    box
        Slices of the smallest box that holds the mask, one for each axis, with ``start`` and ``stop``.
    inside
        Boolean array of the box's shape.

    Raises
    ------
    RegionError
        If the box lies outside the signal, or ``inside`` is not of its size.
    """

    shape: tuple[int, ...]
    box: tuple[slice, ...]
    inside: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        size = tuple(int(b.stop - b.start) for b in self.box)
        fits = len(size) == len(self.shape) and all(
            0 <= b.start < b.stop <= n for b, n in zip(self.box, self.shape, strict=True)
        )
        if not fits or self.inside.shape != size:
            msg = f"A box {self.box} with a mask of {self.inside.shape} is no part of a signal of {self.shape}."
            raise RegionError(msg)

    @property
    def touches(self) -> tuple[tuple[bool, bool], ...]:
        """Whether the box begins, and ends, at the border of the signal, for each axis."""
        return tuple((b.start == 0, b.stop == n) for b, n in zip(self.box, self.shape, strict=True))

    @classmethod
    def of(cls, region: Region | npt.NDArray[np.bool_]) -> Boxed:
        """Return a region, or a boolean mask ``(*spatial)``, in its box.

        Raises
        ------
        RegionError
            If the mask is empty.
        """
        mask = region if isinstance(region, np.ndarray) else region.mask
        if not mask.any():
            msg = f"A mask of {mask.shape} without a pixel has no box."
            raise RegionError(msg)
        box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
        return cls(mask.shape, box, np.ascontiguousarray(mask[box]))

    @classmethod
    def union(cls, parts: Iterable[Boxed]) -> Boxed:
        """Return what any of the parts covers; all are of one signal.

        Raises
        ------
        RegionError
            If there are none, or they are of signals of different shapes.
        """
        some = list(parts)
        if not some or any(p.shape != some[0].shape for p in some):
            msg = "Regions are joined that are of one signal; none was given, or their shapes differ."
            raise RegionError(msg)
        mask = np.zeros(some[0].shape, bool)
        for part in some:
            mask[part.box] |= part.inside
        return cls.of(mask)

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(self.inside.sum())

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return the boolean mask ``(*spatial)``."""
        mask = np.zeros(self.shape, bool)
        mask[self.box] = self.inside
        return mask
