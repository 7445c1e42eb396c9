"""Whether a signal suits a model: what keeps it from fitting, and what fits but makes the answer doubtful.

A network answers whatever it is given. What it was not trained for is seen here, from what it receives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError
from matxai.modelcard.placement import Mixed

if TYPE_CHECKING:
    from typing import Any

    import xarray as xr
    from numpy.typing import NDArray

    from matxai.modelcard.model import Model
    from matxai.modelcard.placement import Placement
    from matxai.modelcard.preprocessing import Prepared

ENLARGED = 2.0
"""How many pixels of the network one of the signal may become, along an axis, before a note says so."""
SHRUNK = 8.0
"""How many pixels of the signal one of the network may stand for."""
STRETCHED = 1.25
"""How much more one axis may be shrunk than another."""
DARK = 0.25
"""Share of a type's range that the values fill at least, where they are divided by all of it."""
FAR = 3.0
"""Standard deviations of the training data by which the mean of what the network receives may be off."""
FLAT, STEEP = 0.1, 5.0
"""Deviation of what the network receives, in that of the training data."""


@dataclass(frozen=True)
class Suits:
    """How a signal suits a model.

    Parameters
    ----------
    why_not
        One sentence on what keeps it from fitting at all; empty where it fits.
    doubts
        A sentence on each thing that fits and makes the answer doubtful.
    prepared
        What the network receives; None where it does not fit.
    """

    why_not: str = ""
    doubts: tuple[str, ...] = ()
    prepared: Prepared | None = None


def suits(model: Model, signal: xr.DataArray) -> Suits:
    """Say whether a signal suits a model: axes, channels, size, shape of the pixels, range of the values.

    Parameters
    ----------
    model
        As loaded.
    signal
        As :func:`matxai.read` returns it.

    Examples
    --------
    >>> import torch
    >>> from matxai.modelcard import load_model
    >>> from matxai.signals import labelled
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> model = load_model(net, name="net", kind="2d", channels=1, classes=["a", "b"])
    >>> suits(model, labelled(np.zeros((8, 8), np.uint8), ("y", "x"))).doubts[0]
    'All values that the network receives are the same: there is nothing to see in them.'
    """
    try:
        prepared = model.preprocessing.prepare(signal)
        model.check_fits(tuple(prepared.tensor.shape))
    except MatxaiError as error:
        return Suits(str(error))
    found = [*prepared.notes, *placement_notes(prepared.placement), *_of_size(prepared.placement)]
    found += _of_values(signal, prepared)
    return Suits("", tuple(dict.fromkeys(found)), prepared)


def placement_notes(placement: Placement) -> list[str]:
    """Return what the preprocessing did that changes how a map reads: colours mixed, pixels skipped or blown up."""
    notes = []
    mixed = next((e for e in placement.effects if isinstance(e, Mixed) and e.matrix.shape[0] < e.matrix.shape[1]), None)
    if mixed is not None:
        notes.append(
            f"The signal has {mixed.matrix.shape[1]} colours and the model takes {mixed.matrix.shape[0]}: they were "
            "mixed to grey by luminance, and what differs in colour alone does not reach the network."
        )
    if placement.skipped > 0.01:
        notes.append(
            f"The preprocessing shrinks the signal without antialiasing: {100 * placement.skipped:.0f} % of its pixels "
            "are never looked at, and their relevance is 0."
        )
    factors = [1 / m.step if m.step > 0 else 1.0 for m in placement.axes]
    if max(factors) > ENLARGED:
        notes.append(
            f"Each pixel of the file became {' x '.join(f'{f:.3g}' for f in factors)} of the network's: what looks "
            "fine in the map is interpolation."
        )
    return notes


def _of_size(placement: Placement) -> list[str]:
    """Say what cropping, shrinking and stretching take from an image or a stack."""
    if len(placement.dims) < 2:
        return []
    found = []
    seen = float(placement.seen.mean())
    if seen < 0.9:
        found.append(f"The network sees {100 * seen:.0f} % of the image; the preprocessing cuts the rest off.")
    steps = [m.step for m in placement.axes]
    if max(steps) > SHRUNK:
        found.append(
            f"One pixel of the network stands for {' x '.join(f'{s:.3g}' for s in steps)} of the image: what is "
            "smaller does not reach it."
        )
    pitch = [
        s * (abs(float(c[-1] - c[0])) / (c.size - 1) if c.size > 1 else 1.0)
        for s, c in zip(steps, placement.coords, strict=True)
    ]
    alike = len(set(placement.units)) == 1
    if alike and min(pitch) > 0 and max(pitch) / min(pitch) > STRETCHED:
        found.append(
            f"The network's pixels are {max(pitch) / min(pitch):.2g} times as long along one axis as along the other: "
            "shapes reach it stretched."
        )
    return found


def _of_values(signal: xr.DataArray, prepared: Prepared) -> list[str]:
    received: NDArray[Any] = prepared.tensor.numpy()
    if float(received.min()) == float(received.max()):
        return ["All values that the network receives are the same: there is nothing to see in them."]
    names = {s.name for s in prepared.stages}
    found = []
    values = prepared.placement.source
    low, high = float(values.min()), float(values.max())
    if "scale_dtype" in names and signal.dtype.kind in "iu":
        most = float(np.iinfo(signal.dtype).max)
        if high < DARK * most:
            found.append(
                f"The values go up to {high:g}, and the model divides by {most:g}, the largest of their type: the "
                f"network receives {100 * high / most:.2g} % of its range. A card with 'scale: image' goes by the "
                "image's own range."
            )
    elif "scale_dtype" in names and signal.dtype.kind == "f" and (low < -0.01 or high > 1.01):
        found.append(
            f"The values go from {low:.4g} to {high:.4g}, and this model takes floating-point values as they are, "
            "where 0 to 1 is expected: divide them, or choose 'scale: image' in the card."
        )
    if "normalise" in names and not found:
        mean, deviation = float(received.mean()), float(received.std())
        if abs(mean) > FAR or not FLAT < deviation < STEEP:
            found.append(
                f"What the network receives has the mean {mean:.2g} and the deviation {deviation:.2g}, where its "
                "training had about 0 and 1: brightness or contrast is another than it knows."
            )
    return found


__all__ = ["Suits", "placement_notes", "suits"]
