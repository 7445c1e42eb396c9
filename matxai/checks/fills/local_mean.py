"""Each connected piece of the region takes the mean of the ring around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from matxai.checks.fills import fill

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Shape, Spot

_WIDTH = 3


@fill("local_mean")
def local_mean(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fill each component with the mean of a ring of three pixels around it (of the rest, where it is empty)."""
    number, rings = spot.shape.once("pieces", lambda: _pieces(spot.shape))
    there, here = spot.window(_WIDTH)
    window = ground.values[there]
    means = np.empty((len(rings), window.shape[-1]))
    for k, (box, ring) in enumerate(rings):
        # the part of the piece's own box that lies in the signal
        cut = tuple(slice(max(b.start, h.start), min(b.stop, h.stop)) for b, h in zip(box, here, strict=True))
        inner = tuple(slice(c.start - b.start, c.stop - b.start) for c, b in zip(cut, box, strict=True))
        outer = tuple(slice(c.start - h.start, c.stop - h.start) for c, h in zip(cut, here, strict=True))
        chosen = ring[inner]
        means[k] = window[outer][chosen].mean(axis=0) if chosen.any() else ground.values[~spot.mask()].mean(axis=0)
    return means[number]


def _pieces(shape: Shape) -> tuple[npt.NDArray[np.int64], list[tuple[tuple[slice, ...], npt.NDArray[np.bool_]]]]:
    """Number of its piece for each pixel inside; box and ring of each piece in the mask padded by the ring's width."""
    padded = shape.padded(_WIDTH)
    labels, n = ndimage.label(padded)
    rings = []
    for number, box in enumerate(ndimage.find_objects(labels, n), start=1):
        wide = tuple(slice(b.start - _WIDTH, b.stop + _WIDTH) for b in box)
        ring = ndimage.binary_dilation(labels[wide] == number, iterations=_WIDTH) & ~padded[wide]
        rings.append((wide, ring))
    return labels[padded].astype(np.int64) - 1, rings
