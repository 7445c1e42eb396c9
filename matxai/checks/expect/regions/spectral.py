"""Regions of spectra and waveforms: intervals, peak lists, windows at an edge, what follows an onset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, model_validator

from matxai.checks.expect.quantity import known_unit, only_axis, positions
from matxai.checks.expect.regions import RegionFields, RegionKind, region_kinds
from matxai.errors import RegionError, SignalError

if TYPE_CHECKING:
    from matxai.checks.expect.sample import Sample

Unit = Annotated[str, AfterValidator(known_unit)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


def _ascending(pair: list[float], name: str) -> None:
    if pair[0] >= pair[1]:
        msg = f"'{name}' runs from its smaller to its larger end, but here it is {pair}"
        raise ValueError(msg)


class _OnAxis(RegionFields):
    unit: Unit
    axis: str | None = None


class Interval(_OnAxis):
    """``interval: [a, b]``, both ends included, in ``unit``; ``axis`` insists on the axis' name."""

    interval: Pair

    @model_validator(mode="after")
    def _has_length(self) -> Interval:
        _ascending(self.interval, "interval")
        return self


class Peaks(_OnAxis):
    """``peaks``: positions; ``tolerance``: how far from each the region reaches, on either side."""

    peaks: list[float] = Field(min_length=1)
    tolerance: float = Field(gt=0)


class Edge(_OnAxis):
    """``edge``: E0; ``window``: from where to where, relative to it."""

    edge: float
    window: Pair
    unit: Unit = "eV"

    @model_validator(mode="after")
    def _has_length(self) -> Edge:
        _ascending(self.window, "window")
        return self


class Onset(RegionFields):
    """``onset: [a, b]``: from where to where after the signal's onset, in ``unit``."""

    onset: Pair
    unit: Unit

    @model_validator(mode="after")
    def _has_length(self) -> Onset:
        _ascending(self.onset, "onset")
        return self


def _places(sample: Sample, unit: str, axis: str | None, what: str) -> npt.NDArray[np.float64]:
    dim = only_axis(sample.signal, what)
    if axis is not None and axis != dim:
        raise SignalError(f"{sample.name} has the axis '{dim}', and the region lies on '{axis}'.")
    return positions(sample.signal, dim, unit)


def _within(
    places: npt.NDArray[np.float64], spans: list[tuple[float, float]], sample: Sample, unit: str
) -> npt.NDArray[np.bool_]:
    inside = np.zeros(places.shape, bool)
    for low, high in spans:
        inside |= (places >= low) & (places <= high)
    if not inside.any():
        said = ", ".join(f"{a:g} to {b:g}" for a, b in spans[:3])
        raise RegionError(
            f"The region {said} {unit} lies outside of {sample.name}, which runs from {places.min():g} to "
            f"{places.max():g} {unit}."
        )
    return inside


def in_interval(spec: Interval, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the points of the interval."""
    places = _places(sample, spec.unit, spec.axis, "An interval")
    return _within(places, [(spec.interval[0], spec.interval[1])], sample, spec.unit)


def near_peaks(spec: Peaks, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the points within the tolerance of any of the positions."""
    places = _places(sample, spec.unit, spec.axis, "A list of peaks")
    spans = [(p - spec.tolerance, p + spec.tolerance) for p in spec.peaks]
    return _within(places, spans, sample, spec.unit)


def at_edge(spec: Edge, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the points of the window around E0."""
    places = _places(sample, spec.unit, spec.axis, "An edge")
    return _within(places, [(spec.edge + spec.window[0], spec.edge + spec.window[1])], sample, spec.unit)


def onset_of(values: npt.NDArray[np.float64]) -> int:
    """Return the first point after a waveform's onset, by the smallest AIC of its two parts' variances.

    It is looked for up to the largest deviation from the median: behind it, where the event dies away, is another
    change of variance.

    Raises
    ------
    RegionError
        If the waveform has fewer than 16 points up to its largest deviation, or does not vary.

    References
    ----------
    Maeda, Zisin 38, 365 (1985); Kurz et al., Ultrasonics 43, 538 (2005), equation 2.
    """
    values = values[: int(np.argmax(np.abs(values - np.median(values)))) + 5] if len(values) else values
    n = len(values)
    if n < 16 or float(values.std()) == 0.0:
        raise RegionError("A waveform needs 16 points that vary up to its largest one for an onset to be found in it.")
    k = np.arange(4, n - 4)
    first, second = np.cumsum(values), np.cumsum(values**2)
    floor = 1e-12 * float(values.var())
    before = second[k - 1] / k - (first[k - 1] / k) ** 2
    after = (second[-1] - second[k - 1]) / (n - k) - ((first[-1] - first[k - 1]) / (n - k)) ** 2
    aic = k * np.log(np.maximum(before, floor)) + (n - k - 1) * np.log(np.maximum(after, floor))
    return int(k[int(np.argmin(aic))])


def after_onset(spec: Onset, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the points from ``a`` to ``b`` after the onset."""
    places = _places(sample, spec.unit, None, "An onset")
    start = places[onset_of(sample.grey())]
    return _within(places, [(start + spec.onset[0], start + spec.onset[1])], sample, spec.unit)


region_kinds.add(
    "interval",
    RegionKind(
        Interval, in_interval, "a part of a spectrum's axis", "{interval: [19, 23], unit: degree}", "1d", "interval"
    ),
)
region_kinds.add(
    "peaks",
    RegionKind(
        Peaks,
        near_peaks,
        "what lies within a tolerance of any of the positions",
        "{peaks: [25.6, 35.2, 43.4], tolerance: 0.2, unit: degree}",
        "1d",
        "peak",
    ),
)
region_kinds.add(
    "edge",
    RegionKind(
        Edge,
        at_edge,
        "a window around an absorption edge, relative to its E0",
        "{edge: 5989, window: [-20, 50], unit: eV}",
        "1d",
        "edge",
    ),
)
region_kinds.add(
    "onset",
    RegionKind(
        Onset,
        after_onset,
        "a part of a waveform after its onset, which is found by the AIC of Maeda",
        "{onset: [0, 200], unit: us}",
        "1d",
        "zone",
    ),
)
