"""A picture as the finders of burned-in marks see it: levels of 255, what is coloured, what the ground is like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_COLOURED = 48
_GREYISH = 10
_COLOUR_AT_MOST = 0.15


@dataclass(frozen=True, eq=False)
class Picture:
    """What the finders of marks look at.

    Parameters
    ----------
    grey
        ``(y, x)``, 0 to 255.
    chroma
        Largest minus smallest channel, ``(y, x)``, where the picture is grey but for a few coloured pixels; else None.
    contrast
        From how many levels on a step is an edge: it grows with the noise.
    counts
        How many pixels have each of the 256 levels, ``(256,)``.
    flat
        Share of pixels that are exactly as their right and lower neighbours: where the picture itself is flat, a single
        value is no sign of a mark.
    """

    grey: Grey
    chroma: Grey | None
    contrast: float
    counts: npt.NDArray[np.int64]
    flat: float

    @property
    def coloured(self) -> Mask | None:
        """Which pixels of a picture that is else grey are coloured; None where there is none."""
        return None if self.chroma is None else self.chroma > _COLOURED


def picture_of(image: npt.NDArray[Any]) -> Picture:
    """Return an image ``(y, x)`` or ``(y, x, c)`` of any type in grey levels.

    Eight-bit values stay as they are. Others are stretched between their 1st and 99th percentile, with half as much
    room at either end: what is burned in at the end of the type's range is then clipped and not what sets the scale.

    Raises
    ------
    RegionError
        If there are not two spatial axes with at most one of channels behind them, or the values are complex.
    """
    if image.ndim not in {2, 3} or np.iscomplexobj(image) or 0 in image.shape:
        msg = f"Marks are looked for in images (y, x) or (y, x, c) of real numbers, not in {image.shape} {image.dtype}."
        raise RegionError(msg)
    channels = image[..., None] if image.ndim == 2 else image[..., : _colours(image.shape[-1])]
    levels = _levels(channels)
    chroma = None
    if levels.shape[-1] == 3:
        spread = levels.max(axis=-1) - levels.min(axis=-1)
        many = float((spread > _COLOURED).mean())
        if 0 < many <= _COLOUR_AT_MOST and float(np.quantile(spread[::2, ::2], 0.8)) < _GREYISH:
            chroma = spread
    grey = levels.mean(axis=-1, dtype=np.float32)
    steps = np.abs(np.diff(grey, axis=1)) if grey.shape[1] > 1 else np.zeros((1, 1), np.float32)
    noise = float(np.median(steps[::2])) / 0.954  # of a difference of two normal values: 0.6745 * sqrt(2)
    counts = np.bincount(np.rint(grey).astype(np.uint8).ravel(), minlength=256)
    return Picture(grey, chroma, float(np.clip(18 + 3 * noise, 22, 60)), counts, _flat(grey))


def _flat(grey: Grey) -> float:
    if min(grey.shape) < 2:
        return 1.0
    here = grey[:-1, :-1]
    return float(((here == grey[:-1, 1:]) & (here == grey[1:, :-1])).mean())


def _colours(channels: int) -> int:
    """How many of the channels are a picture's: an alpha channel is none."""
    return {2: 1, 4: 3}.get(channels, channels)


def _levels(values: npt.NDArray[Any]) -> Grey:
    if values.dtype == np.uint8:
        return values.astype(np.float32)
    if values.dtype == np.bool_:
        return values.astype(np.float32) * 255
    some = values.astype(np.float64)
    finite = np.isfinite(some)
    if not finite.all():
        some = np.where(finite, some, np.median(some[finite]) if finite.any() else 0.0)
    sample = some[:: max(some.shape[0] // 512, 1), :: max(some.shape[1] // 512, 1)]
    low, high = (float(v) for v in np.percentile(sample, (1, 99)))
    room = 0.5 * (high - low)
    if room == 0:
        low, high = float(some.min()), float(some.max())
        room = 0.0
    scaled = (some - (low - room)) * (255.0 / ((high - low + 2 * room) or 1.0))
    return np.clip(scaled, 0, 255).astype(np.float32)
