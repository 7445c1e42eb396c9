"""Steps that change the number of pixels: resize (1-D, 2-D, 3-D), letterbox."""

# ruff: noqa: D102, ARG002 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from matxai.modelcard.axis_map import AxisMap
from matxai.modelcard.placement import Moved
from matxai.modelcard.step import Step, steps
from matxai.modelcard.steps.crop import padded, spatial_sizes

if TYPE_CHECKING:
    import torch

    from matxai.modelcard.step import About, Bounds

MODES = ("linear", "cubic", "nearest")


def resize_map(n_in: int, n_out: int, mode: str = "linear", *, antialias: bool = True) -> AxisMap:
    """Return how one axis of ``n_in`` pixels becomes one of ``n_out``, with pixel centres at half integers.

    The weights are those of ``torch.nn.functional.interpolate(align_corners=False)`` and of Pillow: without
    antialiasing the kernel spans one pixel of the source (Keys' cubic with a = -0.75), with it the kernel widens with
    the step when the axis shrinks (a = -0.5) and is cut and renormalised at the ends.
    """
    step = n_in / n_out
    positions = (np.arange(n_out, dtype=np.float64) + 0.5) * step - 0.5
    if n_in == n_out:
        return AxisMap.identity(n_in)
    if mode == "nearest":
        # the pixel that holds the sample, so that positions are those of what was taken
        taken = np.minimum(np.floor((np.arange(n_out) + 0.5) * step).astype(int), n_in - 1)
        return AxisMap(AxisMap.identity(n_in).weights[taken], positions)
    width = {"linear": 1.0, "cubic": 2.0}[mode]
    stretch = max(step, 1.0) if antialias else 1.0
    taps = np.arange(-int(np.ceil(width * stretch)) - 1, int(np.ceil(width * stretch)) + 2)
    pixels = np.floor(positions)[:, None].astype(int) + taps[None, :]
    distance = np.abs(pixels - positions[:, None]) / stretch
    weights = np.maximum(1.0 - distance, 0.0) if mode == "linear" else _cubic(distance, -0.5 if antialias else -0.75)
    if antialias:
        weights = np.where((pixels >= 0) & (pixels < n_in), weights, 0.0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(n_out)[:, None], pixels.shape)
    # without antialiasing torch repeats the edge; with it the kernel is cut: both are sums over the clipped index
    matrix = sparse.csr_matrix(
        (weights.ravel(), (rows.ravel(), np.clip(pixels, 0, n_in - 1).ravel())), shape=(n_out, n_in)
    )
    matrix.eliminate_zeros()
    return AxisMap(matrix, positions)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """Keys' kernel (IEEE Trans. ASSP 29, 1153 (1981), eq. 15) with its free parameter ``a``."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def resized(x: torch.Tensor, want: tuple[int, ...], mode: str, *, antialias: bool) -> tuple[torch.Tensor, Moved]:
    """Resize ``x`` to the spatial size ``want``."""
    maps = {}
    for k, w in enumerate(want):
        if w != x.shape[k + 2]:
            maps[k] = resize_map(x.shape[k + 2], w, mode, antialias=antialias)
            x = maps[k].forward(x, k + 2)
    return x, Moved(maps)


@steps.register("resize")
@dataclass(frozen=True, kw_only=True)
class Resize(Step):
    """Resize to ``size``: a list has one size for each axis; a number is the shorter side, the shape is kept.

    ``antialias`` (as torchvision and Pillow have it) weighs all pixels that a new one covers; without it (as OpenCV)
    a shrinking resize skips pixels.
    """

    name: ClassVar[str] = "resize"
    short: ClassVar[str | None] = "size"
    size: int | tuple[int, ...]
    mode: str = "linear"
    antialias: bool = True

    def __post_init__(self) -> None:
        self.sizes("size")
        self.choice("mode", MODES)
        self.flag("antialias")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        have = tuple(x.shape[2:])
        if isinstance(self.size, int):
            want = tuple(max(int(self.size * n / min(have)), 1) for n in have)
        else:
            want = spatial_sizes(self, self.size, len(have))
        return resized(x, want, self.mode, antialias=self.antialias)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None if self.mode == "cubic" else bounds  # a cubic kernel overshoots


@steps.register("letterbox")
@dataclass(frozen=True, kw_only=True)
class Letterbox(Step):
    """Resize until the signal fits into ``size``, keep its shape, pad the rest with ``value``, as detectors do."""

    name: ClassVar[str] = "letterbox"
    short: ClassVar[str | None] = "size"
    size: int | tuple[int, ...]
    value: float = 0.0
    mode: str = "linear"
    antialias: bool = True

    def __post_init__(self) -> None:
        self.sizes("size")
        self.number("value")
        self.choice("mode", MODES)
        self.flag("antialias")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        have = tuple(x.shape[2:])
        want = spatial_sizes(self, self.size, len(have))
        factor = min(w / h for w, h in zip(want, have, strict=True))
        inner = tuple(min(max(round(h * factor), 1), w) for h, w in zip(have, want, strict=True))
        small, shrunk = resized(x, inner, self.mode, antialias=self.antialias)
        y, pad = padded(small, want, "constant", self.value)
        maps = {k: shrunk.maps[k].then(m) if k in shrunk.maps else m for k, m in pad.maps.items()}
        return y, Moved(maps, pad.offset)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or self.mode == "cubic":
            return None
        return tuple(min(v, self.value) for v in bounds[0]), tuple(max(v, self.value) for v in bounds[1])
