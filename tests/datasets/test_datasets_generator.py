"""Generated micrographs: repeatable, true to their masks, and with nothing but the defect to tell the class."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets import BAR_OF_CLASS, CLASSES, micrograph, micrographs
from matxai_datasets.detector import expose
from matxai_datasets.microstructure import PREPARATIONS, specimen
from scipy import ndimage


def test_the_same_seed_gives_the_same_image_and_another_seed_another() -> None:
    first, again, other = micrograph(5, "pore"), micrograph(5, "pore"), micrograph(6, "pore")
    assert np.array_equal(first.pixels, again.pixels)
    assert first.lines == again.lines
    assert first.pixel_size == again.pixel_size
    assert not np.array_equal(first.pixels, other.pixels)


def test_an_exchanged_bar_changes_nothing_above_it() -> None:
    own = micrograph(8, "crack", bar="black")
    other, bare = own.with_bar("white", seed=77), own.with_bar(None)
    asked_for = micrograph(8, "crack", bar="white")
    assert own.info_bar == other.info_bar == (140, 159)
    assert np.array_equal(own.pixels[:140], own.picture[:140])
    assert np.array_equal(own.pixels[:140], other.pixels[:140])
    assert not np.array_equal(own.pixels[140:], other.pixels[140:])
    assert other.lines != own.lines
    assert np.array_equal(asked_for.picture, own.picture)
    assert bare.info_bar is None
    assert np.array_equal(bare.pixels, own.picture)
    assert not bare.masks["text"].any()
    assert np.array_equal(other.with_bar("black").pixels, own.pixels)


@pytest.mark.parametrize("kind", CLASSES)
def test_defects_keep_clear_of_the_bar_and_masks_are_those_of_the_class(kind: str) -> None:
    for seed in range(20):
        image = micrograph(seed, kind, bar=None)
        assert image.defect.sum() >= 60
        assert not image.defect[140:].any()
        assert not any(image.masks[other].any() for other in CLASSES if other != kind)


@pytest.mark.parametrize("kind", ["crack", "pore"])
def test_masks_lie_on_the_dark_defects(kind: str) -> None:
    contrast = []
    for seed in range(12):
        image = micrograph(seed, kind, bar=None)
        inside = ndimage.binary_erosion(image.defect) if kind == "pore" else image.defect
        ring = ndimage.binary_dilation(image.defect, iterations=6) & ~ndimage.binary_dilation(
            image.defect, iterations=3
        )
        contrast.append(float(image.pixels[ring].mean()) - float(image.pixels[inside].mean()))
    assert min(contrast) > 25


def test_inclusions_differ_from_the_matrix_in_both_directions() -> None:
    difference = []
    for seed in range(24):
        image = micrograph(seed, "inclusion", bar=None)
        difference.append(float(image.pixels[image.defect].mean()) - float(np.median(image.pixels)))
    assert min(np.abs(difference)) > 10
    assert min(difference) < 0 < max(difference)


def test_a_set_has_specimens_of_one_class_each_and_shares_none_with_another_set() -> None:
    one, two = list(micrographs(31, 1)), list(micrographs(30, 2))
    groups: dict[str, set[str]] = {}
    for image in one:
        groups.setdefault(image.specimen.name, set()).add(image.kind)
    assert len(groups) == 7
    assert all(len(kinds) == 1 for kinds in groups.values())
    assert not set(groups) & {image.specimen.name for image in two}
    assert len({image.seed for image in (*one, *two)}) == 61


def test_random_bars_have_nothing_to_do_with_the_class_and_planted_ones_everything() -> None:
    styles = {kind: set() for kind in CLASSES}
    for image in micrographs(180, 3, size=(120, 120), per_specimen=2):
        styles[image.kind].add(image.bar)
    assert all(len(found) == 6 for found in styles.values()), "five styles and none"
    planted = {(image.kind, image.bar) for image in micrographs(12, 3, bars="by_class", per_specimen=1)}
    assert planted == set(BAR_OF_CLASS.items())


def test_clean_images_have_no_defect_and_differ_from_others_by_it_alone() -> None:
    clean, pore = micrograph(9, "clean", bar="grey"), micrograph(9, "pore", bar="grey")
    assert not clean.defect.any()
    assert clean.defect.shape == (160, 160)
    assert np.array_equal(clean.grains, pore.grains)
    assert np.array_equal(clean.pixels[140:], pore.pixels[140:])
    assert {image.bar for image in micrographs(4, 1, classes=("clean",), bars="by_class")} == {None}


def test_the_specimen_is_drawn_without_regard_to_the_defect() -> None:
    looks = [specimen(seed) for seed in range(80)]
    assert {look.preparation for look in looks} == set(PREPARATIONS)
    of = specimen(3)
    crack, pore = micrograph(9, "crack", of=of, bar=None), micrograph(9, "pore", of=of, bar=None)
    assert np.array_equal(crack.grains, pore.grains)
    apart = ~ndimage.binary_dilation(crack.defect | pore.defect, iterations=8)
    assert crack.specimen == pore.specimen
    assert apart.mean() > 0.5


def test_counting_noise_grows_linearly_with_the_signal() -> None:
    # variance = gain^2 (signal / dose + read^2): equal steps of signal give equal steps of variance
    variance = []
    for level in (0.2, 0.45, 0.7):
        seen = expose(np.full((400, 400), level), np.random.default_rng(12), dtype="uint16").astype(np.float64)
        variance.append(float(np.var(np.diff(seen, axis=1))) / 2)  # neighbours: shading drops out
    assert variance[2] - variance[1] == pytest.approx(variance[1] - variance[0], rel=0.06)
    assert variance[0] > 0


def test_sixteen_bit_images_use_their_range_and_large_ones_get_larger_bars() -> None:
    image = micrograph(2, "pore", size=(300, 640), bar="framed", dtype="uint16")
    assert image.pixels.dtype == np.uint16
    assert image.info_bar == (260, 299)
    assert image.pixels[260, 0] == 65535
    assert image.pixels[:260].max() > 30000


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "dent"}, "crack, inclusion, pore"),
        ({"bar": "pink"}, "black, framed, white"),
        ({"size": (64, 64)}, "120"),
        ({"dtype": "float32"}, "uint8, uint16"),
    ],
)
def test_what_the_generator_cannot_do_is_an_error(options: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        micrograph(0, **options)  # type: ignore[arg-type]
