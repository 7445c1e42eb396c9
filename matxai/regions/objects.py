"""Objects that a map or an image marks: pieces above a threshold with their boxes, and how far off they lie.

Localisation by a classifier's map (Zhou et al., CVPR 2016, arXiv:1512.04150; Choe et al., CVPR 2020, arXiv:2001.07437
for how to judge it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions.geometry import steps_of
from matxai.regions.region import Region

if TYPE_CHECKING:
    from collections.abc import Sequence


def map_objects(
    values: npt.NDArray[Any],
    threshold: float | str = "otsu",
    *,
    negative: bool = False,
    least: int = 1,
    source: str = "map",
) -> list[Region]:
    """Return the connected pieces of a map above a threshold, the one with the most relevance first.

    Parameters
    ----------
    values
        Map ``(*spatial)``; NaN where the network saw nothing.
    threshold
        A share of the map's largest value, between 0 and 1, or ``"otsu"`` (Otsu 1979, over what is positive).
    negative
        Whether what speaks against the target is looked for instead of what speaks for it.
    least
        Smaller pieces, in pixels, are left out.
    source
        Who made the map.

    Returns
    -------
    list of Region
        Kind ``map_object``; evidence holds ``threshold`` (in the map's unit), ``box`` (first and last pixel along each
        axis), ``centre`` (weighted by relevance, in pixels), ``relevance`` (its sum) and ``peak``.

    Raises
    ------
    RegionError
        If the threshold is none, or no value of that sign is there.
    """
    signed = -values if negative else values
    positive = np.where(np.isfinite(signed), np.maximum(signed, 0.0), 0.0).astype(np.float64)
    if not positive.any():
        side = "negative" if negative else "positive"
        raise RegionError(f"The map from {source} has no {side} value, so it marks no object.")
    level = _level(positive, threshold)
    pieces, count = ndimage.label(positive >= level)
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces, count), start=1):
        mask = pieces == number
        if int(mask.sum()) < least or mask.all():
            continue
        weights = positive[mask]
        centre = [float(np.average(i, weights=weights)) for i in np.nonzero(mask)]
        evidence = {
            "threshold": level,
            "box": [[b.start, b.stop - 1] for b in box],
            "centre": centre,
            "relevance": float(weights.sum()),
            "peak": float(weights.max()),
        }
        found.append(Region(mask, "map_object", source, evidence=evidence))
    return sorted(found, key=lambda r: -float(r.evidence["relevance"]))


def image_objects(
    image: npt.NDArray[Any],
    threshold: float | str = "otsu",
    *,
    dark: bool = False,
    least: int = 16,
    within: npt.NDArray[np.bool_] | None = None,
    source: str = "threshold",
) -> list[Region]:
    """Return the connected pieces of an image above (below) a grey level, the largest first.

    Parameters
    ----------
    image
        ``(*spatial)``, or ``(y, x, c)`` of which the channels' mean is taken; NaN belongs to no object.
    threshold
        A grey level in the image's own values, or ``"otsu"`` (Otsu 1979).
    dark
        Whether objects are darker than the level instead of brighter.
    least
        Smaller pieces, in pixels, are left out.
    within
        Boolean ``(*spatial)``: where objects are looked for, and where Otsu's level comes from; by default everywhere.
    source
        Who says so, for the regions' record.

    Returns
    -------
    list of Region
        Kind ``image_object``; evidence holds ``threshold``, ``box`` (first and last pixel along each axis), ``centre``
        and ``mean`` (of its grey values).

    Raises
    ------
    RegionError
        If the threshold is none, the ground is of another size, or no object is there.
    """
    grey = np.asarray(image, np.float64)
    if grey.ndim == 3 and grey.shape[-1] in (3, 4):
        grey = grey[..., :3].mean(axis=-1)
    ground = np.isfinite(grey) if within is None else np.isfinite(grey) & within
    if ground.shape != grey.shape or not ground.any():
        raise RegionError(f"No pixel of the image of {grey.shape} is left in which objects could be looked for.")
    level = _grey_level(grey[ground], threshold)
    inside = ground & ((grey < level) if dark else (grey > level))
    pieces, count = ndimage.label(inside)
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces, count), start=1):
        own = pieces[box] == number
        if int(own.sum()) < least or own.sum() == grey.size:
            continue
        mask = np.zeros(grey.shape, bool)
        mask[box] = own
        evidence = {
            "threshold": level,
            "box": [[b.start, b.stop - 1] for b in box],
            "centre": [float(i.mean()) for i in np.nonzero(mask)],
            "mean": float(grey[mask].mean()),
        }
        found.append(Region(mask, "image_object", source, evidence=evidence))
    if not found:
        side = "below" if dark else "above"
        raise RegionError(f"No object of {least} pixels or more lies {side} the grey level {level:.4g}.")
    return sorted(found, key=lambda r: -r.area)


def _grey_level(grey: npt.NDArray[np.float64], threshold: float | str) -> float:
    if threshold == "otsu":
        from skimage.filters import threshold_otsu

        if np.ptp(grey) == 0:
            raise RegionError(
                f"The image has one grey value, {grey.flat[0]:.4g}, so no level parts objects from ground."
            )
        return float(threshold_otsu(grey))
    if isinstance(threshold, str) or not np.isfinite(threshold):
        raise RegionError(f"An image's threshold is a grey level or 'otsu'; not {threshold!r}.")
    return float(threshold)


def _level(positive: npt.NDArray[np.float64], threshold: float | str) -> float:
    if threshold == "otsu":
        from skimage.filters import threshold_otsu

        some = positive[positive > 0]
        return float(threshold_otsu(some)) if np.ptp(some) > 0 else float(some[0])
    if isinstance(threshold, str) or not 0 < threshold <= 1:
        msg = f"A map's threshold is a share of its largest value, above 0 and at most 1, or 'otsu'; not {threshold!r}."
        raise RegionError(msg)
    return float(threshold * positive.max())


@dataclass(frozen=True)
class Localised:
    """How well one region lies on another.

    Parameters
    ----------
    iou, box_iou
        Intersection over union, of the masks and of their boxes.
    offset
        From the true centre to the found one along each axis, in ``unit``.
    distance
        Its length.
    unit
        Of offset and distance.
    """

    iou: float
    box_iou: float
    offset: tuple[float, ...]
    distance: float
    unit: str


def localised(
    found: Region | npt.NDArray[np.bool_],
    truth: Region | npt.NDArray[np.bool_],
    *,
    spacing: float | Sequence[float] = 1.0,
    unit: str = "pixel",
) -> Localised:
    """Compare a found object with the true one.

    Parameters
    ----------
    found, truth
        Regions or masks of one shape ``(*spatial)``.
    spacing
        Pixel size along each axis, or one for all.
    unit
        Of ``spacing``.

    Raises
    ------
    RegionError
        If the shapes differ, one is empty, or the spacing is no pixel size.
    """
    one, other = (r.mask if isinstance(r, Region) else r for r in (found, truth))
    if one.shape != other.shape or not one.any() or not other.any():
        raise RegionError(
            f"Two masks of one image are compared, with pixels in both; not {one.shape} and {other.shape}."
        )
    indices = [np.stack(np.nonzero(m)) for m in (one, other)]
    low, high = np.stack([i.min(1) for i in indices]), np.stack([i.max(1) + 1 for i in indices])
    common = np.prod(np.maximum(high.min(0) - low.max(0), 0))
    boxes = np.prod(high - low, axis=1).sum() - common
    offset = (indices[0].mean(1) - indices[1].mean(1)) * steps_of(spacing, one.ndim)
    return Localised(
        iou=float((one & other).sum() / (one | other).sum()),
        box_iou=float(common / boxes),
        offset=tuple(float(o) for o in offset),
        distance=float(np.linalg.norm(offset)),
        unit=unit,
    )
