"""`over`: a class's score over a region that was drawn on the signal, as a target for models with dense outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import RegionError, TargetError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    from matxai.engine.targets import Target
    from matxai.modelcard import Model


def over(model: Model, signal: xr.DataArray, mask: ArrayLike, target: str | int, *, reduce: str = "mean") -> Target:
    """Return the target "this class over this region", the region drawn in pixels of the signal.

    The region goes the way of the pixels: cropped, resized and padded as the model's preprocessing does it.

    Parameters
    ----------
    model
        A segmentation model, or any with a dense output.
    signal
        What is explained.
    mask
        Of the signal's spatial shape; what is not 0 is the region.
    target
        The class, by name or index.
    reduce
        ``mean`` of the class's score over the region, or its ``sum``.

    Raises
    ------
    RegionError
        If the mask has another shape, is empty, or lies where the network does not look.
    TargetError
        If the class does not exist, or ``reduce`` is neither.
    """
    from matxai.engine import targets
    from matxai.explanation.scores import class_index

    if reduce not in ("mean", "sum"):
        raise TargetError(f"A class over a region is its 'mean' or its 'sum' there, not {reduce!r}.")
    region = np.asarray(mask) != 0
    prepared = model.preprocessing.prepare(signal)
    place = prepared.placement
    if region.shape != place.source_shape:
        raise RegionError(f"The region has the shape {region.shape}, and the signal {place.source_shape}.")
    if not region.any():
        raise RegionError("The region is empty: it covers no pixel of the signal.")
    seen: Any = region.astype(np.float64)
    for axis, m in enumerate(place.axes):
        seen = np.moveaxis(np.tensordot(m.spread.toarray(), seen, axes=(1, axis)), 0, axis)
    inside = seen >= 0.5
    if not inside.any():  # thinner than a pixel of the network: the pixels that it reaches most
        inside = (seen > 0) & (seen >= seen.max())
    if not inside.any():
        raise RegionError("The region lies where the network does not look: the preprocessing cuts that part off.")
    index = class_index(target, model.classes, model.name) if isinstance(target, str) else int(target)
    return targets.mean(inside, index) if reduce == "mean" else targets.region(inside, index)
