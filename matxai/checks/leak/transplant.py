"""Give one signal the artefact of another: same place, in the file's own values and type.

What lies along an edge, or is tied to its place otherwise (:data:`TIED`), is copied where both have it in the same
place (a finder may err by a pixel or two; then all that either covers is copied). Where one lies over the other and
they differ in size (bars of two makers), the own is mirrored away first; a donor that has it elsewhere cannot be used.
What stands free in the picture (a label, a scale bar) is taken away first, by a fill, and the donor's is set in where
the donor has it: how far the two places differ is part of what the artefact may tell. A signal that gets its own
artefact stays as it is, to the last bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.checks.leak.factors.changing import stored
from matxai.checks.leak.levelled import levelled
from matxai.checks.perturbation import filled_signal
from matxai.errors import RegionError
from matxai.regions import Boxed

if TYPE_CHECKING:
    import xarray as xr

TIED = frozenset(
    {
        "info_bar",
        "border",
        "vignette",
        "aperture",
        "padding",
        "first_channel",
        "last_channel",
        "never_varies",
        "class_difference",
        "foreign_peak",
    }
)
"""Kinds that are where they are: a donor's can be had only where the signal has its own, or none at all."""

LEVELLED = frozenset({"foreign_peak"})
"""Kinds of spectra of which what stands above the background is given, and set on the receiver's own."""

SOFT = 2
"""Pixels around an artefact that are filled with it: what compression and smoothing carried beyond its edge."""
NEARLY = 0.9
"""Regions of any shape that share this part of what they cover together are in one place."""
MIRRORED_UP_TO = 0.25
"""A band along an edge is replaced by the picture's mirror image beside it up to this part of the axis."""
OVER = 0.5
"""What is tied to its place can be had of a donor that has it there too: over this part of the smaller of the two."""


@dataclass(frozen=True, eq=False)
class Patch:
    """What a donor gives: its artefact's place and values.

    Parameters
    ----------
    shape
        Spatial shape of the donor.
    where
        Its place; None where the donor has no such artefact.
    values
        All the donor's values; None as above.
    key
        Equal for donors that give the same.
    """

    shape: tuple[int, ...]
    where: Boxed | None
    values: npt.NDArray[Any] | None
    key: bytes


def patch_of(signal: xr.DataArray, region: Boxed | None) -> Patch:
    """Return what a donor with an artefact in ``region`` gives.

    Raises
    ------
    RegionError
        If the region is of another size than the signal.
    """
    values = np.asarray(signal.values)
    if region is None:
        ndim = values.ndim - ("c" in signal.dims)
        return Patch(values.shape[:ndim], None, None, b"none")
    _fits(region, values)
    inside = values[region.box]
    # the key is of what lies inside alone: two donors with one artefact on different ground give the same
    shown = np.where(region.inside.reshape(region.inside.shape + (1,) * (inside.ndim - region.inside.ndim)), inside, 0)
    digest = hashlib.blake2b(repr((region.shape, region.box, values.dtype.str, shown.shape)).encode())
    digest.update(np.packbits(region.inside).tobytes())
    digest.update(np.ascontiguousarray(shown).tobytes())
    return Patch(region.shape, region, values, digest.digest())


def _fits(region: Boxed, values: npt.NDArray[Any]) -> None:
    if values.shape[: len(region.shape)] != region.shape or values.ndim - len(region.shape) not in (0, 1):
        msg = f"The artefact's region is of a signal of {region.shape}, the signal is {values.shape}. They must agree."
        raise RegionError(msg)


class Receiver:
    """A signal that gets the artefacts of others; what it looks like without its own is worked out once.

    Parameters
    ----------
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    region
        Where it has the artefact itself; None where it has none.
    kind
        Of the artefact.
    fill
        Name of the fill that takes the place of one that stands free.
    seed
        For fills that draw.

    Raises
    ------
    RegionError
        If the region is of another size than the signal.
    """

    def __init__(
        self, signal: xr.DataArray, region: Boxed | None, kind: str, fill: str = "noisy_linear", seed: int = 0
    ) -> None:
        self.signal, self.region, self.kind = signal, region, kind
        self._fill, self._seed = fill, seed
        self._own = patch_of(signal, region)
        self._bare: npt.NDArray[Any] | None = None
        self._values = np.asarray(signal.values)

    def given(self, patch: Patch) -> npt.NDArray[Any] | None:
        """Return the signal's values with a donor's artefact in the place of its own, None where that cannot be.

        The array is new, of the signal's shape and type, except that a signal's own artefact returns its own values.
        """
        if patch.key == self._own.key:
            return self._values
        if patch.where is None:
            return self._without()
        assert patch.values is not None  # noqa: S101 - a patch with a place has values
        place = moved_to(patch.where, self._own.shape)
        if place is None or patch.values.dtype != self._values.dtype:
            return None
        if patch.values.shape[place.inside.ndim :] != self._values.shape[len(self._own.shape) :]:
            return None
        if self.kind in LEVELLED:
            return self._levelled(patch, place)
        source, box, inside = patch.where.box, place.box, place.inside
        base: npt.NDArray[Any] | None = self._values
        if self.region is not None and not same_place(self.region, place):
            if self.kind in TIED and patch.shape == self._own.shape and nearly_same_place(self.region, place):
                both = Boxed.union([self.region, place])
                source, box, inside = both.box, both.box, both.inside
            elif self.kind not in TIED or over_one_another(self.region, place):
                base = self._without()
            else:
                return None
        if base is None:
            return None
        values = np.array(base)
        values[box][inside] = patch.values[source][inside]
        return values

    def _levelled(self, patch: Patch, place: Boxed) -> npt.NDArray[Any] | None:
        """The values with a donor's peaks on their own background; None where the two are not on one axis."""
        if self.region is None or patch.values is None or patch.shape != self._own.shape:
            return None
        found = levelled(self._values, patch.values, place.mask())
        return stored(found, self._values.dtype)

    def _without(self) -> npt.NDArray[Any] | None:
        """The values with the own artefact taken away; None where nothing sensible could stand there."""
        if self.region is None:
            return self._values
        if self._bare is None:
            if self.kind in TIED:
                self._bare = mirrored(self._values, self.region)
            else:
                mask = softened(self.region.mask())
                if mask.all():
                    return None
                self._bare = np.asarray(filled_signal(self.signal, mask, self._fill, self._seed).values)
        return self._bare


def softened(mask: npt.NDArray[np.bool_], pixels: int = SOFT) -> npt.NDArray[np.bool_]:
    """Return a mask with the pixels around it that its edge may have reached."""
    return np.asarray(ndimage.binary_dilation(mask, np.ones((3,) * mask.ndim, bool), iterations=pixels))


def same_place(one: Boxed, other: Boxed) -> bool:
    """Return whether two regions are the same pixels of signals of one shape."""
    return one.shape == other.shape and one.box == other.box and bool((one.inside == other.inside).all())


def over_one_another(one: Boxed, other: Boxed) -> bool:
    """Return whether the smaller of two regions of one shape lies over the other, by :data:`OVER` of its area at least.

    Bars of two makers along the same edge do, whatever their heights; bars along opposite edges do not.
    """
    return bool((one.mask() & other.mask()).sum() >= OVER * min(one.area, other.area))


def nearly_same_place(one: Boxed, other: Boxed) -> bool:
    """Return whether two regions differ by no more than a finder's uncertainty.

    For boxes that is :data:`SOFT` pixels at each edge, for other shapes a tenth of the area they have together.
    """
    if one.shape != other.shape:
        return False
    if one.inside.all() and other.inside.all():
        pairs = zip(one.box, other.box, strict=True)
        return all(abs(a.start - b.start) <= SOFT and abs(a.stop - b.stop) <= SOFT for a, b in pairs)
    first, second = one.mask(), other.mask()
    return bool((first & second).sum() >= NEARLY * (first | second).sum())


def moved_to(region: Boxed, shape: tuple[int, ...]) -> Boxed | None:
    """Return a region in a signal of another size, as far from the nearer edge along each axis as it was.

    None where it does not fit, or where it spans an axis that is longer or shorter there.
    """
    if region.shape == shape:
        return region
    if len(region.shape) != len(shape):
        return None
    box = []
    for b, old, new in zip(region.box, region.shape, shape, strict=True):
        spans = b.start == 0 and b.stop == old
        if (spans and old != new) or b.stop - b.start > new:
            return None
        shift = new - old if old - b.stop < b.start else 0
        start, stop = b.start + shift, b.stop + shift
        if start < 0 or stop > new:
            return None
        box.append(slice(start, stop))
    return Boxed(shape, tuple(box), region.inside)


def mirrored(values: npt.NDArray[Any], region: Boxed) -> npt.NDArray[Any] | None:
    """Return values with a band, or a frame, replaced by the mirror image of what lies beside it.

    A band that lies off the edge is replaced by what lies on its wider side. None where the region is neither a band
    over the whole width of one axis nor all that lies around a rectangle, or is wider than :data:`MIRRORED_UP_TO` of
    an axis.
    """
    inside = inner_rectangle(region)
    if inside is not None:
        sides = [(b.start, n - b.stop) for b, n in zip(inside, region.shape, strict=True)]
        if any(max(pair) > MIRRORED_UP_TO * n for pair, n in zip(sides, region.shape, strict=True)):
            return None
        return np.pad(values[inside], sides + [(0, 0)] * (values.ndim - len(sides)), mode="symmetric")
    narrow = [k for k, (b, n) in enumerate(zip(region.box, region.shape, strict=True)) if b.stop - b.start < n]
    if len(narrow) != 1 or not region.inside.all():
        return None
    (axis,) = narrow
    start, stop, length = region.box[axis].start, region.box[axis].stop, region.shape[axis]
    wide = stop - start
    if wide > MIRRORED_UP_TO * length:
        return None
    moved = np.moveaxis(np.array(values), axis, 0)
    above = start >= length - stop
    moved[start:stop] = moved[start - wide : start][::-1] if above else moved[stop : stop + wide][::-1]
    return np.ascontiguousarray(np.moveaxis(moved, 0, axis))


def inner_rectangle(region: Boxed) -> tuple[slice, ...] | None:
    """Return the rectangle that a region leaves of its signal; None where it leaves nothing or something else."""
    rest = ~region.mask()
    if not rest.any():
        return None
    box = Boxed.of(rest).box
    return box if rest[box].all() else None
