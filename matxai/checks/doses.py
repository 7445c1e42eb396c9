"""How a region's content is changed in steps: each way is one function, registered here.

It is called as ``(ground, spot, patch, dose, axis, rng)``, where ``patch`` ``(n, C)`` is what a fill puts in the
region's place, and returns the values ``(*spatial, C)`` of the whole signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions import matched_shifts
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


class Dosed(Protocol):
    """A way of changing a region's content by a dose."""

    def __call__(
        self, ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator
    ) -> Floats:
        """Return the values of the whole signal, ``(*spatial, C)``."""


@dataclass(frozen=True)
class Dose:
    """One way, with what it means.

    Parameters
    ----------
    apply
        The change.
    steps
        The doses that are tried where nobody names any.
    untouched
        The dose that leaves the signal as it is.
    words
        What a dose is, for people.
    whole
        Whether doses are whole numbers.
    more
        Whether a higher dose is more of what lies in the region: then the score of a model that needs it rises.
    """

    apply: Dosed
    steps: tuple[float, ...]
    untouched: float
    words: str
    whole: bool = False
    more: bool = False


doses: Registry[Dose] = Registry("change by steps", error=RegionError)
"""All ways by name."""


def dose(
    name: str, steps: tuple[float, ...], untouched: float, words: str, *, whole: bool = False, more: bool = False
) -> Callable[[Dosed], Dosed]:
    """Return a decorator that registers a function as the way ``name``; the rest as in :class:`Dose`."""

    def add(apply: Dosed) -> Dosed:
        doses.add(name, Dose(apply, steps, untouched, words, whole, more))
        return apply

    return add


def _own(ground: Ground, spot: Spot) -> Floats:
    return ground.values[spot.box][spot.shape.inside]


def _emptied(ground: Ground, spot: Spot, patch: Floats) -> Floats:
    values = ground.values.copy()
    values[spot.box][spot.shape.inside] = patch
    return values


@dose("fade", (0.0, 0.25, 0.5, 0.75, 1.0), 0.0, "part of the way from the region's content to its fill")
def fade(ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Blend the content into the fill: 0 as it is, 1 gone."""
    own = _own(ground, spot)
    return _emptied(ground, spot, own + dose * (patch - own))


@dose("amplify", (0.0, 0.5, 1.0, 1.5, 2.0), 1.0, "times the region's contrast to its fill", more=True)
def amplify(ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Multiply what the content has above its fill: 0 gone, 1 as it is, 2 twice as strong."""
    return _emptied(ground, spot, patch + dose * (_own(ground, spot) - patch))


@dose("shift", (0.0, 1.0, 2.0, 4.0, 8.0), 0.0, "positions along the axis", whole=True)
def shift(ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Move the content by so many positions along one axis; what it leaves is filled.

    Raises
    ------
    RegionError
        If it would leave the signal.
    """
    by = np.zeros(ground.axes, np.int64)
    by[axis] = round(dose)
    low, high = spot.box[axis].start + by[axis], spot.box[axis].stop + by[axis]
    if low < 0 or high > ground.shape[axis]:
        msg = (
            f"The region lies at {spot.box[axis].start} to {spot.box[axis].stop - 1} of {ground.shape[axis]} along "
            f"axis {axis}; shifted by {by[axis]} it leaves the signal."
        )
        raise RegionError(msg)
    return _pasted(_emptied(ground, spot, patch), spot.moved(by), _own(ground, spot))


@dose("scale", (0.5, 0.75, 1.0, 1.25, 1.5), 1.0, "times the region's size", more=True)
def scale(ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Scale the content about the middle of its box by linear interpolation; what it leaves is filled.

    Raises
    ------
    RegionError
        If the dose is not above 0, or the region would leave the signal.
    """
    if dose <= 0:
        raise RegionError(f"A region is scaled by a factor above 0, not by {dose:g}.")
    values = _emptied(ground, spot, patch)
    sizes = [max(1, round((b.stop - b.start) * dose)) for b in spot.box]
    starts = [round((b.start + b.stop) / 2 - n / 2) for b, n in zip(spot.box, sizes, strict=True)]
    if any(s < 0 or s + n > whole for s, n, whole in zip(starts, sizes, ground.shape, strict=True)):
        raise RegionError(f"Scaled by {dose:g} the region would leave the signal {ground.shape}.")
    there = tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))
    axes = np.meshgrid(
        *((np.arange(n) + 0.5) * (b.stop - b.start) / n - 0.5 for n, b in zip(sizes, spot.box, strict=True)),
        indexing="ij",
    )
    # the mask by its nearest position, so that a region scaled by 1 is itself
    inside = ndimage.map_coordinates(spot.shape.inside.astype(np.uint8), axes, order=0, mode="nearest").astype(bool)
    content = ground.values[spot.box]
    scaled = [ndimage.map_coordinates(content[..., c], axes, order=1, mode="nearest") for c in range(content.shape[-1])]
    values[there][inside] = np.stack(scaled, axis=-1)[inside]
    return values


@dose("repeat", (0.0, 1.0, 2.0, 3.0, 4.0), 1.0, "times the region's content is there", whole=True, more=True)
def repeat(ground: Ground, spot: Spot, patch: Floats, dose: float, axis: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Put copies of the content on matched ground, none over another: 0 gone, 1 as it is, 2 once more.

    Raises
    ------
    RegionError
        If there is no room for so many.
    """
    copies = round(dose)
    if copies < 1:
        return _emptied(ground, spot, patch)
    values, own = ground.values.copy(), _own(ground, spot)
    taken = spot.mask()
    grey = ground.values.mean(axis=-1)
    for made in range(1, copies):
        found = matched_shifts(spot.mask(), grey, 1, rng, allowed=~taken, overlap=0.0)
        if not len(found):
            msg = f"There is room for {made} of {copies} copies of the region; name fewer, or a smaller region."
            raise RegionError(msg)
        twin = spot.moved(found.shifts[0])
        values = _pasted(values, twin, own)
        taken |= twin.mask()
    return values


def _pasted(values: Floats, spot: Spot, content: Floats) -> Floats:
    values[spot.box][spot.shape.inside] = content
    return values
