"""Laplace's equation on the pixels of a region: factorised once for a shape, by refinement where it is large.

The system has one unknown for each pixel inside; at the border of the signal there is no neighbour, so no flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Bools, Shape, Spot

DIRECT = 20_000
"""Up to so many unknowns the system is factorised; above, a factor costs more memory than it saves time."""
_STEPS = 60


def laplacian(size: tuple[int, ...]) -> Any:
    """Return the graph Laplacian (degree minus neighbours) of a grid as a sparse matrix ``(N, N)``."""
    n = int(np.prod(size))
    number = np.arange(n).reshape(size)
    rows, columns = [], []
    for axis in range(len(size)):
        one, two = _beside(number, axis)
        rows += [one.ravel(), two.ravel()]
        columns += [two.ravel(), one.ravel()]
    row, column = np.concatenate(rows), np.concatenate(columns)
    beside = sparse.csr_matrix((np.ones(row.size), (row, column)), (n, n))
    return (sparse.diags(np.asarray(beside.sum(axis=1)).ravel()) - beside).tocsr()


def _beside(values: npt.NDArray[Any], axis: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the pairs of neighbours along one axis."""
    left: list[slice] = [slice(None)] * values.ndim
    right = list(left)
    left[axis], right[axis] = slice(None, -1), slice(1, None)
    return values[tuple(left)], values[tuple(right)]


def harmonic(ground: Ground, spot: Spot) -> Floats:
    """Return values ``(n, C)`` of the region's pixels, each the mean of its neighbours.

    Parameters
    ----------
    ground
        The signal.
    spot
        The region; its translates share the factor.
    """
    there, here = spot.window(1)
    return solved(ground.values[there], spot.shape.padded(1)[here], spot.shape)


def solved(window: Floats, mask: Bools, shape: Shape) -> Floats:
    """Return the harmonic values of the pixels in ``mask``, from a window with one position more on every side.

    Parameters
    ----------
    window
        ``(*spatial, C)``; at sides where the shape touches the border the window ends with it.
    mask
        The shape's mask in that window.
    shape
        Keeps the factor.
    """
    known = window[~mask].mean(axis=0)
    flat = np.where(mask[..., None], 0.0, window - known)
    if shape.area > DIRECT:
        return np.asarray(refined(flat, mask) + known)

    def factor() -> tuple[Any, Any]:
        full = laplacian(mask.shape)
        inner, outer = np.flatnonzero(mask), np.flatnonzero(~mask)
        rows = full[inner]
        return splu(rows[:, inner].tocsc()), rows[:, outer]

    solver, surroundings = shape.once("harmonic", factor)
    found: Floats = solver.solve(-(surroundings @ flat[~mask])) + known
    return found


def refined(window: Floats, mask: Bools) -> Floats:
    """Solve a large region from coarse to fine: cascadic multigrid (Bornemann and Deuflhard 1996).

    Each grid starts from the one of half its resolution and is smoothed by conjugate gradients.

    Parameters
    ----------
    window
        ``(*spatial, C)``, 0 inside the mask.
    mask
        Boolean ``(*spatial)``.
    """
    start = np.zeros_like(window)
    if min(mask.shape) > 8 and mask.sum() > 64:
        coarse, unknown = halved(window, mask)
        if unknown.any():
            coarse[unknown] = refined(coarse, unknown)
        start = doubled(coarse, mask.shape)
    return _smoothed(window, mask, start)


def halved(window: Floats, mask: Bools) -> tuple[Floats, Bools]:
    """Return means over the known of each 2 x 2 block, and the blocks without any."""
    odd = [(0, n % 2) for n in mask.shape]
    weight = np.pad(~mask, odd).astype(float)[..., None]
    values = np.pad(np.where(mask[..., None], 0.0, window), [*odd, (0, 0)]) * weight
    for axis in range(mask.ndim):
        size = list(values.shape)
        size[axis : axis + 1] = [size[axis] // 2, 2]
        values = values.reshape(size).sum(axis=axis + 1)
        weight = weight.reshape([*size[:-1], 1]).sum(axis=axis + 1)
    return np.asarray(values / np.maximum(weight, 1.0)), np.asarray(weight[..., 0] == 0)


def doubled(coarse: Floats, size: tuple[int, ...]) -> Floats:
    """Return linear interpolation of a halved grid at the positions of the fine one."""
    for axis, n in enumerate(size):
        at = np.clip((np.arange(n) - 0.5) / 2, 0, coarse.shape[axis] - 1)
        low = np.minimum(at.astype(int), max(0, coarse.shape[axis] - 2))
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(coarse.ndim)])
        coarse = coarse.take(low, axis) * (1 - share) + coarse.take(high, axis) * share
    return coarse


def _smoothed(window: Floats, mask: Bools, start: Floats) -> Floats:
    """Conjugate gradients from ``start``, every channel by itself."""
    unknown = mask[..., None].astype(float)
    degree = _neighbours(np.ones_like(unknown))

    def apply(u: Floats) -> Floats:
        return np.asarray((degree * u - _neighbours(u)) * unknown)

    axes = tuple(range(mask.ndim))
    u = start * unknown
    r = _neighbours(window) * unknown - apply(u)
    p, rr = r.copy(), (r * r).sum(axis=axes)
    enough = 1e-10 * max(float(np.abs(window).max()), 1e-300) ** 2
    for _ in range(_STEPS):
        if not (rr > enough).any():
            break
        q = apply(p)
        alpha = rr / np.maximum((p * q).sum(axis=axes), 1e-300)
        u += alpha * p
        r -= alpha * q
        before, rr = rr, (r * r).sum(axis=axes)
        p = r + rr / np.maximum(before, 1e-300) * p
    return np.asarray(u[mask])


def _neighbours(u: Floats) -> Floats:
    """Return the sum of each position's neighbours."""
    total = np.zeros_like(u)
    for axis in range(u.ndim - 1):
        low, high = _beside(u, axis)
        left, right = _beside(total, axis)
        left += high
        right += low
    return total


def ring_noise(ground: Ground, spot: Spot) -> Floats:
    """Return the noise of the surroundings, ``(C,)``: the deviation of what a 3-pixel median leaves of a ring of three.

    It is 0 where there is no ring to learn from.
    """
    there, here = spot.window(3)
    ring = spot.shape.ring(3)[here]
    if not ring.any():
        return np.zeros(ground.values.shape[-1])
    size = (3,) * ground.axes + (1,)
    if ground.values.size <= 2**22:
        left = ground.once("residual", lambda: ground.values - ndimage.median_filter(ground.values, size=size))[there]
    else:
        wide, _ = spot.window(4)
        inner = tuple(slice(t.start - w.start, t.stop - w.start) for t, w in zip(there, wide, strict=True))
        window = ground.values[wide]
        left = (window - ndimage.median_filter(window, size=size))[inner]
    return np.asarray(left[ring].std(axis=0))
