"""Explanations as image layers, aligned with the layer that they explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_matxai.layers.colours import SIGNED, UNSIGNED
from napari_matxai.layers.frame import Frame, LayerData

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr


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
