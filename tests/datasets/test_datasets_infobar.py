"""Info bars: what they say agrees with the pixel size, and writing is where the masks say."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets import glyphs, micrograph
from matxai_datasets.infobar import STYLES, draw, nice_length

MICROMETRES = {"nm": 1e-3, "µm": 1.0}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("pixel_size", [0.0043, 0.031, 0.4])
def test_the_scale_bar_is_as_long_as_its_label_says(style: str, pixel_size: float) -> None:
    for seed in range(4):
        bar = draw(style, seed, 160, pixel_size)
        columns = np.flatnonzero(bar.scale_bar.any(axis=0))
        number, unit = bar.lines[-1].split()
        labelled = float(number) * MICROMETRES[unit] / pixel_size
        assert columns[-1] - columns[0] + 1 == pytest.approx(labelled, abs=0.51)


@pytest.mark.parametrize("style", STYLES)
def test_writing_has_the_ink_of_its_style_and_is_nowhere_else(style: str) -> None:
    image = micrograph(4, "pore", bar=style)
    look = STYLES[style]
    writing = image.masks["text"] | image.masks["scale_bar"]
    assert (image.pixels[writing] == look.ink).all()
    assert not (image.masks["text"] & image.masks["scale_bar"]).any()
    if look.ground is None:
        assert image.info_bar is None
        assert np.array_equal(image.pixels[~writing], image.picture[~writing])
    else:
        first, last = image.info_bar
        band = np.zeros_like(writing)
        band[first : last + 1] = True
        rest = image.pixels[band & ~writing]
        frame = 0 if look.frame is None else 2 * 160
        assert (rest == look.ground).sum() >= rest.size - frame - 100
        assert not writing[:first].any()


def test_bars_vary_from_image_to_image() -> None:
    assert len({draw("black", seed, 160, 0.05).lines for seed in range(20)}) == 20
    assert draw("grey", 3, 160, 0.05).lines == draw("grey", 3, 160, 0.05).lines


@pytest.mark.parametrize(
    ("pixel_size", "pixels", "expected"),
    [(0.1, 40, (2.0, "2 µm")), (0.005, 40, (0.2, "200 nm")), (0.01, 100, (1.0, "1 µm")), (1.0, 35, (20.0, "20 µm"))],
)
def test_scale_bars_have_round_lengths(pixel_size: float, pixels: float, expected: tuple[float, str]) -> None:
    length, label = nice_length(pixel_size, pixels)
    assert (pytest.approx(length), label) == expected


def test_every_character_has_a_glyph_of_its_own() -> None:
    drawn = {character: glyphs.text(character).tobytes() for character in glyphs.characters()}
    assert len(set(drawn.values())) == len(drawn)
    assert glyphs.text("EHT = 5.0kV", scale=3).shape == (21, 3 * (11 * 6 - 1))
    with pytest.raises(ValueError, match="'ß'"):
        glyphs.text("Maßstab".replace("a", "A"))
