"""Where a layer's cells lie on the input, and how a coarse map is brought there; ``places`` works it out.

Positions are input pixels along each spatial axis, pixel ``i`` at ``i`` (its centre). In padded, strided nets the
centre of a cell's receptive field is not the centre of the cell of the map stretched over the input: half a cell off
for ResNets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Place:
    """Where the cells of one layer lie on the input, one number for each spatial axis.

    Attributes
    ----------
    origin
        The input pixel at which the receptive field of cell 0 is centred (may lie in the padding, below 0).
    step
        Input pixels from one cell to the next: the size of a cell.
    shape
        The number of cells.
    field
        Input pixels that can reach one cell: the receptive field, padding not counted out.
    source
        ``arithmetic`` (kernels, strides, paddings), ``probe`` (gradients of the layer's cells) or ``grid`` (stretched).
    """

    origin: tuple[float, ...]
    step: tuple[float, ...]
    shape: tuple[int, ...]
    field: tuple[float, ...]
    source: str = "arithmetic"

    def positions(self, axis: int) -> list[float]:
        """Return the input pixel of each cell's centre along one axis."""
        return [self.origin[axis] + i * self.step[axis] for i in range(self.shape[axis])]


def stretched(shape: Sequence[int], size: Sequence[int], field: Sequence[float] | None = None) -> Place:
    """Return the place that stretching ``shape`` cells over ``size`` pixels gives a map (``align_corners=False``).

    Parameters
    ----------
    shape, size
        Cells of the layer and pixels of the input along each axis.
    field
        The receptive field where it is known; a cell's own size otherwise.
    """
    step = tuple(n / m for n, m in zip(size, shape, strict=True))
    return Place(
        origin=tuple(0.5 * s - 0.5 for s in step),
        step=step,
        shape=tuple(int(m) for m in shape),
        field=step if field is None else tuple(field),
        source="grid",
    )


def resample(maps: Tensor, place: Place, size: Sequence[int]) -> Tensor:
    """Return the maps at every input pixel: linear between the cells' positions, the outermost cell beyond them.

    Parameters
    ----------
    maps
        ``(..., *place.shape)``.
    place
        Where the cells lie. Of :func:`stretched` the result is ``interpolate(mode="linear", align_corners=False)``.
    size
        The input's pixels along each axis.

    Returns
    -------
    Tensor
        ``(..., *size)``, the same dtype and device.
    """
    import torch

    axes = len(place.shape)
    if tuple(maps.shape[maps.ndim - axes :]) != place.shape:
        msg = f"maps of shape {tuple(maps.shape)} do not end with the place's cells {place.shape}"
        raise ValueError(msg)
    for axis in range(axes):
        dim = maps.ndim - axes + axis
        cells = place.shape[axis]
        pixels = torch.arange(size[axis], dtype=torch.float64, device="cpu")
        at = ((pixels - place.origin[axis]) / place.step[axis]).clamp(0, cells - 1)
        below = at.floor().long().clamp(max=max(cells - 2, 0))
        above = (below + 1).clamp(max=cells - 1)
        share = (at - below).to(maps.dtype).to(maps.device).reshape(-1, *[1] * (axes - 1 - axis))
        below, above = below.to(maps.device), above.to(maps.device)
        maps = torch.lerp(maps.index_select(dim, below), maps.index_select(dim, above), share)
    return maps
