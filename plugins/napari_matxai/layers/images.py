"""Signals as image layers: lazily where they are lazy, calibrated where they are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.frame import LayerData, frame_of

if TYPE_CHECKING:
    import xarray as xr


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


def image_layer(signal: xr.DataArray, name: str, path: str | None = None) -> LayerData:
    """Return napari's layer tuple for a signal: lazily if it is lazy, calibrated if it is calibrated."""
    rgb = bool(signal.dims and signal.dims[-1] == "c" and signal.sizes["c"] in (3, 4))
    plane = signal if rgb or "c" not in signal.dims else signal.transpose("c", ...)
    keywords: dict[str, Any] = {
        "name": name,
        **frame_of(plane if "c" not in plane.dims or rgb else plane.isel(c=0)).as_keywords(),
        "metadata": {"matxai": {"attrs": dict(signal.attrs), "path": path, "dims": [str(d) for d in plane.dims]}},
    }
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
