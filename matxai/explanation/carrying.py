"""How each kind of map comes from the network's input back to the measured grid, and what is written beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from matxai.engine.place import Place
    from matxai.methods import Attribution, Method
    from matxai.modelcard.placement import Extent, Placement
    from matxai.modelcard.preprocessing import Prepared

    Floats = NDArray[np.float64]

# What a method's map counts, where its class does not say so in an attribute `quantity`.
QUANTITIES = {
    "smooth_grad": "magnitude",
    "saliency": "magnitude",
    "guided_backprop": "gradient",
    "guided_grad_cam": "gradient",
    "deconvnet": "gradient",
}
UNITS = {
    "relevance": "score",
    "change": "score",
    "gradient": "score per unit of the network's input",
    "magnitude": "score per unit of the network's input",
    "cam": "relative",
}
# Beside a map: how far it is off. An error is a size, not a share of the score, so it goes back by its magnitude.
ERRORS = (":standard_error", ":error")
REDUCTIONS = {
    "relevance": "sum over channels",
    "change": "sum over channels",
    "gradient": "sum over channels",
    "magnitude": "largest magnitude over channels",
    "cam": "sum over the layer's channels",
}
ERROR_REDUCTIONS = {
    "relevance": "sum of magnitudes over channels and pixels, an upper bound",
    "gradient": "sum of magnitudes over channels, an upper bound",
    "magnitude": "largest magnitude over channels",
    "change": "sum over channels",
    "cam": "as the map",
}


@dataclass(frozen=True)
class Carried:
    """A map on the measured grid.

    Attributes
    ----------
    key
        The method as given.
    values
        Shape ``(T, L, *spatial)``; T and L are 1 where there is one target or no layer.
    layers
        Names of the layers, in order; empty for maps of the input.
    attrs
        Strings and numbers that stand beside it.
    record
        The same in full, for the provenance.
    axes
        Where the map keeps a layer's own cells: position of each cell along each axis, in the signal's coordinate.
    by_channel
        The same map with the signal's channels apart, ``(T, L, C, *spatial)``, where the method's map has them.
    """

    key: str
    values: Floats
    layers: tuple[str, ...]
    attrs: dict[str, Any]
    record: dict[str, Any]
    axes: tuple[Floats, ...] | None = field(default=None)
    by_channel: Floats | None = field(default=None)

    @property
    def channelled(self) -> Floats:
        """Return the map of the first target with its layers first, ``(L, *spatial)``, and with its channels last."""
        if self.by_channel is None or self.by_channel.shape[2] == 1:
            return np.asarray(self.values[0])
        return np.moveaxis(self.by_channel[0], 1, -1)


def quantity(method: Method, key: str) -> str:
    """Return what a map counts: ``relevance``, ``change``, ``gradient``, ``magnitude`` or ``cam``.

    Relevance is a share of the score, or of its change from a baseline, and keeps its sum on the measured grid. A
    change of the score, when something around a pixel is replaced, is a value of the pixel that sums to nothing: it is
    interpolated.
    """
    said = getattr(type(method), "quantity", None)
    if isinstance(said, str):
        return said
    if method.kind in QUANTITIES and (is_error(method, key) or ":" not in key.removeprefix(method.key)):
        return QUANTITIES[method.kind]
    return "cam" if method.at_layers else "relevance"


def is_error(method: Method, key: str) -> bool:
    """Whether a map says how far another one is off."""
    return key.removeprefix(method.key) in ERRORS


def carry(result: Attribution, prepared: Prepared, targets: int) -> list[Carried]:
    """Return every map of an attribution on the measured grid, in the order asked for.

    Parameters
    ----------
    result
        Of one sample.
    prepared
        What the network received.
    targets
        How many targets there are: with more than one, maps have a leading axis.
    """
    found: list[Carried] = []
    for key, value in result.maps.items():
        method = result.methods.get(key) or result.methods[key.rpartition(":")[0]]
        layers = tuple(result.layers_of.get(method.key, ()))
        if isinstance(value, tuple):
            for layer, own in zip(layers, value, strict=True):
                maps = _numbers(own).reshape(targets, 1, *own.shape[-len(prepared.placement.dims) :])
                found.append(_own_grid(key, method, maps, layer, result.places[layer], prepared, many=len(layers) > 1))
            continue
        found.append(_on_signal(key, method, _numbers(value), layers, result, prepared, targets))
    return found


def _numbers(value: Any) -> Floats:
    return np.asarray(value.detach().cpu().double().numpy())


def _on_signal(
    key: str,
    method: Method,
    value: Floats,
    layers: tuple[str, ...],
    result: Attribution,
    prepared: Prepared,
    targets: int,
) -> Carried:
    placement = prepared.placement
    ndim = len(placement.dims)
    net = value.shape[-ndim:]
    kind, error = quantity(method, key), is_error(method, key)
    lost = 0.0
    apart: Floats | None = None
    if error and kind != "cam":
        named = layers
        sizes = np.abs(value).reshape(targets, -1, prepared.tensor.shape[1], *net)
        maps = _error(sizes, kind, placement)
    elif kind == "cam":
        fused = value.reshape(targets, -1, *net)
        named = layers if fused.shape[1] == len(layers) else ()
        maps = placement.to_source_interpolated(fused, unseen=0.0)
    else:
        channels = prepared.tensor.shape[1]
        flat = value.reshape(targets, -1, channels, *net)
        named = layers
        if kind == "relevance":
            x = prepared.tensor[0].double().numpy() if proportional(method) else None
            returned = placement.to_source_adjoint(flat, values=x, unseen=0.0)
            apart, lost = returned.values, returned.lost
            maps = apart.sum(2)
        elif kind == "change":
            maps = placement.to_source_interpolated(flat.sum(2), unseen=0.0)
        elif kind == "magnitude":
            apart = np.abs(placement.to_source_transposed(flat, unseen=0.0))
            maps = apart.max(2)
        else:
            apart = placement.to_source_transposed(flat, unseen=0.0)
            maps = placement.to_source_transposed(flat.sum(2, keepdims=True), unseen=0.0)[:, :, 0]
    attrs = _attrs(key, method, kind, maps, layers)
    sums = [float(v.sum()) for v in value.reshape(targets, -1)]
    record: dict[str, Any] = {"quantity": kind, "sum_at_input": sums}
    if error:
        attrs.update(error_of=method.key, reduction=ERROR_REDUCTIONS[kind], signed=0)
        record["error_of"] = method.key
    record.update(_figures(result.figures.get(method.key, {})) if key == method.key else {})
    if kind == "relevance" and not error:
        record["lost_on_padding"] = attrs["lost_on_padding"] = lost
        whole: Any = result.scores
        if method.to_baseline:  # such a map sums to the score minus the baseline's, where that is known
            whole = result.figures.get(method.key, {}).get("difference")
        if whole is not None:
            record["conservation"] = _conservation(sums, value.reshape(targets, -1), whole)
    if kind == "cam":
        places = {name: result.places[name] for name in layers if name in result.places}
        _resolution(attrs, record, placement, places)
    else:
        cell = placement.source_spacing(result.cells.get(method.key, (1.0,) * ndim))
        attrs["cell"], attrs["cell_text"] = _sizes(cell), _words(cell)
        record["cell"] = _extents(cell)
    empty = " ".join(dict.fromkeys(e.sentence for e in result.empty if e.method == method.key))
    attrs["empty"] = empty
    if apart is not None:
        same = apart.shape[2] == placement.source.shape[0]  # a mixture of channels has none of the signal's
        apart = np.where(placement.seen, apart, np.nan) if same else None
    return Carried(key, np.where(placement.seen, maps, np.nan), named, attrs, record, by_channel=apart)


def _error(sizes: Floats, kind: str, placement: Placement) -> Floats:
    """Return errors (T, C, *spatial) at the network's input on the measured grid, none of them negative."""
    if kind == "relevance":  # of sums over channels and neighbours: as if all erred together
        return np.asarray(np.abs(placement.to_source_adjoint(sizes, unseen=0.0).values).sum(2))
    if kind == "change":
        return placement.to_source_interpolated(sizes.sum(2), unseen=0.0)
    back = np.abs(placement.to_source_transposed(sizes, unseen=0.0))
    return np.asarray(back.max(2) if kind == "magnitude" else back.sum(2))


def _figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers that belong to a map, as JSON holds them."""
    found = {
        k: v.detach().cpu().double().reshape(-1).tolist() if hasattr(v, "detach") else v for k, v in figures.items()
    }
    return {"figures": found} if found else {}


def proportional(method: Method) -> bool:
    """Return whether relevance at the input is a multiple of the input's value, pixel by pixel.

    Flat and box rules give a pixel its share whatever its value is, so a ratio to the value means nothing there; no
    more does it where the input is compared with a baseline.
    """
    if method.to_baseline:
        return False
    composite = getattr(method, "composite", "")
    if not isinstance(composite, str):  # an object of the engine
        from matxai.engine.rules import DIRECT

        return composite.first is None or composite.first.name not in DIRECT
    return not str(getattr(method, "first", None) or composite).endswith(("flat", "box", "w_square"))


def _own_grid(
    key: str, method: Method, maps: Floats, layer: str, place: Place, prepared: Prepared, *, many: bool
) -> Carried:
    """Return a layer's map on its own cells, with the true position of each."""
    placement = prepared.placement
    axes = []
    for k, (m, coord) in enumerate(zip(placement.axes, placement.coords, strict=True)):
        at = m.at(np.asarray(place.positions(k)))
        pixel = np.arange(coord.size, dtype=np.float64)
        step = (coord[-1] - coord[0]) / max(coord.size - 1, 1)
        beyond = np.where(at < 0, at, np.where(at > coord.size - 1, at - (coord.size - 1), 0.0))
        axes.append(np.asarray(np.interp(at, pixel, coord) + beyond * step))
    attrs = _attrs(key, method, "cam", maps, (layer,))
    record: dict[str, Any] = {"quantity": "cam"}
    _resolution(attrs, record, placement, {layer: place})
    attrs["empty"] = ""
    return Carried(f"{key}:{layer}" if many else key, maps, (layer,), {**attrs, "method": key}, record, tuple(axes))


def _attrs(key: str, method: Method, kind: str, maps: Floats, layers: Sequence[str]) -> dict[str, Any]:
    relu = kind == "cam" and not bool((maps < 0).any())
    about = method.about
    attrs: dict[str, Any] = {
        "method": key,
        "long_name": key,
        "units": UNITS[kind],
        "reduction": REDUCTIONS[kind],
        "signed": int(not (relu or kind == "magnitude")),
        "sum": float(maps.sum()),
        "min": float(maps.min()),
        "max": float(maps.max()),
        "question": about.question,
        "guarantee": about.guarantee,
        "misleads": about.misleads,
        "paper": about.paper,
    }
    if layers:
        attrs["layer"] = layers[0] if len(layers) == 1 else json.dumps(list(layers))
    return attrs


def _conservation(sums: list[float], value: Floats, scores: Any) -> list[dict[str, float | None]]:
    """Return for each target how nearly the map sums to the score, and how much of it cancels: sum |R| / |score|."""
    found: list[dict[str, float | None]] = []
    for total, flat, score in zip(sums, value, _numbers(scores).reshape(-1), strict=True):
        size = abs(float(score))
        ratio = total / float(score) if size else None
        absolute = float(np.abs(flat).sum()) / size if size else None
        found.append({"sum": total, "score": float(score), "ratio": ratio, "absolute": absolute})
    return found


def _resolution(
    attrs: dict[str, Any], record: dict[str, Any], placement: Placement, places: Mapping[str, Place]
) -> None:
    """Write how large a cell and a receptive field are, in pixels of the signal and in its units."""
    record["layers"] = {}
    cells, fields = {}, {}
    for name, place in places.items():
        cells[name] = placement.source_spacing(place.step)
        fields[name] = placement.source_spacing(place.field)
        record["layers"][name] = {
            "cell": _extents(cells[name]),
            "receptive_field": _extents(fields[name]),
            "origin": list(place.origin),
            "step": list(place.step),
            "cells": list(place.shape),
            "found_by": place.source,
        }
    for label, found in (("cell", cells), ("receptive_field", fields)):
        if len(found) == 1:
            one = next(iter(found.values()))
            attrs[label], attrs[f"{label}_text"] = _sizes(one), _words(one)
        elif found:
            text = "; ".join(f"{name}: {_words(e)}" for name, e in found.items())
            attrs[label] = attrs[f"{label}_text"] = text


def _sizes(extents: Sequence[Extent]) -> str:
    return json.dumps([e.size for e in extents])


def _words(extents: Sequence[Extent]) -> str:
    return ", ".join(f"{e.dim} {e}" for e in extents)


def _extents(extents: Sequence[Extent]) -> dict[str, Any]:
    return {e.dim: {"pixels": e.pixels, "size": e.size, "units": e.units} for e in extents}
