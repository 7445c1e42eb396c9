"""The signal as fills see it: its values, another sample's beside them, and what is worked out once for all regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from matxai.checks.fills.spot import Spot

Floats: TypeAlias = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Ground:
    """One signal that regions are replaced in.

    Parameters
    ----------
    original
        The values in the file's own type, ``(*spatial)`` or ``(*spatial, c)``.
    values
        The same as float64, always ``(*spatial, C)``; what is not finite has the value of the nearest that is, so that
        no fill carries it into a region.
    donor
        Another sample's, of the same size; None where there is none.
    along
        Coordinate of each spatial axis; indices where nobody said anything.
    limits
        The smallest and the largest value that the signal and its donor have: no fill goes beyond.
    """

    original: npt.NDArray[Any]
    values: Floats
    donor: Floats | None
    along: tuple[Floats, ...]
    limits: tuple[float, float]
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        values: npt.NDArray[Any],
        *,
        spatial: int,
        donor: npt.NDArray[Any] | None = None,
        along: tuple[npt.NDArray[Any], ...] = (),
    ) -> Ground:
        """Return the ground of an array with so many spatial axes, with or without an axis of channels behind them.

        Raises
        ------
        RegionError
            If the array has not so many axes or no finite value, or the donor is of another size.
        """
        original = np.asarray(values)
        if original.ndim - spatial not in (0, 1) or not spatial:
            msg = f"The region's mask has {spatial} axes, the signal is {original.shape}. A mask has its signal's size."
            raise RegionError(msg)
        if donor is not None and np.shape(donor) != original.shape:
            msg = (
                f"The donor is {np.shape(donor)}, the signal {original.shape}: content is taken from the same place, "
                "so both have one size."
            )
            raise RegionError(msg)
        full = (*original.shape[:spatial], -1)
        wide = _completed(original.astype(np.float64).reshape(full))
        other = None if donor is None else _completed(np.asarray(donor, np.float64).reshape(full))
        parts = [wide] if other is None else [wide, other]
        low, high = min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)
        axes = tuple(np.asarray(a, np.float64) for a in along) or tuple(np.arange(n, dtype=float) for n in full[:-1])
        return cls(original, wide, other, axes, (low, high))

    @property
    def shape(self) -> tuple[int, ...]:
        """The spatial shape."""
        return self.values.shape[:-1]

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return self.values.ndim - 1

    @property
    def counts(self) -> bool:
        """Whether the values are whole numbers, as counts are."""
        return self.original.dtype.kind in "iu" or bool((self.values == np.rint(self.values)).all())

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under ``key`` for this signal, making it if it has not been made."""
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found

    def replaced(self, spot: Spot, patch: Floats) -> npt.NDArray[Any]:
        """Return a copy of the original with ``patch`` ``(n, C)`` in a region's pixels, rounded for whole numbers."""
        out = self.original.copy()
        self.put(out, spot, patch)
        return out

    def put(self, out: npt.NDArray[Any], spot: Spot, patch: Floats) -> None:
        """Write ``patch`` ``(n, C)`` into a region's pixels of ``out``, which has the original's shape and type."""
        out[spot.box][spot.shape.inside] = settled(patch, out.dtype).reshape(len(patch), *out.shape[self.axes :])

    def lay(self, out: npt.NDArray[Any], values: Floats) -> None:
        """Write values ``(*spatial, C)`` over ``out``, of the original's shape and type, where they are not its own."""
        other = (values != self.values).reshape(out.shape)
        out[other] = settled(values, out.dtype).reshape(out.shape)[other]


def _completed(values: Floats) -> Floats:
    """Give each position ``(*spatial, C)`` that is not finite the values of the nearest one that is.

    Raises
    ------
    RegionError
        If none is.
    """
    spoilt = ~np.isfinite(values).all(axis=-1)
    if not spoilt.any():
        return values
    if spoilt.all():
        raise RegionError(f"No position of the signal {values.shape[:-1]} is finite; there is nothing to replace from.")
    nearest = ndimage.distance_transform_edt(spoilt, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])


def settled(values: Floats, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values in a file's own type: rounded and kept in its range where it holds whole numbers."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values = np.clip(np.rint(values), info.min, info.max)
    elif dtype.kind == "b":
        values = np.clip(np.rint(values), 0, 1)
    return values.astype(dtype)
