"""The axis of a plot: measured or converted, where other things lie on it, and a second axis along the upper edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError, MatxaiError
from matxai.report import sentences
from matxai.report.scalebar import short_unit
from matxai.signals.spectra.axes import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

    from matxai.reference import ReferenceLines

_TICK_MM = 17.0


@dataclass(frozen=True, eq=False)
class Along:
    """The horizontal axis of a plot.

    Attributes
    ----------
    name, unit
        Kind of axis and its unit; ``""`` where the file tells none.
    places
        Where the measured points lie on it, in the measured order, shape ``(L,)``.
    facts
        What converts: ``wavelength``, ``photon_energy``, ``e0``, ... of the signal.
    """

    name: str
    unit: str
    places: npt.NDArray[np.float64]
    facts: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Title and unit, as the axis is written."""
        kind = KINDS.get(self.name)
        unit = short_unit(self.unit) if self.unit else ""
        if kind is None:
            return sentences.axis_label(self.name, unit)
        return f"{kind.title} ({unit})" if unit and unit != "px" else kind.title

    @property
    def descends(self) -> bool:
        """Whether the field draws it from high to low."""
        return self.name in KINDS and KINDS[self.name].descends


def along_of(signal: xr.DataArray, to: str | None = None) -> Along:
    """Return the axis of a spectrum, as measured or as another kind.

    Parameters
    ----------
    signal
        As read or as an explanation carries it; its last dim is the axis.
    to
        The kind of axis to show in the place of the measured one.

    Raises
    ------
    ExplanationError
        If the signal does not say what the conversion needs.
    """
    dim = str(signal.dims[-1])
    coord = signal.coords.get(dim)
    places = np.arange(signal.sizes[dim], dtype=np.float64) if coord is None else np.asarray(coord.values, np.float64)
    unit = "" if coord is None else str(coord.attrs.get("units", ""))
    facts = dict(signal.attrs)
    here = Along(dim, unit, places, facts)
    if to is None or to == dim:
        return here
    moved, unit = converted(places, dim, unit, to, facts)
    return Along(to, unit, moved, facts)


def converted(
    places: npt.NDArray[np.float64], dim: str, unit: str, to: str, facts: Mapping[str, Any]
) -> tuple[npt.NDArray[np.float64], str]:
    """Return where places of one axis lie on another, in their own order, and its unit.

    Raises
    ------
    ExplanationError
        If there is no way from one to the other, or a fact that it needs is missing.
    """
    from matxai.signals import convert_axis, labelled

    order = np.unique(places)
    attrs = {"units": unit} if unit else {}
    table = labelled(np.arange(order.size), (dim,), coords={dim: order}, units={dim: unit or None}, attrs=dict(facts))
    table[dim].attrs.update(attrs)
    try:
        moved = convert_axis(table, to, density=False)
    except MatxaiError as error:
        raise ExplanationError(f"The axis '{dim}' cannot be drawn as '{to}': {error}") from error
    there = np.full(order.size, np.nan)
    there[np.asarray(moved.values).round().astype(int)] = moved[moved.dims[-1]].values
    found = there[np.searchsorted(order, places)]
    return found, str(moved[moved.dims[-1]].attrs.get("units", ""))


def sticks_on(lines: ReferenceLines, along: Along) -> npt.NDArray[np.float64]:
    """Return where the lines of a reference lie on the axis of a plot; NaN for those that cannot be reached there.

    Lines given at another wavelength are moved through their spacings.
    """
    places, dim, unit = lines.positions, lines.axis, lines.unit
    other = lines.facts.get("wavelength")
    own = along.facts.get("wavelength")
    if dim == "two_theta" and other is not None and own is not None and abs(other - own) > 1e-6:
        places, unit = converted(places, dim, unit, "d_spacing", lines.facts)
        reached = places > float(own) / 2.0
        there = np.full(places.size, np.nan)
        if along.name == "d_spacing":
            return places
        if reached.any():
            there[reached], _ = converted(places[reached], "d_spacing", unit, along.name, along.facts)
        return there
    if dim == along.name:
        return places
    return converted(places, dim, unit, along.name, {**along.facts, **lines.facts})[0]


def second_axis(ax: Axes, along: Along, to: str, *, width_mm: float, fontsize: float) -> Axes:
    """Draw another kind of axis along the upper edge, with round numbers at even distances.

    Raises
    ------
    ExplanationError
        If the signal does not say what the conversion needs.
    """
    order = np.argsort(along.places)
    here = along.places[order]
    there, unit = converted(here, along.name, along.unit, to, along.facts)
    usable = np.isfinite(there)
    here, there = here[usable], there[usable]
    low, high = ax.get_xlim()
    count = max(2, int(width_mm / _TICK_MM))
    margin = 0.02 * (high - low)
    wanted = np.interp(np.linspace(low + margin, high - margin, count), here, there)
    ticks = np.unique([_round(w, abs(there[-1] - there[0]) / count) for w in wanted])
    rising = there[-1] > there[0]
    at = np.interp(ticks, there if rising else there[::-1], here if rising else here[::-1])
    inside = (ticks >= there.min()) & (ticks <= there.max()) & (at >= min(low, high)) & (at <= max(low, high))
    upper = ax.twiny()
    upper.set_xlim(ax.get_xlim())
    upper.set_xticks(at[inside], [f"{t:.4g}".replace("-", "−") for t in ticks[inside]], fontsize=fontsize)
    upper.tick_params(length=1.5, width=0.4, pad=1.0)
    upper.set_xlabel(Along(to, unit, there, {}).label, fontsize=fontsize, labelpad=2.0, parse_math=False)
    for side, spine in upper.spines.items():
        spine.set(linewidth=0.4, visible=side == "top")
    return upper


def _round(value: float, step: float) -> float:
    """Return the roundest number within a fifth of ``step`` of a value."""
    for digits in range(1, 6):
        near = float(f"{value:.{digits}g}")
        if abs(near - value) <= min(0.2 * step, 0.04 * abs(value)):
            return near
    return float(f"{value:.5g}")
