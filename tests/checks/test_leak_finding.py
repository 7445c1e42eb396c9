"""The artefacts of a folder: one for a kind, constant or not, and what only the folder shows."""

import threading

import numpy as np
import pytest
from matxai_datasets import glyphs
from scipy.ndimage import gaussian_filter

from matxai.checks.labelled import LabelledSet
from matxai.checks.leak import artefacts_of, looked_for
from matxai.errors import Cancelled, RegionError
from matxai.signals import labelled

SIDE = 96


def ground(seed, shape=(SIDE, SIDE)):
    rng = np.random.default_rng(seed)
    grains = gaussian_filter(rng.normal(size=shape), 3)
    return np.clip(120 + 25 * grains / grains.std() + rng.normal(0, 3, shape), 1, 254).astype(np.uint8)


def write(image, line, top, left, level=255):
    ink = glyphs.text(line)
    image[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = level


def set_of(images, labels=None, groups=None, **attrs):
    signals = [labelled(a, ("y", "x") if a.ndim == 2 else ("y",), attrs=attrs) for a in images]
    if labels is None:
        labels = np.arange(len(images)) % 2
    names = tuple(f"{i}.png" for i in range(len(images)))
    return LabelledSet(names, np.asarray(labels), ("a", "b"), signals.__getitem__, groups)


def test_numbers_that_differ_are_one_text_that_varies():
    images = [ground(i) for i in range(8)]
    for i, image in enumerate(images):
        write(image, f"RUN {i * 37:03d}", 5, 6)
    (text,) = artefacts_of(set_of(images), kinds=["text"])
    assert (text.name, text.kind, text.source, text.constant) == ("text", "text", "pixels", False)
    assert text.present.all()
    for region, image in zip(text.regions, images, strict=True):
        np.testing.assert_array_equal(region.mask(), image == 255)


def test_the_same_stamp_of_words_in_all_is_constant():
    images = [ground(i) for i in range(6)]
    for image in images:
        write(image, "LAB 7", 5, 6)
    found = artefacts_of(set_of(images))
    assert [(a.name, a.constant) for a in found] == [("text", True)]  # and its pixels are not named twice
    write(images[3], "8", 5, 30, 0)
    assert not artefacts_of(set_of(images), kinds=["text"])[0].constant


def test_two_places_in_every_image_are_two_artefacts_and_a_place_that_changes_is_one():
    images = [ground(i) for i in range(6)]
    for i, image in enumerate(images):
        write(image, f"RUN {i}1{i}", 5, 6)
        write(image, f"LAB {i}", 84, 50)
    assert [a.name for a in artefacts_of(set_of(images), kinds=["text"])] == ["text", "text 2"]
    images = [ground(i) for i in range(6)]
    for i, image in enumerate(images):
        write(image, f"RUN {i}1{i}", *((5, 6) if i % 2 else (84, 40)))
    (text,) = artefacts_of(set_of(images), kinds=["text"])
    assert text.present.all()


def test_a_single_finding_in_many_images_is_left_out():
    images = [ground(i) for i in range(41)]
    write(images[7], "RUN 123", 5, 6)
    assert artefacts_of(set_of(images), kinds=["text"]) == []
    (text,) = artefacts_of(set_of(images[4:12]), kinds=["text"])  # one in eight is not few
    assert text.present.tolist() == [i == 3 for i in range(8)]


def test_what_the_instrument_states_and_several_sizes():
    images = [ground(i, (SIDE, SIDE + 32 * (i % 2))) for i in range(6)]
    for image in images:
        image[80:] = 0
        write(image, "5kV", 84, 8)
    (bar,) = artefacts_of(set_of(images, info_bar=[80, 95]), kinds=["info_bar"])
    assert bar.source == "instrument's tag"
    assert [r.shape for r in bar.regions] == [a.shape for a in images]
    assert not bar.constant  # two sizes are two places


def test_pixels_that_never_vary_are_found_and_only_those():
    images = [ground(i) for i in range(8)]
    for image in images:
        image[40:44, 60:64] = image[40:44, 60:64] // 64 * 0 + np.arange(16).reshape(4, 4) + 90
    (patch,) = artefacts_of(set_of(images), kinds=["never_varies"])
    assert patch.constant
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[40:44, 60:64] = True
    np.testing.assert_array_equal(patch.regions[0].mask(), wanted)
    same = [ground(1)] * 8
    assert artefacts_of(set_of(same), kinds=["never_varies"]) == []


def test_spectra_are_searched_by_their_own_finders():
    rng = np.random.default_rng(0)
    spectra = [np.r_[np.zeros(12), 5 + rng.random(50)] for _ in range(6)]
    found = artefacts_of(set_of(spectra))
    (padding,) = [a for a in found if a.kind == "padding"]
    assert padding.constant
    assert padding.regions[0].box == (slice(0, 12),)
    assert not [a for a in found if a.kind == "never_varies"]  # it is said once
    assert "never_varies" in looked_for(1)
    assert {"text", "scale_bar", "info_bar", "class_difference"} <= set(looked_for(2))
    assert "text" not in looked_for(1)


def test_gaps_in_spectra_hide_nothing_that_is_found():
    rng = np.random.default_rng(1)
    spectra = [np.r_[np.zeros(12), 5 + rng.random(50)] for _ in range(6)]
    whole = artefacts_of(set_of(spectra))
    for spectrum in spectra:
        spectrum[40:43] = np.nan
    spectra[2][:] = np.nan
    found = artefacts_of(set_of(spectra))
    assert (
        [a.kind for a in found if a.kind == "padding"] == [a.kind for a in whole if a.kind == "padding"] == ["padding"]
    )
    (padding,) = (a for a in found if a.kind == "padding")
    assert [r.mask().sum() for k, r in enumerate(padding.regions) if k != 2] == [12] * 5


def shaded(n, strength, seed=0, groups=None):
    """Images of two classes, those of the second with a faint shadow along the left border."""
    labels = np.arange(n) % 2 if groups is None else np.asarray(groups) % 2
    images = []
    for i in range(n):
        image = ground(1000 * seed + i).astype(float)
        if labels[i]:
            image[:, :6] -= strength
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images, labels


def test_classes_that_differ_at_a_border_are_told_and_drawn():
    images, labels = shaded(40, 45.0)
    (shade,) = artefacts_of(set_of(images, labels), kinds=["class_difference"])
    mask = shade.regions[0].mask()
    assert mask[:, :6].mean() > 0.7
    assert mask[:, 12:].sum() == 0  # a piece of a line is 12 columns
    assert shade.evidence["96x96"]["p"] <= 0.01


def test_chance_and_content_make_no_class_difference():
    rng = np.random.default_rng(5)
    for seed in range(2):
        images, _ = shaded(24, 0.0, seed + 1)
        assert artefacts_of(set_of(images, rng.integers(0, 2, 24)), kinds=["class_difference"]) == []
    images, labels = shaded(40, 0.0)
    for i, image in enumerate(images):  # one class has a band of another phase, wherever it lies, the border too
        if labels[i]:
            image[:, rng.integers(0, 80) :][:, :16] //= 2
    assert artefacts_of(set_of(images, labels), kinds=["class_difference"]) == []
    groups = np.repeat(np.arange(4), 10)  # four specimens: no permutation of them is rare enough
    images, labels = shaded(40, 45.0, groups=groups)
    assert artefacts_of(set_of(images, labels, groups), kinds=["class_difference"]) == []


def test_a_wrong_kind_is_named_and_a_cancelled_call_stops():
    data = set_of([ground(i) for i in range(3)])
    with pytest.raises(RegionError, match=r"no kind of artefact 'scalebar'.*scale_bar"):
        artefacts_of(data, kinds=["scalebar"])
    cancel = threading.Event()
    seen = []

    def progress(done, total, label):
        seen.append((done, total, label))
        cancel.set()

    with pytest.raises(Cancelled, match="after 1 of 3"):
        artefacts_of(data, progress=progress, cancel=cancel)
    assert seen == [(1, 3, "artefacts")]


def test_an_instrument_of_another_picture_names_the_signal():
    with pytest.raises(RegionError, match=r"^0\.png: .*outside the image of 96 rows"):
        artefacts_of(set_of([ground(0), ground(1)], info_bar=[700, 760]))
