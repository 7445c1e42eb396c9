"""Planted artefacts: the mask is what changed, a seed repeats itself, and a content can be told from another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matxai_datasets import micrograph, plant
from matxai_datasets.planting import CONTENTS, KINDS

GREY = np.full((128, 128), 111, np.uint8)  # a value that no ink has
IMAGES = {
    "grey": GREY,
    "smallest": GREY[:64, :64],
    "oblong": np.full((80, 333), 111, np.uint8),
    "large": np.full((600, 768), 111, np.uint8),
    "deep": np.full((128, 128), 111 * 257 + 1, np.uint16),
    "colour": np.full((128, 128, 3), 111, np.uint8),
    "deep colour": np.full((96, 128, 3), 111 * 257 + 1, np.uint16),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", IMAGES)
def test_the_mask_is_exactly_what_changed(kind: str, name: str) -> None:
    image = IMAGES[name]
    before = image.copy()
    for content, seed in itertools.product(range(CONTENTS), range(3)):
        planted = plant(image, kind, content, seed)
        changed = planted.pixels != image
        changed = changed.any(axis=-1) if changed.ndim == 3 else changed
        assert np.array_equal(planted.mask, changed)
        assert (planted.pixels.dtype, planted.pixels.shape) == (image.dtype, image.shape)
        assert 20 < planted.mask.sum() < 0.45 * planted.mask.size
        assert (planted.kind, planted.content) == (kind, content)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_repeats_itself_and_others_vary_within_the_content(kind: str) -> None:
    for content in range(CONTENTS):
        drawn = [plant(GREY, kind, content, seed).pixels for seed in range(12)]
        assert np.array_equal(drawn[3], plant(GREY, kind, content, 3).pixels)
        assert len({d.tobytes() for d in drawn}) >= 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["grey", "colour"])
def test_contents_are_told_by_the_nearest_mean(kind: str, name: str) -> None:
    """Held-out seeds, squeezed to a quarter of the size as a small net may see them, on grounds that vary."""
    image = IMAGES[name]
    rng = np.random.default_rng(0)

    def seen(content: int, seed: int) -> np.ndarray:
        ground = np.clip(image.astype(float) + rng.normal(0, 12), 60, 200).astype(np.uint8)
        small = plant(ground, kind, content, seed).pixels.astype(float).reshape(32, 4, 32, 4, -1).mean(axis=(1, 3))
        return small.ravel() - np.median(small)

    means = np.stack([np.mean([seen(c, seed) for seed in range(20)], axis=0) for c in range(CONTENTS)])
    told = [np.linalg.norm(means - seen(c, s), axis=1).argmin() == c for c in range(CONTENTS) for s in range(100, 120)]
    assert np.mean(told) > 0.9  # chance is 0.25


def test_the_picture_elsewhere_stays() -> None:
    picture = micrograph(5, "crack", bar=None).pixels
    for kind in KINDS:
        planted = plant(picture, kind, 1, 4)
        assert np.array_equal(planted.pixels[~planted.mask], picture[~planted.mask])


def test_a_label_has_its_colour_where_the_image_can_show_it() -> None:
    pixels = plant(IMAGES["colour"], "label", 0, 0).pixels.astype(int)
    assert (np.ptp(pixels, axis=-1) > 100).sum() > 100
    for kind in set(KINDS) - {"label"}:
        assert np.ptp(plant(IMAGES["colour"], kind, 0, 0).pixels, axis=-1).max() == 0


@pytest.mark.parametrize(
    ("image", "kind", "content", "wrong"),
    [
        (GREY, "watermark", 0, "'watermark'"),
        (GREY, "text", CONTENTS, "content 4"),
        (GREY, "text", -1, "content -1"),
        (GREY.astype(float), "text", 0, "float64"),
        (GREY[:63], "text", 0, "63, 128"),
        (np.zeros((128, 128, 2), np.uint8), "text", 0, "128, 128, 2"),
    ],
)
def test_what_cannot_be_planted_is_said(image: np.ndarray, kind: str, content: int, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        plant(image, kind, content, 0)
