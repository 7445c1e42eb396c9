"""Where a layer lies, and the signal that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class Frame:
    """Where a layer lies: one entry for each of its axes.

    Parameters
    ----------
    scale, translate
        Step and position of the first pixel's centre, in ``units``.
    units
        Words that pint reads.
    axis_labels
        The signal's dims.
    """

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]

    def as_keywords(self) -> dict[str, Any]:
        """Return the keywords of napari's layers."""
        return {
            "scale": self.scale,
            "translate": self.translate,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }

    def last(self, n: int) -> Frame:
        """Return the frame of the last ``n`` axes."""
        return Frame(self.scale[-n:], self.translate[-n:], self.units[-n:], self.axis_labels[-n:])


def frame_of(signal: xr.DataArray) -> Frame:
    """Return where a signal lies; axes with uneven steps, which napari cannot show, count pixels."""
    scale, translate, units = [], [], []
    dims = [str(d) for d in signal.dims if d != "c"]
    for dim in dims:
        values = np.asarray(signal[dim].values, float)
        steps = np.diff(values)
        even = steps.size == 0 or np.allclose(steps, steps.mean(), rtol=1e-3)
        scale.append(float(steps.mean()) if even and steps.size else 1.0)
        translate.append(float(values[0]) if even else 0.0)
        units.append(str(signal[dim].attrs.get("units") or "pixel") if even else "pixel")
    return Frame(tuple(scale), tuple(translate), tuple(units), tuple(dims))


def signal_of(
    data: Any, frame: Frame, *, rgb: bool, attrs: Mapping[str, Any] | None = None, step: Sequence[int] | None = None
) -> xr.DataArray:
    """Return the signal that a layer shows: its whole data, or the plane of the current slice.

    Parameters
    ----------
    data
        The layer's array (of its finest level).
    frame
        Where the layer lies.
    rgb
        Whether the last axis of the data is colour.
    attrs
        The instrument's word, where the layer has it.
    step
        Index of the current slice along each axis before the last two; None for the whole data.
    """
    from matxai.signals import labelled

    dims = _distinct(frame.axis_labels)
    if step is not None:
        n = len(dims) - 2
        data, frame = data[tuple(step[:n])], frame.last(2)
        dims = dims[-2:]
    names = [*dims, "c"] if rgb else dims
    return labelled(
        np.asarray(data),
        names,
        spacing=dict(zip(dims, frame.scale, strict=True)),
        units=dict(zip(dims, frame.units, strict=True)),
        origin=dict(zip(dims, frame.translate, strict=True)),
        attrs={"pixel_size_source": "the layer in napari", **(attrs or {})},
    )


def _distinct(labels: Sequence[str]) -> list[str]:
    """Names of axes; napari's defaults (``-2``, ``-1``) become ``y`` and ``x``."""
    usual = ("t", "z", "y", "x")[-len(labels) :] if len(labels) <= 4 else tuple(f"axis{i}" for i in range(len(labels)))
    good = len(set(labels)) == len(labels) and all(str(label).isidentifier() for label in labels)
    return [str(label) for label in labels] if good else list(usual)
