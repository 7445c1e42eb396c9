"""Each connected piece of the region takes the mean of the ring around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import ndimage

from matxai.checks.fills import Floats, fills

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@fills.register("local_mean")
def local_mean(values: Floats, mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Fill each component with the mean of a ring of three pixels around it (of the rest, where it is empty)."""
    filled = values.copy()
    pieces, n = ndimage.label(mask)
    for number, box in enumerate(ndimage.find_objects(pieces, n), start=1):
        wide = tuple(slice(max(0, b.start - 3), b.stop + 3) for b in box)
        piece = pieces[wide] == number
        ring = ndimage.binary_dilation(piece, iterations=3) & ~mask[wide]
        source = values[wide][ring] if ring.any() else values[~mask]
        filled[wide][piece] = source.mean(axis=0)
    return filled
