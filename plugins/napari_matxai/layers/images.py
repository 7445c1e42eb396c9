"""Signals as image layers: lazily where they are lazy, calibrated where they are calibrated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.frame import Frame, LayerData, frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

SPACE = ("t", "z", "y", "x", "c")
SAMPLE = "sample"
NARROWEST = 0.1
"""Of a set of spectra: the least that one side of its image is of the other."""


def contrast_limits(values: Any) -> tuple[float, float]:
    """Return limits from at most a million values, so that a stack on disk is not read for them."""
    sample = values
    for axis in range(len(values.shape) - 2):
        step = max(1, values.shape[axis] // 8)
        sample = sample[(slice(None),) * axis + (slice(None, None, step),)]
    sample = np.asarray(sample[..., ::4, ::4] if sample.ndim >= 2 and min(sample.shape[-2:]) > 64 else sample)
    finite = sample[np.isfinite(sample)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def is_curve(signal: xr.DataArray) -> bool:
    """Whether a signal is one spectrum or waveform, of one channel or several: it makes no layer."""
    return sum(d != "c" for d in signal.dims) == 1


def image_layer(signal: xr.DataArray, name: str, path: str | Sequence[str] | None = None) -> LayerData:
    """Return napari's layer tuple for a signal: lazily if it is lazy, calibrated if it is calibrated.

    A set of spectra is an image with a row for each; where that would be a sliver, its rows are made as high as they
    have to be. Sets, and images with a spectrum in each pixel, keep their signal in the metadata (``signal``): a layer
    has no place for axes with uneven steps, names of samples and wavelengths.
    """
    rgb = bool(signal.dims and signal.dims[-1] == "c" and signal.sizes["c"] in (3, 4))
    plane = signal if rgb or "c" not in signal.dims else signal.transpose("c", ...)
    frame = frame_of(plane if "c" not in plane.dims or rgb else plane.isel(c=0))
    about: dict[str, Any] = {"attrs": dict(signal.attrs), "path": path, "dims": [str(d) for d in plane.dims]}
    if not set(map(str, signal.dims)) <= set(SPACE):
        about["signal"] = signal
    keywords: dict[str, Any] = {"name": name, **_in_sight(frame, signal).as_keywords(), "metadata": {"matxai": about}}
    if "c" in plane.dims and not rgb:
        keywords["channel_axis"] = 0
        keywords.pop("name")
    if rgb:
        keywords["rgb"] = True
    else:
        keywords["contrast_limits"] = contrast_limits(plane.data)
        keywords["colormap"] = "gray"
    if keywords.get("channel_axis") is not None:
        keywords.pop("contrast_limits")
        keywords.pop("colormap")
    return plane.data, keywords, "image"


def _in_sight(frame: Frame, signal: xr.DataArray) -> Frame:
    """Return a frame in which a set of spectra is no sliver: samples have no unit, so their rows may be of any height.

    A waveform of a millisecond beside twenty others would be 0.001 wide and 20 high.
    """
    if signal.ndim != 2 or signal.dims[0] != SAMPLE:
        return frame
    height, width = (n * abs(s) for n, s in zip(signal.shape, frame.scale, strict=True))
    if NARROWEST <= height / width <= 1 / NARROWEST:
        return frame
    return replace(frame, scale=(width / 2 / signal.shape[0], frame.scale[1]))
