"""Between signals and napari's layers, without Qt or a viewer: where things lie, in which units, how they look.

A layer that we make always carries scale, translate, units and axis labels: one layer without units switches units off
for the whole viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

LayerData = tuple[Any, dict[str, Any], str]

#: red and blue of equal lightness, told apart by colour-blind readers; transparent where nothing was decided
SIGNED = [
    [0.02, 0.19, 0.58, 0.95],
    [0.26, 0.58, 0.90, 0.55],
    [1.0, 1.0, 1.0, 0.0],
    [0.96, 0.55, 0.25, 0.55],
    [0.70, 0.06, 0.08, 0.95],
]
UNSIGNED = [[0.0, 0.0, 0.0, 0.0], [0.55, 0.10, 0.42, 0.45], [0.91, 0.36, 0.16, 0.75], [0.98, 0.94, 0.45, 0.95]]


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


def map_limits(values: np.ndarray, *, signed: bool) -> tuple[float, float]:
    """Return contrast limits: symmetric for signed maps, from zero for the others; never empty."""
    finite = np.abs(values[np.isfinite(values)])
    top = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    return (-top, top) if signed else (0.0, top)


def map_layers(explanation: xr.Dataset, source_name: str, frame: Frame, step: Sequence[int] | None) -> list[LayerData]:
    """Return a layer tuple for each map of an explanation, aligned with the layer that it explains.

    Parameters
    ----------
    explanation
        As ``matxai.explain`` returns it.
    source_name
        Name of the explained layer.
    frame
        Where that layer lies.
    step
        Index of the explained slice along the leading axes; the maps then keep these axes, one pixel long.
    """
    from matxai.explanation import provenance

    known = provenance(explanation)
    result = []
    for name, variable in explanation.data_vars.items():
        signed = bool(variable.attrs.get("signed", 0))
        leading = [str(d) for d in variable.dims if d not in frame.axis_labels and d not in ("y", "x", "z")]
        where = frame
        values = np.asarray(variable.values, np.float32)
        spatial = values.ndim - len(leading)
        if step is not None and len(frame.scale) > spatial:
            n = len(frame.scale) - spatial
            values = values.reshape(values.shape[: len(leading)] + (1,) * n + values.shape[len(leading) :])
            moved = [t + s * i for t, s, i in zip(frame.translate, frame.scale, step[:n], strict=False)]
            where = Frame(frame.scale, (*moved, *frame.translate[n:]), frame.units, frame.axis_labels)
        for _ in leading:
            where = Frame((1.0, *where.scale), (0.0, *where.translate), ("", *where.units), ("", *where.axis_labels))
        where = Frame(
            where.scale,
            where.translate,
            ("dimensionless",) * len(leading) + where.units[len(leading) :],
            (*leading, *where.axis_labels[len(leading) :]),
        )
        # napari cuts long names in their middle, so what tells maps apart stands first
        title = [str(variable.attrs.get("method", name))]
        title += [str(variable.attrs[k]) for k in ("class", "layer") if variable.attrs.get(k) and k not in leading]
        title.append(source_name)
        result.append(
            (
                values,
                {
                    "name": " · ".join(title),
                    **where.as_keywords(),
                    "contrast_limits": map_limits(values, signed=signed),
                    "colormap": SIGNED if signed else UNSIGNED,
                    "blending": "translucent",
                    "opacity": 0.85,
                    "interpolation2d": "nearest",
                    "metadata": {
                        "matxai": {"explanation": known, "variable": str(name), "attrs": dict(variable.attrs)}
                    },
                },
                "image",
            )
        )
    return result
