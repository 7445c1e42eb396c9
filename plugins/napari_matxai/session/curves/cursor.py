"""What lies under the pointer, in words: place, intensity, relevance, the nearest line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_matxai.session.curves.lines import nearest

if TYPE_CHECKING:
    from napari_matxai.session.curves.drawn import Drawn
    from napari_matxai.session.curves.lines import Sticks
    from napari_matxai.session.curves.spectrum import Spectrum

NEAR = 0.02
"""Share of the axis within which a line is named."""


def readout(chosen: Spectrum, drawn: Drawn, sticks: tuple[Sticks, ...], place: float, height: float = 0.0) -> str:
    """Return what a line below the plot says of a place on it.

    Parameters
    ----------
    chosen, drawn
        The spectrum, and what is painted of it.
    sticks
        The reference lines that are drawn.
    place, height
        Of the pointer; the height counts for loops alone, whose points lie above each other.
    """
    lane = drawn.lanes[0]
    if drawn.loop is not None:
        spread = [float(np.nanmax(v) - np.nanmin(v)) or 1.0 for v in (lane.places, lane.heights)]
        off = ((lane.places - place) / spread[0]) ** 2 + ((lane.heights - height) / spread[1]) ** 2
    else:
        off = np.abs(lane.places - place)
    if not np.isfinite(off).any():
        return ""
    i = int(np.nanargmin(off))
    unit = _unit(drawn)
    if drawn.loop is not None:
        parts = [f"H = {lane.places[i]:.5g}", f"{drawn.label} = {lane.heights[i]:.5g}", f"point {i}"]
    else:
        parts = [f"{_title(drawn)} = {lane.places[i]:.6g}{unit}"]
        for channel, curve in zip(chosen.channels, chosen.curves, strict=True):
            parts.append(f"{channel or 'intensity'} {curve[i]:.5g}")
    if lane.values is not None:
        value = lane.values[i]
        parts.append(f"{drawn.method} {value:+.3g}" if np.isfinite(value) else "never seen by the network")
    extent = float(np.nanmax(lane.places) - np.nanmin(lane.places))
    line = None if drawn.loop is not None else nearest(sticks, float(lane.places[i]), NEAR * extent)
    if line is not None:
        parts.append(f"{line[0]} ({line[1]:+.2g}{unit})")
    return "   ".join(parts)


def _unit(drawn: Drawn) -> str:
    from matxai.report.scalebar import short_unit

    unit = short_unit(drawn.along.unit) if drawn.along.unit else ""
    return "" if not unit or unit == "px" else unit if unit == "°" else f" {unit}"


def _title(drawn: Drawn) -> str:
    from matxai.signals.spectra.axes import KINDS

    kind = KINDS.get(drawn.along.name)
    return kind.title if kind is not None else drawn.along.name
