"""Artefacts from one signal to another, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.checks.leak.transplant import Receiver, mirrored, moved_to, nearly_same_place, patch_of
from matxai.errors import RegionError
from matxai.regions import Boxed
from matxai.signals import labelled


def picture(seed: int, shape=(40, 50), dtype=np.uint8, colours: int = 0):
    values = np.random.default_rng(seed).integers(0, 250, (*shape, colours) if colours else shape).astype(dtype)
    return labelled(values, ("y", "x", "c")[: values.ndim])


def box(rows: slice, columns: slice = slice(None), shape=(40, 50)) -> Boxed:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return Boxed.of(mask)


BAR = box(slice(34, 40))


@pytest.mark.parametrize("colours", [0, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_bar_is_copied_bit_for_bit_and_nothing_else_changes(colours, dtype) -> None:
    own, donor = picture(0, dtype=dtype, colours=colours), picture(1, dtype=dtype, colours=colours)
    before = own.values.copy()
    given = Receiver(own, BAR, "info_bar").given(patch_of(donor, BAR))
    assert given.dtype == dtype
    assert np.array_equal(given[34:], donor.values[34:])
    assert np.array_equal(given[:34], own.values[:34])
    assert np.array_equal(own.values, before)


@pytest.mark.parametrize("kind", ["info_bar", "text", "aperture"])
def test_the_own_artefact_changes_nothing(kind) -> None:
    own = picture(0)
    for region in (BAR, None):
        given = Receiver(own, region, kind).given(patch_of(own, region))
        assert np.array_equal(given, own.values)


def test_what_stands_free_moves_to_the_donors_place() -> None:
    own, donor = picture(0), picture(1)
    here, there = box(slice(5, 9), slice(5, 15)), box(slice(28, 32), slice(30, 42))
    given = Receiver(own, here, "label").given(patch_of(donor, there))
    changed = given != own.values
    assert np.array_equal(given[28:32, 30:42], donor.values[28:32, 30:42])
    assert changed[5:9, 5:15].mean() > 0.9  # taken away by a fill
    allowed = np.zeros_like(changed)
    allowed[3:11, 3:17] = allowed[28:32, 30:42] = True  # two pixels of a soft edge go with it
    assert not changed[~allowed].any()


def test_a_donor_without_takes_it_away_and_one_with_brings_it() -> None:
    own, donor = picture(0), picture(1)
    here = box(slice(5, 9), slice(5, 15))
    gone = Receiver(own, here, "label").given(patch_of(donor, None))
    assert (gone != own.values)[5:9, 5:15].mean() > 0.9
    assert np.array_equal(gone[12:], own.values[12:])
    come = Receiver(own, None, "label").given(patch_of(donor, here))
    assert np.array_equal(come[5:9, 5:15], donor.values[5:9, 5:15])
    assert (come != own.values).sum() <= 40


def test_a_bar_that_the_donor_lacks_becomes_the_mirror_image_of_the_picture() -> None:
    own = picture(0)
    given = Receiver(own, BAR, "info_bar").given(patch_of(picture(1), None))
    assert np.array_equal(given[34:], own.values[28:34][::-1])
    assert np.array_equal(given[:34], own.values[:34])
    top = mirrored(own.values, box(slice(1, 4)))
    assert np.array_equal(top[1:4], own.values[4:7][::-1])
    assert mirrored(own.values, box(slice(20, 40))) is None
    assert mirrored(own.values, box(slice(3, 6), slice(4, 9))) is None


def test_bars_in_other_places_do_not_fit() -> None:
    own, donor = picture(0), picture(1)
    assert Receiver(own, BAR, "info_bar").given(patch_of(donor, box(slice(0, 6)))) is None
    assert Receiver(own, BAR, "info_bar").given(patch_of(picture(1, dtype=np.uint16), BAR)) is None
    narrow = picture(1, (40, 30))
    assert Receiver(own, BAR, "info_bar").given(patch_of(narrow, box(slice(34, 40), shape=(40, 30)))) is None


def test_a_finder_that_erred_by_a_row_loses_nothing() -> None:
    own, donor = picture(0), picture(1)
    given = Receiver(own, BAR, "info_bar").given(patch_of(donor, box(slice(35, 40))))
    assert np.array_equal(given[34:], donor.values[34:])
    assert nearly_same_place(BAR, box(slice(32, 40)))
    assert not nearly_same_place(BAR, box(slice(31, 40)))


def test_places_keep_their_distance_to_the_nearer_edge() -> None:
    corner = box(slice(30, 35), slice(40, 48))
    moved = moved_to(corner, (60, 80))
    assert (moved.box[0], moved.box[1]) == (slice(50, 55), slice(70, 78))
    assert moved_to(box(slice(2, 5), slice(3, 6)), (20, 20)).box == (slice(2, 5), slice(3, 6))
    assert moved_to(BAR, (60, 50)).box[0] == slice(54, 60)
    assert moved_to(BAR, (40, 60)) is None


def test_equal_artefacts_have_one_key() -> None:
    one, other = picture(0), picture(1)
    other.values[34:] = one.values[34:]
    assert patch_of(one, BAR).key == patch_of(other, BAR).key
    assert patch_of(one, BAR).key != patch_of(picture(2), BAR).key
    assert patch_of(one, BAR).key != patch_of(one, box(slice(33, 40))).key


def test_a_region_of_another_size_is_refused() -> None:
    with pytest.raises(RegionError, match=r"is of a signal of \(40, 50\), the signal is \(30, 30\)"):
        patch_of(picture(0, (30, 30)), BAR)
