"""Steps for spectra and waveforms: resample onto an axis, derivative, Savitzky-Golay, area norm, SNV."""

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

OUTSIDE = ("error", "edge", "zero")
SPACING = ("axis", "point")


@steps.register("resample")
@dataclass(frozen=True, kw_only=True)
class Resample(Step):
    """Read the spectrum at ``points`` equal steps from ``start`` to ``stop`` (both included; descending is right too).

    ``units`` are those of start and stop, and are converted. What the measurement does not cover is an ``error``, or by
    ``outside`` its ``edge`` value or ``zero``.
    """

    name: ClassVar[str] = "resample"
    axes: ClassVar[tuple[int, ...]] = (1,)
    start: float
    stop: float
    points: int
    axis: str = ""
    units: str = ""
    outside: str = "error"

    def __post_init__(self) -> None:
        self.number("start")
        self.number("stop")
        self.number("points", low=2, whole=True)
        self.choice("outside", OUTSIDE)
        if self.start == self.stop:
            raise self.refuse(f"has start and stop both at {self.start:g}.")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        dim, coord = about.dims[0], about.coords[0]
        if self.axis and dim not in (self.axis, "axis"):
            raise self.unfit(about, f"its axis is '{dim}', and the model takes '{self.axis}'.")
        if self.axis and dim != self.axis:
            about.notes.append(f"The axis of {about.name} has no name; it was taken as the model's '{self.axis}'.")
        grid = np.linspace(self.start, self.stop, self.points) * self._factor(about)
        if coord.size < 2 or np.any(np.diff(coord) <= 0):
            raise self.unfit(about, f"its coordinate '{dim}' does not ascend.")
        low, high = float(coord[0]), float(coord[-1])
        # half a point beyond the ends is what a pixel at the end covers
        slack = 0.5 * float(np.min(np.diff(coord)[[0, -1]]))
        beyond = (grid < low - slack) | (grid > high + slack)
        if beyond.any() and self.outside == "error":
            unit = f" {about.units[0]}" if about.units[0] else ""
            raise self.unfit(
                about,
                f"it covers {low:g} to {high:g}{unit}, and the model takes {grid.min():g} to {grid.max():g}{unit}; "
                "if the model was trained so, give the card a step 'resample' with 'outside: edge' or 'outside: zero'.",
            )
        right = np.clip(np.searchsorted(coord, grid), 1, coord.size - 1)
        gap = coord[right] - coord[right - 1]
        share = (grid - coord[right - 1]) / gap
        positions = right - 1 + share
        share = np.clip(share, 0.0, 1.0)
        keep = np.where(beyond & (self.outside == "zero"), 0.0, 1.0)
        rows = np.tile(np.arange(grid.size), 2)
        entries = np.concatenate([(1 - share) * keep, share * keep])
        matrix = sparse.csr_matrix((entries, (rows, np.concatenate([right - 1, right]))), shape=(grid.size, coord.size))
        matrix.eliminate_zeros()
        place = AxisMap(matrix, positions)
        return place.forward(x, 2), Moved({0: place})

    def _factor(self, about: About) -> float:
        have = about.units[0]
        if not self.units or not have or self.units == have:
            return 1.0
        import pint

        try:
            return float(pint.get_application_registry().Quantity(1.0, self.units).to(have).magnitude)
        except (pint.PintError, AttributeError, ValueError) as error:
            raise self.unfit(
                about, f"its axis is in '{have}', and the model's '{self.units}' is no such unit."
            ) from error

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or self.outside != "zero":
            return bounds
        return tuple(min(v, 0.0) for v in bounds[0]), tuple(max(v, 0.0) for v in bounds[1])


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
