"""Occlusion: a window of the input is replaced, everywhere in turn, and the score's drop is written where it lay."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.masked import Masked, close_to, filling, lengths, over_channels
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import copies_of
from matxai.methods.statistics import accumulating

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.engine import Captured

    Lengths = int | float | Sequence[int | float]


@methods.register("occlusion")
@dataclass(frozen=True, kw_only=True)
class Occlusion(Masked):
    """How much the score falls when a window that covers the pixel is replaced, averaged over such windows.

    Windows stand at multiples of the stride; the last along an axis may reach beyond the border and is cut there.

    Attributes
    ----------
    window
        Its length along each axis: pixels, or a share of the axis (``0.1``). By default the smallest for which the
        budget suffices with windows that overlap by half, and a sixteenth of the axis at least.
    stride
        Likewise; not more than the window. By default half the window, or larger where the budget asks for it.

    References
    ----------
    Zeiler and Fergus, arXiv:1311.2901, section 4.2.
    """

    window: Lengths | None = None
    stride: Lengths | None = None

    kind: ClassVar[str] = "occlusion"
    about: ClassVar[About] = About(
        question="How much does the score fall when a window around this pixel is replaced?",
        resolution="the window, at steps of the stride",
        guarantee="Each value is a mean of measured score changes; nothing is drawn at random.",
        misleads="Evidence that is there twice is not seen: the score need not fall without one; the filling matters.",
        paper="Zeiler & Fergus 2014, arXiv:1311.2901",
        models="any, black boxes as well",
        cost="one forward for each window: at most the budget of 512",
        verified="captum; the definition written out",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tolerance is not None:
            raise MethodError(f"{self.key} draws nothing at random, so that no tolerance applies; give a budget.")

    def geometry(self, size: Sequence[int], budget: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return window, stride and number of windows along each axis, for a spatial size and a budget.

        Raises
        ------
        MethodError
            If the windows do not fit the input, leave gaps, or are more than the budget.
        """
        window = None if self.window is None else lengths(self.window, size, "window", of=self.key)
        stride = None if self.stride is None else lengths(self.stride, size, "stride", of=self.key)
        for step in itertools.count(1):
            if stride is not None:
                w = window or tuple(min(n, 2 * s) for n, s in zip(size, stride, strict=True))
                s = stride
            else:
                w = window or tuple(min(n, max(2 * step, -(-n // 16))) for n in size)
                s = tuple(min(v, max(step, v // 2)) for v in w)
            if any(a > b for a, b in zip(s, w, strict=True)):
                msg = f"The stride of {self.key} is {_by(s)}, its window {_by(w)}: a longer stride leaves pixels out."
                raise MethodError(msg)
            counts = tuple(1 + max(0, -(-(n - v) // p)) for n, v, p in zip(size, w, s, strict=True))
            if math.prod(counts) <= budget:
                return w, s, counts
            if stride is not None or (window is not None and s == w):
                many = math.prod(counts)
                msg = (
                    f"{self.key} with windows of {_by(w)} and a stride of {_by(s)} has {many} positions, more than the"
                    f" budget of {budget}; give a budget of {many}, or larger windows."
                )
                raise MethodError(msg)
        raise AssertionError  # pragma: no cover - without a window of the caller's, one as large as the input ends it

    def reduce(self, _: Captured, setting: Setting) -> Reduced:
        """Return the mean drop of the windows over each pixel, (..., B, C, *spatial)."""
        import torch

        copies = copies_of(setting)
        size = setting.size
        window, stride, counts = self.geometry(size, self.most(setting))
        fill = filling(self, setting)
        x = copies.x
        starts = list(itertools.product(*(range(n) for n in counts)))
        drops = accumulating(x.new_zeros(len(copies.targets), len(x), *size))
        covered = torch.zeros(size).to(drops)
        for block in copies.blocks(len(starts), self.key):
            where = [_slices(starts[i], window, stride) for i in block]
            masked = x.expand(len(where), *x.shape).clone()
            for copy, place in zip(masked, where, strict=True):
                copy[place] = fill[place]
            change = accumulating(copies.scores[:, None] - copies.score(masked))
            for i, place in enumerate(where):
                drops[place] += change[:, i].reshape(*change.shape[::2], *(1,) * len(size))
                covered[place[2:]] += 1
        cell = math.prod(window) / math.prod(size)
        warnings = close_to(self, copies, fill, cell)
        return Reduced(over_channels(drops / covered, copies), cell=tuple(map(float, window)), warnings=warnings)


def _slices(at: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> tuple[slice, ...]:
    """Return where a window lies behind the axes of batch and channels."""
    return (slice(None), slice(None), *_along(at, window, stride))


def _along(at: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(i * s, i * s + w) for i, w, s in zip(at, window, stride, strict=True))


def _by(lengths_: Sequence[int]) -> str:
    return " x ".join(map(str, lengths_))
