"""Round lengths in the unit that reads best."""

from __future__ import annotations

import math

import pytest

from matxai.report.scalebar import length_label, metres_per, scale_bar, short_unit


@pytest.mark.parametrize("pixel", [10.0**e * f for e in range(-12, 1) for f in (1.0, 1.37, 4.2, 9.99)])
def test_every_bar_is_one_two_or_five_and_fills_a_tenth_to_a_quarter(pixel):
    bar = scale_bar(1024, pixel, "m")
    length = bar.pixels * pixel
    mantissa = length / 10 ** math.floor(math.log10(length) + 1e-9)
    assert min(abs(mantissa - r) for r in (1.0, 2.0, 5.0)) < 1e-6
    assert 0.1 * 1024 * 0.999 <= bar.pixels <= 0.25 * 1024 * 1.001
    number, unit = bar.label.split()
    assert float(number) * metres_per({"µm": "um"}.get(unit, unit)) == pytest.approx(length)


def test_units_that_are_no_length_keep_their_word():
    assert scale_bar(512, 0.01, "1/nm").label == "1 nm⁻¹"
    assert scale_bar(300, 1.0, "pixel").label == "50 px"
    assert scale_bar(100, 1.0, "bogus").label == "20 bogus"
    assert short_unit("degree") == "°"


def test_lengths_take_the_prefix_that_reads_best():
    assert length_label(2.1e-6, "m") == "2.1 µm"
    assert length_label(0.9999999, "um") == "1 µm"
    assert length_label(41.6, "nm") == "41.6 nm"
    assert length_label(32, "pixel") == "32 px"
    assert length_label(0.24, "degree") == "0.24 °"
    assert length_label(12.0, "") == "12"
