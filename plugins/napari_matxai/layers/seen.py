"""What the network saw of a layer, stage by stage, as layers that lie where the stages lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.frame import Frame, LayerData, dims_of
from napari_matxai.layers.images import contrast_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.modelcard import Seen


def seen_layers(stages: Sequence[Seen], source_name: str, frame: Frame, step: Sequence[int] | None) -> list[LayerData]:
    """Return a layer for what each step of the preprocessing made; the last is the network's input.

    Parameters
    ----------
    stages
        As ``matxai.modelcard.what_is_seen`` returns them: the measured values first, which the source shows itself.
    source_name
        Name of the layer that they are of.
    frame
        Where that layer lies.
    step
        Index of the slice along its leading axes; None for all of it.
    """
    measured, *made = stages
    last = len(made)
    return [_layer(s, n, last, measured.signal, source_name, frame, step) for n, s in enumerate(made, 1)]


def _layer(
    stage: Seen,
    number: int,
    last: int,
    measured: xr.DataArray,
    source_name: str,
    frame: Frame,
    step: Sequence[int] | None,
) -> LayerData:
    signal = stage.signal
    dims = dims_of(frame)
    many = "c" in signal.dims
    ordered = signal.transpose(*(("c",) if many else ()), *(d for d in dims if d in signal.dims))
    values = np.asarray(ordered.values, np.float32)
    if many and all(np.array_equal(values[0], v) for v in values[1:]):
        values, many = values[0], False  # grey repeated: one is as good as all
    shape, first, steps = list(values.shape[:1] if many else ()), [], []
    for axis, dim in enumerate(dims):
        if dim in signal.dims:
            at, by = _cells(np.asarray(signal[dim].values, float), np.asarray(measured[dim].values, float))
            shape.append(signal.sizes[dim])
        else:
            at, by = float(step[axis]) if step is not None and axis < len(step) else 0.0, 1.0
            shape.append(1)
        first.append(at)
        steps.append(by)
    where = frame.cells(first, steps)
    where = where.led_by(("channel",)) if many else where
    final = number == last
    title = "what the network sees" if final else f"step {number}: {stage.step}"
    about: dict[str, Any] = {"step": stage.text, "number": number}
    keywords = {
        "name": f"{title} · {source_name}",
        **where.as_keywords(),
        "contrast_limits": contrast_limits(values),
        "colormap": "gray",
        "interpolation2d": "nearest",
        "metadata": {"matxai": about},
    }
    return values.reshape(shape), keywords, "image"


def _cells(centres: np.ndarray[Any, Any], pixels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return the first cell's centre, and the step to the next, as indices of the measured pixels."""
    pitch = (pixels[-1] - pixels[0]) / (pixels.size - 1) if pixels.size > 1 else 1.0
    at = (centres - pixels[0]) / pitch
    return float(at[0]), float((at[-1] - at[0]) / (at.size - 1)) if at.size > 1 else 1.0
