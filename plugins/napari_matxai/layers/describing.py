"""What an image layer is, in the words of people who made the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_matxai.layers.frame import dims_of
from napari_matxai.layers.units import factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.layers.frame import Frame

SIGNS = {"um": "µm", "micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "angstrom": "Å", "second": "s"}
SLICES = {"z": "slices", "t": "frames", "sample": "samples"}


def size_text(frame: Frame, shape: Sequence[int]) -> str:
    """Return how many pixels an image has and how large they are: width before height, as people say it."""
    dims = dims_of(frame)
    n = len(dims)
    plane = [i for i in (n - 1, n - 2) if i >= 0]
    pixels = " x ".join(str(shape[i]) for i in plane) + " pixels"
    steps = {_length(abs(frame.scale[i]), frame.units[i]) for i in plane}
    if all(frame.units[i] == "pixel" for i in plane):
        text = f"{pixels}, not calibrated"
    else:
        widths = [_length(abs(frame.scale[i]) * shape[i], frame.units[i]) for i in plane]
        each = " and ".join(sorted(steps)) if len(steps) > 1 else next(iter(steps))
        text = f"{pixels} of {each}\nField of view: {_joined(widths)}"
    for i in range(n - 2):
        what = SLICES.get(dims[i], f"steps along {dims[i]}")
        apart = "" if frame.units[i] == "pixel" else f", {_length(abs(frame.scale[i]), frame.units[i])} apart"
        text += f"\n{shape[i]} {what}{apart}"
    return text


def slice_text(frame: Frame, shape: Sequence[int], step: Sequence[int]) -> str:
    """Return which slice of a stack is in view; empty for a single image."""
    dims = dims_of(frame)
    said = []
    for i, at in enumerate(step):
        where = frame.translate[i] + frame.scale[i] * at
        place = "" if frame.units[i] == "pixel" else f" at {_length(where, frame.units[i])}"
        said.append(f"{dims[i]} {at + 1} of {shape[i]}{place}")
    return f"In view: {', '.join(said)}" if said else ""


def turn_text(frame: Frame) -> str:
    """Return what the network gets of a layer that napari shows turned or mirrored; empty for others."""
    if frame.rotate or frame.shear or frame.affine:
        return "napari shows it turned or sheared; the network gets the rows of the file."
    if any(s < 0 and u != "pixel" for s, u in zip(frame.scale, frame.units, strict=True)):
        return "Its pixel size is negative: the network gets it mirrored, as it is shown."
    return ""


def areas_text(areas: Sequence[float], unit: str) -> str:
    """Return areas in one unit that suits the largest.

    Parameters
    ----------
    areas
        One number for each region.
    unit
        ``um2``, or ``pixels``.

    Examples
    --------
    >>> areas_text([0.16, 32.0], "um2"), areas_text([5.32e5], "um2"), areas_text([1.0], "pixels")
    ('0.16, 32 µm²', '0.532 mm²', '1 pixel')
    """
    most, times, said = max(areas, default=0.0), 1.0, unit if len(areas) != 1 or areas[0] != 1 else unit.rstrip("s")
    if unit == "um2":
        times, said = (1e-6, "mm²") if most >= 1e5 else (1e6, "nm²") if 0 < most < 1e-3 else (1.0, "µm²")
    return f"{', '.join(f'{area * times:.4g}' for area in areas)} {said}"


def _length(value: float, unit: str) -> str:
    metres = factor(unit, "m")
    if metres is None:
        return f"{value:.4g} {SIGNS.get(unit, unit)}"
    from matxai.signals.units import said_length

    number, word = said_length(value * metres)
    return f"{number:.4g} {SIGNS.get(word, word)}"


def _joined(lengths: Sequence[str]) -> str:
    """Return ``12.8 x 9.6 µm`` for two lengths in one unit."""
    numbers, words = zip(*(length.rsplit(" ", 1) for length in lengths), strict=True)
    return f"{' x '.join(numbers)} {words[0]}" if len(set(words)) == 1 else " x ".join(lengths)
