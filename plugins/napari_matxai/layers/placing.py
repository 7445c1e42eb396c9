"""From one layer's coordinates to another's pixels: transforms of any kind, units converted.

napari's own ``world_to_data`` leaves units out: a region drawn in micrometres over an image in nanometres would come
out a thousand times too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_matxai.layers.frame import PLAIN
from napari_matxai.layers.units import factor

if TYPE_CHECKING:
    from napari_matxai.layers.frame import Frame

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placing:
    """Where a layer's data coordinates lie: scale, translation, rotation, shear and affine in one.

    Parameters
    ----------
    matrix, offset
        ``world = matrix @ data + offset``, ``(n, n)`` and ``(n,)``, in the layer's own units.
    units
        Words that pint reads, one for each axis.
    name
        The layer's, for sentences.
    """

    matrix: Floats
    offset: Floats
    units: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, frame: Frame, name: str) -> Placing:
        """Return the placing of a layer that lies in a frame."""
        whole = frame.matrix()
        return cls(whole[:-1, :-1], whole[:-1, -1], frame.units, name)

    @property
    def plain(self) -> bool:
        """Whether the layer lies where its indices say, without units: as if nobody had placed it."""
        return self.unitless and bool(np.array_equal(self.matrix, np.eye(len(self.units)))) and not self.offset.any()

    @property
    def unitless(self) -> bool:
        """Whether no axis has a physical unit."""
        return all(unit in PLAIN for unit in self.units)

    def last(self, n: int) -> Placing:
        """Return the placing of the last ``n`` axes."""
        return Placing(self.matrix[-n:, -n:], self.offset[-n:], self.units[-n:], self.name)


@dataclass(frozen=True, eq=False)
class Passage:
    """From the data coordinates of one layer to the pixels of another, along the last ``m`` axes of both.

    Parameters
    ----------
    matrix, offset
        ``pixels = matrix @ data + offset``.
    note
        What had to be decided on units, in one sentence; empty where nothing had.
    """

    matrix: Floats
    offset: Floats
    note: str = ""

    @property
    def axes(self) -> int:
        """How many axes the two layers share."""
        return len(self.offset)

    def __call__(self, points: npt.NDArray[np.floating]) -> Floats:
        """Return the pixels ``(N, m)`` of data coordinates ``(N, m)``."""
        return np.asarray(np.asarray(points, float) @ self.matrix.T + self.offset)

    def back(self) -> Passage:
        """Return the way from pixels to data coordinates."""
        inverse = np.linalg.inv(self.matrix)
        return Passage(inverse, -inverse @ self.offset, self.note)


def passage(drawn: Placing, image: Placing) -> Passage:
    """Return the way from a drawn layer's coordinates to an image's pixels.

    Axes are matched from the last one back, as napari shows them. Units of one kind are converted. A layer without
    units over an image that has some (or the other way round) lies where it is seen: napari then draws the bare numbers
    of both, so no factor is applied, and the note says so.

    Parameters
    ----------
    drawn, image
        Where the two layers lie.
    """
    n = min(len(drawn.units), len(image.units))
    one, other = drawn.last(n), image.last(n)
    factors, odd = [], False
    for unit, of_image in zip(one.units, other.units, strict=True):
        factor = _factor(unit, of_image)
        odd |= factor is None
        factors.append(1.0 if factor is None else factor)
    inverse = np.linalg.inv(other.matrix)
    scaled = np.asarray(factors)[:, None] * one.matrix
    note = ""
    if odd:
        note = (
            f"The units of '{drawn.name}' ({_said(one)}) and of '{image.name}' ({_said(other)}) do not go together, so "
            "its regions were taken where napari shows them."
        )
    return Passage(inverse @ scaled, inverse @ (np.asarray(factors) * one.offset - other.offset), note)


def _said(placing: Placing) -> str:
    return ", ".join(dict.fromkeys(placing.units))


def _factor(unit: str, to: str) -> float | None:
    """Worth of one ``unit`` in ``to``; 1 where both count pixels, None where they are of different kinds."""
    if unit in PLAIN and to in PLAIN:
        return 1.0
    return None if unit in PLAIN or to in PLAIN else factor(unit, to)


def pixel_size(placing: Placing, axes: int) -> tuple[float, str]:
    """Return the area (volume) of one pixel, and its unit: um, or pixels where the layer has no unit of length.

    Parameters
    ----------
    placing
        Where the image lies.
    axes
        How many of its last axes are meant: 2 for an area, 3 for a volume.

    Returns
    -------
    tuple
        Such as ``(1e-4, "um2")`` for pixels of 10 nm.
    """
    place = placing.last(axes)
    worth = [None if unit in PLAIN else factor(unit, "um") for unit in place.units]
    if any(one is None for one in worth):
        return 1.0, "pixels"
    return abs(float(np.linalg.det(place.matrix))) * float(np.prod(np.asarray(worth, float))), f"um{axes}"
