"""Regions that a map marks: its top, and a random map's top of the same area. Arrays in, masks out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions.region import Region


def smoothing_width(shape: tuple[int, ...]) -> float:
    """Return the width (standard deviation, pixels) that joins scattered pixels: 1.5 % of the longer side.

    Pixel-wise maps (gradients, LRP) and coarse maps (CAMs) then mark regions of comparable grain.
    """
    return max(1.0, 0.015 * max(shape))


def top_region(
    values: npt.NDArray[Any], share: float = 0.05, *, smooth: float | None = None, source: str = "map"
) -> Region:
    """Return the region where a map is highest.

    Parameters
    ----------
    values
        Map ``(*spatial)``; NaN where the network saw nothing. Only positive values (evidence for) are ranked.
    share
        Part of the seen pixels that the region covers; fewer where the map is positive on fewer.
    smooth
        Standard deviation in pixels of the smoothing before the ranking; by default :func:`smoothing_width`.
    source
        Who made the map, for the region's record.

    Raises
    ------
    RegionError
        If ``share`` is not in (0, 1), or no value is positive: the map then shows no evidence for its target.
    """
    if not 0.0 < share < 1.0:
        msg = f"The share of a top region lies between 0 and 1, not at {share}."
        raise RegionError(msg)
    seen = np.isfinite(values)
    positive = np.where(seen, np.maximum(values, 0.0), 0.0).astype(np.float64)
    if not positive.any():
        msg = f"The map from {source} has no positive value, so no top region: it shows no evidence for its target."
        raise RegionError(msg)
    width = smoothing_width(values.shape) if smooth is None else smooth
    if width > 0:
        # normalised convolution: what was never seen takes no part, at its edge either
        weight = ndimage.gaussian_filter(seen.astype(np.float64), width)
        positive = np.where(seen, ndimage.gaussian_filter(positive, width) / np.maximum(weight, 1e-12), 0.0)
    wanted = max(1, round(share * int(seen.sum())))
    ranked = np.argsort(positive, axis=None, kind="stable")[::-1][:wanted]
    mask = np.zeros(values.shape, bool)
    mask.flat[ranked] = positive.flat[ranked] > 0
    return Region(mask, "map_top", source, evidence={"share": share, "smoothing_pixels": float(width)})


def random_top_region(seen: npt.NDArray[np.bool_], area: int, rng: np.random.Generator) -> Region:
    """Return the top of a smooth random map, of a given area, among the seen pixels.

    The noise is smoothed periodically: reflected at the borders it would vary more there, and tops would gather.

    Parameters
    ----------
    seen
        Boolean ``(*spatial)``: where the region may lie.
    area
        Pixels that it covers.
    rng
        Source of the noise.

    Raises
    ------
    RegionError
        If fewer than ``area`` pixels were seen.
    """
    if area > int(seen.sum()):
        msg = f"A random region of {area} pixels does not fit into the {int(seen.sum())} pixels that may be used."
        raise RegionError(msg)
    noise = ndimage.gaussian_filter(rng.standard_normal(seen.shape), 2.0 * smoothing_width(seen.shape), mode="wrap")
    noise[~seen] = -np.inf
    mask = np.zeros(seen.shape, bool)
    mask.flat[np.argsort(noise, axis=None, kind="stable")[::-1][:area]] = True
    return Region(mask, "matched_control", "random map")
