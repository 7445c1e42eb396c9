"""Receptive-field arithmetic: how an operation moves the centres of cells and widens what reaches them, along one axis.

A :class:`Centres` says of each cell ``i`` along one axis of a tensor that what reaches it is centred at input pixel
``origin + i * step`` and extends from ``low`` to ``high`` around that (Araujo, Norris and Sim, Distill 2019).
:mod:`.places` walks the recorded operations with these functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: Branches whose centres differ by more than this share of a step disagree, and arithmetic gives up.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Centres:
    """The centres of the cells along one axis of a tensor.

    Attributes
    ----------
    axis
        Which spatial axis of the input this is.
    origin, step
        Cell ``i`` is centred at input pixel ``origin + i * step``.
    low, high
        How far the receptive field extends below (negative) and above the centre, in input pixels.
    """

    axis: int
    origin: float = 0.0
    step: float = 1.0
    low: float = 0.0
    high: float = 0.0

    @property
    def field(self) -> float:
        """The receptive field's size in input pixels."""
        return self.high - self.low + 1


def windowed(at: Centres, kernel: int, stride: int, before: float, dilation: int = 1) -> Centres:
    """Return the centres behind a convolution or pooling.

    Parameters
    ----------
    at
        In front of it.
    kernel, stride, dilation
        Of the operation along this axis.
    before
        Cells of padding in front of the first.
    """
    half = 0.5 * dilation * (kernel - 1)
    return replace(
        at,
        origin=at.origin + at.step * (half - before),
        step=at.step * stride,
        low=at.low - at.step * half,
        high=at.high + at.step * half,
    )


def transposed(at: Centres, kernel: int, stride: int, before: float, dilation: int = 1) -> Centres:
    """Return the centres behind a transposed convolution: the mean position of the cells that reach each output."""
    reach = dilation * (kernel - 1)
    half = 0.5 * at.step * (math.ceil((reach + 1) / stride) - 1)
    return replace(
        at,
        origin=at.origin + at.step * (before - 0.5 * reach) / stride,
        step=at.step / stride,
        low=at.low - half,
        high=at.high + half,
    )


def interpolated(at: Centres, ratio: float, *, corners: bool = False, taps: float = 1.0) -> Centres:
    """Return the centres behind an interpolation.

    Parameters
    ----------
    at
        In front of it.
    ratio
        Input cells for each output cell.
    corners
        ``align_corners=True``: cell 0 stays where it is; else cells are aligned by their edges.
    taps
        How far the interpolation reaches to each side, in cells: 0 for nearest, 1 for linear, 2 for cubic.
    """
    shift = 0.0 if corners else 0.5 * ratio - 0.5
    reach = at.step * taps
    return replace(
        at, origin=at.origin + at.step * shift, step=at.step * ratio, low=at.low - reach, high=at.high + reach
    )


def pooled(at: Centres, cells: int, bins: int) -> Centres:
    """Return the centres behind an adaptive pooling from ``cells`` to ``bins``."""
    ratio = cells / bins
    half = 0.5 * at.step * (math.ceil(ratio) - 1)
    return replace(
        at,
        origin=at.origin + at.step * (0.5 * ratio - 0.5),
        step=at.step * ratio,
        low=at.low - half,
        high=at.high + half,
    )


def shifted(at: Centres, cells: float) -> Centres:
    """Return the centres after ``cells`` cells were added in front (negative: cut off)."""
    return replace(at, origin=at.origin - at.step * cells)


def merged(branches: list[Centres]) -> Centres | None:
    """Return the centres where branches meet (sum, concatenation, product), or ``None`` where they disagree.

    The field is the union of the branches' fields.
    """
    first = branches[0]
    tolerance = TOLERANCE * first.step
    for other in branches[1:]:
        if (
            other.axis != first.axis
            or abs(other.step - first.step) > tolerance
            or abs(other.origin - first.origin) > tolerance
        ):
            return None
    return replace(first, low=min(b.low for b in branches), high=max(b.high for b in branches))
