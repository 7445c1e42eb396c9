"""What containers of plain arrays (NPZ, HDF5) say of an array's axes by names alone: a sampling rate, places beside it.

A number called ``fs``, ``sampling_rate``, ``dt`` ... makes the longest axis of an array time; a list called like an
axis of the field (``energy``, ``two_theta``, ``time``) is the places of the one axis that has its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.signals.formats.axes import Axis, clean
from matxai.signals.spectra.axes import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RATES = ("sampling_rate", "sample_rate", "samplerate", "sampling_frequency", "sampling_freq", "fs", "rate_hz")
STEPS = ("sampling_interval", "sample_interval", "sampling_period", "dt", "time_step", "delta_t")
LOOSE = ("dt", "time_step", "delta_t")
"""Steps that an image from a simulation has as well: believed of arrays with one axis only."""
MOST_CHANNELS = 64
_SETTINGS = ("omega", "chi", "phi", "temperature", "field", "potential")
"""Kinds of axes whose lists are more often a setting of each measurement: Euler angles, temperatures."""


def rate_of(facts: Mapping[str, Any], rank: int = 1) -> float | None:
    """Return the sampling rate in Hz that one of the facts names for an array with ``rank`` axes, or None.

    Examples
    --------
    >>> rate_of({"Fs": 1e6}), rate_of({"dt": 0.5}), rate_of({"gain": 3})
    (1000000.0, 2.0, None)
    """
    words = {str(k).strip().lower().replace(" ", "_"): v for k, v in facts.items()}
    for name in (*RATES, *STEPS):
        value = None if rank > 1 and name in LOOSE else words.get(name)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            number = float(value)
            if np.isfinite(number) and number > 0:
                return number if name in RATES else 1 / number
    return None


def axis_name(name: str) -> str | None:
    """Return the kind of axis that an array's name says it lists the places of, or None."""
    word = clean(name.rsplit("/", 1)[-1])
    return word if word in KINDS and word not in _SETTINGS else None


def timed(shape: Sequence[int], rate: float) -> tuple[list[Axis], tuple[str, ...], str] | None:
    """Return axes, dims and a note of an array that was sampled at a rate, or None for one with more than two axes.

    The longer of two axes is time; the other one counts samples (rows) or channels (columns).
    """
    time = Axis("time", "s", step=1 / rate, origin=0.0)
    if len(shape) == 1:
        return [time], ("time",), ""
    if len(shape) != 2:
        return None
    if shape[0] > shape[1] and shape[1] <= MOST_CHANNELS:
        return [time, Axis("c")], ("time", "c"), f"time runs along the longer axis; its {shape[1]} columns are channels"
    return [Axis("sample"), time], ("sample", "time"), f"time runs along the rows; there are {shape[0]} of them"


def placed(shape: Sequence[int], lists: Mapping[str, int]) -> dict[int, str]:
    """Return for each axis the list of its places: the only axis of that length, and the only list for it.

    Parameters
    ----------
    shape
        Of the array.
    lists
        Name of each list to its length; names that are no axis of the field are left out.
    """
    found: dict[int, list[str]] = {}
    for name, length in lists.items():
        fits = [i for i, n in enumerate(shape) if n == length]
        if axis_name(name) is not None and len(fits) == 1:
            found.setdefault(fits[0], []).append(name)
    return {axis: names[0] for axis, names in found.items() if len(names) == 1}
