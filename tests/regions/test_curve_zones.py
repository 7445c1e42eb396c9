"""Curves divided into zones: peaks with their feet, shoulders, doublets, zones of an edge, bands; nothing twice."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import CurveZones, divided
from matxai.regions.zonings import place_said

RNG = np.random.default_rng
PEAKS = [(28.44, 1000.0, 0.15), (47.30, 600.0, 0.18), (56.10, 350.0, 0.20), (56.50, 200.0, 0.20), (69.10, 60.0, 0.22)]


def bell(x: np.ndarray, place: float, height: float, fwhm: float) -> np.ndarray:
    return height * np.exp(-4 * np.log(2) * ((x - place) / fwhm) ** 2)


@pytest.fixture(scope="module")
def pattern() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Axis, counts, and the background that is under them: a hump and a level."""
    x = np.arange(20, 80, 0.02)
    below = 100 + bell(x, 25, 80, 13)
    return x, RNG(0).poisson(below + sum(bell(x, *p) for p in PEAKS)), below


def test_every_point_of_a_pattern_has_one_zone_or_the_background(pattern: tuple[np.ndarray, ...]) -> None:
    x, counts, below = pattern
    found = divided(counts, x, dim="two_theta")
    assert [z.kind for z in found.zones] == ["peak"] * 5
    whole = np.sum([z.mask for z in found.zones], axis=0)
    assert whole.max() == 1
    assert np.array_equal(whole == 0, found.background)
    for zone, (place, height, fwhm) in zip(found.zones, PEAKS, strict=True):
        assert zone.evidence["position"] == pytest.approx(place, abs=0.03)
        assert zone.evidence["fwhm"] == pytest.approx(fwhm, rel=0.35)
        noise = np.sqrt(height + 120)
        assert zone.evidence["height"] == pytest.approx(height, abs=4 * noise)
        assert zone.mask[np.argmin(np.abs(x - place))]
    # a peak's zone holds nearly all of its counts, and the baseline is the background's
    strong = found.zones[0]
    net = (counts - below)[strong.mask].sum()
    assert net == pytest.approx(1000 * 0.15 * np.sqrt(np.pi / np.log(2)) / 2 / 0.02, rel=0.05)
    assert np.median(np.abs(found.baseline - below)) < 4


def test_overlapping_peaks_are_split_at_the_minimum_between_them() -> None:
    x = np.arange(50, 60, 0.02)
    exact = 50 + bell(x, 56.1, 3500, 0.2) + bell(x, 56.4, 2000, 0.2)
    left, right = divided(RNG(0).poisson(exact), x).zones
    border = (left.evidence["right"] + right.evidence["left"]) / 2
    between = (x > 56.1) & (x < 56.4)
    assert np.flatnonzero(right.mask)[0] == np.flatnonzero(left.mask)[-1] + 1  # they touch
    assert border == pytest.approx(x[between][np.argmin(exact[between])], abs=0.04)


def test_a_shoulder_is_a_zone_of_its_own_beside_its_peak() -> None:
    x = np.arange(0, 100, 0.1)
    y = bell(x, 50, 1000, 4) + bell(x, 46.5, 450, 4) + 10
    found = divided(y + RNG(0).standard_normal(x.size), x)
    assert [z.kind for z in found.zones] == ["shoulder", "peak"]
    shoulder, peak = found.zones
    assert shoulder.evidence["position"] == pytest.approx(46.5, abs=0.8)
    assert peak.evidence["position"] == pytest.approx(x[np.argmax(y)], abs=0.1)
    assert not (shoulder.mask & peak.mask).any()


def test_two_peaks_of_a_known_split_are_one_doublet() -> None:
    x = np.arange(700, 740, 0.1)
    y = 2000 + 40 * (x - 700) + bell(x, 710.8, 3000, 2.5) + bell(x, 724.4, 1500, 2.8) + bell(x, 718.8, 500, 3)
    counts = RNG(0).poisson(y)
    single = divided(counts, x, dim="binding_energy")
    assert [z.kind for z in single.zones] == ["peak"] * 3
    pair, satellite = divided(counts, x, dim="binding_energy", doublets=[(13.6, 0.5)]).zones
    assert (pair.kind, satellite.kind) == ("doublet", "peak")
    assert np.array_equal(pair.mask, single.zones[0].mask | single.zones[2].mask)
    assert pair.evidence["positions"] == pytest.approx((710.8, 724.4), abs=0.2)
    assert [z.kind for z in divided(counts, x, doublets=[(20.0, 0.5)]).zones] == ["peak"] * 3
    with pytest.raises(RegionError, match="distance above 0"):
        divided(counts, x, doublets=[(-1.0, 0.5)])


def absorption(e0: float, pre: float, white: float, *, slope: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """An edge as scans have it: coarse before, fine at it, coarser again behind."""
    energy = np.concatenate([
        np.arange(e0 - 200, e0 - 20, 5), np.arange(e0 - 20, e0 + 30, 0.25), np.arange(e0 + 30, e0 + 600, 2.0)
    ])  # fmt: skip
    off = energy - e0
    curve = 0.5 + np.arctan(off / 1.0) / np.pi + pre * np.exp(-(((off + 12) / 1.2) ** 2))
    curve += white * np.exp(-(((off - 5) / 3.0) ** 2)) + slope * off
    k = np.sqrt(np.clip(off, 0, None) * 0.2625)
    return energy, curve + np.where(off > 30, 0.1 * np.sin(5 * k) * np.exp(-k / 5), 0) + 2


@pytest.mark.parametrize(("pre", "slope"), [(0.0, 0.0), (0.6, 0.0), (0.05, -0.004), (0.0, 0.0005)])
def test_the_zones_of_an_edge_lie_around_e0_even_beside_a_high_pre_edge_peak(pre: float, slope: float) -> None:
    energy, curve = absorption(7120.0, pre, 0.4, slope=slope)
    found = divided(curve + 1e-3 * RNG(0).standard_normal(energy.size), energy, dim="energy")
    assert found.how == "edge"
    assert [z.kind for z in found.zones] == ["pre_edge", "white_line", "post_edge", "exafs"]
    zone = {z.kind: z for z in found.zones}
    e0 = zone["exafs"].evidence["e0"]
    assert e0 == pytest.approx(7120.5, abs=1.0)  # the white line's flank pulls the steepest point up
    assert zone["pre_edge"].evidence["left"] == pytest.approx(e0 - 20, abs=0.3)
    assert zone["exafs"].evidence["left"] == pytest.approx(e0 + 50, abs=2.1)
    assert zone["white_line"].evidence["position"] == pytest.approx(7125, abs=1.5)
    if pre > 0.1:
        assert zone["pre_edge"].evidence["position"] == pytest.approx(7108, abs=0.5)
        assert zone["pre_edge"].mask[np.argmin(np.abs(energy - 7108))]
    assert found.background[energy < e0 - 20].all()
    assert not found.background[energy >= e0 - 20].any()


def test_an_axis_of_energy_with_lines_is_divided_by_peaks() -> None:
    x = np.arange(0.1, 10, 0.01)
    y = 50 + bell(x, 2, 200, 4) + bell(x, 6.4, 3000, 0.13) + bell(x, 1.74, 800, 0.09)
    found = divided(RNG(0).poisson(y), x, dim="energy")
    assert found.how == "peaks"
    assert [z.evidence["position"] for z in found.zones] == pytest.approx([1.74, 6.4], abs=0.02)


def test_an_axis_of_frequency_has_octaves_or_the_bands_that_are_named() -> None:
    axis = np.fft.rfftfreq(2000, 1e-6)
    found = divided(RNG(0).random(1001), axis, dim="frequency")
    assert {z.kind for z in found.zones} == {"band"}
    for low, high in zip(found.zones, found.zones[1:], strict=False):
        assert high.evidence["left"] == pytest.approx(low.evidence["right"])
        assert high.evidence["right"] / high.evidence["left"] == pytest.approx(2)
    named = divided(RNG(0).random(1001), axis, how="bands", bands=[(1e5, 2e5), (3e5, 4e5)])
    assert [int(z.mask.sum()) for z in named.zones] == [200, 200]
    with pytest.raises(RegionError, match="overlaps"):
        divided(RNG(0).random(1001), axis, how="bands", bands=[(1e5, 2e5), (1.5e5, 4e5)])
    with pytest.raises(RegionError, match="holds no point"):
        divided(RNG(0).random(1001), axis, how="bands", bands=[(1e9, 2e9)])


def test_the_noise_of_a_zone_is_that_which_somebody_gives(pattern: tuple[np.ndarray, ...]) -> None:
    x, counts, _ = pattern
    zone = divided(counts, x, sigma=np.full(x.size, 50.0), least=1.5).zones[0]
    assert zone.evidence["snr"] == pytest.approx(zone.evidence["height"] / 50)


def test_a_flat_curve_is_all_background_and_bad_input_is_said_in_a_sentence() -> None:
    found = divided(RNG(0).standard_normal(500))
    assert isinstance(found, CurveZones)
    assert not found.zones
    assert found.background.all()
    curve = np.arange(20.0)
    with pytest.raises(RegionError, match="ascend"):
        divided(curve, curve[::-1])
    with pytest.raises(RegionError, match="no way of dividing a curve 'edges'"):
        divided(curve, how="edges")
    with pytest.raises(RegionError, match="outside of the curve"):
        divided(curve, curve, e0=99.0)
    with pytest.raises(RegionError, match="No absorption edge"):
        divided(np.ones(200), np.arange(200.0), how="edge")
    with pytest.raises(RegionError, match="NaN"):
        divided(np.where(curve == 3, np.nan, curve))
    with pytest.raises(RegionError, match="noise of 20 points"):
        divided(curve, sigma=np.ones(3))


def test_names_say_a_place_to_no_more_digits_than_the_axis_has() -> None:
    for step, wanted in ((1.9, "712.1"), (0.01, "712.146"), (0.02, "712.146"), (25.0, "712")):
        assert place_said(712.14649, np.arange(100.0, 1800.0, step)) == wanted
