"""Explanations as image layers, aligned with the layer that they explain."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError
from napari_matxai.layers.colours import SIGNED, UNSIGNED
from napari_matxai.layers.frame import Frame, LayerData, dims_of
from napari_matxai.layers.limits import map_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

DEPTH, CLASS = "depth", "class"
TOGETHER = "all layers together"


@dataclass(frozen=True, eq=False)
class Map:
    """One map, as it is to be shown.

    Parameters
    ----------
    name
        Its variable in the explanation.
    values
        float32, lazy where the explanation is: axes that count (``depth``, ``class``, ``c``) first, then those of the
        source.
    leading
        Names of the axes that count.
    entries
        For each of them, what its steps are: names of layers, of classes.
    frame
        Where it lies.
    attrs
        What the explanation says about it.
    variables
        The explanation's variables in it, each with its first and last step (exclusive) along the first axis; None for
        a variable that has no such axis.
    """

    name: str
    values: Any
    leading: tuple[str, ...]
    entries: dict[str, list[str]]
    frame: Frame
    attrs: dict[str, Any]
    variables: dict[str, tuple[int, int] | None]


def map_layers(
    explanation: xr.Dataset,
    source_name: str,
    frame: Frame,
    step: Sequence[int] | None,
    *,
    asked: Frame | None = None,
) -> list[LayerData]:
    """Return a layer tuple for each map of an explanation, aligned with the layer that it explains.

    Multilayer Grad-CAM is one layer, with the fused map first and each of the network's layers behind it.

    Parameters
    ----------
    explanation
        As ``matxai.explain`` returns it; its variables may be lazy.
    source_name
        Name of the explained layer.
    frame
        Where that layer lies.
    step
        Index of the explained slice along the leading axes; the maps then keep these axes, one pixel long. Axes of the
        stack that the explanation keeps are placed by their coordinates.
    asked
        Where the layer lay when it was asked about, if it was moved or calibrated since.

    Raises
    ------
    ExplanationError
        If the explanation lacks an axis of the layer, and ``step`` does not say where on it it lies.
    """
    from matxai.explanation import provenance

    known = provenance(explanation)
    maps = [_placed(explanation, str(name), frame, step, asked or frame) for name in explanation.data_vars]
    return [_layer(m, source_name, known, explanation) for m in _fused(maps)]


def _placed(explanation: xr.Dataset, name: str, frame: Frame, step: Sequence[int] | None, asked: Frame) -> Map:
    """Return a map with the axes of the layer, in their order, and the axes that count in front."""
    variable = explanation[name]
    dims = dims_of(asked)
    axis_of = {str(d): str(variable[d].attrs.get("axis", d)) if d in variable.coords else str(d) for d in variable.dims}
    own = {axis: d for d, axis in axis_of.items() if axis in dims}
    counting = [d for d in axis_of if axis_of[d] not in dims]
    ordered = variable.transpose(*counting, *(own[d] for d in dims if d in own))
    values = ordered.data
    values = np.asarray(values, np.float32) if isinstance(values, np.ndarray) else values.astype(np.float32)
    first, steps, shape = [], [], list(values.shape[: len(counting)])
    for number, dim in enumerate(dims):
        if dim in own:
            at, by = _indices(explanation, dim, own[dim], asked, number)
            shape.append(variable.sizes[own[dim]])
        elif step is not None and number < len(step):
            at, by = float(step[number]), 1.0
            shape.append(1)
        else:
            msg = f"The map '{name}' has no axis {dim}, and nothing says where along {dim} it lies."
            raise ExplanationError(msg)
        first.append(at)
        steps.append(by)
    leading = tuple(_label(d) for d in counting)
    return Map(
        name,
        values.reshape(shape),
        leading,
        {_label(d): [str(v) for v in variable[d].values] for d in counting},
        frame.cells(first, steps).led_by(leading),
        dict(variable.attrs),
        {name: None},
    )


def _label(dim: str) -> str:
    return DEPTH if dim == "layer" or dim.startswith("layer_") else dim


def _indices(explanation: xr.Dataset, dim: str, own: str, frame: Frame, number: int) -> tuple[float, float]:
    """Return the first cell's centre along an axis and the step between cells, as indices of the layer's data."""
    axis = explanation[dim]
    if axis.dtype.kind not in "iuf":
        return 0.0, 1.0  # names of samples: napari counts them
    coord = np.asarray(axis.values, float)
    cells = np.asarray(explanation[own].values, float)
    if axis.size < 2:
        at = _index(axis, frame, number, float(coord[0]))
        return (at, 1.0) if own == dim else (at + float(cells[0] - coord[0]) / abs(frame.scale[number]), 1.0)
    gaps = np.diff(coord)
    if not np.allclose(gaps, gaps.mean(), rtol=1e-3):  # napari counts the pixels of such an axis
        return (0.0, 1.0) if own == dim else _even(np.interp(cells, coord, np.arange(coord.size)))
    at, beyond = (_index(axis, frame, number, float(c)) for c in (coord[0], coord[-1]))
    by = (beyond - at) / (coord.size - 1)
    if own == dim:
        return at, by
    first, step = _even((cells - coord[0]) / gaps.mean())
    return at + by * first, by * step


def _even(positions: np.ndarray[Any, Any]) -> tuple[float, float]:
    size = positions.size
    return float(positions[0]), float((positions[-1] - positions[0]) / (size - 1)) if size > 1 else 1.0


def _index(axis: xr.DataArray, frame: Frame, number: int, position: float) -> float:
    """Return where a position lies, as an index of the layer's data; the first and last of an axis are whole pixels."""
    counts = axis.attrs.get("units") in (None, "pixel") or frame.units[number] == "pixel"
    index = position if counts else (position - frame.translate[number]) / frame.scale[number]
    return float(round(index)) if abs(index - round(index)) < 1e-3 else float(index)


def _fused(maps: Sequence[Map]) -> list[Map]:
    """Put a fused map in front of the maps that it was made of, where they stand beside it."""
    found = {m.name: m for m in maps}
    result = []
    for m in maps:
        parts = found.get(f"{m.name}_layers")
        whole = found.get(m.name.removesuffix("_layers")) if m.name.endswith("_layers") else None
        if whole is not None and _fits(whole, m):
            continue
        result.append(m if parts is None or not _fits(m, parts) else _together(m, parts))
    return result


def _fits(whole: Map, parts: Map) -> bool:
    """Whether a map was fused of the layers of another one: the same axes, but for the depth, in the same place."""
    if parts.leading[-1:] != (DEPTH,) or whole.leading != parts.leading[:-1]:
        return False
    at, n = len(whole.leading), len(whole.frame.scale) - len(whole.leading)
    return (
        parts.attrs.get("method") == f"{whole.attrs.get('method')}:layers"
        and (*parts.values.shape[:at], *parts.values.shape[at + 1 :]) == whole.values.shape
        and parts.frame.last(n) == whole.frame.last(n)
    )


def _together(whole: Map, parts: Map) -> Map:
    at = len(whole.leading)
    values = whole.values[(slice(None),) * at + (None,)]
    if isinstance(values, np.ndarray) and isinstance(parts.values, np.ndarray):
        values = np.concatenate([values, parts.values], axis=at)
    else:
        import dask.array

        values = dask.array.concatenate([values, parts.values], axis=at)
    names = parts.entries[DEPTH]
    return Map(
        whole.name,
        values,
        parts.leading,
        {**parts.entries, DEPTH: [TOGETHER, *names]},
        parts.frame,
        whole.attrs,
        {whole.name: None, parts.name: (1, 1 + len(names))},
    )


def _layer(m: Map, source_name: str, known: dict[str, Any], explanation: xr.Dataset) -> LayerData:
    signed = bool(m.attrs.get("signed", 0))
    # a class-activation map is smooth; relevance and gradients have a few pixels far above the rest
    outliers = m.attrs.get("units") != "relative"
    ends = [abs(float(m.attrs[k])) for k in ("min", "max") if k in m.attrs and DEPTH not in m.leading]
    largest = max(ends) if len(ends) == 2 and np.isfinite(ends).all() else None
    limits = map_limits(m.values, signed=signed, outliers=outliers, largest=largest)
    about: dict[str, Any] = {
        "explanation": known,
        "result": explanation,  # shared by its layers: what a writer saves
        "variable": m.name,
        "variables": {name: list(part) if part else None for name, part in m.variables.items()},
        "attrs": m.attrs,
        "axes": m.entries,
        "limits": list(limits),
    }
    if DEPTH in m.leading:  # scores of layers have no common scale: each is shown in its own limits
        at = m.leading.index(DEPTH)
        each = (m.values[(slice(None),) * at + (i,)] for i in range(m.values.shape[at]))
        about["depth_limits"] = [list(map_limits(v, signed=signed, outliers=outliers)) for v in each]
        limits = tuple(about["depth_limits"][0])
        about["limits"] = list(limits)
    return (
        m.values,
        {
            "name": _title(m, source_name),
            **m.frame.as_keywords(),
            "contrast_limits": limits,
            "colormap": SIGNED if signed else UNSIGNED,
            "blending": "translucent",
            "opacity": 0.85,
            "interpolation2d": "nearest",
            "metadata": {"matxai": about},
        },
        "image",
    )


def _title(m: Map, source_name: str) -> str:
    """Return a name; napari cuts long ones in their middle, so what tells maps apart stands first."""
    title = [str(m.attrs.get("method", m.name))]
    if m.attrs.get("class"):
        title.append(str(m.attrs["class"]))
    layer = m.attrs.get("layer")
    if layer:
        several = str(layer).startswith("[")
        title.append(f"{len(json.loads(str(layer)))} layers" if several else str(layer))
    return " · ".join([*title, source_name])
