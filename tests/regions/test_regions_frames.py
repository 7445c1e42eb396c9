"""Borders, vignettes, apertures, dead rows and seams: planted ones are found where they are, and clean pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from matxai.errors import RegionError
from matxai.regions.finders import finders
from matxai.regions.rows import picture
from matxai.regions.shared import sharing

FRAMES = ("border", "vignette", "aperture", "dead_rows", "seam")


def specimen(seed: int = 0, shape: tuple[int, int] = (200, 240)) -> NDArray[np.float64]:
    from matxai_datasets.adversaries import micrograph

    return np.clip(micrograph(np.random.default_rng(seed), shape), 5, 250).astype(np.float64)


def only(kind: str, image: NDArray[np.generic]):
    (region,) = finders[kind](image, {})
    assert region.kind == kind
    assert region.source == "pixels"
    return region


def test_a_clean_micrograph_has_none_of_them() -> None:
    for seed in range(3):
        image = specimen(seed).astype(np.uint8)
        with sharing():
            assert {kind: finders[kind](image, {}) for kind in FRAMES} == {kind: [] for kind in FRAMES}


@pytest.mark.parametrize("level", [0, 255])
def test_a_border_is_found_on_the_sides_where_it_is(level: int) -> None:
    image = specimen().astype(np.uint8)
    image[:3], image[:, -7:] = level, level
    region = only("border", image)
    truth = np.zeros(image.shape, bool)
    truth[:3], truth[:, -7:] = True, True
    assert np.array_equal(region.mask, truth)
    assert region.evidence["lines"] == {"top": 3, "bottom": 0, "left": 0, "right": 7}
    assert region.evidence["level"]["top"] == level
    assert region.evidence["level"]["bottom"] is None
    assert region.confidence > 0.9


def test_what_surrounds_a_round_specimen_is_an_aperture_and_no_border() -> None:
    image = specimen()
    y, x = np.mgrid[:200, :240]
    inside = np.hypot(y - 100, x - 120) < 92
    image[~inside] = 0
    assert finders["border"](image.astype(np.uint8), {}) == []
    region = only("aperture", image.astype(np.uint8))
    assert np.array_equal(region.mask, ~inside)
    assert region.evidence["radius"] == pytest.approx(92, abs=1)
    assert region.evidence["centre"] == pytest.approx([100, 120], abs=0.6)
    square = specimen()
    square[(np.abs(y - 100) > 80) | (np.abs(x - 120) > 90)] = 0
    assert finders["aperture"](square.astype(np.uint8), {}) == []


@pytest.mark.parametrize("loss", [0.45, 0.6])
def test_a_vignette_loses_at_the_corners_what_was_planted(loss: float) -> None:
    image = specimen()
    y, x = np.mgrid[:200, :240]
    r2 = ((y - 99.5) ** 2 + (x - 119.5) ** 2) / (100**2 + 120**2)
    region = only("vignette", image * (1 - loss * r2))
    assert region.evidence["corner_loss"] == pytest.approx(loss, abs=0.08)
    assert region.mask[[0, 0, -1, -1], [0, -1, 0, -1]].all()
    assert not region.mask[60:140, 80:160].any()
    shaded = image * (1 - loss * x / 240)  # falls off to one side: no vignette
    assert finders["vignette"](shaded, {}) == []


def test_dead_rows_are_constant_or_copies_and_columns_too() -> None:
    image = specimen().astype(np.uint16) * 200
    image[60] = 0
    image[120] = image[119]
    image[:, 30:32] = 65535
    rows, columns = finders["dead_rows"](image, {})
    assert (rows.evidence["constant"], rows.evidence["copied"]) == ([60], [120])
    assert np.flatnonzero(rows.mask.all(axis=1)).tolist() == [60, 120]
    assert rows.area == 2 * 240
    assert columns.evidence["constant"] == [30, 31]
    assert columns.area == 2 * 200
    twice = np.repeat(specimen(), 2, axis=0)  # enlarged: every other row is a copy, and none is dead
    assert finders["dead_rows"](twice, {}) == []


def test_a_seam_is_a_straight_step_that_stays() -> None:
    image = specimen()
    image[90:] += 25
    region = only("seam", image)
    assert region.evidence["line"] == 90
    assert region.evidence["step"] == pytest.approx(25, abs=4)
    assert np.flatnonzero(region.mask.all(axis=1)).tolist() == [89, 90]
    assert only("seam", image.T).evidence["lines"] == "columns"
    streak = specimen()
    streak[90:92] += 25
    assert finders["seam"](streak, {}) == []
    slanted = specimen() + 25 * (np.arange(200)[:, None] > 90 + np.arange(240)[None] / 40)
    assert finders["seam"](slanted, {}) == []


def test_what_lies_in_an_info_bar_is_none_of_them() -> None:
    from matxai_datasets.panels import burn_in

    rng = np.random.default_rng(0)
    image = burn_in(specimen().astype(np.uint8), "thick_frame", rng).pixels
    with sharing():
        assert len(finders["info_bar"](image, {})) == 1
        assert {kind: finders[kind](image, {}) for kind in FRAMES} == {kind: [] for kind in FRAMES}
    blank = specimen().astype(np.uint8)
    blank[-20:] = 0  # nothing is written there: an empty panel is a border
    assert finders["info_bar"](blank, {}) == []
    assert only("border", blank).area == 20 * 240
    assert finders["border"](blank, {"info_bar": [180, 199]}) == []


def test_the_last_row_of_every_png_of_xsdd_is_its_neighbours(data_dir: Path) -> None:
    """A property of that set, and one that tells a class: only one class has files of that type."""
    files = sorted((data_dir / "xsdd_steel_strip/images/finishing_roll_printing").glob("*.*"))
    for file in [f for f in files if f.suffix == ".png"][:5]:
        assert only("dead_rows", np.asarray(Image.open(file))).evidence["copied"] == [127]
    for file in [f for f in files if f.suffix == ".jpg"][:5]:
        assert finders["dead_rows"](np.asarray(Image.open(file)), {}) == []


def test_a_frame_outlives_lossy_compression_and_one_saturated_side_is_none(tmp_path: Path) -> None:
    for level, width in ((0, 2), (255, 7)):
        framed = np.pad(specimen().astype(np.uint8), width, constant_values=level)
        Image.fromarray(framed).save(tmp_path / "a.jpg", quality=90)
        region = only("border", np.asarray(Image.open(tmp_path / "a.jpg")))
        assert region.evidence["lines"] == dict.fromkeys(("top", "bottom", "left", "right"), width)
    ground = specimen()
    ground[-30:] = 262 + np.random.default_rng(0).normal(0, 4, (30, 240))
    assert finders["border"](np.clip(ground, 0, 255).astype(np.uint8), {}) == []


def test_a_scratch_along_the_whole_picture_is_no_dead_line(data_dir: Path) -> None:
    files = sorted((data_dir / "xsdd_steel_strip/images/surface_scratch").glob("*.*"))[::12]
    assert files
    for file in files:
        for image in (Image.open(file), Image.open(file).convert("L")):
            assert finders["dead_rows"](np.asarray(image), {}) == []
    drawn = specimen().astype(np.uint8)
    drawn[:, 60:62] = np.clip(240.0 + np.random.default_rng(3).normal(0, 3, (200, 2)), 0, 255)  # bright, with grain
    drawn[:150, 100] = 0  # constant, but not from end to end
    drawn[:190, 140] = drawn[:190, 139]  # a copy, but not from end to end
    assert finders["dead_rows"](drawn, {}) == []


@pytest.mark.parametrize("kind", FRAMES)
def test_no_picture_is_refused_and_nothing_is_in_nothing(kind: str) -> None:
    for bad in (np.zeros(40), np.zeros((0, 40)), np.zeros((2, 3, 40, 40))):
        with pytest.raises(RegionError):
            finders[kind](bad, {})
    for flat in (np.zeros((64, 64), np.uint8), np.full((64, 64), np.nan), np.full((1, 1), 3.0), np.ones((40, 2, 3))):
        assert finders[kind](flat, {}) == []


def test_deep_pictures_keep_their_order_and_a_white_panel_presses_nothing() -> None:
    deep = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    deep[:4] = 65535
    codes = picture(deep).rows.codes
    assert len(np.unique(codes[4:])) > 200
    assert (np.diff(codes[4:].ravel().astype(int)) >= 0).all()
    assert np.array_equal(picture(specimen().astype(np.uint8)).rows.codes, specimen().astype(np.uint8))


def test_sharing_changes_no_answer_and_keeps_nothing() -> None:
    one, two = specimen(1), specimen(2)
    one[:4] = 0
    with sharing():
        shared = [len(finders["border"](image, {})) for image in (one, two, one)]
    assert shared == [1, 0, 1]
    assert [len(finders["border"](image, {})) for image in (one, two, one)] == shared
