"""Loops: a quantity over a field that turns round (B over H), drawn in the order in which it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_matxai.session.curves.spectrum import Spectrum

FIELD = "field"


@dataclass(frozen=True, eq=False)
class Loop:
    """What is drawn of a loop.

    Parameters
    ----------
    field, values
        Coordinates of each point, ``(L,)`` each, in the order of measurement.
    channel
        Number of the channel that ``values`` are.
    x_label, y_label
        What stands beside the axes, with units.
    """

    field: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    channel: int
    x_label: str
    y_label: str


def loop_of(spectrum: Spectrum) -> Loop | None:
    """Return the loop that a signal is: it has a field beside its points which turns round; None for others."""
    from matxai.report.scalebar import short_unit

    signal = spectrum.signal
    beside = signal.coords.get(FIELD)
    if beside is None or beside.dims != (signal.dims[0],):
        return None
    field = np.asarray(beside.values, np.float64)
    steps = np.diff(field)
    if (steps >= 0).all() or (steps <= 0).all():
        return None
    curves = spectrum.curves
    own = [c for c in range(len(curves)) if not np.array_equal(curves[c], field, equal_nan=True)]
    channel = own[0] if own else 0
    unit = str(beside.attrs.get("units", "") or "")
    units = [u.strip() for u in str(signal.attrs.get("value_unit", "") or "").split(",")]
    name = spectrum.channels[channel] or str(signal.attrs.get("value_name", "") or "B")
    of_values = units[channel] if channel < len(units) and len(units) == len(curves) else ""
    return Loop(
        field,
        curves[channel],
        channel,
        f"H ({short_unit(unit)})" if unit else "H",
        f"{name.replace('_', ' ')} ({of_values})" if of_values else name.replace("_", " "),
    )
