"""Measures of a map against a region: arrays in, numbers out. Positive and negative relevance are never added up.

``values`` is a map ``(*spatial)``, NaN where the network saw nothing; ``mask`` is the region ``(*spatial)``. What was
not seen takes no part anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator
from scipy import ndimage

from matxai.checks.expect.measures import Measure, Measured, MeasureFields, measures
from matxai.checks.expect.quantity import Length, widened
from matxai.errors import MatxaiError, RegionError
from matxai.regions import matched_regions, smoothing_width

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.checks.expect.asking import Asked
    from matxai.regions import Region

Map = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
RANDOM_MAPS = 64


class MapFields(MeasureFields):
    """``method``: whose map; ``sign``: which side of it is looked at."""

    method: str = "lrp"
    sign: Literal["positive", "negative"] = "positive"

    @field_validator("method")
    @classmethod
    def _known_method(cls, value: str) -> str:
        from matxai.methods import resolve

        try:
            resolve(value)
        except MatxaiError as error:
            raise ValueError(str(error)) from None
        return value


class EnrichmentFields(MapFields):
    """``against``: what the share is divided by: that of matched translates, or of random smooth maps."""

    against: Literal["translates", "random_maps"] = "translates"


class PointingFields(MapFields):
    """``slack``: how far beside the region the maximum may lie."""

    slack: Length = Length(0.0)


class TopFields(MapFields):
    """``k``: which part of the seen pixels is the top."""

    k: float = Field(default=0.05, gt=0, lt=1)


def side(values: Map, sign: str = "positive") -> Map:
    """Return one side of a map as values of at least 0, NaN where nothing was seen."""
    return np.maximum(values if sign == "positive" else -values, 0.0)


def share_inside(values: Map, mask: Mask) -> float:
    """Return the part of a map's relevance that lies in the region; the map has one side only.

    Raises
    ------
    RegionError
        If the map has none: it then shows no evidence of that sign, so no share of it.
    """
    total = float(np.nansum(values))
    if total <= 0:
        msg = "The map has no relevance of the sign asked for, so there is no share of it."
        raise RegionError(msg)
    return float(np.nansum(values[mask])) / total


def points_inside(values: Map, mask: Mask) -> float:
    """Return 1 where the map's maximum lies in the region, 0 where it does not; equal maxima count by their share.

    Zhang et al., IJCV 126, 1084 (2018), section 4.2.
    """
    _some(values)
    top = values == np.nanmax(values)
    return float(mask[top].mean())


def rank_overlap(values: Map, mask: Mask) -> float:
    """Return which part of the region's size is found among as many highest pixels of the map.

    Relevance rank accuracy, Arras et al., Information Fusion 81, 14 (2022), equation 2; pixels of relevance 0 are none.
    """
    inside = mask & np.isfinite(values)
    if not inside.any():
        msg = "The network saw nothing of the region."
        raise RegionError(msg)
    return float((top_pixels(values, int(inside.sum())) & inside).sum() / inside.sum())


def top_iou(values: Map, mask: Mask, k: float) -> float:
    """Return the intersection over the union of the region and the highest share ``k`` of the seen pixels."""
    seen = np.isfinite(values)
    top = top_pixels(values, max(1, round(k * int(seen.sum()))))
    return float((top & mask & seen).sum() / ((top | mask) & seen).sum())


def top_pixels(values: Map, count: int) -> Mask:
    """Return where the ``count`` highest positive values are."""
    _some(values)
    flat = np.nan_to_num(values, nan=0.0).ravel()
    chosen = np.argsort(-flat, kind="stable")[:count]
    top = np.zeros(flat.shape, bool)
    top[chosen] = flat[chosen] > 0
    return top.reshape(values.shape)


def _some(values: Map) -> None:
    if not np.isfinite(values).any() or float(np.nanmax(values)) <= 0:
        msg = "The map has no relevance of the sign asked for, so nothing is highest in it."
        raise RegionError(msg)


def _twins(asked: Asked, region: Region, values: Map, wanted: int) -> list[Region]:
    seen = np.isfinite(values)
    rng = np.random.default_rng(asked.seed)
    return matched_regions(region, asked.sample.grey(), wanted, rng, allowed=seen & asked.free) if wanted else []


def _measured(fields: Any, asked: Asked, region: Region, wanted: int, of: Callable[[Map, Mask], float]) -> Measured:
    values = side(asked.map(fields.method), fields.sign)
    twins = _twins(asked, region, values, wanted)
    detail = {"method": fields.method, "sign": fields.sign, "area": region.share}
    return Measured(of(values, region.mask), (), tuple(of(values, t.mask) for t in twins), detail)


def share(fields: MapFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return the share of relevance inside."""
    return _measured(fields, asked, region, wanted, share_inside)


def enrichment(fields: EnrichmentFields, asked: Asked, region: Region, _wanted: int) -> Measured:
    """Return the share inside divided by the mean share under the null, each with the mean share of a pixel added."""
    values = side(asked.map(fields.method), fields.sign)
    found = share_inside(values, region.mask)
    if fields.against == "translates":
        null = [share_inside(values, t.mask) for t in _twins(asked, region, values, 19)]
        if not null:
            msg = "The region's shape leaves no room for translates of it; take 'against: random_maps', or exchange."
            raise RegionError(msg)
    else:
        null = random_shares(np.isfinite(values), region.mask, asked.seed)
    mean = float(np.mean(null))
    pixel = 1 / int(np.isfinite(values).sum())  # a pixel's worth on both sides: an empty null is no infinite ratio
    detail = {"method": fields.method, "share": found, "null": mean, "against": fields.against}
    return Measured((found + pixel) / (mean + pixel), (), (), detail)


def random_shares(seen: Mask, mask: Mask, seed: int, count: int = RANDOM_MAPS) -> list[float]:
    """Return the share inside a region of the positive side of random smooth maps, one for each map.

    The noise is smoothed periodically, so that it is the same everywhere, at the borders too.
    """
    rng = np.random.default_rng(seed)
    width = 2.0 * smoothing_width(seen.shape)
    shares = []
    for _ in range(count):
        noise = ndimage.gaussian_filter(rng.standard_normal(seen.shape), width, mode="wrap")
        shares.append(share_inside(side(np.where(seen, noise, np.nan)), mask))
    return shares


def pointing_game(fields: PointingFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return whether the map's maximum lies inside, or within the slack."""
    return _measured(
        fields,
        asked,
        region,
        wanted,
        lambda values, mask: points_inside(values, widened(mask, fields.slack, asked.sample.signal)),
    )


def overlap(fields: MapFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return the relevance rank accuracy."""
    return _measured(fields, asked, region, wanted, rank_overlap)


def top_k_iou(fields: TopFields, asked: Asked, region: Region, wanted: int) -> Measured:
    """Return the intersection over union with the top of the map."""
    return _measured(fields, asked, region, wanted, lambda values, mask: top_iou(values, mask, fields.k))


measures.add(
    "share", Measure(MapFields, 0, 1, True, share, "part of the map's relevance that lies inside", needs_map=True)
)
measures.add(
    "enrichment",
    Measure(
        EnrichmentFields,
        0,
        None,
        False,
        enrichment,
        "that share divided by the mean share under a stated null (`translates` or `random_maps`)",
        unit="times",
        needs_map=True,
        ratio=True,
    ),
)
measures.add(
    "pointing_game",
    Measure(
        PointingFields,
        0,
        1,
        True,
        pointing_game,
        "whether the map's maximum lies inside",
        proportion=True,
        needs_map=True,
    ),
)
measures.add(
    "rank_overlap",
    Measure(
        MapFields,
        0,
        1,
        True,
        overlap,
        "part of the region among as many highest pixels as it has (relevance rank accuracy)",
        needs_map=True,
    ),
)
measures.add(
    "top_k_iou",
    Measure(
        TopFields,
        0,
        1,
        True,
        top_k_iou,
        "intersection over union of the region and the highest share `k` of the pixels",
        needs_map=True,
    ),
)
