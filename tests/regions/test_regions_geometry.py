"""Regions by construction have the sizes that their formulas say."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from matxai.errors import RegionError
from matxai.regions import (
    Region,
    boundaries,
    complement,
    disc,
    localised,
    map_objects,
    of_labels,
    plastic_zone,
    superpixels,
)

FINE = 1e-7  # metres: a zone of 60 micrometres has 600 pixels


def test_a_disc_is_round_in_physical_units():
    found = disc((100, 200), (50, 100), 30.0, spacing=(1.0, 0.5))
    y, x = np.mgrid[:100, :200]
    np.testing.assert_array_equal(found.mask, (y - 50.0) ** 2 + (0.5 * (x - 100)) ** 2 <= 900)
    assert disc((9, 9, 9), (4, 4, 4), 1.0).area == 7


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "irwin"}, np.pi * (1 / (2 * np.pi)) ** 2),
        ({"model": "irwin", "state": "plane_strain"}, np.pi * (1 / (6 * np.pi)) ** 2),
        # the integral of r(t)^2 / 2 over the circle, with r(t) = (a (1 + cos t) + 3/2 sin^2 t) / (4 pi)
        ({}, None),
        ({"state": "plane_strain", "poisson": 0.25}, None),
    ],
)
@pytest.mark.parametrize("direction", [0.0, 33.0])
def test_plastic_zones_have_the_area_of_their_formula(options, expected, direction):
    intensity, stress = 10.0, 500.0  # (K / s)^2 = 4e-4 m, a zone of some 64 micrometres
    pixel = 5e-7
    zone = plastic_zone((500, 500), (250, 250), direction, intensity, stress, spacing=pixel, **options)
    if expected is None:
        a = 1.0 if "state" not in options else (1 - 2 * options["poisson"]) ** 2
        t = np.linspace(0, 2 * np.pi, 100_001)
        expected = trapezoid(((a * (1 + np.cos(t)) + 1.5 * np.sin(t) ** 2) / (4 * np.pi)) ** 2 / 2, t)
    assert zone.area * pixel**2 == pytest.approx(expected * (intensity / stress) ** 4, rel=0.01)
    centre = np.array([i.mean() for i in zone.mask.nonzero()]) - 250
    assert np.rad2deg(np.arctan2(*centre)) == pytest.approx(direction, abs=2.0)
    assert zone.kind == "plastic_zone"


def test_boundaries_are_bands_of_the_width_asked_for():
    labels = np.ones((40, 60), int)
    labels[:, 30:] = 2
    np.testing.assert_array_equal(np.flatnonzero(boundaries(labels, 4.0).mask[0]), [28, 29, 30, 31])
    np.testing.assert_array_equal(np.flatnonzero(boundaries(labels, 2.0, spacing=0.5).mask[0]), [28, 29, 30, 31])
    labels[:, :10] = 0
    band = boundaries(labels, 2.0, ignore=0).mask
    np.testing.assert_array_equal(np.flatnonzero(band[5]), [29, 30])
    with pytest.raises(RegionError, match="no boundary"):
        boundaries(np.ones((5, 5), int), 1.0)


def test_label_images_and_complements():
    labels = np.array([[0, 1, 1], [0, 3, 3]])
    one, three = of_labels(labels, names=["pore", "crack", "phase"])
    assert [r.evidence["label"] for r in (one, three)] == ["pore", "phase"]
    np.testing.assert_array_equal(complement(one).mask, labels != 1)
    with pytest.raises(RegionError, match="the number 3"):
        of_labels(labels, names=["pore"])
    with pytest.raises(RegionError, match="nothing but background"):
        of_labels(np.zeros((3, 3), int))
    with pytest.raises(RegionError, match="float"):
        of_labels(np.zeros((3, 3)))


def test_every_superpixel_is_a_region_and_none_is_background():
    image = np.kron(np.array([[[0.0, 1.0], [2.0, 3.0]]]), np.ones((1, 12, 12)))
    parts = superpixels(image, 4)
    found = of_labels(parts, source="superpixels", kind="superpixel", background=None)
    assert {r.kind for r in found} == {"superpixel"}
    np.testing.assert_array_equal(np.sum([r.mask for r in found], axis=0), 1)
    assert len(of_labels(parts)) == len(found) - 1


def test_objects_of_a_map_come_with_boxes_and_centres():
    values = np.zeros((30, 40))
    values[5:9, 10:16] = 1.0
    values[20:23, 30:33] = 3.0
    values[25, 2] = np.nan
    values[28:30, 0:4] = -9.0
    first, second = map_objects(values, 0.3)
    assert first.evidence["box"] == [[20, 22], [30, 32]]
    assert first.evidence["relevance"] == 27.0
    assert second.evidence["centre"] == [6.5, 12.5]
    assert [r.area for r in map_objects(values)] == [9]  # between two levels, Otsu's lies
    (against,) = map_objects(values, negative=True)
    assert against.area == 8
    assert len(map_objects(values, 0.3, least=10)) == 1
    with pytest.raises(RegionError, match="no positive value"):
        map_objects(-np.abs(values))
    with pytest.raises(RegionError, match="share of its largest"):
        map_objects(values, 1.5)


def test_localisation_in_physical_units():
    truth, found = np.zeros((2, 30, 40), bool)
    truth[10:20, 10:20] = True
    found[10:20, 15:25] = True
    result = localised(Region(found, "map_object", "map"), truth, spacing=(0.2, 0.1), unit="um")
    assert (result.iou, result.box_iou) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert result.offset == pytest.approx((0.0, 0.5))
    assert (result.distance, result.unit) == (pytest.approx(0.5), "um")
    apart = np.zeros((30, 40), bool)
    apart[0, 0] = True
    assert localised(apart, truth).box_iou == 0.0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: disc((9, 9), (4, 4), 0.0), "positive radius"),
        (lambda: disc((9, 9), (4, 4, 4), 1.0), "none of an image with 2 axes"),
        (lambda: disc((9, 9), (40, 40), 2.0), "covers no pixel"),
        (lambda: disc((9, 9), (4, 4), 2.0, spacing=(1.0, -1.0)), "no pixel size"),
        (lambda: disc((9, 9), (4, 4), 99.0), "covers the whole"),
        (lambda: plastic_zone((9, 9), (4, 4), 0, -1.0, 500.0, spacing=FINE), "positive stress intensity"),
        (lambda: plastic_zone((9, 9), (4, 4), 0, 1.0, 5.0, spacing=FINE, state="plane"), "no state 'plane'"),
        (lambda: boundaries(np.zeros((3, 3)), 1.0), "integers, one for each grain"),
        (lambda: localised(np.ones((3, 3), bool), np.zeros((3, 3), bool)), "with pixels in both"),
        (lambda: localised(np.eye(3, dtype=bool), np.eye(3, dtype=bool), spacing=(1, 2, 3)), "no pixel size"),
    ],
)
def test_what_cannot_be_gets_a_sentence(call, sentence):
    with pytest.raises(RegionError, match=sentence):
        call()
