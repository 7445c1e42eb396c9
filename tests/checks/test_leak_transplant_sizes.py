"""What is tied to its edge can be exchanged between signals that have it in different sizes."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets import plant

from matxai.checks.leak.transplant import Receiver, inner_rectangle, mirrored, over_one_another, patch_of
from matxai.regions import Boxed
from matxai.signals import labelled

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(60, 200, (96, 128)).astype(np.uint8) for _ in range(2)]


def _with(picture: np.ndarray, kind: str, content: int):
    planted = plant(picture, kind, content, 0)
    return labelled(planted.pixels, ("y", "x")), Boxed.of(planted.mask)


@pytest.mark.parametrize(("kind", "thin", "thick"), [("info_bar", 0, 3), ("border", 0, 1)])
def test_a_thick_one_covers_a_thin_one_and_the_picture_stays(kind: str, thin: int, thick: int) -> None:
    own, region = _with(PICTURES[0], kind, thin)
    donor, place = _with(PICTURES[1], kind, thick)
    got = Receiver(own, region, kind).given(patch_of(donor, place))
    assert got is not None
    assert np.array_equal(got, plant(PICTURES[0], kind, thick, 0).pixels)


@pytest.mark.parametrize(("kind", "thin", "thick"), [("info_bar", 0, 3), ("border", 0, 1)])
def test_a_thin_one_leaves_no_rest_of_a_thick_one(kind: str, thin: int, thick: int) -> None:
    own, region = _with(PICTURES[0], kind, thick)
    donor, place = _with(PICTURES[1], kind, thin)
    got = Receiver(own, region, kind).given(patch_of(donor, place))
    assert got is not None
    where, rest = place.mask(), region.mask() & ~place.mask()
    assert np.array_equal(got[where], donor.values[where])
    assert np.array_equal(got[~region.mask()], PICTURES[0][~region.mask()])
    assert got[rest].min() >= 60  # of the picture: neither the ink of the own, 0 and 255, nor the donor's picture
    assert got[rest].max() < 200
    inside = PICTURES[0][~region.mask()]
    assert abs(got[rest].mean() - inside.mean()) < 5


def test_a_bar_along_the_other_edge_is_not_exchanged() -> None:
    own, region = _with(PICTURES[0], "info_bar", 0)
    donor, place = _with(PICTURES[1], "info_bar", 1)
    turned = donor.copy(data=donor.values[::-1])
    top = Boxed.of(place.mask()[::-1].copy())
    assert not over_one_another(region, top)
    assert Receiver(own, region, "info_bar").given(patch_of(turned, top)) is None


def test_a_frame_is_replaced_by_its_mirror_image() -> None:
    values = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24)
    mask = np.ones(values.shape, bool)
    mask[2:17, 1:20] = False
    assert inner_rectangle(Boxed.of(mask)) == (slice(2, 17), slice(1, 20))
    done = mirrored(values, Boxed.of(mask))
    assert done is not None
    assert np.array_equal(done[2:17, 1:20], values[2:17, 1:20])
    assert np.array_equal(done[:2], done[2:4][::-1])
    assert np.array_equal(done[17:], done[14:17][::-1])
    assert np.array_equal(done[:, 20:], done[:, 16:20][:, ::-1])
    colour = np.stack([values] * 3, axis=-1)
    assert np.array_equal(mirrored(colour, Boxed.of(mask))[..., 1], done)


def test_what_is_no_frame_is_not_mirrored() -> None:
    values = np.arange(400, dtype=np.uint8).reshape(20, 20)
    blob = np.zeros((20, 20), bool)
    blob[5:9, 5:9] = True
    assert mirrored(values, Boxed.of(blob)) is None
    wide = np.ones((20, 20), bool)
    wide[7:13, 7:13] = False
    assert mirrored(values, Boxed.of(wide)) is None  # more than a quarter of the axis on each side
    assert inner_rectangle(Boxed.of(np.ones((20, 20), bool))) is None
