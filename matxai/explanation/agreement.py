"""Do the methods look at the same places? Rank correlations between the maps of one explanation."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

LIMIT = 20_000


def agreement(maps: Mapping[str, xr.DataArray], dims: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return Spearman's rank correlation of the magnitudes of every two maps, over the pixels that both know.

    A map with layers counts layer by layer, named ``grad_cam[layer4]``; of several classes the mean is taken. Maps that
    do not have the signal's own axes, and maps without variation, are left out. Of more than 20 000 pixels every n-th
    along each axis counts.

    Parameters
    ----------
    maps
        By name.
    dims
        The signal's spatial dims.

    Returns
    -------
    list
        ``{"a": name, "b": name, "rank": correlation}``.
    """
    planes: dict[str, np.ndarray] = {}
    for name, array in maps.items():
        if not set(dims) <= set(array.dims):
            continue
        lead = [d for d in array.dims if d not in dims and d != "class"]
        for index in np.ndindex(*(array.sizes[d] for d in lead)):
            one = array.isel(dict(zip(lead, index, strict=True)))
            text = ", ".join(str(one.coords[d].values) for d in lead if d in one.coords)
            pixels = math.prod(one.sizes[d] for d in dims)
            thin = slice(None, None, math.ceil((pixels / LIMIT) ** (1 / len(dims))) if pixels > LIMIT else 1)
            values = np.abs(one.transpose(..., *dims).isel(dict.fromkeys(dims, thin)).values)
            planes[f"{name}[{text}]" if text else name] = values.reshape(one.sizes.get("class", 1), -1)
    found = []
    for a, b in combinations(planes, 2):
        pairs = [_spearman(x, y) for x, y in zip(planes[a], planes[b], strict=False)]
        known = [p for p in pairs if p is not None]
        if known:
            found.append({"a": a, "b": b, "rank": round(float(np.mean(known)), 4)})
    return found


def _spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return None
    x, y = _ranks(a[both]), _ranks(b[both])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value from 1 on; equal ones share the mean of theirs. Without importing scipy.stats."""
    _, of, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[of])
