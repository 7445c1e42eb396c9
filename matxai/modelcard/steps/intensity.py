"""Steps that change values where they stand: scale, window, percentile, z-score, min-max, invert, gamma, log, CLAHE."""

# ruff: noqa: D102, ARG002 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from matxai.modelcard.placement import Pointwise
from matxai.modelcard.step import Step, steps

if TYPE_CHECKING:
    from matxai.modelcard.step import About, Bounds


def _numpy(x: torch.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().astype(np.float64)


def _affine(
    x: torch.Tensor, scale: torch.Tensor | float, offset: torch.Tensor | float
) -> tuple[torch.Tensor, Pointwise]:
    """Return ``scale * x + offset`` and its record, which is that of the first of the batch."""

    def first(v: torch.Tensor | float) -> np.ndarray | float:
        return _numpy(v[0]) if isinstance(v, torch.Tensor) else v

    return x * scale + offset, Pointwise(first(scale), first(offset))


def _clipped(
    x: torch.Tensor, scale: torch.Tensor | float, offset: torch.Tensor | float, low: float, high: float
) -> tuple[torch.Tensor, Pointwise]:
    """Like :func:`_affine`, then clipped: a saturated pixel is an offset, its value no longer counts."""
    y = x * scale + offset
    out = y.clamp(low, high)
    inside = _numpy(((y >= low) & (y <= high))[0])
    slope = _numpy(scale[0]) if isinstance(scale, torch.Tensor) else scale
    kept = _numpy(offset[0]) if isinstance(offset, torch.Tensor) else offset
    return out, Pointwise(inside * slope, np.where(inside > 0, kept, _numpy(out[0])))


def _as_made(y: torch.Tensor) -> Pointwise:
    """Record values that are no affine function of what went in."""
    return Pointwise(0.0, _numpy(y[0]))


def _per(x: torch.Tensor, per: str) -> tuple[int, ...]:
    """Return the axes of ``(B, C, *spatial)`` that one statistic runs over."""
    return tuple(range(1 if per == "image" else 2, x.ndim))


def _safe(spread: torch.Tensor) -> torch.Tensor:
    """Return a divisor: 1 where all values are equal, so that a blank image becomes zeros and not NaN."""
    return torch.where(spread == 0, torch.ones_like(spread), spread)


PER = ("image", "channel")
LARGEST = tuple(float(np.iinfo(f"{sign}int{bits}").max) for sign in ("", "u") for bits in (8, 16, 32, 64))


@steps.register("scale_dtype")
@dataclass(frozen=True, kw_only=True)
class ScaleDtype(Step):
    """Divide integers by the largest value of their type; floating-point values stay."""

    name: ClassVar[str] = "scale_dtype"

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        top = float(np.iinfo(about.dtype).max) if about.dtype.kind in "iu" else 1.0
        return _affine(x, 1.0 / top, 0.0)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or bounds[1] == (1.0,):
            return bounds
        # the range of an integer type as it comes from the file; any other range was made by a step in front
        top = bounds[1][0]
        return ((bounds[0][0] / top,), (1.0,)) if top in LARGEST else None


@steps.register("minmax")
@dataclass(frozen=True, kw_only=True)
class MinMax(Step):
    """Bring each image's own range to 0 ... 1 (a blank image becomes 0)."""

    name: ClassVar[str] = "minmax"
    per: str = "image"

    def __post_init__(self) -> None:
        self.choice("per", PER)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        axes = _per(x, self.per)
        low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
        scale = 1.0 / _safe(high - low)
        return _affine(x, scale, -low * scale)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return (0.0,), (1.0,)


@steps.register("normalise")
@dataclass(frozen=True, kw_only=True)
class Normalise(Step):
    """Subtract ``mean`` and divide by ``std``, one number for all channels or one for each."""

    name: ClassVar[str] = "normalise"
    mean: tuple[float, ...] | float = 0.0
    std: tuple[float, ...] | float = 1.0

    def __post_init__(self) -> None:
        for option in ("mean", "std"):
            value = getattr(self, option)
            many = list(value) if isinstance(value, list | tuple) else [value]
            if not many or any(
                isinstance(v, bool) or not isinstance(v, int | float) or not np.isfinite(v) for v in many
            ):
                raise self.refuse(f"has {option}={value!r}; it must be a number, or one for each channel.")
            object.__setattr__(self, option, tuple(float(v) for v in many))
        if any(v <= 0 for v in self._std):
            raise self.refuse(f"has std={list(self._std)}; each must be above 0.")

    @property
    def _std(self) -> tuple[float, ...]:
        return self.std if isinstance(self.std, tuple) else (self.std,)

    @property
    def _mean(self) -> tuple[float, ...]:
        return self.mean if isinstance(self.mean, tuple) else (self.mean,)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        for option, values in (("mean", self._mean), ("std", self._std)):
            if len(values) not in (1, x.shape[1]):
                raise self.refuse(
                    f"has {len(values)} numbers in {option} for {x.shape[1]} channels; give 1 or one for each."
                )
        shape = (1, -1, *[1] * (x.ndim - 2))
        mean, std = (torch.tensor(v, dtype=x.dtype, device=x.device).reshape(shape) for v in (self._mean, self._std))
        return _affine(x, 1.0 / std, -mean / std)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        n = max(len(self._mean), len(self._std), len(bounds[0]))
        low, high, mean, std = (v * n if len(v) == 1 else v for v in (*bounds, self._mean, self._std))
        return (
            tuple((a - m) / s for a, m, s in zip(low, mean, std, strict=True)),
            tuple((a - m) / s for a, m, s in zip(high, mean, std, strict=True)),
        )


@steps.register("zscore")
@dataclass(frozen=True, kw_only=True)
class ZScore(Step):
    """Subtract each image's own mean and divide by its own standard deviation (a blank image becomes 0)."""

    name: ClassVar[str] = "zscore"
    per: str = "image"

    def __post_init__(self) -> None:
        self.choice("per", PER)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        axes = _per(x, self.per)
        scale = 1.0 / _safe(x.std(axes, correction=0, keepdim=True))
        return _affine(x, scale, -x.mean(axes, keepdim=True) * scale)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return None


@steps.register("window")
@dataclass(frozen=True, kw_only=True)
class Window(Step):
    """Bring ``low`` ... ``high`` to 0 ... 1 and clip what lies outside."""

    name: ClassVar[str] = "window"
    low: float
    high: float

    def __post_init__(self) -> None:
        self.number("low")
        self.number("high")
        if self.high <= self.low:
            raise self.refuse(f"has low={self.low:g} and high={self.high:g}; high must lie above low.")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        scale = 1.0 / (self.high - self.low)
        return _clipped(x, scale, -self.low * scale, 0.0, 1.0)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return (0.0,), (1.0,)


@steps.register("percentile")
@dataclass(frozen=True, kw_only=True)
class Percentile(Step):
    """Bring each image's own percentiles ``low`` ... ``high`` to 0 ... 1, clipped unless ``clip`` is false."""

    name: ClassVar[str] = "percentile"
    low: float = 1.0
    high: float = 99.0
    clip: bool = True
    per: str = "image"

    def __post_init__(self) -> None:
        self.number("low", low=0, high=100)
        self.number("high", low=0, high=100)
        self.flag("clip")
        self.choice("per", PER)
        if self.high <= self.low:
            raise self.refuse(f"has low={self.low:g} and high={self.high:g}; high must lie above low.")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        axes = _per(x, self.per)
        # NumPy's: torch.quantile refuses more than 16 million values
        found = np.percentile(_numpy(x), [self.low, self.high], axis=axes, keepdims=True)
        low, high = (torch.from_numpy(np.asarray(v)).to(x) for v in found)
        scale = 1.0 / _safe(high - low)
        if self.clip:
            return _clipped(x, scale, -low * scale, 0.0, 1.0)
        return _affine(x, scale, -low * scale)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return ((0.0,), (1.0,)) if self.clip else None


@steps.register("invert")
@dataclass(frozen=True, kw_only=True)
class Invert(Step):
    """Turn bright and dark round: ``low + high - x``."""

    name: ClassVar[str] = "invert"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        self.number("low")
        self.number("high")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        return _affine(x, -1.0, self.low + self.high)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        turned = [tuple(self.low + self.high - v for v in side) for side in bounds]
        return turned[1], turned[0]


@steps.register("gamma")
@dataclass(frozen=True, kw_only=True)
class Gamma(Step):
    """Raise to a power, ``sign(x) |x|^gamma``: 0.5 is the square root that diffraction patterns are often shown in."""

    name: ClassVar[str] = "gamma"
    short: ClassVar[str | None] = "gamma"
    gamma: float

    def __post_init__(self) -> None:
        self.number("gamma", low=1e-3, high=1e3)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        y = x.sign() * x.abs() ** self.gamma
        return y, _as_made(y)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        low, high = (tuple(float(np.sign(v) * abs(v) ** self.gamma) for v in side) for side in bounds)
        return low, high


@steps.register("log1p")
@dataclass(frozen=True, kw_only=True)
class Log1p(Step):
    """Take ``log(1 + x)``; values at or below -1 have none and are an error."""

    name: ClassVar[str] = "log1p"

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        if bool((x <= -1).any()):
            raise self.unfit(
                about, f"its smallest value there is {float(x.min()):g}, and log(1 + x) needs values above -1."
            )
        y = torch.log1p(x)
        return y, _as_made(y)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or min(bounds[0]) <= -1:
            return None
        low, high = (tuple(float(np.log1p(v)) for v in side) for side in bounds)
        return low, high


@steps.register("clahe")
@dataclass(frozen=True, kw_only=True)
class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation, each channel by itself, from its own range to 0 ... 1.

    Every new value depends on a neighbourhood; relevance stays at its pixel.
    """

    name: ClassVar[str] = "clahe"
    axes: ClassVar[tuple[int, ...]] = (2, 3)
    clip_limit: float = 0.01
    tiles: int = 8
    bins: int = 256

    def __post_init__(self) -> None:
        self.number("clip_limit", low=0, high=1)
        self.number("tiles", low=1, whole=True)
        self.number("bins", low=2, whole=True)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Pointwise]:
        from skimage.exposure import equalize_adapthist

        kernel = [max(n // self.tiles, 1) for n in x.shape[2:]]
        values = _numpy(x)
        out = np.zeros_like(values)
        for index in np.ndindex(values.shape[:2]):
            plane = values[index]
            span = plane.max() - plane.min()
            if not np.isfinite(span):
                out[index] = np.nan  # every histogram would be wrong, and casting NaN to grey levels would hide it
            elif span > 0:
                plane = (plane - plane.min()) / span
                out[index] = equalize_adapthist(plane, kernel, clip_limit=self.clip_limit, nbins=self.bins)
        y = torch.from_numpy(out).to(x)
        return y, _as_made(y)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        return (0.0,), (1.0,)
