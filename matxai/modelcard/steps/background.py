"""Steps that take the background off a spectrum: SNIP for diffraction and X-ray spectra, arPLS for fluorescence.

The background is estimated anew for every version of a signal. For the way back it is an offset at its own point:
relevance on what was taken off stays where it stood.
"""

# ruff: noqa: D102, ARG002 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from matxai.modelcard.placement import Pointwise
from matxai.modelcard.step import Step, steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matxai.modelcard.step import About, Bounds


def _without(x: torch.Tensor, background: torch.Tensor) -> tuple[torch.Tensor, Pointwise]:
    return x - background, Pointwise(1.0, -background[0].detach().cpu().numpy().astype(np.float64))


@steps.register("snip")
@dataclass(frozen=True, kw_only=True)
class Snip(Step):
    """Take off the background that is left when peaks narrower than ``window`` points to either side are clipped.

    Statistics-sensitive non-linear iterative peak clipping (Ryan et al., Nucl. Instrum. Methods B 34, 396 (1988)) with
    the window shrinking from ``window`` to 1 (Morhac et al., Nucl. Instrum. Methods A 401, 113 (1997)). ``lls`` clips
    log(log(sqrt(y + 1) + 1) + 1), which treats weak and strong peaks alike; values below 0 count as 0 there.
    """

    name: ClassVar[str] = "snip"
    short: ClassVar[str | None] = "window"
    axes: ClassVar[tuple[int, ...]] = (1,)
    window: int = 40
    lls: bool = True

    def __post_init__(self) -> None:
        self.number("window", low=1, whole=True)
        self.flag("lls")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        if x.shape[2] <= 2 * self.window:
            raise self.unfit(about, f"it has {x.shape[2]} points, and a window of {self.window} needs more than twice.")
        v = torch.log1p(torch.log1p(torch.sqrt(x.clamp(min=0) + 1))) if self.lls else x.clone()
        for p in range(self.window, 0, -1):
            between = (v[..., : -2 * p] + v[..., 2 * p :]) / 2
            v = torch.cat([v[..., :p], torch.minimum(v[..., p:-p], between), v[..., -p:]], dim=-1)
        return _without(x, torch.expm1(torch.expm1(v)) ** 2 - 1 if self.lls else v)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


@steps.register("arpls")
@dataclass(frozen=True, kw_only=True)
class Arpls(Step):
    """Take off a smooth baseline: penalised least squares whose weights leave out what lies above the noise.

    Baek et al., Analyst 140, 250 (2015). ``smoothness`` is their lambda, the weight of squared second differences (it
    grows with the fourth power of the points across a feature); ``tolerance`` the change of the weights that ends it.
    """

    name: ClassVar[str] = "arpls"
    short: ClassVar[str | None] = "smoothness"
    axes: ClassVar[tuple[int, ...]] = (1,)
    smoothness: float = 1e5
    tolerance: float = 1e-3
    iterations: int = 50

    def __post_init__(self) -> None:
        self.number("smoothness", low=1e-3)
        self.number("tolerance", low=1e-12)
        self.number("iterations", low=1, whole=True)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        values = x.detach().cpu().numpy().astype(np.float64)
        if x.shape[2] < 5:
            raise self.unfit(about, f"it has {x.shape[2]} points, and a baseline needs at least 5.")
        if not np.isfinite(values).all():
            raise self.unfit(about, "it has values that are NaN or Inf, and a baseline runs through all of them.")
        found = np.zeros_like(values)
        for index in np.ndindex(values.shape[:2]):
            found[index] = self._baseline(values[index])
        return _without(x, torch.from_numpy(found).to(x))

    def _baseline(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.linalg import solveh_banded

        penalty = self.smoothness * _second_differences(y.size)
        w = np.ones_like(y)
        z = y
        for _ in range(self.iterations):
            bands = penalty.copy()
            bands[-1] += w
            z = solveh_banded(bands, w * y)
            below = (y - z)[y < z]
            spread = below.std() if below.size else 0.0
            if spread == 0:  # nothing lies below: the baseline is the curve
                break
            exponent = 2 * (y - z - (2 * spread - below.mean())) / spread
            new = 1 / (1 + np.exp(np.clip(exponent, -700, 700)))
            change = np.linalg.norm(w - new) / np.linalg.norm(w)
            w = new
            if change < self.tolerance:
                break
        return z

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


def _second_differences(n: int) -> NDArray[np.float64]:
    """Return D^T D, D the second differences of n points, as the upper bands that scipy takes, ``(3, n)``."""
    bands = np.zeros((3, n))
    bands[0, 2:] = 1.0
    for row, pair in ((1, (-2.0, -2.0)), (2, (1.0, 4.0, 1.0))):
        for shift, entry in enumerate(pair):
            first = 2 - row + shift
            bands[row, first : first + n - 2] += entry
    return bands
