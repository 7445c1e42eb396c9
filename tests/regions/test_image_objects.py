"""Objects of a thresholded image: pieces counted by hand, levels, and sentences where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import image_objects


def picture() -> np.ndarray:
    values = np.random.default_rng(0).normal(100, 3, (60, 80))
    values[5:15, 10:30] = 200
    values[30:36, 50:58] = 220
    values[50:52, 70:72] = 210
    values[40:50, 5:15] = 10
    return values


def test_bright_pieces_come_by_size_and_specks_are_left_out() -> None:
    found = image_objects(picture(), 150)
    assert [r.area for r in found] == [200, 48]
    assert found[0].kind == "image_object"
    assert found[0].evidence["box"] == [[5, 14], [10, 29]]
    assert found[0].evidence["centre"] == [9.5, 19.5]
    assert found[0].evidence["mean"] == pytest.approx(200)
    assert [r.area for r in image_objects(picture(), 150, least=4)] == [200, 48, 4]


def test_dark_pieces_and_otsus_level() -> None:
    [dark] = image_objects(picture(), 50, dark=True)
    assert dark.area == 100
    two = np.where(picture() > 150, 200.0, 100.0)
    assert [r.area for r in image_objects(two)] == [200, 48]
    assert 100 <= image_objects(two)[0].evidence["threshold"] < 200


def test_objects_are_looked_for_within_the_ground_alone() -> None:
    ground = np.ones((60, 80), bool)
    ground[:20] = False
    assert [r.area for r in image_objects(picture(), 150, within=ground)] == [48]


def test_colours_are_averaged_and_nan_is_no_object() -> None:
    colour = np.repeat(picture()[..., None], 3, axis=2)
    assert [r.area for r in image_objects(colour, 150)] == [200, 48]
    holed = picture()
    holed[5:10] = np.nan
    assert [r.area for r in image_objects(holed, 150)] == [100, 48]


@pytest.mark.parametrize(
    ("values", "threshold", "sentence"),
    [
        (np.full((8, 8), 7.0), "otsu", "one grey value, 7"),
        (picture(), 500.0, "No object of 16 pixels or more lies above the grey level 500"),
        (picture(), "mean", "a grey level or 'otsu'"),
        (np.full((8, 8), np.nan), 1.0, "No pixel of the image"),
    ],
)
def test_what_cannot_be_is_a_sentence(values, threshold, sentence) -> None:
    with pytest.raises(RegionError, match=sentence):
        image_objects(values, threshold)
