"""Superpixels and zones: partitions with consecutive labels that follow what they should follow."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions.partitions import consecutive, superpixels, zones


def test_superpixels_follow_an_edge() -> None:
    image = np.zeros((1, 24, 30))
    image[:, :, 13:] = 5.0
    labels = superpixels(image, 6)
    assert labels.shape == (24, 30)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert not set(np.unique(labels[:, :13])) & set(np.unique(labels[:, 13:]))
    assert (superpixels(1000.0 * image - 3, 6) == labels).all()  # whatever the units


def test_superpixels_of_a_stack_and_of_a_constant() -> None:
    rng = np.random.default_rng(0)
    stack = np.zeros((2, 6, 8, 9)) + 0.01 * rng.standard_normal((2, 6, 8, 9))
    stack[:, 3:] += 4.0
    labels = superpixels(stack, 4)
    assert labels.shape == (6, 8, 9)
    assert not set(np.unique(labels[:3])) & set(np.unique(labels[3:]))
    assert superpixels(np.ones((1, 20, 20)), 4).max() + 1 == 4


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 9, 12, 10)])
def test_noise_has_superpixels_as_well(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).standard_normal(shape)
    for count in (4, 20):
        assert count / 2 <= superpixels(noise, count).max() + 1 <= 2 * count


def test_equal_zones() -> None:
    labels = zones(np.zeros((3, 10)), 4)
    assert labels.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    assert zones(np.zeros((1, 5)), 5).tolist() == [0, 1, 2, 3, 4]
    assert zones(np.zeros((1, 5)), 1).tolist() == [0] * 5


def test_zones_with_borders_at_minima_keep_peaks_whole() -> None:
    x = np.arange(90)
    centres = (12, 40, 77)
    spectrum = sum(np.exp(-(((x - c) / 4) ** 2)) for c in centres)[None]
    labels = zones(spectrum, 3, borders="minima")
    assert labels.max() + 1 == 3
    assert [int(labels[c]) for c in centres] == [0, 1, 2]
    for c in centres:
        assert len(np.unique(labels[c - 8 : c + 9])) == 1
    cut = zones(spectrum, 3)  # equal zones cut a peak's flank here or there
    assert any(len(np.unique(cut[c - 12 : c + 13])) > 1 for c in centres)
    for length, count in ((7, 5), (30, 30), (31, 2)):
        noisy = np.random.default_rng(length).standard_normal((1, length))
        assert zones(noisy, count, borders="minima").max() + 1 == count


def test_labels_are_made_consecutive() -> None:
    assert consecutive(np.array([[7, -2], [7, 30]])).tolist() == [[1, 0], [1, 2]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: superpixels(np.zeros((1, 9)), 3), "spectra have zones"),
        (lambda: zones(np.zeros((1, 9, 9)), 3), "images have superpixels"),
        (lambda: zones(np.zeros((1, 9)), 10), "cannot be 10 segments in 9 pixels"),
        (lambda: superpixels(np.zeros((1, 9, 9)), 0), "cannot be 0 segments"),
        (lambda: zones(np.zeros((1, 9)), 3, borders="minimum"), "Did you mean 'minima'"),
        (lambda: superpixels(np.zeros((1, 9, 9)), 3, compactness=0), "above 0"),
    ],
)
def test_what_is_wrong_is_said(call, words) -> None:
    with pytest.raises(RegionError, match=words):
        call()
