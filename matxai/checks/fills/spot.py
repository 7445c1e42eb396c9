"""A region as fills see it: its shape, which it shares with its translates, and the box in which that shape lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Bools: TypeAlias = npt.NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Shape:
    """A mask in its smallest box, and at which sides that box touches the border of the signal.

    Parameters
    ----------
    inside
        Boolean, of the box's size.
    touches
        For each axis whether the signal ends at the box's first and at its last position.
    """

    inside: Bools
    touches: tuple[tuple[bool, bool], ...]
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(self.once("area", self.inside.sum))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under ``key`` for this shape, making it if it has not been made."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def padded(self, margin: int) -> Bools:
        """Return the mask with ``margin`` positions more on every side."""
        return self.once(("padded", margin), lambda: np.pad(self.inside, margin))

    def ring(self, width: int) -> Bools:
        """Return what lies within ``width`` steps of the mask and not inside, padded by ``width``."""
        grown = self.padded(width)
        return self.once(("ring", width), lambda: ndimage.binary_dilation(grown, iterations=width) & ~grown)

    @property
    def thickness(self) -> float:
        """The largest distance of a position inside to the nearest one outside, in positions."""

        def measure() -> float:
            sides = [(int(not low), int(not high)) for low, high in self.touches]
            return float(ndimage.distance_transform_edt(np.pad(self.inside, sides)).max())

        return self.once("thickness", measure)


@dataclass(frozen=True, eq=False)
class Spot:
    """A region of one signal.

    Parameters
    ----------
    shape
        What it has in common with its translates.
    box
        Where it lies: slices with ``start`` and ``stop``.
    whole
        Spatial shape of the signal.
    """

    shape: Shape
    box: tuple[slice, ...]
    whole: tuple[int, ...]

    @classmethod
    def of(cls, mask: Bools, whole: tuple[int, ...] | None = None) -> Spot:
        """Return the spot of a mask ``(*spatial)``.

        Raises
        ------
        RegionError
            If the mask is not boolean, of another size than ``whole``, empty, or covers everything.
        """
        checked(mask, mask.shape if whole is None else whole)
        box = tuple(
            slice(int(i.min()), int(i.max()) + 1) for i in (np.nonzero(_along(mask, a))[0] for a in _axes(mask))
        )
        return cls(_shape_of(np.ascontiguousarray(mask[box]), box, mask.shape), box, mask.shape)

    def moved(self, shift: npt.NDArray[np.int64]) -> Spot:
        """Return the spot moved by so many positions along each axis; it stays inside the signal."""
        box = tuple(slice(b.start + int(s), b.stop + int(s)) for b, s in zip(self.box, shift, strict=True))
        return Spot(_shape_of(self.shape.inside, box, self.whole), box, self.whole)

    def rest(self) -> Spot:
        """Return everything else."""
        return Spot.of(~self.mask())

    def mask(self) -> Bools:
        """Return the boolean mask ``(*spatial)``."""
        mask = np.zeros(self.whole, bool)
        mask[self.box] = self.shape.inside
        return mask

    def window(self, margin: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return the box with a margin, as far as the signal goes: in it, and in an array padded by ``margin``."""
        there, here = [], []
        for b, n in zip(self.box, self.whole, strict=True):
            low, high = max(0, b.start - margin), min(n, b.stop + margin)
            there.append(slice(low, high))
            here.append(slice(low - b.start + margin, high - b.start + margin))
        return tuple(there), tuple(here)


def checked(mask: Bools, whole: tuple[int, ...]) -> None:
    """Say what is wrong with a region's mask for a signal of spatial shape ``whole``.

    Raises
    ------
    RegionError
        If it is not boolean, of another size, empty, or covers everything.
    """
    if mask.dtype != np.bool_:
        msg = f"A region's mask is boolean, not {mask.dtype}. Compare it with a value first, as in labels == 3."
        raise RegionError(msg)
    if mask.shape != whole:
        msg = f"The region's mask is {mask.shape}, the signal {whole}. A mask has the size of its signal."
        raise RegionError(msg)
    if not mask.any():
        raise RegionError(f"The region is empty: no position of {mask.shape} lies inside, so nothing can be replaced.")
    if mask.all():
        raise RegionError(f"The region covers the whole signal {mask.shape}; nothing is left to replace it from.")


def _axes(mask: Bools) -> range:
    return range(mask.ndim)


def _along(mask: Bools, axis: int) -> Bools:
    """Return whether anything lies inside, position by position of one axis."""
    return np.asarray(mask.any(axis=tuple(a for a in _axes(mask) if a != axis)))


def _shape_of(inside: Bools, box: tuple[slice, ...], whole: tuple[int, ...]) -> Shape:
    touches = tuple((b.start == 0, b.stop == n) for b, n in zip(box, whole, strict=True))
    return _shape(inside.shape, np.packbits(inside).tobytes(), touches)


@lru_cache(maxsize=16)
def _shape(size: tuple[int, ...], packed: bytes, touches: tuple[tuple[bool, bool], ...]) -> Shape:
    """One shape for all its translates; what was worked out for it goes when sixteen others have come."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=int(np.prod(size)))
    return Shape(bits.astype(bool).reshape(size), touches)
