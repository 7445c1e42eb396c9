"""What the factors share: grey values of a signal, and changed values put back into its own type and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.factors.measuring import is_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

Floats = npt.NDArray[np.float64]


def grey_of(signal: xr.DataArray) -> Floats:
    """Return a signal's values as floats ``(*spatial)``, the mean over channels where it has them."""
    values = np.asarray(signal.values, np.float64)
    return values.mean(axis=signal.dims.index("c")) if "c" in signal.dims else values


def stored(values: npt.NDArray[Any], like: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values as a file of a type would hold them: rounded and clipped where it holds integers."""
    if np.issubdtype(like, np.integer):
        info = np.iinfo(like)
        values = np.clip(np.rint(values), info.min, info.max)
    return values.astype(like)


def with_values(signal: xr.DataArray, values: npt.NDArray[Any]) -> xr.DataArray:
    """Return a signal with other values of the same shape, in its own type; a spectrum has none below its own and 0."""
    if is_counts(grey_of(signal)):
        values = np.maximum(values, min(float(np.min(signal.values)), 0.0))
    return signal.copy(data=stored(values, signal.dtype))


def with_size(signal: xr.DataArray, size: Sequence[int]) -> xr.DataArray:
    """Return a signal sampled on another number of pixels, its field of view and its type kept.

    ``size`` is one number for each dim but ``c``. Linear interpolation; where there are fewer pixels, what they cannot
    hold is filtered out first.
    """
    import xarray as xr
    from skimage.transform import resize

    dims = [d for d in signal.dims if d != "c"]
    wanted = {**{d: signal.sizes[d] for d in signal.dims}, **dict(zip(dims, size, strict=True))}
    shape = tuple(wanted[d] for d in signal.dims)
    values = resize(
        np.asarray(signal.values, np.float64),
        shape,
        order=1,
        mode="edge",
        anti_aliasing=any(a < b for a, b in zip(shape, signal.shape, strict=True)),
        preserve_range=True,
    )
    coords = {}
    for dim in signal.dims:
        if dim not in signal.coords:
            continue
        old = signal.coords[dim]
        if wanted[dim] == signal.sizes[dim]:
            coords[dim] = old
            continue
        ratio = signal.sizes[dim] / wanted[dim]
        at = (np.arange(wanted[dim]) + 0.5) * ratio - 0.5
        step = float(old[-1] - old[0]) / max(signal.sizes[dim] - 1, 1)
        coords[dim] = xr.DataArray(float(old[0]) + at * step, dims=(dim,), attrs=old.attrs)
    return xr.DataArray(
        stored(values, signal.dtype), dims=signal.dims, coords=coords, attrs=signal.attrs, name=signal.name
    )


def with_array(signal: xr.DataArray, values: npt.NDArray[Any]) -> xr.DataArray:
    """Return a signal with other values of the same shape and type, as they are."""
    return signal.copy(data=values)


def magnified(signal: xr.DataArray, factor: float) -> xr.DataArray:
    """Return a signal magnified about its centre, on its own pixels; beyond its edges it is mirrored.

    Above 1 its middle is shown larger; below 1 the whole is shown smaller, what would alias being filtered out first.
    """
    from scipy import ndimage

    values = np.asarray(signal.values, np.float64)
    ratio = np.array([1.0 if d == "c" else 1.0 / factor for d in signal.dims])
    if factor < 1:
        values = ndimage.gaussian_filter(values, np.where(ratio > 1, (ratio - 1) / 2, 0.0), mode="mirror")
    middle = (np.array(values.shape) - 1) / 2
    moved = ndimage.affine_transform(values, ratio, middle - ratio * middle, order=1, mode="mirror")
    return with_values(signal, moved)
