"""Matched controls by the Fourier transform: the same places and features as by looking at each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from matxai.errors import RegionError
from matxai.regions import Region, matched_regions, matched_shifts

RNG = np.random.default_rng


def odd(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(n // 3, n // 3 + 3) for n in shape)] = True
    mask[tuple(n // 3 for n in shape)] = False
    return mask


@pytest.mark.parametrize("shape", [(60,), (20, 17), (9, 10, 8)], ids=["1d", "2d", "3d"])
def test_every_possible_place_is_found_and_ranked_as_by_brute_force(shape) -> None:
    image, mask = ndimage.gaussian_filter(RNG(0).standard_normal(shape), 1), odd(shape)
    allowed = RNG(1).random(shape) > 0.04
    points = np.argwhere(mask)
    corner, size = points.min(axis=0), np.ptp(points, axis=0) + 1
    rows = []
    for start in np.ndindex(*(n - s + 1 for n, s in zip(shape, size, strict=True))):
        at = points - corner + start
        under = tuple(at.T)
        if not allowed[under].all() or mask[under].mean() > 0.1:
            continue
        centre = (at + 0.5).mean(axis=0) / shape
        rows.append([*(np.array(start) - corner), image[under].mean(), image[under].std(),
                     np.minimum(centre, 1 - centre).min()])  # fmt: skip
    rows = np.array(rows)
    own = (points + 0.5).mean(axis=0) / shape
    target = np.array([image[mask].mean(), image[mask].std(), np.minimum(own, 1 - own).min()])
    features = rows[:, len(shape) :]
    apart = np.sqrt((((features - target) / features.std(axis=0)) ** 2).sum(axis=1))
    found = matched_shifts(mask, image, 10, RNG(0), allowed=allowed)
    assert found.room == len(rows)
    if found.room > 400:  # a draw of the places: the features' scale is that of the draw
        assert len(found) == 10
        return
    np.testing.assert_allclose(found.distances, np.sort(apart)[:10], rtol=1e-6)
    best = {tuple(s) for s in rows[np.argsort(apart)[:10], : len(shape)].astype(int)}
    assert {tuple(s) for s in found.shifts} == best


def test_as_many_as_asked_for_where_there_is_room() -> None:
    image, mask = RNG(0).standard_normal((60, 70)), odd((60, 70))
    found = matched_shifts(mask, image, 500, RNG(0))
    assert len(found) == 500
    assert len({tuple(s) for s in found.shifts}) == 500


def test_ground_without_values_is_no_ground() -> None:
    image, mask = RNG(0).standard_normal((30, 30)), odd((30, 30))
    image[:, 15:] = np.nan
    for region in matched_regions(Region(mask, "drawn", "drawn"), image, 50, RNG(0)):
        assert np.isfinite(image[region.mask]).all()


def test_large_signals_are_searched_by_a_draw(monkeypatch) -> None:
    from matxai.regions import matched

    image, mask = RNG(0).standard_normal((60, 70)), odd((60, 70))
    allowed = np.ones((60, 70), bool)
    allowed[:, 40:] = False
    monkeypatch.setattr(matched, "_WHOLE", 10)
    found = matched_shifts(mask, image, 64, RNG(0), allowed=allowed)
    assert len(found) == 64
    for shift in found.shifts:
        moved = np.roll(mask, shift, (0, 1))
        assert allowed[moved].all()
        assert mask[moved].mean() <= 0.1


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(RegionError, match=r"The image is \(5, 5\), the region's mask \(30, 30\)"):
        matched_shifts(odd((30, 30)), np.zeros((5, 5)), 3, RNG(0))
