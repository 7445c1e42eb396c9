"""How one axis of a signal becomes one axis of what a network receives: a sparse matrix, and where its pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


# A matrix of so many entries is quicker dense than sparse.
DENSE_UP_TO = 2**20


def along(matrix: Any, values: Floats, axis: int) -> Floats:
    """Multiply ``matrix`` (out, in), dense or sparse, to ``axis`` of ``values``."""
    moved = np.moveaxis(values, axis, 0)
    flat = matrix @ moved.reshape(moved.shape[0], -1)
    return np.moveaxis(np.asarray(flat).reshape(-1, *moved.shape[1:]), 0, axis)


@dataclass(frozen=True, eq=False)
class AxisMap:
    """How one axis of a signal becomes one axis of what comes out: ``y = W x``.

    Parameters
    ----------
    weights
        Sparse matrix W of shape (out, in). A row of zeros is padding: it receives nothing from the signal.
    positions
        Shape (out,): where the centre of each new pixel lies, in pixels of the axis that goes in (0: the centre of its
        first pixel; outside 0 ... in - 1 in padding). Ascending or descending.
    """

    weights: Any
    positions: Floats

    @classmethod
    def identity(cls, size: int) -> AxisMap:
        """Return the map of an axis that stays as it is."""
        return cls(sparse.identity(size, format="csr"), np.arange(size, dtype=np.float64))

    @classmethod
    def window(cls, size: int, start: int, stop: int) -> AxisMap:
        """Return the map that keeps the pixels start ... stop - 1; what lies outside 0 ... size - 1 is padding."""
        taken = np.arange(start, stop)
        inside = (taken >= 0) & (taken < size)
        rows = np.flatnonzero(inside)
        matrix = sparse.csr_matrix((np.ones(rows.size), (rows, taken[inside])), shape=(taken.size, size))
        return cls(matrix, taken.astype(np.float64))

    @property
    def n_in(self) -> int:
        """Pixels of the axis that goes in."""
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        """Pixels of the axis that comes out."""
        return int(self.weights.shape[0])

    @cached_property
    def spread(self) -> Any:
        """|W| with rows that sum to 1 (rows of zeros stay): who takes what was not made from the signal's values."""
        absolute = abs(self.weights).tocsr()
        sums = np.asarray(absolute.sum(axis=1)).ravel()
        return sparse.diags(np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)) @ absolute

    @cached_property
    def padded(self) -> NDArray[np.bool_]:
        """Shape (out,): True where a new pixel receives nothing from the signal."""
        return np.asarray(self.spread.sum(axis=1)).ravel() < 0.5

    @cached_property
    def reach(self) -> Floats:
        """Shape (in,): the weight with which each pixel of the signal arrives; 0 is a pixel that is never looked at."""
        return np.asarray(abs(self.weights).sum(axis=0)).ravel().astype(np.float64)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Shape (in,): True from the first to the last pixel that arrives (a coarse resize may skip some)."""
        hit = np.flatnonzero(self.reach > 0)
        inside = np.zeros(self.n_in, dtype=bool)
        if hit.size:
            inside[hit[0] : hit[-1] + 1] = True
        return inside

    @property
    def step(self) -> float:
        """Pixels of the signal for each new pixel, on average and without sign."""
        if self.n_out < 2:
            return float(self.seen.sum()) if self.n_out else 1.0
        return float(abs(self.positions[-1] - self.positions[0]) / (self.n_out - 1))

    def at(self, index: ArrayLike) -> Floats:
        """Return where fractional pixels of the new axis lie in the old one; beyond the ends the step goes on."""
        index = np.asarray(index, dtype=np.float64)
        if self.n_out < 2:
            return np.asarray(self.positions[0] + index)
        left = np.clip(np.floor(index).astype(int), 0, self.n_out - 2)
        slope = self.positions[left + 1] - self.positions[left]
        return np.asarray(self.positions[left] + (index - left) * slope)

    def then(self, later: AxisMap) -> AxisMap:
        """Return this map followed by ``later``."""
        return AxisMap((later.weights @ self.weights).tocsr(), self.at(later.positions))

    def forward(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        """Apply W to one axis of a tensor; a value that is not finite spoils what is made from it, and nothing else."""
        import torch

        wrong = ~torch.isfinite(x)
        spoilt = bool(wrong.any())
        clean = torch.where(wrong, torch.zeros_like(x), x) if spoilt else x
        y = self._times(self.weights, clean, axis)
        if spoilt:  # 0 * nan is nan, so the zeros of a matrix would spread it over the whole axis
            reached = self._times(abs(self.weights), wrong.to(x), axis)
            y = torch.where(reached > 0, torch.full_like(y, torch.nan), y)
        return y

    def _times(self, weights: Any, x: torch.Tensor, axis: int) -> torch.Tensor:
        """Multiply a sparse matrix to one axis of a tensor; as a dense one where that is small, or others are large."""
        import torch

        axis = axis % x.ndim
        if x.ndim > 3 or weights.shape[0] * weights.shape[1] <= DENSE_UP_TO:
            dense = torch.from_numpy(np.asarray(weights.todense())).to(x)
            return torch.movedim(torch.tensordot(dense, x, dims=([1], [axis])), 0, axis)
        entries = weights.tocoo()  # a spectrum of 4096 points onto 4096 others would be 128 MiB, nearly all of it zeros
        rows, cols = (torch.from_numpy(i.astype(np.int64)).to(x.device) for i in (entries.row, entries.col))
        shape = [-1 if k == axis else 1 for k in range(x.ndim)]
        terms = x.index_select(axis, cols) * torch.from_numpy(entries.data).to(x).reshape(shape)
        sizes = [self.n_out if k == axis else n for k, n in enumerate(x.shape)]
        return x.new_zeros(sizes).index_add(axis, rows, terms)


def interpolation(positions: Floats, size: int) -> Any:
    """Return the sparse matrix (size, n) that reads a map known at ``positions`` linearly at the pixels 0 ... size - 1.

    Beyond the outermost position the outermost value holds: half a pixel of the network, where nothing is cropped.
    """
    n = positions.size
    order = np.argsort(positions)
    at = positions[order]
    if n == 1:
        return sparse.csr_matrix(np.ones((size, 1)))
    target = np.clip(np.arange(size, dtype=np.float64), at[0], at[-1])
    right = np.clip(np.searchsorted(at, target), 1, n - 1)
    gap = at[right] - at[right - 1]
    share = np.divide(target - at[right - 1], gap, out=np.zeros(size), where=gap > 0)
    rows = np.concatenate([np.arange(size), np.arange(size)])
    cols = np.concatenate([order[right - 1], order[right]])
    return sparse.csr_matrix((np.concatenate([1 - share, share]), (rows, cols)), shape=(size, n))
