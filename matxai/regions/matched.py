"""Controls for a free-standing region: the same shape elsewhere, on ground like its own. Arrays in, masks out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from matxai.errors import RegionError
from matxai.regions.region import Region

Floats = npt.NDArray[np.float64]

_CANDIDATES = 400
_WHOLE = 2**24
"""Signals of up to so many values are searched everywhere; in larger ones a draw of places is looked at."""


@dataclass(frozen=True, eq=False)
class Twins:
    """Where the translates of a region lie that are most like it.

    Parameters
    ----------
    shifts
        How far each is moved, ``(n, axes)``, the best matched first.
    distances
        From the region in mean, deviation and distance to the border, each in standard deviations of the candidates.
    room
        How many translates were possible at all.
    """

    shifts: npt.NDArray[np.int64]
    distances: Floats
    room: int

    def __len__(self) -> int:
        return len(self.shifts)


def matched_shifts(
    mask: npt.NDArray[np.bool_],
    image: npt.NDArray[Any],
    n: int,
    rng: np.random.Generator,
    *,
    allowed: npt.NDArray[np.bool_] | None = None,
    overlap: float = 0.1,
) -> Twins:
    """Return the shifts to the translates of a region that are matched best in local mean, deviation and place.

    Parameters
    ----------
    mask
        Boolean ``(*spatial)``, neither empty nor everything.
    image
        Grey values ``(*spatial)`` that mean and deviation are taken from.
    n
        How many at most; fewer come back where the shape leaves no room, and none is not an error.
    rng
        Draws the candidates among the places that are possible: 400, and at least eight for each control.
    allowed
        Where a control may lie (seen by the network, outside found artefacts); by default everywhere.
    overlap
        The largest part of a control that may lie on the region itself.

    Raises
    ------
    RegionError
        If ``image`` or ``allowed`` is not of the mask's size.
    """
    for name, other in (("image", image), ("allowed ground", allowed)):
        if other is not None and other.shape != mask.shape:
            msg = f"The {name} is {other.shape}, the region's mask {mask.shape}; controls need both of one size."
            raise RegionError(msg)
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
    inside = mask[box]
    free = np.isfinite(image) if allowed is None else np.isfinite(image) & allowed
    origin = np.array([b.start for b in box])
    places, room = _places(inside, free, mask, overlap, max(_CANDIDATES, 8 * n), rng)
    if not n or not room:
        return Twins(np.zeros((0, mask.ndim), np.int64), np.zeros(0), room)
    values = np.where(np.isfinite(image), image, 0.0).astype(np.float64)
    features = _features(inside, values - values.mean(), np.concatenate([origin[None], places]))
    scale = np.maximum(features[1:].std(axis=0), 1e-12 * max(1.0, float(np.abs(values).max())))
    distance = np.sqrt((((features[1:] - features[0]) / scale) ** 2).sum(axis=1))
    best = np.argsort(distance, kind="stable")[:n]
    return Twins((places - origin)[best], distance[best], room)


def matched_regions(
    region: Region,
    image: npt.NDArray[Any],
    n: int,
    rng: np.random.Generator,
    *,
    allowed: npt.NDArray[np.bool_] | None = None,
    overlap: float = 0.1,
) -> list[Region]:
    """Return translates of a region, the best matched in local mean, deviation and distance to the border.

    Parameters are those of :func:`matched_shifts`.

    Returns
    -------
    list of Region
        Kind ``matched_control``; each with its shift and its distance in standardised features as evidence.
    """
    found = matched_shifts(region.mask, image, n, rng, allowed=allowed, overlap=overlap)
    points = np.stack(np.nonzero(region.mask), axis=1)
    twins = []
    for shift, distance in zip(found.shifts, found.distances, strict=True):
        moved = np.zeros(region.mask.shape, bool)
        moved[tuple((points + shift).T)] = True
        evidence = {"shift": [int(s) for s in shift], "distance": float(distance)}
        twins.append(Region(moved, "matched_control", "translate", evidence=evidence))
    return twins


def _places(
    inside: npt.NDArray[np.bool_],
    free: npt.NDArray[np.bool_],
    mask: npt.NDArray[np.bool_],
    overlap: float,
    wanted: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], int]:
    """First corners ``(m, axes)`` of at most ``wanted`` possible places in their order, and how many there are."""
    most = overlap * int(inside.sum())
    size = tuple(n - k + 1 for n, k in zip(free.shape, inside.shape, strict=True))
    if free.size <= _WHOLE:
        shared = np.rint(_sums(inside, mask.astype(float)))
        fits = (_sums(inside, (~free).astype(float)) < 0.5) & (shared <= most)
        possible = np.flatnonzero(fits)
        drawn = possible if possible.size <= wanted else np.sort(rng.choice(possible, wanted, replace=False))
        return np.stack(np.unravel_index(drawn, size), axis=1).astype(np.int64), int(possible.size)
    corners = np.unique(rng.integers(0, size, size=(wanted, mask.ndim)), axis=0)
    kept = []
    for corner in corners:
        there = tuple(slice(c, c + k) for c, k in zip(corner, inside.shape, strict=True))
        if free[there][inside].all() and mask[there][inside].sum() <= most:
            kept.append(corner)
    return np.array(kept, np.int64).reshape(-1, mask.ndim), len(kept)


def _sums(inside: npt.NDArray[np.bool_], values: Floats) -> Floats:
    """Sum of ``values`` under the shape at every place that it has, by the Fourier transform."""
    turned = inside[(slice(None, None, -1),) * inside.ndim].astype(float)
    return np.asarray(signal.fftconvolve(values, turned, mode="valid"))


def _features(inside: npt.NDArray[np.bool_], values: Floats, corners: npt.NDArray[np.int64]) -> Floats:
    """Mean, deviation and distance of the centre to the nearest border (as a share of the side), ``(m, 3)``."""
    points = np.stack(np.nonzero(inside), axis=1)
    sides = np.array(values.shape)
    flat = values.ravel()
    strides = np.array([int(np.prod(sides[a + 1 :])) for a in range(values.ndim)])
    steps, starts = points @ strides, corners @ strides
    found = np.empty((len(corners), 3))
    at_once = max(1, 2**22 // len(points))
    for k in range(0, len(corners), at_once):
        under = flat[starts[k : k + at_once, None] + steps]
        found[k : k + at_once, 0], found[k : k + at_once, 1] = under.mean(axis=1), under.std(axis=1)
    centre = (corners + (points + 0.5).mean(axis=0)) / sides
    found[:, 2] = np.minimum(centre, 1 - centre).min(axis=1)
    return found
