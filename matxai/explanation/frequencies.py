"""Relevance in frequency, or in time and frequency: an invertible transform in front of the network, its sum kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MethodError, SignalError, nearest
from matxai.explanation.carrying import QUANTITIES, Carried, is_error, proportional
from matxai.explanation.dataset import Explanation, flat_attrs, identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.methods import Attribution, Method
    from matxai.methods.frames import Frame
    from matxai.modelcard.preprocessing import Prepared

DOMAINS = {"frequency": "dft", "time_frequency": "mdct", "time_frequency:stft": "stft"}
"""What may stand in ``domain=``, and the transform that it means."""


def in_domain(
    result: Attribution, prepared: Prepared, targets: Sequence[Mapping[str, Any]], domain: str, frame: int | None
) -> tuple[Explanation, list[Carried], dict[str, str]]:
    """Return the maps of a waveform by frequency, or by frequency and time, and why others have none.

    The network's own input is what is transformed: offsets that the preprocessing adds are of frequency 0.

    Parameters
    ----------
    result
        Of one sample, at the network's input.
    prepared
        What the network received.
    targets
        Records of the targets.
    domain
        ``frequency``, ``time_frequency`` (by the MDCT) or ``time_frequency:stft``.
    frame
        Points of the network's input from frame to frame.

    Raises
    ------
    MethodError
        If there is no such domain, the waveform is too short for it, or no method allows it.
    SignalError
        If the signal has more than one axis, or its points do not lie at equal steps.
    """
    from matxai.methods.frames import frame_of

    if domain not in DOMAINS:
        raise MethodError(f"There is no domain '{domain}'. {nearest(domain, DOMAINS)}")
    step, start, unit = _steps(prepared)
    transform = frame_of(DOMAINS[domain], int(prepared.tensor.shape[2]), frame)
    coords = _coords(transform, step, start, unit, prepared.placement.dims[0])
    variables: dict[str, Any] = {}
    carried: list[Carried] = []
    left: dict[str, str] = {}
    source = prepared.signal
    dims = tuple(coords)
    for name, c in source.coords.items():
        if c.dtype.kind in "biufU" and set(c.dims) <= set(source.dims):
            coords[str(name)] = (c.dims, np.asarray(c.values), flat_attrs(c.attrs))
    coords["signal"] = (source.dims, np.asarray(source.values), flat_attrs(source.attrs))
    if len(targets) > 1:
        coords["class"] = ("class", [t["class"] for t in targets])
    for key, value in result.maps.items():
        method = result.methods.get(key) or result.methods[key.rpartition(":")[0]]
        why = _refused(method, key)
        if why:
            left[key] = why
            continue
        maps, record = _transformed(value, prepared, transform, len(targets), result.scores)
        several = maps.shape[1] > 1
        lead = (["class"] if len(targets) > 1 else []) + (["c"] if several else [])
        values = maps if len(targets) > 1 else maps[0]
        values = values if several else values.squeeze(-3)
        values = values if "frame" in dims else values[..., 0]
        attrs = {
            "method": key, "long_name": key, "units": "score", "signed": 1, "domain": domain,
            "reduction": "none, channels are kept" if several else "cosine and sine together",
            "sum": float(maps.sum()), "min": float(values.min()), "max": float(values.max()),
            "class": ", ".join(str(t["class"]) for t in targets),
        }  # fmt: skip
        name = identifier(key, {*coords, *variables})
        variables[name] = ((*lead, *dims), values.astype(np.float32), flat_attrs(attrs))
        carried.append(Carried(key, maps, (), attrs, record))
    if not variables:
        raise MethodError(f"None of the methods has a map by frequency. {next(iter(left.values()), '')}".strip())
    return Explanation(variables, coords), carried, left


def _steps(prepared: Prepared) -> tuple[float, float, str]:
    """Distance of the network's points, the first of them, and the unit, on the signal's axis."""
    placement = prepared.placement
    if len(placement.dims) != 1:
        raise SignalError("Frequencies are those of a waveform or spectrum with one axis; this signal has several.")
    coord, axis = placement.coords[0], placement.axes[0]
    places = np.interp(axis.positions, np.arange(coord.size), coord)
    gaps = np.diff(places)
    if gaps.size == 0 or np.ptp(gaps) > 1e-3 * abs(gaps.mean()):
        raise SignalError(
            f"The points along '{placement.dims[0]}' do not reach the network at equal steps, so they have no "
            "frequencies; give the card an axis, or a step 'resample'."
        )
    return float(gaps.mean()), float(places[0]), placement.units[0]


def _coords(transform: Frame, step: float, start: float, unit: str, dim: str) -> dict[str, Any]:
    """Axes of the maps: ``frequency``, and ``frame`` with the middle of each frame on the signal's axis."""
    inverse = {"s": "Hz", "": ""}.get(unit, f"1/({unit})")
    about = {"units": inverse} if inverse else {}
    coords: dict[str, Any] = {"frequency": ("frequency", np.array(transform.frequencies) / abs(step), about)}
    if len(transform.centres) > 1:
        places = start + step * np.array(transform.centres)
        coords["frame"] = ("frame", places, {**({"units": unit} if unit else {}), "axis_of": dim})
    return coords


def _refused(method: Method, key: str) -> str:
    """Why a map cannot be had by frequency; empty where it can."""
    if is_error(method, key) or method.at_layers:
        return f"'{key}' has no relevance at each point of the input, which a transform could be put in front of."
    if method.kind in QUANTITIES or getattr(type(method), "quantity", "relevance") != "relevance":
        return f"'{key}' is no share of the score, so there is nothing to hand on to frequencies."
    if not proportional(method) or method.samples:
        return (
            f"'{key}' does not give each point by its value, so it says nothing of the waves that the points make up; "
            "input_x_gradient and lrp without a flat or box rule do."
        )
    return ""


def _transformed(
    value: Any, prepared: Prepared, transform: Frame, targets: int, scores: Any
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], dict[str, Any]]:
    """Relevance ``(T, C, frequencies, frames)`` of one method, and its record."""
    import torch

    x = prepared.tensor[0].double()
    r = value.detach().cpu().double().reshape(targets, *x.shape)
    gradient = torch.where(x != 0, r / torch.where(x != 0, x, torch.ones_like(x)), torch.zeros_like(r))
    maps = transform.relevance(x.expand_as(r), gradient).numpy()
    sums, own = r.flatten(1).sum(1).tolist(), np.asarray(scores.detach().cpu().double()).reshape(-1)
    record = {
        "quantity": "relevance",
        "sum_at_input": sums,
        "lost_on_padding": 0.0,
        "conservation": [
            {"sum": float(m.sum()), "score": float(s), "ratio": float(m.sum() / s) if s else None,
             "absolute": float(np.abs(m).sum() / abs(s)) if s else None}
            for m, s in zip(maps, own, strict=True)
        ],
    }  # fmt: skip
    return maps, record
