"""The top of a map, random tops and matched translates."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import matched_regions, random_top_region, top_region
from matxai.regions.finders import finders


def bump(shape=(60, 80), centre=(20, 50), width=6.0) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))


def test_the_top_lies_on_the_bump_and_has_its_share() -> None:
    region = top_region(bump(), 0.05)
    assert region.area == round(0.05 * 60 * 80)
    assert np.abs(np.argwhere(region.mask).mean(axis=0) - (20, 50)).max() < 0.5


def test_what_was_never_seen_is_never_on_top() -> None:
    values = bump(centre=(20, 79))
    values[:, 70:] = np.nan
    region = top_region(values, 0.05)
    assert not region.mask[:, 70:].any()
    assert region.area == round(0.05 * 60 * 70)


def test_negative_evidence_is_not_on_top() -> None:
    values = -bump()
    with pytest.raises(RegionError, match="no positive value"):
        top_region(values)
    values[3, 3] = 1.0
    assert top_region(values, 0.5, smooth=0).area == 1


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_lies_between_none_and_all(share: float) -> None:
    with pytest.raises(RegionError, match="between 0 and 1"):
        top_region(bump(), share)


def test_random_tops_have_the_area_and_differ() -> None:
    rng, seen = np.random.default_rng(0), np.ones((60, 80), bool)
    one, two = (random_top_region(seen, 200, rng) for _ in range(2))
    assert one.area == two.area == 200
    assert (one.mask != two.mask).any()
    with pytest.raises(RegionError, match="does not fit"):
        random_top_region(np.eye(4, dtype=bool), 5, rng)


def test_random_tops_lie_at_the_borders_as_often_as_elsewhere() -> None:
    shape, area, count, rng = (24, 32), 38, 400, np.random.default_rng(0)
    covered = sum(random_top_region(np.ones(shape, bool), area, rng).mask.astype(int) for _ in range(count))
    rim = np.ones(shape, bool)
    rim[2:-2, 2:-2] = False
    share = float(covered[rim].sum()) / (area * count)
    # a share of tops, each a patch or two: reflected noise puts half as much again there
    assert share == pytest.approx(rim.mean(), rel=0.1)


def test_controls_keep_the_shape_avoid_the_region_and_match_the_ground() -> None:
    image = np.zeros((60, 80))
    image[:, 40:] = 100.0
    region = top_region(bump(centre=(20, 60)), 0.02)
    twins = matched_regions(region, image, 5, np.random.default_rng(0))
    assert len(twins) == 5
    for twin in twins:
        assert twin.area == region.area
        assert (twin.mask & region.mask).sum() <= 0.1 * region.area
        assert image[twin.mask].mean() == 100.0
    allowed = np.zeros((60, 80), bool)
    allowed[:40] = True
    for twin in matched_regions(region, image, 5, np.random.default_rng(0), allowed=allowed):
        assert not twin.mask[40:].any()


def test_a_shape_without_room_has_no_controls() -> None:
    mask = np.zeros((60, 80), bool)
    mask[50:] = True
    from matxai.regions import Region

    bar = Region(mask, "info_bar", "tag")
    allowed = ~mask
    allowed[:55] = False
    assert matched_regions(bar, np.zeros((60, 80)), 5, np.random.default_rng(0), allowed=allowed) == []


def test_the_instruments_bar_becomes_a_region() -> None:
    image = np.zeros((60, 80))
    assert finders["info_bar"](image, {}) == []
    (bar,) = finders["info_bar"](image, {"info_bar": [50, 57]})
    assert bar.area == 8 * 80
    assert not bar.mask[58:].any()
    with pytest.raises(RegionError, match="outside the image of 60 rows"):
        finders["info_bar"](image, {"info_bar": [50, 60]})
