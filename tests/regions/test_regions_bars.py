"""Info bars found in the pixels, with the instrument's tags ignored: the true rows, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions.finders.info_bar import bars_from_pixels, info_bar
from matxai.signals import read

TRUE_ROWS = {
    "sem_vendors/tfs_odemis.tif": (1024, 1091),
    "sem_vendors/zeiss_rosettasciio_1k.tif": (691, 766),  # by eye: black frame lines at 691 and 766, specimen at 767
    "sem_vendors/jeol_odemis.tif": None,  # text and micron bar over the picture, no band
    "sem_vendors/tfs_fibsem_slice_tomomapper.tif": None,
}
BAM_ROWS = (712, 765)


def rows_of(path: Path) -> list[tuple[int, int]]:
    found = bars_from_pixels(np.asarray(read(path).values))
    return [(r.evidence["first_row"], r.evidence["last_row"]) for r in found]


@pytest.mark.parametrize("name", TRUE_ROWS)
def test_bars_of_several_makers_are_found_without_their_tags(data_dir: Path, name: str) -> None:
    true = TRUE_ROWS[name]
    found = rows_of(data_dir / name)
    assert len(found) == (true is not None)
    if true is not None:
        assert np.abs(np.subtract(found[0], true)).max() <= 1


def test_the_bar_of_bam_does_not_touch_the_edge(data_dir: Path) -> None:
    files = sorted((data_dir / "sem_bam_tio2/images").glob("*.tif"))
    assert len(files) == 12
    for file in files[::3]:  # all of them in tests/benchmarks/bars.py
        (found,) = rows_of(file)
        assert np.abs(np.subtract(found, BAM_ROWS)).max() <= 1, file.name


def test_what_is_no_picture_is_refused() -> None:
    for bad, why in (
        (np.zeros(50), "not in an array of shape"),
        (np.zeros((2, 3, 4, 5)), "not in an array of shape"),
        (np.zeros((0, 50)), "no pixels"),
        (np.zeros((50, 50), complex), "real numbers"),
    ):
        with pytest.raises(RegionError, match=why):
            info_bar(bad, {})
    assert info_bar(np.zeros((50, 60)), {}) == []
    assert info_bar(np.full((50, 60), np.nan), {}) == []
