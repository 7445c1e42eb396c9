"""A region in its box is the same region."""

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import Boxed, Region


def test_a_box_holds_the_mask_and_gives_it_back():
    rng = np.random.default_rng(0)
    mask = np.zeros((20, 30), bool)
    mask[4:9, 11:25] = rng.random((5, 14)) > 0.5
    mask[4, 11] = mask[8, 24] = True
    boxed = Boxed.of(Region(mask, "text", "pixels"))
    assert boxed.box == (slice(4, 9), slice(11, 25))
    assert boxed.area == int(mask.sum())
    np.testing.assert_array_equal(boxed.mask(), mask)


def test_a_union_covers_what_any_part_covers():
    first, second = np.zeros((2, 12, 12), bool)
    first[1:3, 1:4] = second[2:7, 3:9] = True
    np.testing.assert_array_equal(Boxed.union([Boxed.of(first), Boxed.of(second)]).mask(), first | second)


def test_nothing_and_what_does_not_fit_are_refused():
    with pytest.raises(RegionError, match="without a pixel"):
        Boxed.of(np.zeros((3, 3), bool))
    with pytest.raises(RegionError, match="none was given"):
        Boxed.union([])
    with pytest.raises(RegionError, match="no part of a signal"):
        Boxed((4, 4), (slice(0, 2), slice(3, 5)), np.ones((2, 2), bool))
