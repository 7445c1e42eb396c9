"""The region is quilted from patches of its own surroundings: nothing in it is new but the arrangement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.fills import fill

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Bools, Spot

_CANDIDATES = 48
_SMALLEST = {1: 9, 2: 7, 3: 5}
_COMPARED = 40_000
"""Patches compared for one region at most: large regions get fewer candidates for each block, never none."""


@fill("texture", draws=True)
def texture(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:
    """Quilt the region block by block (Efros and Freeman 2001): of random patches of the surroundings the best fitting.

    A block takes the patch that agrees best with what is known where they overlap: the surroundings and the blocks
    laid before. Patches come from within one region's size of it, from the whole signal where there are none, and
    become smaller where no whole one lies outside.
    """
    sides = spot.shape.inside.shape
    patch = int(np.clip(max(sides) // 6, _SMALLEST[len(sides)], 32))
    while True:
        for margin in (max(2 * patch, *sides), max(spot.whole)):
            there, _ = spot.window(margin)
            size = tuple(min(patch, t.stop - t.start) for t in there)
            mask = _mask(spot, there)
            sources = np.flatnonzero(_whole(mask, size))
            if sources.size:
                return _quilted(ground.values[there], mask, size, sources, rng)
        patch = max(1, patch // 2)


def _mask(spot: Spot, there: tuple[slice, ...]) -> Bools:
    mask = np.zeros(tuple(t.stop - t.start for t in there), bool)
    mask[tuple(slice(b.start - t.start, b.stop - t.start) for b, t in zip(spot.box, there, strict=True))] = (
        spot.shape.inside
    )
    return mask


def _whole(mask: Bools, size: tuple[int, ...]) -> Bools:
    """Return, of the window's size, where a patch may begin: inside the window, and with nothing of the mask."""
    total = mask.astype(np.int64)
    for axis, n in enumerate(size):
        zero = [(0, 0)] * mask.ndim
        zero[axis] = (1, 0)
        run = np.pad(total.cumsum(axis=axis), zero)
        length = mask.shape[axis]
        total = run.take(range(n, length + 1), axis) - run.take(range(length + 1 - n), axis)
    free = np.zeros(mask.shape, bool)
    free[tuple(slice(n) for n in total.shape)] = total == 0
    return free


def _origins(mask: Bools, size: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """First positions of the blocks, in the order in which they are laid; each overlaps the ones before by a third."""
    along = []
    for axis, n in enumerate(size):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        shared = min(n - 1, max(1, n // 3))
        starts = np.arange(inside[0] - shared, inside[-1] + 1, max(1, n - shared))
        along.append(np.unique(np.clip(starts, 0, mask.shape[axis] - n)))
    return np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, mask.ndim)


def _quilted(
    window: Floats, mask: Bools, size: tuple[int, ...], sources: npt.NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    canvas = window.reshape(-1, window.shape[-1]).copy()
    given = canvas.copy()
    todo = mask.ravel().copy()
    number = np.arange(mask.size).reshape(mask.shape)
    offsets = number[tuple(slice(n) for n in size)].ravel()
    blocks = number[tuple(_origins(mask, size).T)]
    tries = int(np.clip(_COMPARED // len(blocks), 1, _CANDIDATES))
    for block in blocks:
        at = block + offsets
        new = todo[at]
        if not new.any():
            continue
        drawn = sources[rng.integers(sources.size, size=tries)]
        best = drawn[0]
        if tries > 1 and not new.all():
            known = offsets[~new]
            apart = given[drawn[:, None] + known] - canvas[block + known]
            best = drawn[np.einsum("kpc,kpc->k", apart, apart).argmin()]
        canvas[at[new]] = given[best + offsets[new]]
        todo[at[new]] = False
    return canvas[mask.ravel()]
