"""Where each pixel that a network receives lies in the measured signal, and how maps find their way back to it.

Preprocessing is a chain of effects, and three kinds are enough: values that change where they are (:class:`Pointwise`),
pixels that move along axes (:class:`Moved`, one linear map for each axis), channels that mix (:class:`Mixed`).
:class:`Placement` is the chain of one prepared signal. Relevance goes back through it by the adjoint, its sum kept;
coarse maps are interpolated at their true positions. Knows arrays and no files. Everything is in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from matxai.modelcard.axis_map import AxisMap, along, interpolation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


class Flow(NamedTuple):
    """What travels back: relevance is ``values * ratio + rest`` at every stage. Shapes ``(C, *spatial)``."""

    ratio: Floats
    rest: Floats
    lost: float


@dataclass(frozen=True, eq=False)
class Pointwise:
    """``y = scale * x + offset`` where it stands. A step that is not affine says scale 0 and offset y."""

    scale: Floats | float
    offset: Floats | float

    def back(self, flow: Flow) -> Flow:
        """Return the flow in front of this step: what an offset made has no value to go by and stays at its pixel."""
        return Flow(self.scale * flow.ratio, flow.rest + self.offset * flow.ratio, flow.lost)

    def transpose(self, values: Floats) -> Floats:
        """Return ``values`` unchanged: only places matter here."""
        return values


@dataclass(frozen=True, eq=False)
class Moved:
    """``y = W x + offset``, W a product of one map for each axis that moves; keys are spatial axes, 0 the first.

    ``coords`` and ``units`` are the axis behind the step where it is another than the signal's own, read at new places
    (keV made eV, a pattern brought to another wavelength).
    """

    maps: Mapping[int, AxisMap]
    offset: Floats | float = 0.0
    coords: Mapping[int, Floats] = field(default_factory=dict)
    units: Mapping[int, str] = field(default_factory=dict)

    def back(self, flow: Flow) -> Flow:
        """Return the flow in front of this step; what stands on padding is lost, and counted."""
        rest = flow.rest + self.offset * flow.ratio
        ndim = rest.ndim
        pad = np.zeros((1,) * ndim, dtype=bool)
        for axis, m in self.maps.items():
            pad = pad | m.padded.reshape([-1 if k == axis + 1 else 1 for k in range(ndim)])
        lost = flow.lost + float(np.where(pad, rest, 0.0).sum())
        ratio = flow.ratio
        # a stack's grid may be large, and one of the two is often empty: then its size is all that changes
        some_ratio, some_rest = bool(ratio.any()), bool(rest.any())
        for axis, m in self.maps.items():
            ratio = along(m.weights.T, ratio, axis + 1) if some_ratio else ratio
            rest = along(m.spread.T, rest, axis + 1) if some_rest else rest
        if not (some_ratio and some_rest):
            sizes = [self.maps[k].n_in if k in self.maps else n for k, n in enumerate(flow.rest.shape[1:])]
            empty = np.zeros((flow.rest.shape[0], *sizes))
            ratio, rest = (ratio if some_ratio else empty), (rest if some_rest else empty)
        return Flow(ratio, rest, lost)

    def transpose(self, values: Floats) -> Floats:
        """Return ``W^T values``."""
        for axis, m in self.maps.items():
            values = along(m.weights.T, values, axis + 1)
        return values


@dataclass(frozen=True, eq=False)
class Mixed:
    """``y_k = sum_c matrix[k, c] x_c``: grey repeated, or colours to grey."""

    matrix: Floats

    def back(self, flow: Flow) -> Flow:
        """Return the flow in front of this step; the rest is shared as the channels were."""
        shares = np.abs(self.matrix) / np.abs(self.matrix).sum(axis=1, keepdims=True)
        return Flow(along(self.matrix.T, flow.ratio, 0), along(shares.T, flow.rest, 0), flow.lost)

    def transpose(self, values: Floats) -> Floats:
        """Return ``values`` unchanged: the network's own channels are kept."""
        return values


Effect = Pointwise | Moved | Mixed


class Returned(NamedTuple):
    """A map on the measured grid, and the relevance that fell on padding and has no place there."""

    values: Floats
    lost: float


class Extent(NamedTuple):
    """How large something is along one axis of the signal."""

    dim: str
    pixels: float
    size: float
    units: str

    def __str__(self) -> str:
        if self.units == "pixel":
            return f"{self.pixels:.4g} pixels"
        return f"{self.size:.4g} {self.units} ({self.pixels:.4g} pixels)".replace("  ", " ")


@dataclass(frozen=True, eq=False)
class Placement:
    """The way from one measured signal to the tensor that the network receives, and back.

    Attributes
    ----------
    effects
        What each step did, in order.
    source
        The signal's values that went in, shape ``(C_source, *source_shape)``.
    dims, coords, units
        Name, pixel centres and unit of each spatial axis of the signal; the unit is ``""`` where the file names none.
    network_shape
        Spatial shape that the network receives.
    """

    effects: tuple[Effect, ...]
    source: NDArray[Any]
    dims: tuple[str, ...]
    coords: tuple[Floats, ...]
    units: tuple[str, ...]
    network_shape: tuple[int, ...]
    axes: tuple[AxisMap, ...] = field(init=False)

    def __post_init__(self) -> None:
        axes = [AxisMap.identity(n) for n in self.source_shape]
        for effect in self.effects:
            if isinstance(effect, Moved):
                for k, m in effect.maps.items():
                    axes[k] = axes[k].then(m)
        object.__setattr__(self, "axes", tuple(axes))

    @property
    def source_shape(self) -> tuple[int, ...]:
        """Spatial shape of the signal."""
        return tuple(self.source.shape[1:])

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Shape of the signal: True in the field of view, from the first to the last pixel that reaches the network."""
        return self._outer([m.seen for m in self.axes])

    @property
    def skipped(self) -> float:
        """Share of the pixels in the field of view that a coarse step without antialiasing jumps over."""
        kept = [float((m.reach[m.seen] > 0).mean()) if m.seen.any() else 0.0 for m in self.axes]
        return 1.0 - float(np.prod(kept))

    @property
    def padded(self) -> NDArray[np.bool_]:
        """Shape of the network's input: True where a pixel is padding."""
        return ~self._outer([~m.padded for m in self.axes])

    def reach(self, region: ArrayLike) -> float:
        """Return which share of a region's pixels (mask of the signal's shape) lies where the network looks."""
        mask = np.asarray(region, dtype=bool)
        arrives = self._outer([m.reach > 0 for m in self.axes])
        return float((mask & arrives).sum() / max(int(mask.sum()), 1))

    def to_source_adjoint(
        self,
        relevance: ArrayLike,
        gradient: ArrayLike | None = None,
        values: ArrayLike | None = None,
        *,
        unseen: float = np.nan,
    ) -> Returned:
        """Bring relevance back to the measured grid by the adjoint of the preprocessing; its sum is kept.

        With the ratio ``g = R / x`` the map is ``x' * W^T g``, x' the signal after the steps that do not move pixels;
        without it ``W^T R``. Offsets (a mean that is subtracted) belong to the pixels that they were applied to.

        Parameters
        ----------
        relevance
            R, shape ``(*, C, *network_shape)``.
        gradient
            ``g = R / x``, of the same shape; pass it where relevance is proportional to the input.
        values
            The network's input x of shape ``(C, *network_shape)``: the ratio is then taken from it. Relevance on values
            of exactly 0 goes back by ``W^T R``.
        unseen
            What stands where the network never looked.

        Returns
        -------
        Returned
            The map, shape ``(*, C_source, *source_shape)``, and what fell on padding (its sum is R's less that).
        """
        r = np.asarray(relevance, dtype=np.float64)
        if gradient is None and values is not None:
            x = np.asarray(values, dtype=np.float64)
            gradient = np.divide(r, x, out=np.zeros_like(r), where=x != 0)
            rest = np.where(x != 0, 0.0, r)
        else:
            rest = np.zeros_like(r) if gradient is not None else r
        ratio = np.zeros_like(r) if gradient is None else np.asarray(gradient, dtype=np.float64)
        lost = 0.0

        def one(ratio: Floats, rest: Floats) -> Floats:
            nonlocal lost
            flow = Flow(ratio, rest, 0.0)
            for effect in reversed(self.effects):
                flow = effect.back(flow)
            lost += flow.lost
            return np.asarray(self.source * flow.ratio + flow.rest)

        return Returned(self._hide(self._each(one, ratio, rest), unseen), lost)

    def to_source_transposed(self, gradient: ArrayLike, *, unseen: float = np.nan) -> Floats:
        """Bring a gradient, shape ``(*, C, *network_shape)``, back by ``W^T`` alone; the channels stay."""

        def one(g: Floats) -> Floats:
            for effect in reversed(self.effects):
                g = effect.transpose(g)
            return g

        return self._hide(self._each(one, np.asarray(gradient, dtype=np.float64)), unseen)

    def to_source_interpolated(self, cam: ArrayLike, *, unseen: float = np.nan) -> Floats:
        """Interpolate a map of shape ``(*, *network_shape)`` linearly at the true place of the signal's pixels."""
        y = np.asarray(cam, dtype=np.float64)
        for k, m in enumerate(self.axes):
            y = along(interpolation(m.positions, m.n_in), y, y.ndim - len(self.axes) + k)
        return self._hide(y, unseen)

    def source_spacing(self, pixels: Sequence[float]) -> tuple[Extent, ...]:
        """Say how large a cell or receptive field, in pixels of the network, is in the signal and its units."""
        extents = []
        for dim, m, coord, unit, n in zip(self.dims, self.axes, self.coords, self.units, pixels, strict=True):
            in_pixels = float(n) * m.step
            pitch = float(abs(coord[-1] - coord[0]) / (coord.size - 1)) if coord.size > 1 else 1.0
            extents.append(Extent(dim, in_pixels, in_pixels * pitch, unit))
        return tuple(extents)

    def _each(self, one: Callable[..., Floats], *maps: Floats) -> Floats:
        depth = 1 + len(self.network_shape)
        lead = maps[0].shape[:-depth]
        flat = [m.reshape(-1, *m.shape[-depth:]) for m in maps]
        out = np.stack([one(*row) for row in zip(*flat, strict=True)])
        return out.reshape(*lead, *out.shape[1:])

    def _hide(self, values: Floats, unseen: float) -> Floats:
        return np.where(self.seen, values, unseen)

    @staticmethod
    def _outer(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        n = len(masks)
        whole = np.ones((1,) * n, dtype=bool)
        for k, mask in enumerate(masks):
            whole = whole & mask.reshape([-1 if k == j else 1 for j in range(n)])
        return whole
