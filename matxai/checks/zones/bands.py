"""Bands of frequency of a waveform: their shares of relevance, and what the score loses when a band is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.asking import check_asked
from matxai.checks.judging import Judge, Progress, Write
from matxai.checks.zones.records import Removal, Zone, ZoneTable
from matxai.checks.zones.shares import shares
from matxai.errors import RegionError
from matxai.regions import divided

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.modelcard import Model

    Floats = npt.NDArray[np.float64]


def without_band(values: Floats, step: float, low: float, high: float) -> Floats:
    """Return waveforms ``(L,)`` or ``(L, c)`` without the waves from ``low`` to below ``high``.

    Parameters
    ----------
    values
        Along the first axis.
    step
        Distance of two points, the inverse of the unit of the frequencies.
    low, high
        In cycles per that unit.
    """
    waves = np.fft.rfft(values, axis=0)
    frequencies = np.fft.rfftfreq(len(values), step)
    waves[(frequencies >= low) & (frequencies < high)] = 0
    return np.asarray(np.fft.irfft(waves, n=len(values), axis=0))


def band_drops(
    model: Model,
    signal: xr.DataArray,
    bands: Sequence[tuple[float, float]],
    *,
    target: str | int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Floats:
    """Return how far the target's score falls when each band is taken out of a waveform, ``(n,)``.

    Parameters
    ----------
    model, signal, target
        As :func:`matxai.checks.perturb` takes them; the waveform has equal steps.
    bands
        From and to, on the inverse of the signal's axis (Hz where that is in seconds).
    progress, cancel
        As everywhere.

    Raises
    ------
    RegionError
        If the points do not lie at equal steps, or a band is none.
    """
    step = _step(signal)
    for low, high in bands:
        if not 0 <= low < high:
            raise RegionError(f"A band goes from its lower to its higher frequency, not from {low:g} to {high:g}.")
    judge = Judge(model, signal, target, None, progress, cancel)
    values = np.asarray(signal.values, np.float64)

    def write(low: float, high: float) -> Write:
        def change(copy: npt.NDArray[Any]) -> None:
            left = without_band(values, step, low, high)
            if copy.dtype.kind in "iu":
                info = np.iinfo(copy.dtype)
                left = np.clip(np.rint(left), info.min, info.max)
            copy[...] = left.astype(copy.dtype)

        return change

    said = judge.versions([write(*b) for b in bands], len(bands), "bands taken out")
    at = judge.reading.target
    return np.asarray(judge.before.scores[0, at] - said.scores[:, at])


def _step(signal: xr.DataArray) -> float:
    dim = str(signal.dims[0])
    places = np.asarray(signal.coords[dim].values, float) if dim in signal.coords else np.arange(float(len(signal)))
    gaps = np.diff(places)
    if np.ptp(gaps) > 1e-3 * abs(gaps.mean()):
        raise RegionError(f"The points along '{dim}' do not lie at equal steps, so they have no bands of frequency.")
    return float(gaps.mean())


def band_table(
    model: Model,
    explanation: xr.Dataset,
    *,
    bands: Sequence[tuple[float, float]] = (),
    removal: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> ZoneTable:
    """Return the bands of a waveform that was explained by frequency, or by time and frequency.

    Parameters
    ----------
    model
        The one that was explained.
    explanation
        From :func:`matxai.explain` with ``domain=``, of one class.
    bands
        From and to; by default octaves.
    removal
        Whether each band is taken out; it is ranked among the others, which are its controls.
    seed, progress, cancel
        As everywhere.

    Raises
    ------
    RegionError
        If the explanation is not by frequency or of several classes, or a band is none.
    """
    from matxai.explanation import provenance

    check_asked(model, seed)
    said = provenance(explanation).get("target")
    if "frequency" not in explanation.dims or not isinstance(said, dict) or not isinstance(said.get("index"), int):
        raise RegionError("Bands are those of one class explained by frequency; explain it with domain='frequency'.")
    signal = explanation.coords["signal"].drop_vars("signal", errors="ignore")
    axis = np.asarray(explanation.coords["frequency"].values, float)
    power = _power(signal, axis)
    cut = divided(power, axis, how="bands", dim="frequency", bands=bands)
    maps = {}
    for name, variable in explanation.data_vars.items():
        part = variable.sum("frame") if "frame" in variable.dims else variable
        order = ("frequency", "c") if "c" in part.dims else ("frequency",)
        maps[str(variable.attrs.get("method", name))] = np.asarray(part.transpose(*order).values, np.float64)
    found = shares(maps, {}, cut.labels, len(cut.zones) + 1)
    spans = [(float(z.evidence["left"]), float(z.evidence["right"])) for z in cut.zones]
    drops = (
        band_drops(model, signal, spans, target=said["index"], progress=progress, cancel=cancel) if removal else None
    )
    zones = []
    for number, (region, (low, high)) in enumerate(zip(cut.zones, spans, strict=True)):
        inside = cut.labels == number + 1
        zones.append(
            Zone(
                str(region.evidence["name"]),
                "band",
                (low + high) / 2,
                high - low,
                float(power[inside].sum()),
                None,
                low,
                high,
                int(inside.sum()),
                shares=found[number + 1],
                removal=None if drops is None else _removal(drops, number),
            )
        )
    nan, outside = float("nan"), int((cut.labels == 0).sum())
    zones.append(Zone("background", "background", nan, None, nan, None, nan, nan, outside, shares=found[0]))
    unit = str(explanation.coords["frequency"].attrs.get("units", ""))
    notes = ("The height of a band is its share of the waveform's power.", "Signs are those of each wave's relevance.")
    return ZoneTable(
        str(said.get("class", "")), float(said.get("score", nan)), "frequency", unit, cut.how, tuple(zones), notes=notes
    )


def _power(signal: xr.DataArray, axis: Floats) -> Floats:
    """Share of the waveform's power around each frequency of an axis."""
    values = np.asarray(signal.values, float)
    values = values if values.ndim == 1 else values.mean(axis=1)
    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    at = np.abs(np.fft.rfftfreq(len(values), _step(signal)))
    nearest = np.clip(np.rint(np.interp(at, axis, np.arange(axis.size))).astype(int), 0, axis.size - 1)
    return np.asarray(np.bincount(nearest, power, axis.size) / max(float(power.sum()), 1e-300))


def _removal(drops: Floats, number: int) -> Removal:
    others = np.delete(drops, number)
    own = float(drops[number])
    return Removal(
        own, own, own, ("band stop",), 0, 1 + int((others >= own).sum()) if others.size else None, int(others.size),
        None, 0, "" if others.size else "There is no other band.", "A waveform has no background between its bands.",
    )  # fmt: skip
