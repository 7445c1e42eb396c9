"""Noisy linear imputation: each pixel becomes the mean of its neighbours, plus the noise of the surroundings."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from matxai.checks.fills import Floats, fills


@lru_cache(maxsize=8)
def _factor(shape: tuple[int, ...], packed: bytes) -> tuple[Any, npt.NDArray[np.int64]]:
    """Factorise the system of one shape once; its translates, which are the controls, share it."""
    mask = np.unpackbits(np.frombuffer(packed, np.uint8), count=int(np.prod(shape))).astype(bool).reshape(shape)
    number = np.full(shape, -1, np.int64)
    number[mask] = np.arange(int(mask.sum()))
    rows, columns, degree = [], [], np.zeros(int(mask.sum()))
    for axis in range(mask.ndim):
        for step in (-1, 1):
            beside = np.full(shape, -2, np.int64)  # -2: beyond the box
            here = [slice(None)] * mask.ndim
            there = [slice(None)] * mask.ndim
            here[axis] = slice(1, None) if step < 0 else slice(None, -1)
            there[axis] = slice(None, -1) if step < 0 else slice(1, None)
            beside[tuple(here)] = number[tuple(there)]
            neighbour = beside[mask]
            degree += neighbour > -2
            inner = neighbour >= 0
            rows.append(np.nonzero(inner)[0])
            columns.append(neighbour[inner])
    n = degree.size
    off = sparse.coo_matrix(
        (-np.ones(sum(r.size for r in rows)), (np.concatenate(rows), np.concatenate(columns))), (n, n)
    )
    return splu((sparse.diags(degree) + off).tocsc()), number


def _surroundings(values: Floats, mask: npt.NDArray[np.bool_]) -> Floats:
    """Sum of each masked pixel's neighbours outside the mask, ``(n, c)``."""
    outside = np.where(mask[..., None], 0.0, values)
    total = np.zeros_like(outside)
    for axis in range(mask.ndim):
        for step in (-1, 1):
            here: list[slice] = [slice(None)] * values.ndim
            there: list[slice] = [slice(None)] * values.ndim
            here[axis] = slice(1, None) if step < 0 else slice(None, -1)
            there[axis] = slice(None, -1) if step < 0 else slice(1, None)
            total[tuple(here)] += outside[tuple(there)]
    return total[mask]


@fills.register("noisy_linear")
def noisy_linear(values: Floats, mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Solve for pixels that are the mean of their neighbours (Rong et al. 2022, ROAD), then add the ring's own noise.

    The noise is what a 3-pixel median leaves of a ring of three pixels around the region: without it the patch would be
    smooth where nothing else in a micrograph is.
    """
    box = tuple(slice(max(0, int(i.min()) - 4), int(i.max()) + 5) for i in np.nonzero(mask))
    inner = mask[box]
    window = values[box].astype(np.float64).reshape(*inner.shape, -1)
    solver, _ = _factor(inner.shape, np.packbits(inner).tobytes())
    solved = solver.solve(_surroundings(window, inner))
    ring = ndimage.binary_dilation(inner, iterations=3) & ~inner
    noise = window - ndimage.median_filter(window, size=(3,) * inner.ndim + (1,))
    # without a ring there is nothing to learn noise from; the linear solution stands alone
    spread = noise[ring].std(axis=0) if ring.any() else np.zeros(window.shape[-1])
    solved += rng.standard_normal(solved.shape) * spread
    filled = values.copy()
    filled[box][inner] = solved.reshape(-1, *values.shape[mask.ndim :])
    return filled
