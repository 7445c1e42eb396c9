"""Info bars found in the pixels, with the instrument's tags ignored: the true rows, and none where there is none."""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matxai_datasets.panels import DEPTHS, PANELS, SIDES, burn_in, panel
from scipy.ndimage import gaussian_filter

from matxai.errors import RegionError
from matxai.regions.finders.info_bar import bars_from_pixels, info_bar
from matxai.signals import read

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "bars.py"
TRUE_ROWS = {
    "sem_vendors/tfs_odemis.tif": (1024, 1091),
    "sem_vendors/zeiss_rosettasciio_1k.tif": (691, 766),  # by eye: black frame lines at 691 and 766, specimen at 767
    "sem_vendors/jeol_odemis.tif": None,  # text and micron bar over the picture, no band
    "sem_vendors/tfs_fibsem_slice_tomomapper.tif": None,
}
BAM_ROWS = (712, 765)
SMALL = ((160, 160), (200, 260), (256, 256))


@pytest.fixture(scope="module")
def script() -> Any:
    """``tests/benchmarks/bars.py``, which runs the whole of it."""
    spec = importlib.util.spec_from_file_location("_matxai_bars", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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


def specimen(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (200, 260))
    return np.clip(120 + 12 * noise + 30 * np.sin(np.arange(260) / 9), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("style", PANELS)
def test_panels_of_every_style_at_every_side_and_of_every_depth(style: str) -> None:
    for number, side in enumerate(SIDES):
        rng = np.random.default_rng(number)
        drawn = burn_in(specimen(), style, rng, side=side, off=number, depth=DEPTHS[number])
        (bar,) = bars_from_pixels(drawn.pixels)
        line = "row" if side in ("bottom", "top") else "column"
        seen = bar.evidence["side"], bar.evidence[f"first_{line}"], bar.evidence[f"last_{line}"]
        assert seen == (side, drawn.first, drawn.last)
        assert bar.source == "pixels"
        assert 0.6 < bar.confidence <= 1
        plain = burn_in(specimen(), style, np.random.default_rng(number), side=side, off=number).pixels
        plain = (plain if line == "row" else plain.T)[drawn.first : drawn.last + 1]
        flat = np.isin(plain, [PANELS[style].ground, PANELS[style].second or PANELS[style].ground]).mean(axis=1)
        assert bar.evidence["share_inside"] >= flat[flat > 0].mean() - 0.01  # what was drawn, its frame aside
        assert bar.evidence["share_outside"] < 0.2
        lines = bar.mask.all(axis=1) if line == "row" else bar.mask.all(axis=0)
        assert bar.area == lines.sum() * bar.mask.shape[int(line == "row")]


def test_a_flat_panel_without_writing_is_no_bar_and_one_with_writing_is() -> None:
    image = specimen()
    drawn = panel("black", np.random.default_rng(0), 260)
    image[-len(drawn) :] = 0
    assert bars_from_pixels(image) == []
    image[-len(drawn) :] = drawn
    assert len(bars_from_pixels(image)) == 1
    assert bars_from_pixels(image[:, :, None].repeat(3, axis=2))[0].area == len(drawn) * 260


def test_the_instruments_word_goes_first() -> None:
    image = specimen()
    drawn = panel("black", np.random.default_rng(0), 260)
    image[-len(drawn) :] = drawn
    (told,) = info_bar(image, {"info_bar": [190, 199]})
    assert (told.source, told.confidence, told.area) == ("instrument's tag", 1.0, 10 * 260)
    (seen,) = info_bar(image, {})
    assert (seen.source, seen.area) == ("pixels", len(drawn) * 260)


def blobs(seed: int = 0) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (200, 260)), 5)
    return np.where(noise > noise.std() * 0.7, 255, 0).astype(np.uint8)


def tomogram() -> np.ndarray:
    y, x = np.mgrid[:200, :260]
    return np.where(np.hypot(y - 100, x - 130) < 96, np.maximum(specimen(), 1), 0).astype(np.uint8)


@pytest.mark.parametrize("style", ["black", "framed", "thick_frame", "white", "white_framed"])
@pytest.mark.parametrize("picture", [blobs, tomogram])
def test_a_panel_of_the_pictures_own_level_is_found_by_its_writing(picture: Any, style: str) -> None:
    image = picture()
    assert bars_from_pixels(image) == []
    drawn = burn_in(image, style, np.random.default_rng(1), side="bottom", off=0)
    assert drawn.hidden is None
    for pixels in (drawn.pixels, drawn.pixels / 255.0):
        (bar,) = bars_from_pixels(pixels)
        assert (bar.evidence["first_row"], bar.evidence["last_row"]) == (drawn.first, drawn.last)


def test_writing_in_a_black_surrounding_makes_no_bar_of_it() -> None:
    """The round object begins with a few pixels and not at once, so nothing ends there."""
    image = tomogram()
    image[:60] = 0
    drawn = panel("black", np.random.default_rng(0), 260)
    image[2 : 2 + len(drawn)] = drawn
    y, x = np.mgrid[:200, :260]
    image[60:] = np.where(np.hypot(y - 130, x - 130) < 68, np.maximum(specimen(), 30), 0)[60:]
    assert bars_from_pixels(image) == []


def test_two_tones_one_below_the_other_are_one_panel_after_compression() -> None:
    for seed in (0, 2, 4):  # of two lines of writing, one in each tone
        drawn = burn_in(specimen(), "two_tones_below", np.random.default_rng(seed), off=2, quality=60)
        (bar,) = bars_from_pixels(drawn.pixels)
        off = np.subtract((bar.evidence["first_row"], bar.evidence["last_row"]), (drawn.first, drawn.last))
        assert np.abs(off).max() <= 1


def test_only_panels_that_nobody_can_see_are_called_hidden() -> None:
    flat = np.full((200, 260), 10, np.uint8)
    assert burn_in(flat, "black", np.random.default_rng(0)).hidden == "same level beside it"
    assert burn_in(flat, "white", np.random.default_rng(0)).hidden is None
    streak = specimen()
    drawn = burn_in(streak, "black", np.random.default_rng(0))
    assert drawn.hidden is None
    streak[drawn.first - 2 : drawn.first] = 255
    assert burn_in(streak, "black", np.random.default_rng(0)).hidden == "like a frame beside it"


def test_a_small_part_of_the_benchmark(script: Any) -> None:
    tables: dict[str, Any] = defaultdict(script.Tally)
    script.tallied(script.with_panels(20, 5, SMALL), tables)
    script.tallied(script.without_panels(26, 5, SMALL), tables)
    assert (tables["all"].n, tables["all"].found, tables["all"].false) == (46, 20, 0)
