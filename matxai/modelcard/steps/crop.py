"""Steps that cut pixels off or add them: crop_rows, centre_crop, pad."""

# ruff: noqa: D102 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from matxai.modelcard.axis_map import AxisMap
from matxai.modelcard.placement import Moved
from matxai.modelcard.step import Step, steps
from matxai.regions.finders.info_bar import stated_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.modelcard.step import About, Bounds


def cut(x: torch.Tensor, windows: Mapping[int, tuple[int, int]]) -> tuple[torch.Tensor, Moved]:
    """Keep ``start ... stop - 1`` of each spatial axis named."""
    maps = {}
    for axis, (start, stop) in windows.items():
        maps[axis] = AxisMap.window(x.shape[axis + 2], start, stop)
        x = x.narrow(axis + 2, start, stop - start)
    return x, Moved(maps)


def spatial_sizes(step: Step, option: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return one size for each spatial axis."""
    if isinstance(option, int):
        return (option,) * ndim
    if len(option) != ndim:
        raise step.refuse(f"has {len(option)} sizes for {ndim} axes.")
    return option


@steps.register("crop_rows")
@dataclass(frozen=True, kw_only=True)
class CropRows(Step):
    """Cut rows off an image: ``top`` and ``bottom``, or the information bar where the instrument tells it."""

    name: ClassVar[str] = "crop_rows"
    axes: ClassVar[tuple[int, ...]] = (2, 3)
    top: int = 0
    bottom: int = 0
    info_bar: bool = False

    def __post_init__(self) -> None:
        self.number("top", low=0, whole=True)
        self.number("bottom", low=0, whole=True)
        self.flag("info_bar")
        if self.top + self.bottom == 0 and not self.info_bar:
            raise self.refuse("cuts nothing: give top, bottom, or info_bar: true.")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        rows = x.shape[-2]
        start, stop = self.top, rows - self.bottom
        if self.info_bar:
            first, last = self._bar(about, rows)
            start, stop = (max(start, last + 1), stop) if first == 0 < rows - 1 - last else (start, min(stop, first))
        if stop <= start:
            raise self.unfit(about, f"it has {rows} rows, and none would be left.")
        return cut(x, {x.ndim - 4: (start, stop)})

    def _bar(self, about: About, rows: int) -> tuple[int, int]:
        bar = stated_rows(about.attrs)
        if bar is None:
            about.notes.append(f"The file of {about.name} names no information bar, so crop_rows(info_bar) cut none.")
            return rows, rows
        if not about.untouched:
            raise self.refuse(
                "with info_bar must come before all steps that move pixels: its rows are those of the file."
            )
        return bar


@steps.register("centre_crop")
@dataclass(frozen=True, kw_only=True)
class CentreCrop(Step):
    """Keep the middle, ``size`` pixels along every axis (rounded as torchvision does)."""

    name: ClassVar[str] = "centre_crop"
    short: ClassVar[str | None] = "size"
    size: int | tuple[int, ...]

    def __post_init__(self) -> None:
        self.sizes("size")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        have = tuple(x.shape[2:])
        want = spatial_sizes(self, self.size, len(have))
        if any(w > h for w, h in zip(want, have, strict=True)):
            raise self.unfit(
                about, f"it has {_by(have)} pixels there, and {_by(want)} are to be cut out; resize or pad first."
            )
        starts = [round((h - w) / 2.0) for h, w in zip(have, want, strict=True)]
        return cut(x, {k: (s, s + w) for k, (s, w) in enumerate(zip(starts, want, strict=True))})


MODES = ("constant", "edge", "reflect")


@steps.register("pad")
@dataclass(frozen=True, kw_only=True)
class Pad(Step):
    """Add pixels on all sides until an axis has ``size`` pixels or a multiple of ``multiple``.

    ``mode`` is ``constant`` (with ``value``), ``edge`` or ``reflect``; ``anchor`` is ``centre`` or ``start`` (then
    pixels are added at the end alone).
    """

    name: ClassVar[str] = "pad"
    short: ClassVar[str | None] = "size"
    size: int | tuple[int, ...] | None = None
    multiple: int | None = None
    mode: str = "constant"
    value: float = 0.0
    anchor: str = "centre"

    def __post_init__(self) -> None:
        if (self.size is None) == (self.multiple is None):
            raise self.refuse("needs either size or multiple.")
        if self.size is not None:
            self.sizes("size")
        else:
            self.number("multiple", low=1, whole=True)
        self.choice("mode", MODES)
        self.number("value")
        self.choice("anchor", ("centre", "start"))

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        have = tuple(x.shape[2:])
        if self.size is not None:
            want = spatial_sizes(self, self.size, len(have))
        else:
            unit = self.multiple or 1
            want = tuple(-(-h // unit) * unit for h in have)
        if any(w < h for w, h in zip(want, have, strict=True)):
            raise self.unfit(about, f"it has {_by(have)} pixels there, more than {_by(want)}; resize or crop first.")
        return padded(x, want, self.mode, self.value, self.anchor)

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or self.mode != "constant":
            return bounds
        return tuple(min(v, self.value) for v in bounds[0]), tuple(max(v, self.value) for v in bounds[1])


def padded(
    x: torch.Tensor, want: tuple[int, ...], mode: str, value: float = 0.0, anchor: str = "centre"
) -> tuple[torch.Tensor, Moved]:
    """Pad ``x`` to the spatial size ``want``."""
    maps = {}
    for k, w in enumerate(want):
        n = x.shape[k + 2]
        before = (w - n) // 2 if anchor == "centre" else 0
        taken = np.arange(-before, w - before)
        place = AxisMap.window(n, -before, w - before)
        if mode == "constant":
            side = [0, 0] * (x.ndim - 3 - k) + [before, w - n - before]
            x = torch.nn.functional.pad(x, side, value=value)
        else:
            source = np.clip(taken, 0, n - 1) if mode == "edge" else _reflected(taken, n)
            place = AxisMap(AxisMap.identity(n).weights[source], place.positions)
            x = x.index_select(k + 2, torch.from_numpy(source).to(x.device))
        maps[k] = place
    pad = np.zeros((1,) * (x.ndim - 1), dtype=bool)
    for k, m in maps.items():
        pad = pad | m.padded.reshape([-1 if j == k + 1 else 1 for j in range(x.ndim - 1)])
    return x, Moved(maps, np.where(pad, value, 0.0) if mode == "constant" else 0.0)


def _reflected(taken: np.ndarray, n: int) -> np.ndarray:
    period = max(2 * (n - 1), 1)
    folded = np.abs(taken) % period
    return np.asarray(np.where(folded >= n, period - folded, folded))


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(str(s) for s in sizes)
