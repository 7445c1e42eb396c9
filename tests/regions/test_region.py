"""A region says what is wrong with it before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import Region


def mask(rows: slice) -> np.ndarray:
    m = np.zeros((10, 8), bool)
    m[rows] = True
    return m


def test_area_and_share() -> None:
    region = Region(mask(slice(8, 10)), "info_bar", "tag 34682")
    assert region.area == 16
    assert region.share == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mask": mask(slice(0, 0))}, "is empty"),
        ({"mask": mask(slice(0, 10))}, "covers the whole signal"),
        ({"mask": mask(slice(0, 2)).astype(int)}, "boolean"),
        ({"kind": "infobar"}, "Did you mean 'info_bar'"),
        ({"confidence": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_regions_are_refused(kwargs, match) -> None:
    good = {"mask": mask(slice(0, 2)), "kind": "info_bar", "source": "pixels"}
    with pytest.raises(RegionError, match=match):
        Region(**{**good, **kwargs})
