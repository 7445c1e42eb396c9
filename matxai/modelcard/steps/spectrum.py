"""Steps for spectra and waveforms: derivative, Savitzky-Golay, area norm, SNV."""

# ruff: noqa: D102, ARG002 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from scipy import sparse

from matxai.modelcard.axis_map import AxisMap
from matxai.modelcard.placement import Moved, Pointwise
from matxai.modelcard.step import Step, steps

if TYPE_CHECKING:
    from matxai.modelcard.step import About, Bounds

SPACING = ("axis", "point")


def _pitch(step: Step, about: About) -> float:
    """Return the distance between points, which must be the same everywhere."""
    gaps = np.diff(about.coords[0])
    if gaps.size == 0 or np.ptp(gaps) > 1e-3 * abs(gaps.mean()):
        raise step.unfit(
            about, f"its points along '{about.dims[0]}' are not equally spaced; put resample in front of it."
        )
    return float(gaps.mean())


@steps.register("derivative")
@dataclass(frozen=True, kw_only=True)
class Derivative(Step):
    """Central differences (one-sided at the ends), by the axis or (``point``) by the index."""

    name: ClassVar[str] = "derivative"
    axes: ClassVar[tuple[int, ...]] = (1,)
    spacing: str = "axis"

    def __post_init__(self) -> None:
        self.choice("spacing", SPACING)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        n = x.shape[2]
        if n < 2:
            raise self.unfit(about, "it has a single point.")
        coord = about.coords[0] if self.spacing == "axis" else np.arange(n, dtype=np.float64)
        place = AxisMap(_gradient(coord), np.arange(n, dtype=np.float64))
        return place.forward(x, 2), Moved({0: place})

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


def _gradient(coord: np.ndarray) -> sparse.csr_matrix:
    """Return the matrix of central differences on uneven points; the ends are one-sided."""
    n = coord.size
    h = np.diff(coord)
    left, right = h[:-1], h[1:]
    i = np.arange(1, n - 1)
    rows = np.concatenate([[0, 0], i, i, i, [n - 1, n - 1]])
    cols = np.concatenate([[0, 1], i - 1, i, i + 1, [n - 2, n - 1]])
    inner = [-right / (left * (left + right)), (right - left) / (left * right), left / (right * (left + right))]
    values = np.concatenate([[-1 / h[0], 1 / h[0]], *inner, [-1 / h[-1], 1 / h[-1]]])
    return sparse.csr_matrix((values, (rows, cols)), shape=(n, n))


@steps.register("savitzky_golay")
@dataclass(frozen=True, kw_only=True)
class SavitzkyGolay(Step):
    """Fit a polynomial of ``order`` to ``window`` points and take its value, or its ``derivative``-th derivative.

    Savitzky and Golay, Anal. Chem. 36, 1627 (1964); the ends are read off the outermost fit.
    """

    name: ClassVar[str] = "savitzky_golay"
    axes: ClassVar[tuple[int, ...]] = (1,)
    window: int = 11
    order: int = 3
    derivative: int = 0
    spacing: str = "axis"

    def __post_init__(self) -> None:
        self.number("window", low=3, whole=True)
        self.number("order", low=0, whole=True)
        self.number("derivative", low=0, whole=True)
        self.choice("spacing", SPACING)
        if self.window % 2 == 0 or self.order >= self.window or self.derivative > self.order:
            raise self.refuse(
                f"has window={self.window}, order={self.order}, derivative={self.derivative}; the window must be odd "
                "and above the order, and the derivative at most the order."
            )

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        from scipy.signal import savgol_filter

        n = x.shape[2]
        if n < self.window:
            raise self.unfit(about, f"it has {n} points, fewer than the window of {self.window}.")
        pitch = _pitch(self, about) if self.spacing == "axis" and self.derivative else 1.0
        w, half = self.window, self.window // 2
        fits = savgol_filter(np.eye(w), w, self.order, deriv=self.derivative, delta=pitch, axis=0, mode="interp")
        start = np.clip(np.arange(n) - half, 0, n - w)
        entries = fits[np.arange(n) - start]
        cols = start[:, None] + np.arange(w)[None, :]
        matrix = sparse.csr_matrix((entries.ravel(), (np.repeat(np.arange(n), w), cols.ravel())), shape=(n, n))
        place = AxisMap(matrix, np.arange(n, dtype=np.float64))
        return place.forward(x, 2), Moved({0: place})

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


@steps.register("area_norm")
@dataclass(frozen=True, kw_only=True)
class AreaNorm(Step):
    """Divide each spectrum by the area under it (trapezoids along the axis, or by ``point`` the sum of its values)."""

    name: ClassVar[str] = "area_norm"
    axes: ClassVar[tuple[int, ...]] = (1,)
    spacing: str = "axis"

    def __post_init__(self) -> None:
        self.choice("spacing", SPACING)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        if self.spacing == "axis":
            area = torch.trapezoid(x, torch.from_numpy(about.coords[0].copy()).to(x), dim=-1)
        else:
            area = x.sum(-1)
        if bool((area == 0).any()):
            raise self.unfit(about, "the area under it is 0.")
        scale = 1.0 / area[..., None]
        return x * scale, Pointwise(scale[0].detach().cpu().numpy().astype(np.float64), 0.0)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


@steps.register("snv")
@dataclass(frozen=True, kw_only=True)
class StandardNormalVariate(Step):
    """Subtract each spectrum's mean and divide by its standard deviation.

    Barnes et al., Appl. Spectrosc. 43, 772 (1989); ``ddof`` 1 divides by n - 1, as they do.
    """

    name: ClassVar[str] = "snv"
    axes: ClassVar[tuple[int, ...]] = (1,)
    ddof: int = 1

    def __post_init__(self) -> None:
        self.number("ddof", low=0, high=1, whole=True)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        spread = x.std(-1, correction=self.ddof, keepdim=True)
        if bool((spread == 0).any()):
            raise self.unfit(about, "all its values are equal.")
        scale, offset = 1.0 / spread, -x.mean(-1, keepdim=True) / spread
        frozen = (v[0].detach().cpu().numpy().astype(np.float64) for v in (scale, offset))
        return x * scale + offset, Pointwise(*frozen)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None
