"""The measures of maps against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.checks.expect.measures.of_changes import monotone
from matxai.checks.expect.measures.of_maps import (
    points_inside,
    random_shares,
    rank_overlap,
    share_inside,
    side,
    top_iou,
)
from matxai.errors import RegionError

# 10 positive in all, 4 of them in the upper row; 5 negative, all in the lower row; one pixel was never seen
MAP = np.array([[3.0, 1.0, np.nan, 0.0], [2.0, 4.0, -2.0, -3.0]])
UPPER = np.array([[True] * 4, [False] * 4])


def test_positive_and_negative_relevance_have_shares_of_their_own() -> None:
    assert share_inside(side(MAP), UPPER) == pytest.approx(0.4)
    assert share_inside(side(MAP, "negative"), UPPER) == 0.0
    assert share_inside(side(MAP, "negative"), ~UPPER) == 1.0
    with pytest.raises(RegionError, match="no relevance of the sign"):
        share_inside(side(-np.abs(MAP)), UPPER)


def test_the_pointing_game_is_won_where_the_maximum_is() -> None:
    assert points_inside(side(MAP), UPPER) == 0.0
    assert points_inside(side(MAP), ~UPPER) == 1.0
    tie = np.where(MAP == 3.0, 4.0, MAP)
    assert points_inside(side(tie), UPPER) == 0.5
    with pytest.raises(RegionError):
        points_inside(np.zeros((2, 2)), np.eye(2, dtype=bool))


def test_rank_overlap_takes_as_many_pixels_as_the_region_has() -> None:
    # 3 seen pixels above; the three highest are 4, 3, 2: one of them lies above
    assert rank_overlap(side(MAP), UPPER) == pytest.approx(1 / 3)
    assert rank_overlap(side(MAP), np.isin(MAP, [4.0, 3.0])) == 1.0
    # pixels without relevance are nobody's highest: 4 seen below, two of them positive, two of the top four
    assert rank_overlap(side(MAP), ~UPPER) == pytest.approx(2 / 4)


def test_top_k_iou() -> None:
    # 7 seen pixels, k = 2/7: the top is {4, 3}; with the upper row's 3 seen pixels it shares one of four
    assert top_iou(side(MAP), UPPER, 2 / 7) == pytest.approx(1 / 4)
    assert top_iou(side(MAP), np.isin(MAP, [4.0, 3.0]), 2 / 7) == 1.0


def test_random_maps_lie_anywhere() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 5:35] = True
    found = random_shares(np.ones((40, 40), bool), mask, 0, 200)
    assert np.mean(found) == pytest.approx(mask.mean(), abs=0.02)  # a share of the area, on average
    assert found == random_shares(np.ones((40, 40), bool), mask, 0, 200)


def test_a_monotone_response_is_kendalls_tau() -> None:
    dose = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    assert monotone(dose, np.array([0.0, 1.0, 2.0, 5.0, 9.0])) == pytest.approx(1.0)
    assert monotone(dose, -dose) == pytest.approx(-1.0)
    # ten pairs, one of them the wrong way: (9 - 1) / 10
    assert monotone(dose, np.array([0.0, 2.0, 1.0, 5.0, 9.0])) == pytest.approx(0.8)
    assert monotone(dose, np.zeros(5)) == 0.0
